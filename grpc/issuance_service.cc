#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "ca/bundle.h"
#include "grpc/filter.h"
#include "grpc/issue_bundle.h"
#include "grpc/issue_stream.h"
#include "grpc/services.h"
#include "grpc/upload.h"
#include "hallmark/v1/issuance.grpc.pb.h"

namespace hallmark {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kBundlesAtOnce = 2;

// Unary calls have a thread each while they last; streams have none, or whoever holds many open would hold them all.
using Base = v1::Issuance::WithCallbackMethod_IssueCertificates<v1::Issuance::Service>;

class IssuanceService final : public Base {
 public:
  IssuanceService(const Calls& calls, OpenStreams& streams, IssuanceOptions options)
      : calls_(calls), streams_(streams), options_(std::move(options)), workers_(options_.workers) {}

  grpc::Status IssueCertificate(grpc::ServerContext* context, const v1::IssueCertificateRequest* message,
                                v1::Certificate* response) override {
    return calls_.Run("IssueCertificate", *context, response,
                      [&](const Caller& caller) { return Issue(caller, *message, Calls::Deadline(*context)); });
  }

  IssueReactor* IssueCertificates(grpc::CallbackServerContext* context) override {
    const StatusOr<Bytes> certificate = Calls::PeerCertificate(*context);
    const auto identify = [&calls = calls_, certificate]() -> StatusOr<Caller> {
      RETURN_IF_ERROR(certificate.status());
      return calls.Identify(*certificate);
    };
    return NewIssueStream({.open = streams_,
                           .certificate = certificate.value_or(Bytes()),
                           .identify = [identify] { return identify().status(); },
                           .cancel = [context] { context->TryCancel(); },
                           .post = [this](std::function<void()> work) { boost::asio::post(workers_, std::move(work)); },
                           .answer = [this, identify](const v1::IssueCertificateRequest& message,
                                                      Time deadline) { return Answer(identify, message, deadline); }});
  }

  grpc::Status IssueBundle(grpc::ServerContext* context, BundleStream* stream) override {
    return ToGrpcStatus(calls_.Observe("IssueBundle", [&]() -> Status {
      ASSIGN_OR_RETURN(const Caller carrier, calls_.Identify(*context));
      RETURN_IF_ERROR(CheckMayCarry(calls_.authority(), carrier));
      const UploadTurn turn(bundles_);
      RETURN_IF_ERROR(turn.Check(kBundlesAtOnce));
      const BundleParts parts{
          .calls = calls_,
          .directory = options_.upload_directory,
          .post = [this](std::function<void()> work) { boost::asio::post(workers_, std::move(work)); },
          .issue = [this](const Caller& station, const v1::IssueCertificateRequest& message,
                          Time deadline) { return Issue(station, message, deadline); }};
      return AnswerBundle(parts, carrier, *context, *stream);
    }));
  }

  grpc::Status ConfirmInstallation(grpc::ServerContext* context, const v1::ConfirmInstallationRequest* message,
                                   v1::ConfirmInstallationResponse* response) override {
    return calls_.Run("ConfirmInstallation", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ConfirmInstallationResponse> {
                        ASSIGN_OR_RETURN(const CertificateName name, ParseCertificateName(message->name()));
                        ASSIGN_OR_RETURN(const DeviceRecord device,
                                         calls_.authority().ConfirmInstallation(caller, name.authority, name.serial,
                                                                                AsBytes(message->signature())));
                        v1::ConfirmInstallationResponse confirmed;
                        confirmed.set_device(fmt::format("lots/{}/devices/{}", device.lot, device.serial));
                        if (device.installed.has_value())
                          *confirmed.mutable_install_time() = ToTimestamp(*device.installed);
                        confirmed.set_proven(device.proven);
                        return confirmed;
                      });
  }

  grpc::Status GetCertificate(grpc::ServerContext* context, const v1::GetCertificateRequest* message,
                              v1::Certificate* response) override {
    return calls_.Run("GetCertificate", *context, response, [&](const Caller& caller) -> StatusOr<v1::Certificate> {
      ASSIGN_OR_RETURN(const CertificateName name, ParseCertificateName(message->name()));
      ASSIGN_OR_RETURN(const Issued issued, calls_.authority().Get(caller, name.authority, name.serial));
      return ToProto(issued);
    });
  }

  grpc::Status ListCertificates(grpc::ServerContext* context, const v1::ListCertificatesRequest* message,
                                v1::ListCertificatesResponse* response) override {
    return calls_.Run("ListCertificates", *context, response,
                      [&](const Caller& caller) { return List(caller, *message); });
  }

 private:
  StatusOr<v1::Certificate> Issue(const Caller& caller, const v1::IssueCertificateRequest& message,
                                  Time deadline) const {
    ASSIGN_OR_RETURN(const Request request, FromProto(message));
    if (request.validate_only) {
      const Validated validated = calls_.authority().Validate(caller, request, deadline);
      v1::Validation validation = ToProto(validated.comparisons, validated.findings);
      if (!validated.outcome.ok()) return WithValidation(validated.outcome.status(), validation);
      v1::Certificate certificate = ToProto(*validated.outcome);
      *certificate.mutable_validation() = std::move(validation);
      return certificate;
    }
    ASSIGN_OR_RETURN(const Issued issued, calls_.authority().Issue(caller, request, deadline));
    return ToProto(issued);
  }

  // One request of a stream. The caller is identified anew: a revocation ends an open stream's rights too.
  template <class Identify>
  v1::IssueCertificatesResponse Answer(const Identify& identify, const v1::IssueCertificateRequest& message,
                                       Time deadline) const {
    v1::IssueCertificatesResponse response;
    response.set_request_id(message.request_id());
    const Status status = calls_.Observe("IssueCertificates", [&]() -> Status {
      ASSIGN_OR_RETURN(const Caller caller, identify());
      ASSIGN_OR_RETURN(*response.mutable_certificate(), Issue(caller, message, deadline));
      return absl::OkStatus();
    });
    if (!status.ok()) *response.mutable_error() = ToRpcStatus(status);
    return response;
  }

  StatusOr<v1::ListCertificatesResponse> List(const Caller& caller, const v1::ListCertificatesRequest& message) const {
    ASSIGN_OR_RETURN(CertificateFilter filter, ParseFilter(message.filter()));
    if (!message.parent().empty()) {
      ASSIGN_OR_RETURN(filter.authority, ParseAuthorityName(message.parent(), "parent"));
    }
    const int page_size = message.page_size() == 0 ? kDefaultPageSize : message.page_size();
    ASSIGN_OR_RETURN(const auto page,
                     calls_.authority().List(caller, std::move(filter), page_size, message.page_token()));
    v1::ListCertificatesResponse response;
    for (const CertificateRecord& record : page.items) *response.add_certificates() = ToProto(record);
    response.set_next_page_token(page.next_page_token);
    return response;
  }

  const Calls& calls_;
  OpenStreams& streams_;
  const IssuanceOptions options_;
  std::atomic<int> bundles_ = 0;
  boost::asio::thread_pool workers_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeIssuanceService(const Calls& calls, OpenStreams& streams, IssuanceOptions options) {
  return std::make_unique<IssuanceService>(calls, streams, std::move(options));
}

}  // namespace hallmark
