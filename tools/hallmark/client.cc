#include "tools/hallmark/client.h"

#include <algorithm>

#include "base/reason.h"
#include "tools/hallmark/client_connection.h"
#include "tools/hallmark/failure.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr Duration kReplayTimeout = absl::Minutes(30);
constexpr Duration kSearchTimeout = absl::Minutes(5);  // counting a million certificates takes seconds
constexpr Duration kSilence = absl::Seconds(15);       // of a stream that owes answers
constexpr Duration kTurn = absl::Milliseconds(100);
constexpr Duration kBundleTimeout = absl::Hours(1);

// Issuance is missing on purpose: its retries are ours, with the same request_id and the service's RetryInfo. Revoking
// twice is revoking once, and each act on an authority is safe to repeat.
constexpr char kServiceConfig[] = R"({"methodConfig": [{
  "name": [{"service": "hallmark.v1.Issuance", "method": "GetCertificate"},
           {"service": "hallmark.v1.Issuance", "method": "ListCertificates"},
           {"service": "hallmark.v1.Issuance", "method": "ConfirmInstallation"},
           {"service": "hallmark.v1.Authorities"},
           {"service": "hallmark.v1.Lots", "method": "GetLot"},
           {"service": "hallmark.v1.Lots", "method": "ListLots"},
           {"service": "hallmark.v1.Lots", "method": "CloseLot"},
           {"service": "hallmark.v1.Lots", "method": "GetDevice"},
           {"service": "hallmark.v1.Lots", "method": "ListDevices"},
           {"service": "hallmark.v1.Stations"},
           {"service": "hallmark.v1.Publication", "method": "GetTarget"},
           {"service": "hallmark.v1.Publication", "method": "ListTargets"},
           {"service": "hallmark.v1.Publication", "method": "PlanPublication"},
           {"service": "hallmark.v1.Publication", "method": "PublishChain"},
           {"service": "hallmark.v1.Publication", "method": "ListWork"},
           {"service": "hallmark.v1.Publication", "method": "RetryWork"},
           {"service": "hallmark.v1.Publication", "method": "CheckCertificate"},
           {"service": "hallmark.v1.Publication", "method": "CheckLot"},
           {"service": "hallmark.v1.Publication", "method": "ListEnrollments"},
           {"service": "hallmark.v1.Revocation", "method": "RevokeCertificate"},
           {"service": "hallmark.v1.Revocation", "method": "RevokeCertificateByKey"},
           {"service": "hallmark.v1.Revocation", "method": "RevokeCertificates"},
           {"service": "hallmark.v1.Revocation", "method": "GetMassRevocation"},
           {"service": "hallmark.v1.Revocation", "method": "ListMassRevocations"},
           {"service": "hallmark.v1.Revocation", "method": "StopMassRevocation"},
           {"service": "hallmark.v1.Revocation", "method": "ImportCrl"},
           {"service": "hallmark.v1.Revocation", "method": "ListImportedCrls"},
           {"service": "hallmark.v1.Revocation", "method": "GetRevocationStatus"},
           {"service": "hallmark.v1.Revocation", "method": "GetCrl"},
           {"service": "hallmark.v1.Revocation", "method": "ListCrls"},
           {"service": "hallmark.v1.Publication", "method": "ExportBundle"}],
  "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
                  "retryableStatusCodes": ["UNAVAILABLE"]}}]})";

// The error of gRPC itself, which no service made.
Status TransportError(const grpc::Status& status, const std::string& endpoint) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::CANCELLED:
      return Error(Code::kUnavailable, reason::kServiceUnreachable,
                   fmt::format("cannot reach the service at {}: {}", endpoint, Printable(status.error_message())));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded,
                   fmt::format("the service at {} did not answer in time", endpoint));
    default:
      return Error(static_cast<Code>(status.error_code()), "",
                   fmt::format("the service at {} refused the call: {}", endpoint, Printable(status.error_message())));
  }
}

}  // namespace

Status FromGrpc(const grpc::Status& status, const std::string& endpoint) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status rpc;
  if (status.error_details().empty() || !rpc.ParseFromString(status.error_details())) {
    return TransportError(status, endpoint);
  }
  return FromRpc(rpc);
}

void Client::Connection::Open() {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetUserAgentPrefix("hallmark-cli");
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);          // a context names the service and nothing between
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // so that Reconnect connects anew
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  const auto channel = grpc::CreateCustomChannel(endpoint, credentials, arguments);
  issuance = v1::Issuance::NewStub(channel);
  authorities = v1::Authorities::NewStub(channel);
  revocation = v1::Revocation::NewStub(channel);
  profiles = v1::Profiles::NewStub(channel);
  lots = v1::Lots::NewStub(channel);
  stations = v1::Stations::NewStub(channel);
  publication = v1::Publication::NewStub(channel);
}

