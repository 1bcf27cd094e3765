#include "grpc/issue_bundle.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <deque>
#include <future>
#include <nlohmann/json.hpp>

#include "base/reason.h"
#include "ca/bundle.h"
#include "grpc/upload.h"

namespace hallmark {
namespace {

constexpr int64_t kBundleLimit = int64_t{1} << 30;  // octets
constexpr size_t kAtOnce = 32;
constexpr size_t kChunk = size_t{48} << 10;
constexpr Duration kPatience = absl::Minutes(2);      // of a request that is refused for now
constexpr Duration kAnswerLimit = absl::Seconds(30);  // of each try
constexpr Duration kLook = absl::Milliseconds(100);
constexpr Duration kProgressPeriod = absl::Seconds(1);
constexpr int kVersion = 1;

Status Gone() {
  return Error(Code::kCancelled, reason::kDeadlineExceeded, "the call was cancelled; the same bundle again is safe");
}

StatusOr<UploadDirectory> Receive(const std::filesystem::path& parent, BundleStream& stream, SilenceWatch& silence) {
  ASSIGN_OR_RETURN(UploadDirectory directory, UploadDirectory::Make(parent));
  ReceivedFile bundle("chunk", directory.path() / "bundle", kBundleLimit, reason::kBundleTooLarge);
  v1::IssueBundleRequest message;
  while (stream.Read(&message)) {
    silence.Heard();
    RETURN_IF_ERROR(bundle.Append(message.chunk()));
  }
  RETURN_IF_ERROR(bundle.Close());
  if (bundle.empty()) return FieldError(reason::kBundleInvalid, "chunk", "is required; nothing was sent");
  return directory;
}

// Also of what a later version may know: to leave it out would be to answer something else.
Status Parse(const std::string& line, v1::IssueCertificateRequest& request) {
  const auto parsed = google::protobuf::util::JsonStringToMessage(line, &request);
  if (parsed.ok()) return absl::OkStatus();
  return Error(Code::kInvalidArgument, reason::kBundleInvalid,
               fmt::format("is no request: {}", std::string(parsed.message())));
}

// A request and what it comes to.
struct Asked {
  v1::IssueCertificateRequest request;
  std::future<StatusOr<v1::Certificate>> answer;
  std::optional<Time> patience;  // ends then
};

class Answers {
 public:
  Answers(const BundleParts& parts, RequestBundle& bundle, grpc::ServerContext& context, BundleStream& stream,
          SilenceWatch& silence)
      : parts_(parts), bundle_(bundle), context_(context), stream_(stream), silence_(silence) {}
  // Whatever was begun ends before what it refers to goes.
  ~Answers() {
    for (const Asked& asked : asked_) {
      if (asked.answer.valid()) asked.answer.wait();
    }
  }

  Status WriteAll() {
    const nlohmann::ordered_json header = {
        {"hallmark", "station-answers"}, {"version", kVersion}, {"bundle", bundle_.name()}};
    text_ = header.dump() + "\n";
    while (true) {
      RETURN_IF_ERROR(Fill());
      if (asked_.empty()) return Flush();
      ASSIGN_OR_RETURN(const StatusOr<v1::Certificate> answer, Await(asked_.front()));
      RETURN_IF_ERROR(Write(asked_.front().request.request_id(), answer));
      asked_.pop_front();
    }
  }

 private:
  Status Fill() {
    while (asked_.size() < kAtOnce) {
      ASSIGN_OR_RETURN(const std::optional<std::string> line, bundle_.Next());
      if (!line.has_value()) return absl::OkStatus();
      Asked asked;
      RETURN_IF_ERROR(Parse(*line, asked.request));
      asked_.push_back(std::move(asked));  // where it stays, until it is answered
      Ask(asked_.back());
    }
    return absl::OkStatus();
  }

  void Ask(Asked& asked) {
    const auto task = std::make_shared<std::packaged_task<StatusOr<v1::Certificate>()>>([this, &asked] {
      StatusOr<v1::Certificate> answer = Gone();
      const Status observed = parts_.calls.Observe("IssueBundle.request", [&]() -> Status {
        ASSIGN_OR_RETURN(const Caller station, IdentifySigner(parts_.calls.authority(), bundle_, parts_.calls.realm()));
        answer = parts_.issue(station, asked.request, absl::Now() + kAnswerLimit);
        return answer.status();
      });
      if (!observed.ok()) answer = observed;
      return answer;
    });
    asked.answer = task->get_future();
    parts_.post([task] { (*task)(); });
  }

