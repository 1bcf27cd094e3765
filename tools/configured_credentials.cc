#include "tools/configured_credentials.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/reason.h"
#include "hsm/key.h"
#include "hsm/memory_signer.h"
#include "hsm/pkcs11_signer.h"

namespace hallmark {
namespace {

// The variables that a credential reads, if it reads any.
struct Variables {
  std::vector<std::string> operator()(const SasConfig& config) const { return Of(config.key); }
  std::vector<std::string> operator()(const EntraConfig& config) const { return Of(config.key); }
  std::vector<std::string> operator()(const ManagedIdentityConfig&) const {
    return {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"};
  }
  static std::vector<std::string> Of(const SecretSource& source) {
    if (source.kind != SecretSource::Kind::kEnvironment) return {};
    return {source.name};
  }
};

}  // namespace

SecretEnvironment ReadSecretEnvironment(const PublishConfig& config) {
  SecretEnvironment environment;
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY")) environment.credentials_directory = directory;
  for (const auto& [name, credential] : config.credentials) {
    for (const auto& [audience, kind] : credential) {
      for (const std::string& variable : std::visit(Variables(), kind)) {
        if (const char* value = std::getenv(variable.c_str())) {
          environment.variables.insert_or_assign(variable, Secret(std::string(value)));
        }
      }
    }
  }
  return environment;
}

StatusOr<std::unique_ptr<ConfiguredCredentials>> ConfiguredCredentials::Open(const PublishConfig& config,
                                                                             SecretEnvironment environment,
                                                                             const ConfiguredTokens& tokens,
                                                                             const Clock& clock) {
  std::unique_ptr<ConfiguredCredentials> opened(  // the constructor is private
      new ConfiguredCredentials(std::move(environment), tokens));
  ASSIGN_OR_RETURN(opened->client_, WebClient::Create(config.roots));
  const CredentialParts parts = {.client = *opened->client_,
                                 .clock = clock,
                                 .environment = opened->environment_,
                                 .open_key = [self = opened.get()](const EntraConfig& entra, ByteView spki) {
                                   return self->OpenKey(entra, spki);
                                 }};
  for (const auto& [name, credential] : config.credentials) {
    opened->credentials_[name] = MakeCredential(name, credential, config.azure, parts);
  }
  return opened;
}

StatusOr<Credential*> ConfiguredCredentials::Find(const std::string& name) const {
  const auto found = credentials_.find(name);
  if (found != credentials_.end()) return found->second.get();
  std::string known;
  for (const auto& [other, credential] : credentials_) known += (known.empty() ? "" : ", ") + other;
  return Error(Code::kNotFound, reason::kTargetCredentialMissing,
               fmt::format("the configuration has no credential '{}'; {}", name,
                           known.empty() ? "name some under publish.credentials" : "known: " + known));
}

StatusOr<std::shared_ptr<const Signer>> ConfiguredCredentials::OpenKey(const EntraConfig& config, ByteView spki) const {
  constexpr SignatureAlgorithm kAlgorithm = SignatureAlgorithm::kRsaPssSha256;  // what Entra ID recommends
  ASSIGN_OR_RETURN(const KeyType type, PublicKeyType(spki));
  if (!Fits(kAlgorithm, type)) {
    return Error(Code::kFailedPrecondition, reason::kKeyUnsupported,
                 fmt::format("the key of {} is not RSA, which is all that Entra ID takes from an application",
                             config.certificate.string()));
  }
  if (!config.key_uri.empty()) {
    ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(config.key_uri));
    ASSIGN_OR_RETURN(std::shared_ptr<Token> token, tokens_.FindOf(uri));
    return OpenSigner(std::move(token), uri, {.algorithm = kAlgorithm, .expected_public_key = ToBytes(spki)});
  }
  ASSIGN_OR_RETURN(const Secret pem, ReadSecret(config.key, environment_));
  StatusOr<std::unique_ptr<Signer>> signer = ReadMemorySigner(pem, kAlgorithm);
  if (signer.ok()) return *std::move(signer);
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
               fmt::format("{}: {}", config.key.ToString(), Message(signer.status())));
}

}  // namespace hallmark
