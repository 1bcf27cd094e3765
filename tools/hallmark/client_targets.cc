// Client's calls about targets.
#include "tools/hallmark/client_connection.h"

namespace hallmark::cli {
namespace {

constexpr Duration kReconcileTimeout = absl::Hours(2);

}  // namespace

StatusOr<v1::Target> Client::AddTarget(const v1::AddTargetRequest& request) {
  return connection_->Call(connection_->publication, &v1::Publication::Stub::AddTarget, request,
                           connection_->Deadline());
}

StatusOr<v1::Target> Client::GetTarget(const std::string& target) {
  v1::GetTargetRequest request;
  request.set_name(target);
  return connection_->Call(connection_->publication, &v1::Publication::Stub::GetTarget, request,
                           connection_->Deadline());
}

StatusOr<v1::ListTargetsResponse> Client::ListTargets() {
  return connection_->Call(connection_->publication, &v1::Publication::Stub::ListTargets, v1::ListTargetsRequest(),
                           connection_->Deadline());
}

Status Client::RemoveTarget(const std::string& target, bool force) {
  v1::RemoveTargetRequest request;
  request.set_name(target);
  request.set_force(force);
  return connection_
      ->Call(connection_->publication, &v1::Publication::Stub::RemoveTarget, request, connection_->Deadline())
      .status();
}

StatusOr<v1::PublicationPlan> Client::PlanPublication(const std::string& target, bool take_over) {
  v1::PlanPublicationRequest request;
  request.set_name(target);
  request.set_take_over(take_over);
  return connection_->Call(connection_->publication, &v1::Publication::Stub::PlanPublication, request,
                           connection_->Deadline());
}

StatusOr<v1::Target> Client::PublishChain(const std::string& target, bool take_over) {
  v1::PublishChainRequest request;
  request.set_name(target);
  request.set_take_over(take_over);
  return connection_->Call(connection_->publication, &v1::Publication::Stub::PublishChain, request,
                           connection_->Deadline());
}

Status Client::ReconcileTarget(const v1::ReconcileTargetRequest& request,
                               const std::function<void(const v1::ReconcileTargetResponse&)>& on_response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(connection_->clock.Now() + kReconcileTimeout));
  const auto stream = connection_->publication->ReconcileTarget(&context, request);
  v1::ReconcileTargetResponse response;
  while (stream->Read(&response)) on_response(response);
  return FromGrpc(stream->Finish(), connection_->endpoint);
}

StatusOr<v1::ListWorkResponse> Client::ListWork(const v1::ListWorkRequest& request) {
  return connection_->Call(connection_->publication, &v1::Publication::Stub::ListWork, request,
                           connection_->Deadline());
}

StatusOr<v1::RetryWorkResponse> Client::RetryWork(const std::string& target) {
  v1::RetryWorkRequest request;
  request.set_name(target);
  return connection_->Call(connection_->publication, &v1::Publication::Stub::RetryWork, request,
                           connection_->Deadline());
}

StatusOr<v1::CheckCertificateResponse> Client::CheckCertificate(const v1::CheckCertificateRequest& request) {
  return connection_->Call(connection_->publication, &v1::Publication::Stub::CheckCertificate, request,
                           connection_->Deadline());
}

StatusOr<v1::CheckLotResponse> Client::CheckLot(const std::string& lot) {
  v1::CheckLotRequest request;
  request.set_name(lot);
  return connection_->Call(connection_->publication, &v1::Publication::Stub::CheckLot, request,
                           connection_->Deadline());
}

StatusOr<v1::ListEnrollmentsResponse> Client::ListEnrollments(const v1::ListEnrollmentsRequest& request) {
  return connection_->Call(connection_->publication, &v1::Publication::Stub::ListEnrollments, request,
                           connection_->Deadline());
}

}  // namespace hallmark::cli