  // An error of its own ends the call.
  StatusOr<StatusOr<v1::Certificate>> Await(Asked& asked) {
    while (true) {
      while (asked.answer.wait_for(absl::ToChronoMilliseconds(kLook)) != std::future_status::ready) {
        RETURN_IF_ERROR(CheckThere());
      }
      StatusOr<v1::Certificate> answer = asked.answer.get();
      if (IsAboutSigner(answer.status())) return answer.status();
      const std::optional<Duration> delay = RetryDelay(answer.status());
      const Time now = absl::Now();
      if (!asked.patience.has_value()) asked.patience = now + kPatience;
      if (answer.ok() || !delay.has_value() || now + *delay > *asked.patience) return answer;
      while (absl::Now() < now + *delay) {
        RETURN_IF_ERROR(CheckThere());
        absl::SleepFor(std::min(kLook, *delay));
      }
      Ask(asked);
    }
  }

  static bool IsAboutSigner(const Status& status) {
    const std::string reason = Reason(status);
    return reason == reason::kCallerRevoked || reason == reason::kCallerSuspended || reason == reason::kCallerExpired ||
           reason == reason::kCallerUnknown || reason == reason::kCallerUnauthenticated;
  }

  Status CheckThere() {
    if (context_.IsCancelled()) return Gone();
    silence_.Heard();
    if (absl::Now() - told_ > kProgressPeriod) return Flush();
    return absl::OkStatus();
  }

  Status Write(const std::string& request_id, const StatusOr<v1::Certificate>& answer) {
    v1::IssueCertificatesResponse response;
    response.set_request_id(request_id);
    if (answer.ok()) {
      *response.mutable_certificate() = *answer;
    } else {
      *response.mutable_error() = ToRpcStatus(answer.status());
    }
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string line;
    const auto written = google::protobuf::util::MessageToJsonString(response, &line, options);
    if (!written.ok()) {
      return Error(Code::kInternal, reason::kInternal,
                   fmt::format("the answer to {} cannot be written: {}", request_id, std::string(written.message())));
    }
    text_ += line + "\n";
    ++answered_;
    if (answer.ok()) ++issued_;
    return text_.size() < kChunk ? absl::OkStatus() : Flush();
  }

  Status Flush() {
    told_ = absl::Now();
    v1::IssueBundleResponse message;
    message.set_answered(answered_);
    message.set_issued(issued_);
    for (std::string_view left = text_; true;) {
      message.set_chunk(std::string(left.substr(0, kChunk)));
      left.remove_prefix(message.chunk().size());
      if (!stream_.Write(message)) return Gone();
      silence_.Heard();
      if (left.empty()) break;
    }
    text_.clear();
    return absl::OkStatus();
  }

  const BundleParts& parts_;
  RequestBundle& bundle_;
  grpc::ServerContext& context_;
  BundleStream& stream_;
  SilenceWatch& silence_;
  std::deque<Asked> asked_;
  std::string text_;
  int64_t answered_ = 0;
  int64_t issued_ = 0;
  Time told_ = absl::Now();
};

}  // namespace

Status AnswerBundle(const BundleParts& parts, const Caller& carrier, grpc::ServerContext& context,
                    BundleStream& stream) {
  SilenceWatch silence(context);
  ASSIGN_OR_RETURN(const UploadDirectory directory, Receive(parts.directory, stream, silence));
  if (context.IsCancelled()) return Gone();
  const auto check = [&silence](const std::string& line) {
    silence.Heard();
    v1::IssueCertificateRequest request;
    return Parse(line, request);
  };
  ASSIGN_OR_RETURN(RequestBundle bundle,
                   AcceptBundle(parts.calls.authority(), carrier, parts.calls.realm(), directory.path() / "bundle",
                                directory.path() / "requests", check));
  return Answers(parts, bundle, context, stream, silence).WriteAll();
}

}  // namespace hallmark
