#include <algorithm>

#include "base/reason.h"
#include "ca/lots.h"
#include "grpc/convert_lot.h"
#include "grpc/convert_publication.h"
#include "grpc/services.h"
#include "hallmark/v1/publication.grpc.pb.h"
#include "publish/bundle.h"

namespace hallmark {
namespace {

constexpr int kWorkPage = 100;
constexpr int kMostWork = 1000;
constexpr int kMostEnrollments = 500;  // of at most 64 KiB
constexpr int kMostChain = 8;          // certificates

StatusOr<std::string> ParseTargetName(const std::string& name) {
  return ParseResourceName("targets/", name, "name", "targets/{target}");
}

class PublicationService final : public v1::Publication::Service {
 public:
  PublicationService(const Calls& calls, Publications& publications) : calls_(calls), publications_(publications) {}

  grpc::Status AddTarget(grpc::ServerContext* context, const v1::AddTargetRequest* message,
                         v1::Target* response) override {
    return calls_.Run("AddTarget", *context, response, [&](const Caller& caller) -> StatusOr<v1::Target> {
      ASSIGN_OR_RETURN(const TargetStatus status,
                       publications_.Add(caller, message->description(), message->replace(), message->validate_only()));
      return ToProto(status);
    });
  }

  grpc::Status GetTarget(grpc::ServerContext* context, const v1::GetTargetRequest* message,
                         v1::Target* response) override {
    return calls_.Run("GetTarget", *context, response, [&](const Caller& caller) -> StatusOr<v1::Target> {
      ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
      ASSIGN_OR_RETURN(const TargetStatus status, publications_.Get(caller, target));
      return ToProto(status);
    });
  }

  grpc::Status ListTargets(grpc::ServerContext* context, const v1::ListTargetsRequest*,
                           v1::ListTargetsResponse* response) override {
    return calls_.Run("ListTargets", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListTargetsResponse> {
                        ASSIGN_OR_RETURN(const auto targets, publications_.List(caller));
                        v1::ListTargetsResponse list;
                        for (const TargetStatus& one : targets) {
                          *list.add_targets() = ToProto(one);
                          list.mutable_targets()->rbegin()->clear_description();  // of many, too much for a message
                        }
                        return list;
                      });
  }

  grpc::Status RemoveTarget(grpc::ServerContext* context, const v1::RemoveTargetRequest* message,
                            v1::RemoveTargetResponse* response) override {
    return calls_.Run("RemoveTarget", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::RemoveTargetResponse> {
                        ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
                        RETURN_IF_ERROR(publications_.Remove(caller, target, message->force()));
                        return v1::RemoveTargetResponse();
                      });
  }

  grpc::Status PlanPublication(grpc::ServerContext* context, const v1::PlanPublicationRequest* message,
                               v1::PublicationPlan* response) override {
    return calls_.Run(
        "PlanPublication", *context, response, [&](const Caller& caller) -> StatusOr<v1::PublicationPlan> {
          ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
          ASSIGN_OR_RETURN(const ChainPlan plan,
                           publications_.Plan(caller, target, message->take_over(), Calls::Deadline(*context)));
          return ToProto(plan);
        });
  }

  grpc::Status PublishChain(grpc::ServerContext* context, const v1::PublishChainRequest* message,
                            v1::Target* response) override {
    return calls_.Run("PublishChain", *context, response, [&](const Caller& caller) -> StatusOr<v1::Target> {
      ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
      ASSIGN_OR_RETURN(const TargetStatus status, publications_.Publish(caller, target, message->take_over()));
      return ToProto(status);
    });
  }

  grpc::Status ReconcileTarget(grpc::ServerContext* context, const v1::ReconcileTargetRequest* message,
                               grpc::ServerWriter<v1::ReconcileTargetResponse>* responses) override {
    return ToGrpcStatus(calls_.Observe("ReconcileTarget", [&]() -> Status {
      ASSIGN_OR_RETURN(const Caller caller, calls_.Identify(*context));
      ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
      const auto on_progress = [&](const Reconciled& result) {
        v1::ReconcileTargetResponse response;
        response.mutable_progress()->set_seen(result.seen);
        return !context->IsCancelled() && responses->Write(response);
      };
      const auto on_drift = [&](const Drift& drift) {
        v1::ReconcileTargetResponse response;
        *response.mutable_drift() = ToProto(drift);
        responses->Write(response);
      };
      ASSIGN_OR_RETURN(const Reconciled result,
                       publications_.Reconcile(caller, target, message->repair(), on_progress, on_drift,
                                               absl::FromChrono(context->deadline())));
      v1::ReconcileTargetResponse response;
      *response.mutable_result() = ToProto(result);
      responses->Write(response);
      return absl::OkStatus();
    }));
  }

