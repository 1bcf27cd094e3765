// The credentials of one configuration, and the client that they and publication's targets send with.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/secret_source.h"
#include "publish/credential.h"
#include "publish/web_client.h"
#include "tools/configured_tokens.h"

namespace hallmark {

// What the process was given for the credentials that the configuration names. For main.
SecretEnvironment ReadSecretEnvironment(const PublishConfig& config);

// Thread-safe. Nothing is sent and no key is read by making it.
class ConfiguredCredentials {
 public:
  // `tokens` and `clock` outlive it. Errors as WebClient::Create.
  static StatusOr<std::unique_ptr<ConfiguredCredentials>> Open(const PublishConfig& config,
                                                               SecretEnvironment environment,
                                                               const ConfiguredTokens& tokens, const Clock& clock);

  // kNotFound (TARGET_CREDENTIAL_MISSING): the configuration has none of that name.
  StatusOr<Credential*> Find(const std::string& name) const;

  WebClient& client() const { return *client_; }

 private:
  ConfiguredCredentials(SecretEnvironment environment, const ConfiguredTokens& tokens)
      : environment_(std::move(environment)), tokens_(tokens) {}
  StatusOr<std::shared_ptr<const Signer>> OpenKey(const EntraConfig& config, ByteView spki) const;

  const SecretEnvironment environment_;
  const ConfiguredTokens& tokens_;
  std::unique_ptr<WebClient> client_;
  std::map<std::string, std::unique_ptr<Credential>> credentials_;  // last: they use all of the above
};

}  // namespace hallmark
