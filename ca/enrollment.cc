#include "ca/enrollment.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark {
namespace {

// Roles come from roles.yaml, but these two calls make sense in one role only, whatever it grants.
Status CheckCallerRole(const Caller& caller, const char* role, const char* instead) {
  if (caller.role == role) return absl::OkStatus();
  return Error(Code::kPermissionDenied, reason::kPermissionDenied,
               fmt::format("{} does not call in the role {}; {}", caller.uri, role, instead));
}

StatusOr<Request> ForKeyOf(const Bytes& csr, std::string request_id, std::string authority) {
  ASSIGN_OR_RETURN(const Csr read, ReadCsr(csr));
  Request request;
  request.request_id = std::move(request_id);
  request.authority = std::move(authority);
  request.profile = kEnrolledProfile;
  request.csr = csr;
  request.key = ToBytes(read.key.spki());
  return request;
}

StatusOr<std::string> InForce(const CertificateAuthority& authority, std::string name) {
  while (true) {
    ASSIGN_OR_RETURN(const IssuerPointer issuer, authority.FindIssuer(name));
    const AuthorityRecord& record = issuer->record();
    if (record.state != AuthorityState::kDisabled || record.successor.empty()) return name;
    name = record.successor;
  }
}

}  // namespace

StatusOr<Issued> EnrollStation(const CertificateAuthority& authority, const Caller& caller, const Bytes& csr,
                               Time deadline) {
  RETURN_IF_ERROR(CheckCallerRole(caller, "enrollment", "ask an operator for an enrollment credential"));
  // One request for each credential, since the store knows a caller's request id once.
  ASSIGN_OR_RETURN(const Request request, ForKeyOf(csr, "enrollment:" + Hex(caller.serial), caller.authority));
  return authority.Issue(caller, request, deadline, permission::kEnrollStation);
}

StatusOr<Issued> RenewStation(const CertificateAuthority& authority, const Caller& caller,
                              const std::string& request_id, const Bytes& csr, Time deadline) {
  RETURN_IF_ERROR(CheckCallerRole(caller, "station", "only a station renews its credential"));
  ASSIGN_OR_RETURN(std::string name, InForce(authority, caller.authority));
  ASSIGN_OR_RETURN(const Request request, ForKeyOf(csr, request_id, std::move(name)));
  return authority.Issue(caller, request, deadline, permission::kRenewStation);
}

}  // namespace hallmark