Client::Client(const Context& context, const Clock& clock)
    : connection_(std::make_unique<Connection>(context.endpoint, clock)) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = context.roots;
  options.pem_private_key = std::string(context.key.Reveal());
  options.pem_cert_chain = context.certificate;
  connection_->credentials = grpc::SslCredentials(options);
  OPENSSL_cleanse(options.pem_private_key.data(), options.pem_private_key.size());
  connection_->Open();
}

Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

void Client::Reconnect() { connection_->Open(); }

StatusOr<v1::Certificate> Client::IssueCertificate(const v1::IssueCertificateRequest& request, Time deadline) {
  return connection_->Call(connection_->issuance, &v1::Issuance::Stub::IssueCertificate, request, deadline);
}

StatusOr<v1::ListProfilesResponse> Client::ListProfiles() {
  return connection_->Call(connection_->profiles, &v1::Profiles::Stub::ListProfiles, v1::ListProfilesRequest(),
                           connection_->Deadline());
}

StatusOr<v1::Profile> Client::GetProfile(const std::string& profile, const std::string& version) {
  v1::GetProfileRequest request;
  request.set_name(profile);
  request.set_version(version);
  return connection_->Call(connection_->profiles, &v1::Profiles::Stub::GetProfile, request, connection_->Deadline());
}

Status Client::ReplayProfile(const v1::ReplayProfileRequest& request,
                             const std::function<void(const v1::ReplayProfileResponse&)>& on_response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(connection_->clock.Now() + kReplayTimeout));
  const auto stream = connection_->profiles->ReplayProfile(&context, request);
  v1::ReplayProfileResponse response;
  while (stream->Read(&response)) on_response(response);
  return FromGrpc(stream->Finish(), connection_->endpoint);
}

StatusOr<v1::Certificate> Client::GetCertificate(const std::string& name) {
  v1::GetCertificateRequest request;
  request.set_name(name);
  return connection_->Call(connection_->issuance, &v1::Issuance::Stub::GetCertificate, request,
                           connection_->Deadline());
}

StatusOr<v1::ListCertificatesResponse> Client::ListCertificates(const v1::ListCertificatesRequest& request) {
  return connection_->Call(connection_->issuance, &v1::Issuance::Stub::ListCertificates, request,
                           connection_->Deadline());
}

StatusOr<v1::Certificate> Client::RevokeCertificate(const v1::RevokeCertificateRequest& request) {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::RevokeCertificate, request,
                           connection_->Deadline());
}

StatusOr<v1::Certificate> Client::ReleaseCertificate(const std::string& name) {
  v1::ReleaseCertificateRequest request;
  request.set_name(name);
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::ReleaseCertificate, request,
                           connection_->Deadline());
}

StatusOr<v1::Certificate> Client::RevokeCertificateByKey(const std::string& name, const std::string& signature) {
  v1::RevokeCertificateByKeyRequest request;
  request.set_name(name);
  request.set_signature(signature);
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::RevokeCertificateByKey, request,
                           connection_->Deadline());
}

StatusOr<v1::RevokeCertificatesResponse> Client::RevokeCertificates(const v1::RevokeCertificatesRequest& request) {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::RevokeCertificates, request,
                           connection_->clock.Now() + kSearchTimeout);
}

StatusOr<v1::MassRevocation> Client::GetMassRevocation(const std::string& name) {
  v1::GetMassRevocationRequest request;
  request.set_name(name);
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::GetMassRevocation, request,
                           connection_->Deadline());
}

StatusOr<v1::ListMassRevocationsResponse> Client::ListMassRevocations() {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::ListMassRevocations,
                           v1::ListMassRevocationsRequest(), connection_->Deadline());
}

StatusOr<v1::MassRevocation> Client::StopMassRevocation(const std::string& name) {
  v1::StopMassRevocationRequest request;
  request.set_name(name);
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::StopMassRevocation, request,
                           connection_->Deadline());
}

StatusOr<v1::ImportedCrl> Client::ImportCrl(const v1::ImportCrlRequest& request) {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::ImportCrl, request, connection_->Deadline());
}

StatusOr<v1::ListImportedCrlsResponse> Client::ListImportedCrls() {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::ListImportedCrls,
                           v1::ListImportedCrlsRequest(), connection_->Deadline());
}

StatusOr<v1::RevocationStatus> Client::GetRevocationStatus() {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::GetRevocationStatus,
                           v1::GetRevocationStatusRequest(), connection_->Deadline());
}

