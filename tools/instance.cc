#include "tools/instance.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "hsm/key.h"
#include "hsm/pkcs11_signer.h"
#include "store/sqlite/sqlite_store.h"

namespace hallmark {
namespace {

PolicyFiles FilesOf(const Config& config) {
  return {.profiles = config.profiles, .roles = config.roles, .realm = config.realm};
}

}  // namespace

StatusOr<std::unique_ptr<Instance>> Instance::Open(const Config& config, const PinEnvironment& environment,
                                                   HsmObservers observers) {
  if (!std::filesystem::exists(config.store_sqlite)) {
    return Error(
        Code::kNotFound, reason::kFileUnreadable,
        fmt::format(
            "there is no database at {}; restore it from a backup, correct store.sqlite, or make an instance with: "
            "hallmark init DIR",
            config.store_sqlite.string()));
  }
  return Create(config, environment, std::move(observers));
}

StatusOr<std::unique_ptr<Instance>> Instance::Create(const Config& config, const PinEnvironment& environment,
                                                     HsmObservers observers) {
  std::unique_ptr<Instance> instance(new Instance(config, std::move(observers)));  // the constructor is private
  RETURN_IF_ERROR(instance->OpenParts(environment));
  return instance;
}

Status Instance::OpenParts(const PinEnvironment& environment) {
  ASSIGN_OR_RETURN(PolicyPointer policies, ReadPolicies(FilesOf(config_)));
  policies_ = std::make_unique<Policies>(std::move(policies));
  ASSIGN_OR_RETURN(tokens_, ConfiguredTokens::Open(config_, environment, observers_.token));
  for (const ConfiguredTokens::Entry& entry : tokens_->all()) {
    const Status status = entry.token->LogIn();
    if (!status.ok() && !absl::IsUnavailable(status)) return Annotate(status, fmt::format("token '{}'", entry.name));
  }
  if (!config_.hsm_signature_journal.empty()) {
    ASSIGN_OR_RETURN(journal_, SignatureJournal::Open(config_.hsm_signature_journal, clock_));
  }
  ASSIGN_OR_RETURN(store_, OpenSqliteStore({.path = config_.store_sqlite}));
  return OpenAuthorities();
}

Status Instance::OpenAuthorities() {
  issuers_ = std::make_unique<Issuers>(*store_, clock_, *policies_, config_.base_url,
                                       [this](const AuthorityRecord& record) { return OpenKey(record); });
  RETURN_IF_ERROR(issuers_->Reload());
  const std::shared_ptr<const Issuers::Snapshot> known = issuers_->Current();
  for (const auto& [name, issuer] : known->issuers) {
    // A key that is away may come back; one that is not there, or another, is a mistake that would hide.
    const Status& key = issuer->CheckKey();
    if (!key.ok() && !absl::IsUnavailable(key)) return key;
  }
  authority_ = std::make_unique<CertificateAuthority>(
      CertificateAuthority::Parts{.store = *store_,
                                  .clock = clock_,
                                  .policies = *policies_,
                                  .issuers = *issuers_,
                                  .crl_lifetime = config_.crl_lifetime,
                                  .crl_shards = config_.crl_shards,
                                  .crl_delta_lifetime = config_.crl_delta_lifetime});
  lifecycle_ = std::make_unique<Lifecycle>(*authority_, MakeTokens());
  ASSIGN_OR_RETURN(news_, authority_->PutInForce(policies_->Current()));
  return absl::OkStatus();
}

StatusOr<std::vector<PolicyRecord>> Instance::ReloadPolicies() const {
  ASSIGN_OR_RETURN(PolicyPointer policies, ReadPolicies(FilesOf(config_), policies_->Current()));
  return authority_->PutInForce(std::move(policies));
}

// With the certificate's key no token has to be asked; an authority that has none yet takes the key that is there.
StatusOr<SignerOptions> Instance::SignerOptionsOf(const AuthorityRecord& record) const {
  SignerOptions options;
  options.exceptions = config_.hsm_key_exceptions;
  if (!record.certificate.empty()) {
    ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(record.certificate));
    options.expected_public_key = ToBytes(parts.spki);
  } else {
    ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(record.key_uris.front()));
    ASSIGN_OR_RETURN(const std::shared_ptr<Token> token, tokens_->FindOf(uri));
    ASSIGN_OR_RETURN(options.expected_public_key, ReadPublicKey(*token, uri));
  }
  if (!record.signature_algorithm.empty()) {
    ASSIGN_OR_RETURN(options.algorithm, ParseSignatureAlgorithm(record.signature_algorithm));
  } else {
    ASSIGN_OR_RETURN(const KeyType type, PublicKeyType(options.expected_public_key));
    options.algorithm = DefaultAlgorithm(type);
  }
  return options;
}

