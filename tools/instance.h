// The parts of one instance, opened in the order in which they need each other. Wiring only: no rule lives here.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ca/lifecycle.h"
#include "hsm/signature_journal.h"
#include "hsm/spread_signer.h"
#include "store/store.h"
#include "tools/config.h"
#include "tools/configured_tokens.h"

namespace hallmark {

// Told of what the HSM does, for metrics and the log; must be quick, and may be called by several threads.
struct HsmObservers {
  ConfiguredTokens::Observer token;  // of each loss and return of a token
  // Of each loss and return of a copy of an authority's key.
  std::function<void(const std::string& authority, const ReplicaHealth& copy)> key;
};

class Instance {
 public:
  // Opens the policies, the tokens, the store and every authority. Errors say which part failed and what to do. A token
  // that is away is none: it is found when it is back.
  // kNotFound (FILE_UNREADABLE): there is no database; a service that made an empty one would hide that it was lost.
  static StatusOr<std::unique_ptr<Instance>> Open(const Config& config, const PinEnvironment& environment,
                                                  HsmObservers observers);

  // The same, with a new database.
  static StatusOr<std::unique_ptr<Instance>> Create(const Config& config, const PinEnvironment& environment,
                                                    HsmObservers observers);

  const Config& config() const { return config_; }
  const ConfiguredTokens& tokens() const { return *tokens_; }
  Store& store() const { return *store_; }
  const Clock& clock() const { return clock_; }
  const Policies& policies() const { return *policies_; }
  Issuers& issuers() const { return *issuers_; }
  CertificateAuthority& authority() { return *authority_; }
  Lifecycle& lifecycle() { return *lifecycle_; }

  // The policies that were not in force when the instance was closed.
  const std::vector<PolicyRecord>& news() const { return news_; }
  // Reads policies/ anew and puts it in force, see CertificateAuthority::PutInForce; a bad file leaves what was good.
  StatusOr<std::vector<PolicyRecord>> ReloadPolicies() const;

  // The key of an authority: its signatures are spread over the copies that its URIs name, and journalled when the
  // configuration says so. With a certificate it needs no token to be there; a copy with another key than the
  // certificate's is refused.
  StatusOr<std::shared_ptr<const SigningKey>> OpenKey(const AuthorityRecord& record) const;

  // The tokens as the OCSP responders see them. The instance outlives them. Their keys certify nothing and sign for
  // anybody who asks, who could fill the disk with the journal: they are not journalled.
  Tokens MakeResponderTokens() const;

  // Reads the attributes of every authority's key anew; a copy that fails is not used from then on. For a regular
  // watch.
  void ExamineKeys(const std::atomic<bool>& stopping) const;

  // How the copies of the authorities' keys do.
  struct KeyHealth {
    std::string authority;
    ReplicaHealth copy;
  };
  std::vector<KeyHealth> CheckKeys() const;

 private:
  Instance(Config config, HsmObservers observers) : config_(std::move(config)), observers_(std::move(observers)) {}
  Status OpenParts(const PinEnvironment& environment);
  Status OpenAuthorities();
  Tokens MakeTokens() const;
  StatusOr<std::shared_ptr<Token>> FindToken(const std::string& name) const;
  StatusOr<SignerOptions> SignerOptionsOf(const AuthorityRecord& record) const;
  StatusOr<std::shared_ptr<SpreadSigner>> OpenCopies(const AuthorityRecord& record) const;
  StatusOr<std::shared_ptr<SpreadSigner>> OpenAndWatch(const AuthorityRecord& record) const;

  struct OpenedKey {
    std::string authority;
    std::weak_ptr<const SpreadSigner> signer;
  };
  std::vector<std::pair<std::string, std::shared_ptr<const SpreadSigner>>> OpenedKeys() const;

  const Config config_;
  const HsmObservers observers_;
  const SystemClock clock_;
  std::unique_ptr<Policies> policies_;
  std::vector<PolicyRecord> news_;
  std::unique_ptr<ConfiguredTokens> tokens_;
  std::shared_ptr<SignatureJournal> journal_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Issuers> issuers_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<Lifecycle> lifecycle_;
  mutable std::mutex keys_mutex_;
  mutable std::vector<OpenedKey> keys_;  // guarded by keys_mutex_
};

}  // namespace hallmark
