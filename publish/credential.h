// A named credential of the configuration: with what a target is asked, through each of its audiences.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/secret_source.h"
#include "base/status.h"
#include "publish/authorizer.h"
#include "publish/credential_config.h"
#include "publish/entra.h"
#include "publish/web_client.h"

namespace hallmark {

// As the configuration names it: management, service, hub.
const char* Name(Audience audience);

// What credentials are made from; all of it outlives them.
struct CredentialParts {
  const WebClient& client;
  const Clock& clock;
  const SecretEnvironment& environment;  // with IDENTITY_ENDPOINT and IDENTITY_HEADER if the process has them
  // Opens the key of an Entra ID application.
  std::function<StatusOr<std::shared_ptr<const Signer>>(const EntraConfig& config, ByteView spki)> open_key;
};

// Thread-safe. Nothing is read or sent by making it: a wrong one is found out when it is used.
class Credential {
 public:
  using Authorizers = std::map<Audience, std::unique_ptr<Authorizer>>;
  Credential(std::string name, Authorizers authorizers, const WebClient& client, const Clock& clock)
      : name_(std::move(name)), authorizers_(std::move(authorizers)), client_(client), clock_(clock) {}

  // Sends a request with the audience's authorization, whatever `request` has there; after a 401 once more, with a new
  // one from a key that is read again. Any other answer is the caller's to judge.
  // kFailedPrecondition: TARGET_CREDENTIAL_REFUSED after the second 401 (with the difference of the clocks if it is
  // over a minute). Otherwise as Authorization and WebClient::Send.
  StatusOr<WebResponse> Send(Audience audience, WebRequest request, Time deadline);

  // The value of Authorization for a request to `host`. kFailedPrecondition (TARGET_CREDENTIAL_MISSING): the credential
  // has none for that audience. Otherwise as Authorizer::Authorization.
  StatusOr<Secret> Authorization(Audience audience, const std::string& host, Time deadline);

  // A 401 came back: `authorization` is not given out again.
  void Refused(Audience audience, const Secret& authorization);

  const std::string& name() const { return name_; }

 private:
  Status RefusedTwice(Audience audience, const std::string& host, const WebResponse& response) const;

  const std::string name_;
  const Authorizers authorizers_;
  const WebClient& client_;
  const Clock& clock_;
};

std::unique_ptr<Credential> MakeCredential(const std::string& name, const CredentialConfig& config,
                                           const AzureConfig& azure, const CredentialParts& parts);

}  // namespace hallmark
