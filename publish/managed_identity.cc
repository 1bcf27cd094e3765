#include "publish/managed_identity.h"

#include <fmt/format.h>

#include "publish/bearer_token.h"

namespace hallmark {
namespace {

class ManagedIdentityAuthorizer : public Authorizer {
 public:
  ManagedIdentityAuthorizer(ManagedIdentityOptions options, const WebClient& client, const Clock& clock)
      : options_(std::move(options)),
        client_(client),
        clock_(clock),
        token_(clock, [this](Time deadline) { return Fetch(deadline); }) {}

  StatusOr<Secret> Authorization(const std::string&, Time deadline) override { return token_.Get(deadline); }
  void Forget(const Secret& authorization) override { token_.Forget(authorization); }
  std::string Describe() const override {
    return options_.client_id.empty() ? "the system-assigned managed identity"
                                      : fmt::format("the managed identity {}", options_.client_id);
  }

 private:
  WebRequest MakeRequest() const {
    const bool is_app = !options_.app_endpoint.empty();
    std::string url = is_app ? options_.app_endpoint + "?api-version=2019-08-01"
                             : options_.endpoint + "/metadata/identity/oauth2/token?api-version=2018-02-01";
    url += "&resource=" + PercentEncode(options_.resource);
    if (!options_.client_id.empty()) url += "&client_id=" + PercentEncode(options_.client_id);
    WebRequest request = {.url = std::move(url), .plain_http = true};
    if (is_app) {
      request.headers.emplace_back("X-IDENTITY-HEADER", options_.app_secret.Reveal());
    } else {
      request.headers.emplace_back("Metadata", "true");
    }
    return request;
  }

  StatusOr<BearerToken> Fetch(Time deadline) const {
    const Time now = clock_.Now();
    const WebRequest request = MakeRequest();
    ASSIGN_OR_RETURN(const std::string host, HostOf(request.url));
    const StatusOr<WebResponse> response = client_.Send(request, deadline);
    if (!response.ok()) return Annotate(response.status(), Describe());
    return JudgeTokenAnswer(*response, host,
                            fmt::format("assign {} to this machine or app, or correct client_id", Describe()), now);
  }

  const ManagedIdentityOptions options_;
  const WebClient& client_;
  const Clock& clock_;
  TokenCache token_;  // last: it calls Fetch
};

}  // namespace

std::unique_ptr<Authorizer> MakeManagedIdentityAuthorizer(ManagedIdentityOptions options, const WebClient& client,
                                                          const Clock& clock) {
  return std::make_unique<ManagedIdentityAuthorizer>(std::move(options), client, clock);
}

}  // namespace hallmark