StatusOr<v1::RevokeAuthorityResponse> Client::RevokeAuthority(const v1::RevokeAuthorityRequest& request) {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::RevokeAuthority, request,
                           connection_->Deadline());
}

StatusOr<v1::Crl> Client::GetCrl(const v1::GetCrlRequest& request) {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::GetCrl, request, connection_->Deadline());
}

StatusOr<v1::Crl> Client::GenerateCrl(const v1::GenerateCrlRequest& request) {
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::GenerateCrl, request,
                           connection_->Deadline());
}

StatusOr<v1::ListCrlsResponse> Client::ListCrls(const std::string& authority) {
  v1::ListCrlsRequest request;
  request.set_parent(authority);
  return connection_->Call(connection_->revocation, &v1::Revocation::Stub::ListCrls, request, connection_->Deadline());
}

StatusOr<v1::Authority> Client::GetAuthority(const std::string& authority) {
  v1::GetAuthorityRequest request;
  request.set_name(authority);
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::GetAuthority, request,
                           connection_->Deadline());
}

StatusOr<v1::ExportChainResponse> Client::ExportChain(const std::string& authority,
                                                      v1::ExportChainRequest::Format format) {
  v1::ExportChainRequest request;
  request.set_name(authority);
  request.set_format(format);
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::ExportChain, request,
                           connection_->Deadline());
}

StatusOr<v1::FetchCsrResponse> Client::FetchCsr(const std::string& authority) {
  v1::FetchCsrRequest request;
  request.set_name(authority);
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::FetchCsr, request,
                           connection_->Deadline());
}

StatusOr<v1::ListAuthoritiesResponse> Client::ListAuthorities() {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::ListAuthorities,
                           v1::ListAuthoritiesRequest(), connection_->Deadline());
}

StatusOr<v1::Authority> Client::CreateAuthority(const v1::CreateAuthorityRequest& request) {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::CreateAuthority, request,
                           connection_->Deadline());
}

StatusOr<v1::Authority> Client::ActivateAuthority(const v1::ActivateAuthorityRequest& request) {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::ActivateAuthority, request,
                           connection_->Deadline());
}

StatusOr<v1::Authority> Client::SetState(const v1::SetStateRequest& request) {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::SetState, request,
                           connection_->Deadline());
}

StatusOr<v1::Authority> Client::RolloverAuthority(const v1::RolloverAuthorityRequest& request) {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::RolloverAuthority, request,
                           connection_->Deadline());
}

StatusOr<v1::Authority> Client::UpdateAuthority(const v1::UpdateAuthorityRequest& request) {
  return connection_->Call(connection_->authorities, &v1::Authorities::Stub::UpdateAuthority, request,
                           connection_->Deadline());
}

namespace {

// One stream of Client::IssueCertificates. What was begun ends as an event of the queue; one thread waits for them, and
// the wait's time limit is the watchdog.
class IssuanceStream {
 public:
  IssuanceStream(v1::Issuance::Stub& stub, Batch& batch, size_t in_flight, const Client::OnAnswer& on_answer,
                 const Client::OnTurn& on_turn, const Clock& clock)
      : batch_(batch),
        in_flight_(in_flight),
        on_answer_(on_answer),
        on_turn_(on_turn),
        clock_(clock),
        last_event_(clock.Now()) {
    stream_ = stub.AsyncIssueCertificates(&context_, &queue_, Tag(kStarted));
  }
  // Whatever is still begun must end before what it refers to goes.
  ~IssuanceStream() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;
  }

  grpc::Status Run() {
    while (!finished_) {
      Send();
      if (Next(absl::InfinitePast())) continue;
      Turn();
      Send();
      if (!Next(WakeUp())) Watch();
    }
    if (silent_) return {grpc::StatusCode::DEADLINE_EXCEEDED, "no answer"};
    return status_;
  }

 private:
  enum Event : uintptr_t { kStarted = 1, kSent, kReceived, kFinished };
  static void* Tag(Event event) { return reinterpret_cast<void*>(static_cast<uintptr_t>(event)); }