StatusOr<std::shared_ptr<SpreadSigner>> Instance::OpenCopies(const AuthorityRecord& record) const {
  ASSIGN_OR_RETURN(const SignerOptions options, SignerOptionsOf(record));
  std::vector<std::unique_ptr<Pkcs11Signer>> copies;
  for (const std::string& key_uri : record.key_uris) {
    ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(key_uri));
    ASSIGN_OR_RETURN(std::shared_ptr<Token> token, tokens_->FindOf(uri));
    ASSIGN_OR_RETURN(std::unique_ptr<Pkcs11Signer> copy, OpenSigner(std::move(token), uri, options));
    copies.push_back(std::move(copy));
  }
  SpreadSigner::Observer observer = [](const ReplicaHealth&) {};
  if (observers_.key) {
    observer = [this, authority = record.authority](const ReplicaHealth& copy) { observers_.key(authority, copy); };
  }
  return SpreadSigner::Create(std::move(copies), clock_, std::move(observer));
}

StatusOr<std::shared_ptr<SpreadSigner>> Instance::OpenAndWatch(const AuthorityRecord& record) const {
  if (record.key_uris.empty()) {
    return Error(Code::kFailedPrecondition, reason::kHsmKeyNotFound,
                 fmt::format("authority '{}' has no key yet; repeat the request that creates it", record.authority));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<SpreadSigner> copies, OpenCopies(record));
  const std::lock_guard lock(keys_mutex_);
  keys_.push_back({record.authority, copies});
  return copies;
}

StatusOr<std::shared_ptr<const SigningKey>> Instance::OpenKey(const AuthorityRecord& record) const {
  ASSIGN_OR_RETURN(std::shared_ptr<const Signer> signer, OpenAndWatch(record));
  if (journal_ != nullptr) {
    ASSIGN_OR_RETURN(signer, JournalSignatures(journal_, record.authority, std::move(signer)));
  }
  return SigningKey::Create(std::move(signer));
}

// Those that are in use; the others are forgotten.
std::vector<std::pair<std::string, std::shared_ptr<const SpreadSigner>>> Instance::OpenedKeys() const {
  std::vector<std::pair<std::string, std::shared_ptr<const SpreadSigner>>> opened;
  const std::lock_guard lock(keys_mutex_);
  std::erase_if(keys_, [&opened](const OpenedKey& key) {
    std::shared_ptr<const SpreadSigner> signer = key.signer.lock();
    const bool is_gone = signer == nullptr;
    if (!is_gone) opened.emplace_back(key.authority, std::move(signer));
    return is_gone;
  });
  return opened;
}

void Instance::ExamineKeys(const std::atomic<bool>& stopping) const {
  constexpr Duration kLimit = absl::Seconds(30);
  for (const auto& [authority, signer] : OpenedKeys()) {
    if (stopping) return;
    const Status status = signer->Examine(absl::Now() + kLimit);
    if (status.ok()) continue;
    log::Fields fields = log::Describe(status);
    fields["authority"] = authority;
    log::Error("key_examination_failed", fields);
  }
}

std::vector<Instance::KeyHealth> Instance::CheckKeys() const {
  std::vector<KeyHealth> keys;
  for (const auto& [authority, signer] : OpenedKeys()) {
    for (ReplicaHealth& copy : signer->health()) keys.push_back({authority, std::move(copy)});
  }
  return keys;
}

Tokens Instance::MakeTokens() const {
  return {.generate = [this](const std::string& name, KeyType type, const std::string& label) -> StatusOr<std::string> {
            ASSIGN_OR_RETURN(const std::shared_ptr<Token> token, FindToken(name));
            ASSIGN_OR_RETURN(const KeyUri uri, GenerateKey(*token, type, label));
            return uri.ToString();
          },
          .find = [this](const std::string& name, const std::string& label) -> StatusOr<std::optional<std::string>> {
            ASSIGN_OR_RETURN(const std::shared_ptr<Token> token, FindToken(name));
            ASSIGN_OR_RETURN(const std::vector<KeyAttributes> keys, ListKeys(*token));
            for (const KeyAttributes& key : keys) {
              if (key.uri.object == label) return std::optional(key.uri.ToString());
            }
            return std::optional<std::string>();
          },
          .open = [this](const AuthorityRecord& record) { return OpenKey(record); }};
}

Tokens Instance::MakeResponderTokens() const {
  Tokens tokens = MakeTokens();
  tokens.open = [this](const AuthorityRecord& record) -> StatusOr<std::shared_ptr<const SigningKey>> {
    ASSIGN_OR_RETURN(std::shared_ptr<const Signer> signer, OpenAndWatch(record));
    return SigningKey::Create(std::move(signer));
  };
  return tokens;
}

// A token that a request names.
StatusOr<std::shared_ptr<Token>> Instance::FindToken(const std::string& name) const {
  StatusOr<std::shared_ptr<Token>> token = tokens_->FindNamed(name);
  if (!token.ok()) return FieldError(reason::kRequestInvalid, "token", Message(token.status()));
  return token;
}

}  // namespace hallmark
