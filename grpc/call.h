// What every call has in common: who calls, how long it may take, how its outcome is told.
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <string>

#include "ca/authority.h"
#include "grpc/convert.h"

namespace hallmark {

// Told after each call, for metrics and logs: its method, outcome and duration.
using CallObserver = std::function<void(const std::string& method, const Status& status, Duration took)>;

class Calls {
 public:
  // `authority` outlives the Calls.
  Calls(const CertificateAuthority& authority, std::string realm, CallObserver observer)
      : authority_(authority), realm_(std::move(realm)), observer_(std::move(observer)) {}

  const CertificateAuthority& authority() const { return authority_; }
  const std::string& realm() const { return realm_; }

  // The client's certificate (DER), which the TLS handshake verified.
  static StatusOr<Bytes> PeerCertificate(const grpc::ServerContextBase& context);
  // Whose it is, looked up anew in each call so that a revocation or a suspension counts at once.
  StatusOr<Caller> Identify(ByteView certificate) const { return authority_.Identify(certificate, realm_); }
  StatusOr<Caller> Identify(const grpc::ServerContextBase& context) const;

  // The client's deadline, but 30 s at most.
  static Time Deadline(const grpc::ServerContext& context);

  // Runs one unary call: `act` gets the caller and fills `response` or fails.
  template <class Response, class Act>
  grpc::Status Run(const char* method, const grpc::ServerContext& context, Response* response, Act act) const {
    return ToGrpcStatus(Observe(method, [&]() -> Status {
      ASSIGN_OR_RETURN(const Caller caller, Identify(context));
      ASSIGN_OR_RETURN(*response, act(caller));
      return absl::OkStatus();
    }));
  }

  // Runs `act`, tells the observer and returns what it returned. An exception becomes kInternal: the service lives on.
  Status Observe(const char* method, const std::function<Status()>& act) const;

 private:
  const CertificateAuthority& authority_;
  std::string realm_;
  CallObserver observer_;
};

}  // namespace hallmark
