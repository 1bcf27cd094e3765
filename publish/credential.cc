#include "publish/credential.h"

#include <fmt/format.h>

#include "base/http_date.h"
#include "base/reason.h"
#include "publish/managed_identity.h"
#include "publish/sas.h"

namespace hallmark {
namespace {

constexpr int kUnauthorized = 401;

// For messages.
const char* Describe(Audience audience) {
  switch (audience) {
    case Audience::kManagement: return "Azure Resource Manager";
    case Audience::kService: return "the provisioning service";
    case Audience::kHub: return "the IoT Hub";
  }
  return "the target";
}

// " (...)" when the other side's clock and ours are more than a minute apart.
std::string Skew(const WebResponse& response, Time now) {
  constexpr Duration kTolerated = absl::Minutes(1);
  const auto field = response.headers.find("date");
  const std::optional<Time> date = field == response.headers.end() ? std::nullopt : ParseHttpDate(field->second);
  if (!date.has_value()) return "";
  const Duration ahead = TruncateToSecond(now) - *date;
  if (absl::AbsDuration(ahead) <= kTolerated) return "";
  return fmt::format(" (this machine's clock is {} {} the other's: correct it first)",
                     absl::FormatDuration(absl::AbsDuration(ahead)),
                     ahead > absl::ZeroDuration() ? "ahead of" : "behind");
}

std::string ValueOf(const SecretEnvironment& environment, const std::string& variable) {
  const auto value = environment.variables.find(variable);
  return value == environment.variables.end() ? "" : std::string(value->second.Reveal());
}

std::string ResourceOf(const std::string& scope) {
  constexpr std::string_view kSuffix = "/.default";
  return scope.ends_with(kSuffix) ? scope.substr(0, scope.size() - kSuffix.size()) : scope;
}

// Makes the authorizer of whatever kind the configuration has for an audience.
struct Maker {
  const AzureConfig& azure;
  const CredentialParts& parts;
  const std::string& scope;

  std::unique_ptr<Authorizer> operator()(const SasConfig& config) const {
    return MakeSasAuthorizer({.policy = config.policy, .key = config.key}, parts.environment, parts.clock);
  }
  std::unique_ptr<Authorizer> operator()(const EntraConfig& config) const {
    return MakeEntraAuthorizer(
        {.login = azure.login,
         .tenant = config.tenant,
         .client_id = config.client_id,
         .scope = scope,
         .certificate = config.certificate,
         .open_key = [config, open_key = parts.open_key](ByteView spki) { return open_key(config, spki); }},
        parts.client, parts.clock);
  }
  std::unique_ptr<Authorizer> operator()(const ManagedIdentityConfig& config) const {
    return MakeManagedIdentityAuthorizer({.endpoint = azure.managed_identity,
                                          .client_id = config.client_id,
                                          .resource = ResourceOf(scope),
                                          .app_endpoint = ValueOf(parts.environment, "IDENTITY_ENDPOINT"),
                                          .app_secret = Secret(ValueOf(parts.environment, "IDENTITY_HEADER"))},
                                         parts.client, parts.clock);
  }
};

}  // namespace

const char* Name(Audience audience) {
  switch (audience) {
    case Audience::kManagement: return "management";
    case Audience::kService: return "service";
    case Audience::kHub: return "hub";
  }
  return "";
}

StatusOr<WebResponse> Credential::Send(Audience audience, WebRequest request, Time deadline) {
  ASSIGN_OR_RETURN(const std::string host, HostOf(request.url));
  ASSIGN_OR_RETURN(request.authorization, Authorization(audience, host, deadline));
  StatusOr<WebResponse> response = client_.Send(request, deadline);
  if (!response.ok() || response->status != kUnauthorized) return response;
  Refused(audience, request.authorization);
  ASSIGN_OR_RETURN(request.authorization, Authorization(audience, host, deadline));
  response = client_.Send(request, deadline);
  if (!response.ok() || response->status != kUnauthorized) return response;
  Refused(audience, request.authorization);
  return RefusedTwice(audience, host, *response);
}

StatusOr<Secret> Credential::Authorization(Audience audience, const std::string& host, Time deadline) {
  const auto authorizer = authorizers_.find(audience);
  if (authorizer != authorizers_.end()) return authorizer->second->Authorization(host, deadline);
  return Error(
      Code::kFailedPrecondition, reason::kTargetCredentialMissing,
      fmt::format("the credential '{0}' has nothing for {1}; configure publish.credentials.{0}.{2} with {3}", name_,
                  Describe(audience), Name(audience),
                  audience == Audience::kManagement ? "entra or managed_identity (a SAS key is of no use there)"
                                                    : "sas, entra or managed_identity"));
}

void Credential::Refused(Audience audience, const Secret& authorization) {
  const auto authorizer = authorizers_.find(audience);
  if (authorizer != authorizers_.end()) authorizer->second->Forget(authorization);
}

Status Credential::RefusedTwice(Audience audience, const std::string& host, const WebResponse& response) const {
  return Error(
      Code::kFailedPrecondition, reason::kTargetCredentialRefused,
      fmt::format("{} at {} refuses the credential '{}', {}, with HTTP 401, a new one, too{}; check that it is of this "
                  "{} and current, and that this way of authentication is not switched off there",
                  Describe(audience), host, name_, authorizers_.at(audience)->Describe(), Skew(response, clock_.Now()),
                  audience == Audience::kManagement ? "tenant" : "target"));
}

std::unique_ptr<Credential> MakeCredential(const std::string& name, const CredentialConfig& config,
                                           const AzureConfig& azure, const CredentialParts& parts) {
  Credential::Authorizers authorizers;
  for (const auto& [audience, kind] : config) {
    authorizers[audience] = std::visit(Maker{azure, parts, azure.scopes.at(audience)}, kind);
  }
  return std::make_unique<Credential>(name, std::move(authorizers), parts.client, parts.clock);
}

}  // namespace hallmark
