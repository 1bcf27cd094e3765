#include "tools/instance.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/file.h"
#include "base/reason.h"
#include "ca/hierarchy.h"
#include "hsm/key.h"
#include "hsm/pin.h"
#include "hsm/pkcs11_signer.h"
#include "policies/load.h"
#include "store/sqlite/sqlite_store.h"

namespace hallmark {

PinEnvironment ReadPinEnvironment() {
  PinEnvironment environment;
  if (const char* pin = std::getenv("HALLMARK_PIN")) environment.environment_pin = Secret(std::string(pin));
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY")) environment.credentials_directory = directory;
  return environment;
}

StatusOr<std::shared_ptr<Token>> OpenToken(const Config& config, PinEnvironment environment) {
  ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(config.hsm_token));
  PinSources sources;
  sources.pin_source = uri.pin_source;
  // A relative pin-source lies beside the configuration.
  if (!sources.pin_source.empty() && sources.pin_source[0] != '/' && !sources.pin_source.starts_with("file:")) {
    sources.pin_source = std::filesystem::absolute(config.file.parent_path() / sources.pin_source).lexically_normal();
  }
  sources.credentials_directory = std::move(environment.credentials_directory);
  sources.credential = "hallmark-pin";
  sources.environment_variable = "HALLMARK_PIN";
  sources.environment_value = std::move(environment.environment_pin);
  ASSIGN_OR_RETURN(std::shared_ptr<Module> module, Module::Load(config.hsm_module));
  const auto pin_sources = std::make_shared<const PinSources>(std::move(sources));
  return std::make_shared<Token>(
      std::move(module), uri, [pin_sources] { return ReadPin(*pin_sources); },
      TokenOptions{.sessions = static_cast<size_t>(config.hsm_sessions)});
}

StatusOr<std::unique_ptr<Instance>> Instance::Open(const Config& config, PinEnvironment environment) {
  if (!std::filesystem::exists(config.store_sqlite)) {
    return Error(
        Code::kNotFound, reason::kFileUnreadable,
        fmt::format(
            "there is no database at {}; restore it from a backup, correct store.sqlite, or make an instance with: "
            "hallmark init DIR",
            config.store_sqlite.string()));
  }
  return Create(config, std::move(environment));
}

StatusOr<std::unique_ptr<Instance>> Instance::Create(const Config& config, PinEnvironment environment) {
  std::unique_ptr<Instance> instance(new Instance(config));  // the constructor is private
  RETURN_IF_ERROR(instance->OpenParts(std::move(environment)));
  return instance;
}

Status Instance::OpenParts(PinEnvironment environment) {
  ASSIGN_OR_RETURN(profiles_, LoadProfiles(config_.profiles, config_.realm));
  ASSIGN_OR_RETURN(Access access, LoadAccess(config_.roles));
  access_ = std::make_unique<const Access>(std::move(access));
  ASSIGN_OR_RETURN(token_, OpenToken(config_, std::move(environment)));
  RETURN_IF_ERROR(token_->LogIn());
  if (!config_.hsm_signature_journal.empty()) {
    ASSIGN_OR_RETURN(journal_, SignatureJournal::Open(config_.hsm_signature_journal, clock_));
  }
  ASSIGN_OR_RETURN(store_, OpenSqliteStore({.path = config_.store_sqlite}));
  authority_ =
      std::make_unique<CertificateAuthority>(CertificateAuthority::Parts{.store = *store_,
                                                                         .clock = clock_,
                                                                         .access = *access_,
                                                                         .profiles = profiles_,
                                                                         .issuers = issuers_,
                                                                         .crl_lifetime = config_.crl_lifetime});
  return ReloadIssuers();
}

StatusOr<std::shared_ptr<const SigningKey>> Instance::OpenKey(const std::string& name,
                                                              const std::string& key_uri) const {
  ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(key_uri));
  ASSIGN_OR_RETURN(const KeyAttributes key, ReadKeyAttributes(*token_, uri));
  if (!key.type.has_value()) {
    return Error(Code::kFailedPrecondition, reason::kHsmKeyUnsafe,
                 fmt::format("the key {} is of no type that Hallmark signs with", key_uri));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const Signer> signer,
                   OpenSigner(token_, uri, {.algorithm = DefaultAlgorithm(*key.type)}));
  if (journal_ != nullptr) {
    ASSIGN_OR_RETURN(signer, JournalSignatures(journal_, name, std::move(signer)));
  }
  return SigningKey::Create(std::move(signer));
}

Status Instance::ReloadIssuers() {
  ASSIGN_OR_RETURN(issuers_, LoadIssuers(*store_, profiles_, config_.base_url, [this](const AuthorityRecord& record) {
                     return OpenKey(record.authority, record.key_uri);
                   }));
  return absl::OkStatus();
}

}  // namespace hallmark
