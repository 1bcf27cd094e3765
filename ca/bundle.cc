#include "ca/bundle.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/entries.h"

namespace hallmark {

Status CheckMayCarry(const CertificateAuthority& authority, const Caller& carrier) {
  return authority.Authorize(carrier, permission::kIssueBundle, {"", "", ""});
}

StatusOr<Caller> IdentifySigner(const CertificateAuthority& authority, const RequestBundle& bundle,
                                const std::string& realm) {
  StatusOr<Caller> station = authority.Identify(bundle.signer(), realm);
  if (!absl::IsUnauthenticated(station.status())) return station;
  return Error(Code::kPermissionDenied, Reason(station.status()),
               fmt::format("the bundle's signer may not ask: {}", Message(station.status())));
}

StatusOr<RequestBundle> AcceptBundle(const CertificateAuthority& authority, const Caller& carrier,
                                     const std::string& realm, const std::filesystem::path& signed_file,
                                     const std::filesystem::path& content_file,
                                     const std::function<Status(const std::string& request)>& check) {
  ASSIGN_OR_RETURN(RequestBundle bundle, RequestBundle::Open(signed_file, content_file));
  ASSIGN_OR_RETURN(const Caller station, IdentifySigner(authority, bundle, realm));
  if (bundle.station() != station.uri) {
    return Error(Code::kInvalidArgument, reason::kBundleInvalid,
                 fmt::format("the bundle says that it is of {}, but {} has signed it", bundle.station(), station.uri));
  }
  RETURN_IF_ERROR(bundle.CheckAll(check));
  const Time now = TruncateToSecond(authority.parts().clock.Now());
  RETURN_IF_ERROR(
      authority.parts()
          .store.AppendEntry(BundleAcceptedEntry(bundle.name(), station.uri, bundle.sha256(), carrier.uri, now), now)
          .status());
  return bundle;
}

}  // namespace hallmark
