#include "ca/enrollment.h"
#include "ca/suspension.h"
#include "grpc/services.h"
#include "hallmark/v1/stations.grpc.pb.h"

namespace hallmark {
namespace {

v1::Suspension ToProto(const SuspensionRecord& record) {
  v1::Suspension suspension;
  suspension.set_caller(record.caller);
  suspension.set_reason(record.reason);
  suspension.set_suspended_by(record.suspended_by);
  *suspension.mutable_suspend_time() = ToTimestamp(record.suspended);
  return suspension;
}

class StationsService final : public v1::Stations::Service {
 public:
  explicit StationsService(const Calls& calls) : calls_(calls) {}

  grpc::Status EnrollStation(grpc::ServerContext* context, const v1::EnrollStationRequest* message,
                             v1::Certificate* response) override {
    return calls_.Run("EnrollStation", *context, response, [&](const Caller& caller) -> StatusOr<v1::Certificate> {
      ASSIGN_OR_RETURN(const Issued issued,
                       hallmark::EnrollStation(calls_.authority(), caller, ToBytes(AsBytes(message->csr())),
                                               Calls::Deadline(*context)));
      return hallmark::ToProto(issued);
    });
  }

  grpc::Status RenewStation(grpc::ServerContext* context, const v1::RenewStationRequest* message,
                            v1::Certificate* response) override {
    return calls_.Run("RenewStation", *context, response, [&](const Caller& caller) -> StatusOr<v1::Certificate> {
      ASSIGN_OR_RETURN(const Issued issued,
                       hallmark::RenewStation(calls_.authority(), caller, message->request_id(),
                                              ToBytes(AsBytes(message->csr())), Calls::Deadline(*context)));
      return hallmark::ToProto(issued);
    });
  }

  grpc::Status SuspendCaller(grpc::ServerContext* context, const v1::SuspendCallerRequest* message,
                             v1::Suspension* response) override {
    return calls_.Run("SuspendCaller", *context, response, [&](const Caller& caller) -> StatusOr<v1::Suspension> {
      ASSIGN_OR_RETURN(const SuspensionRecord suspension,
                       hallmark::SuspendCaller(calls_.authority(), caller, message->caller(), message->reason()));
      return ToProto(suspension);
    });
  }

  grpc::Status ResumeCaller(grpc::ServerContext* context, const v1::ResumeCallerRequest* message,
                            v1::ResumeCallerResponse* response) override {
    return calls_.Run("ResumeCaller", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ResumeCallerResponse> {
                        RETURN_IF_ERROR(hallmark::ResumeCaller(calls_.authority(), caller, message->caller()));
                        return v1::ResumeCallerResponse();
                      });
  }

  grpc::Status ListSuspensions(grpc::ServerContext* context, const v1::ListSuspensionsRequest*,
                               v1::ListSuspensionsResponse* response) override {
    return calls_.Run("ListSuspensions", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListSuspensionsResponse> {
                        ASSIGN_OR_RETURN(const std::vector<SuspensionRecord> suspensions,
                                         hallmark::ListSuspensions(calls_.authority(), caller));
                        v1::ListSuspensionsResponse list;
                        for (const SuspensionRecord& record : suspensions) *list.add_suspensions() = ToProto(record);
                        return list;
                      });
  }

 private:
  const Calls& calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeStationsService(const Calls& calls) {
  return std::make_unique<StationsService>(calls);
}

}  // namespace hallmark