  // Waits for an event until `deadline`, and handles it. False if there was none.
  bool Next(Time deadline) {
    void* tag = nullptr;
    bool ok = false;
    const auto next = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(deadline));
    if (next == grpc::CompletionQueue::GOT_EVENT) Handle(static_cast<Event>(reinterpret_cast<uintptr_t>(tag)), ok);
    if (next == grpc::CompletionQueue::SHUTDOWN) finished_ = true;
    return next != grpc::CompletionQueue::TIMEOUT;
  }

  void Turn() {
    if (on_turn_ == nullptr || silent_ || all_sent_ || on_turn_()) return;
    silent_ = true;
    context_.TryCancel();
  }

  void Send() {
    if (!may_send_ || silent_) return;
    if (batch_.Done()) {
      may_send_ = false;
      stream_->WritesDone(Tag(kSent));
      all_sent_ = true;
    } else if (batch_.under_way() < in_flight_) {
      const bool idle = batch_.under_way() == 0;
      const v1::IssueCertificateRequest* request = batch_.Take(clock_.Now());
      if (request == nullptr) return;
      if (idle) last_event_ = clock_.Now();
      may_send_ = false;
      stream_->Write(*request, Tag(kSent));
    }
  }

  void Handle(Event event, bool ok) {
    switch (event) {
      case kStarted:
        may_send_ = ok;
        ok ? stream_->Read(&response_, Tag(kReceived)) : stream_->Finish(&status_, Tag(kFinished));
        break;
      case kSent: may_send_ = ok && !all_sent_; break;
      case kReceived:
        if (!ok) {
          may_send_ = false;
          stream_->Finish(&status_, Tag(kFinished));
          break;
        }
        Receive();
        stream_->Read(&response_, Tag(kReceived));
        break;
      case kFinished: finished_ = true; break;
    }
  }

  void Receive() {
    last_event_ = clock_.Now();
    StatusOr<v1::Certificate> answer;
    if (response_.has_certificate()) {
      answer = std::move(*response_.mutable_certificate());
    } else {
      answer = FromRpc(response_.error());
    }
    const std::vector<size_t> settled = batch_.Settle(response_.request_id(), answer.status(), last_event_);
    if (!settled.empty()) on_answer_(settled, answer);
  }

  // Until when nothing can happen but an event of the queue.
  Time WakeUp() const {
    if (silent_) return absl::InfiniteFuture();
    Time wake_up = batch_.Expiry();
    if (OwesAnswer()) wake_up = std::min(wake_up, last_event_ + kSilence);
    if (may_send_ && batch_.under_way() < in_flight_) wake_up = std::min(wake_up, batch_.Ready());
    if (on_turn_ != nullptr) wake_up = std::min(wake_up, clock_.Now() + kTurn);
    return wake_up;
  }

  void Watch() {
    const Time now = clock_.Now();
    if (!batch_.Expired(now) && (!OwesAnswer() || now < last_event_ + kSilence)) return;
    silent_ = true;
    context_.TryCancel();
  }

  // The beginning and the end are owed as well.
  bool OwesAnswer() const { return batch_.under_way() > 0 || !may_send_; }

  Batch& batch_;
  const size_t in_flight_;
  const Client::OnAnswer& on_answer_;
  const Client::OnTurn& on_turn_;
  const Clock& clock_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::IssueCertificateRequest, v1::IssueCertificatesResponse>> stream_;
  v1::IssueCertificatesResponse response_;
  grpc::Status status_;
  Time last_event_;
  bool may_send_ = false;  // no write is under way and the stream stands
  bool all_sent_ = false;
  bool silent_ = false;
  bool finished_ = false;
};

}  // namespace

Status Client::IssueCertificates(Batch& batch, size_t in_flight, const OnAnswer& on_answer, const OnTurn& on_turn) {
  IssuanceStream stream(*connection_->issuance, batch, in_flight, on_answer, on_turn, connection_->clock);
  const Status status = FromGrpc(stream.Run(), connection_->endpoint);
  if (batch.Done()) return absl::OkStatus();
  if (!status.ok()) return status;
  return Error(
      Code::kUnavailable, reason::kServiceUnreachable,
      fmt::format("the service at {} ended the stream before it had answered everything", connection_->endpoint));
}

Status Client::IssueBundle(const std::function<StatusOr<std::optional<std::string>>()>& next,
                           const std::function<Status(const v1::IssueBundleResponse&)>& on_response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(connection_->clock.Now() + kBundleTimeout));
  const auto stream = connection_->issuance->IssueBundle(&context);
  const auto abandon = [&](Status status) {
    context.TryCancel();
    stream->Finish();
    return status;
  };
  while (true) {
    StatusOr<std::optional<std::string>> chunk = next();
    if (!chunk.ok()) return abandon(chunk.status());
    if (!chunk->has_value()) break;
    v1::IssueBundleRequest request;
    request.set_chunk(**std::move(chunk));
    // A service that has heard enough tells why when the stream is finished.
    if (!stream->Write(request)) break;
  }
  stream->WritesDone();
  v1::IssueBundleResponse response;
  while (stream->Read(&response)) {
    if (Status status = on_response(response); !status.ok()) return abandon(std::move(status));
  }
  return FromGrpc(stream->Finish(), connection_->endpoint);
}

}  // namespace hallmark::cli
