// Client's calls about stations and callers.
#include "tools/hallmark/client_connection.h"

namespace hallmark::cli {

StatusOr<v1::Certificate> Client::EnrollStation(ByteView csr) {
  v1::EnrollStationRequest request;
  request.set_csr(ToString(csr));
  return connection_->Call(connection_->stations, &v1::Stations::Stub::EnrollStation, request, connection_->Deadline());
}

StatusOr<v1::Certificate> Client::RenewStation(const std::string& request_id, ByteView csr) {
  v1::RenewStationRequest request;
  request.set_request_id(request_id);
  request.set_csr(ToString(csr));
  return connection_->Call(connection_->stations, &v1::Stations::Stub::RenewStation, request, connection_->Deadline());
}

StatusOr<v1::Suspension> Client::SuspendCaller(const std::string& caller, const std::string& reason) {
  v1::SuspendCallerRequest request;
  request.set_caller(caller);
  request.set_reason(reason);
  return connection_->Call(connection_->stations, &v1::Stations::Stub::SuspendCaller, request, connection_->Deadline());
}

Status Client::ResumeCaller(const std::string& caller) {
  v1::ResumeCallerRequest request;
  request.set_caller(caller);
  return connection_->Call(connection_->stations, &v1::Stations::Stub::ResumeCaller, request, connection_->Deadline())
      .status();
}

StatusOr<v1::ListSuspensionsResponse> Client::ListSuspensions() {
  return connection_->Call(connection_->stations, &v1::Stations::Stub::ListSuspensions, v1::ListSuspensionsRequest(),
                           connection_->Deadline());
}

}  // namespace hallmark::cli
