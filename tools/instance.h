// The parts of one instance, opened in the order in which they need each other. Wiring only: no rule lives here.
#pragma once

#include <memory>

#include "ca/authority.h"
#include "hsm/signature_journal.h"
#include "hsm/token.h"
#include "store/store.h"
#include "tools/config.h"

namespace hallmark {

// The token of a configuration, with its PIN read. `environment_pin`: the value of HALLMARK_PIN, empty when unset;
// `credentials_directory`: $CREDENTIALS_DIRECTORY.
struct PinEnvironment {
  Secret environment_pin;
  std::filesystem::path credentials_directory;
};
PinEnvironment ReadPinEnvironment();  // for main
StatusOr<std::shared_ptr<Token>> OpenToken(const Config& config, PinEnvironment environment);

class Instance {
 public:
  // Opens the policies, the token, the store and every authority. Errors say which part failed and what to do.
  // kNotFound (FILE_UNREADABLE): there is no database; a service that made an empty one would hide that it was lost.
  static StatusOr<std::unique_ptr<Instance>> Open(const Config& config, PinEnvironment environment);

  // The same, with a new database.
  static StatusOr<std::unique_ptr<Instance>> Create(const Config& config, PinEnvironment environment);

  const Config& config() const { return config_; }
  const std::shared_ptr<Token>& token() const { return token_; }
  Store& store() const { return *store_; }
  const Clock& clock() const { return clock_; }
  const ProfileMap& profiles() const { return profiles_; }
  const IssuerMap& issuers() const { return issuers_; }
  CertificateAuthority& authority() { return *authority_; }

  // The key at `key_uri` on the token, its signatures journalled when the configuration says so.
  StatusOr<std::shared_ptr<const SigningKey>> OpenKey(const std::string& name, const std::string& key_uri) const;
  // Reads the authorities again, after one was founded.
  Status ReloadIssuers();

 private:
  explicit Instance(Config config) : config_(std::move(config)) {}
  Status OpenParts(PinEnvironment environment);

  const Config config_;
  const SystemClock clock_;
  ProfileMap profiles_;
  std::unique_ptr<const Access> access_;
  std::shared_ptr<Token> token_;
  std::shared_ptr<SignatureJournal> journal_;
  std::unique_ptr<Store> store_;
  IssuerMap issuers_;
  std::unique_ptr<CertificateAuthority> authority_;
};

}  // namespace hallmark