  grpc::Status ListWork(grpc::ServerContext* context, const v1::ListWorkRequest* message,
                        v1::ListWorkResponse* response) override {
    return calls_.Run("ListWork", *context, response, [&](const Caller& caller) -> StatusOr<v1::ListWorkResponse> {
      ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
      const int count = message->page_size() == 0 ? kWorkPage : message->page_size();
      if (count < 1 || count > kMostWork) {
        return FieldError(reason::kRequestInvalid, "page_size", "must be 1 to 1000; 0 is 100");
      }
      ASSIGN_OR_RETURN(const WorkPage page,
                       publications_.ListWork(caller, target, message->parked_only(), message->page_token(), count));
      v1::ListWorkResponse list;
      for (const WorkRecord& one : page.work) *list.add_items() = ToProto(one);
      list.set_next_page_token(page.next);
      return list;
    });
  }

  grpc::Status RetryWork(grpc::ServerContext* context, const v1::RetryWorkRequest* message,
                         v1::RetryWorkResponse* response) override {
    return calls_.Run("RetryWork", *context, response, [&](const Caller& caller) -> StatusOr<v1::RetryWorkResponse> {
      ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
      v1::RetryWorkResponse answer;
      ASSIGN_OR_RETURN(const int64_t items, publications_.RetryWork(caller, target));
      answer.set_items(items);
      return answer;
    });
  }

  grpc::Status CheckCertificate(grpc::ServerContext* context, const v1::CheckCertificateRequest* message,
                                v1::CheckCertificateResponse* response) override {
    return calls_.Run("CheckCertificate", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::CheckCertificateResponse> {
                        ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
                        if (message->chain_size() >= kMostChain) {
                          return FieldError(reason::kRequestInvalid, "chain", "has too many certificates; at most 7");
                        }
                        std::vector<Bytes> chain = {ToBytes(AsBytes(message->certificate()))};
                        for (const std::string& one : message->chain()) chain.push_back(ToBytes(AsBytes(one)));
                        ASSIGN_OR_RETURN(const AdmissionVerdict verdict,
                                         publications_.Check(caller, target, std::move(chain),
                                                             message->chain_size() == 0, Calls::Deadline(*context)));
                        return ToProto(verdict);
                      });
  }

  grpc::Status CheckLot(grpc::ServerContext* context, const v1::CheckLotRequest* message,
                        v1::CheckLotResponse* response) override {
    return calls_.Run("CheckLot", *context, response, [&](const Caller& caller) -> StatusOr<v1::CheckLotResponse> {
      ASSIGN_OR_RETURN(const std::string lot, ParseLotName(message->name(), "name"));
      RETURN_IF_ERROR(AuthorizeOnLot(calls_.authority(), caller, permission::kReconcileLot, lot));
      ASSIGN_OR_RETURN(const LotRecord record, calls_.authority().parts().store.GetLot(lot));
      ASSIGN_OR_RETURN(const TermsPointer known, calls_.authority().TermsOf(record));
      ASSIGN_OR_RETURN(const auto admissions, publications_.CheckLot(known->terms, Calls::Deadline(*context)));
      v1::CheckLotResponse answer;
      for (const LotAdmission& admission : admissions) *answer.add_admissions() = ToProto(admission);
      return answer;
    });
  }

  grpc::Status ListEnrollments(grpc::ServerContext* context, const v1::ListEnrollmentsRequest* message,
                               v1::ListEnrollmentsResponse* response) override {
    return calls_.Run(
        "ListEnrollments", *context, response, [&](const Caller& caller) -> StatusOr<v1::ListEnrollmentsResponse> {
          ASSIGN_OR_RETURN(const std::string target, ParseTargetName(message->name()));
          const int count = message->page_size() == 0 ? kWorkPage : message->page_size();
          if (count < 1 || count > kMostEnrollments) {
            return FieldError(reason::kRequestInvalid, "page_size", "must be 1 to 500; 0 is 100");
          }
          ASSIGN_OR_RETURN(
              const EnrollmentPage page,
              publications_.ListEnrollments(caller, target, message->by_hand_only(), message->page_token(), count));
          v1::ListEnrollmentsResponse list;
          for (const Enrollment& one : page.enrollments) *list.add_enrollments() = ToProto(one);
          list.set_next_page_token(page.next);
          return list;
        });
  }

  grpc::Status ExportBundle(grpc::ServerContext* context, const v1::ExportBundleRequest* message,
                            v1::ExportBundleResponse* response) override {
    return calls_.Run(
        "ExportBundle", *context, response, [&](const Caller& caller) -> StatusOr<v1::ExportBundleResponse> {
          ASSIGN_OR_RETURN(const std::string authority, ParseAuthorityName(message->authority(), "authority"));
          ASSIGN_OR_RETURN(const Bundle bundle,
                           MakeBundle(calls_.authority(), caller, authority, Calls::Deadline(*context)));
          v1::ExportBundleResponse exported;
          for (const auto& [name, content] : bundle) {
            v1::ExportBundleResponse::File& file = *exported.add_files();
            file.set_name(name);
            file.set_content(content);
          }
          return exported;
        });
  }

 private:
  const Calls& calls_;
  Publications& publications_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakePublicationService(const Calls& calls, Publications& publications) {
  return std::make_unique<PublicationService>(calls, publications);
}

}  // namespace hallmark
