#include "grpc/call.h"

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <algorithm>
#include <chrono>

#include "base/reason.h"

namespace hallmark {

StatusOr<Bytes> Calls::PeerCertificate(const grpc::ServerContextBase& context) {
  const auto peer = context.auth_context();
  const auto pem = peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (!peer->IsPeerAuthenticated() || pem.size() != 1) {
    return Error(Code::kUnauthenticated, reason::kCallerUnauthenticated, "the connection has no client certificate");
  }
  ASSIGN_OR_RETURN(std::vector<Bytes> certificates,
                   PemDecode("CERTIFICATE", std::string_view(pem[0].data(), pem[0].size())));
  return std::move(certificates.front());
}

StatusOr<Caller> Calls::Identify(const grpc::ServerContextBase& context) const {
  ASSIGN_OR_RETURN(const Bytes certificate, PeerCertificate(context));
  return Identify(certificate);
}

Time Calls::Deadline(const grpc::ServerContext& context) {
  constexpr Duration kLimit = absl::Seconds(30);
  return std::min(absl::FromChrono(context.deadline()), absl::Now() + kLimit);
}

Status Calls::Observe(const char* method, const std::function<Status()>& act) const {
  const auto start = std::chrono::steady_clock::now();
  Status status;
  try {
    status = act();
  } catch (const std::exception& exception) {
    status = Error(Code::kInternal, reason::kInternal, fmt::format("{} failed: {}", method, exception.what()));
  }
  observer_(method, status, absl::FromChrono(std::chrono::steady_clock::now() - start));
  return status;
}

}  // namespace hallmark
