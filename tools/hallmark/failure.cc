#include "tools/hallmark/failure.h"

#include <absl/strings/cord.h>
#include <fmt/format.h>
#include <google/rpc/error_details.pb.h>

#include <array>

#include "base/clock.h"
#include "base/reason.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct NextStep {
  const char* reason;
  const char* text;
};
constexpr std::array kNextSteps = {
    NextStep{reason::kAuthorityUnknown, "list the authorities with: hallmark authority list"},
    NextStep{reason::kCallerExpired, "ask an operator for a new certificate and put it into the context"},
    NextStep{reason::kCallerRevoked, "ask an operator for a new certificate and put it into the context"},
    NextStep{reason::kCallerUnauthenticated, "use the context of an operator, a station or an auditor (--context)"},
    NextStep{reason::kCallerUnknown, "use a context of this very service (--context)"},
    NextStep{reason::kCertificateUnknown, "look for it with: hallmark certificate list --all"},
    NextStep{reason::kCommandLineInvalid, "see the command's --help"},
    NextStep{reason::kConfigurationInvalid, "correct the file and run the command again"},
    NextStep{reason::kCrlUnknown, "wait for the authority's first CRL, then run the command again"},
    NextStep{reason::kDeviceClaimed,
             "look at it with: hallmark lot device LOT SERIAL; for rework add --reissue REASON"},
    NextStep{reason::kDeviceUnknown, "look at the lot's devices with: hallmark lot devices LOT"},
    NextStep{reason::kFileUnreadable, "check the path and its permissions"},
    NextStep{reason::kLotRequired,
             "name the lot that announces the device with --lot; have it imported first: hallmark lot import --help"},
    NextStep{reason::kLotUnknown, "list the lots with: hallmark lot list"},
    NextStep{reason::kManufacturerUnknown, "register it with: hallmark manufacturer register NAME --certificate FILE"},
    NextStep{reason::kPermissionDenied, "ask an operator for the permission, or use another context (--context)"},
    NextStep{reason::kProfileUnknown, "name one of the service's profiles with --profile"},
    NextStep{reason::kRateLimited, "wait for as long as the message says, then run the same command again"},
    NextStep{reason::kRequestIdReused, "to have the CSR certified anew, give a --request-id that no request has had"},
    NextStep{reason::kStationNotInLot, "see the lot's stations with: hallmark lot show LOT"},
    NextStep{reason::kServiceUnreachable,
             "check that hallmarkd runs there and that the context's roots and certificate belong to it"},
};

// What to do about it, if we know; by the reason, else by the code.
std::string NextStepFor(const Status& status) {
  const std::string reason = Reason(status);
  for (const NextStep& step : kNextSteps) {
    if (reason == step.reason) return step.text;
  }
  switch (status.code()) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kAborted: return "run the same command again; that is safe";
    case Code::kInternal: return "report this, with the service's log of the same time";
    default: return "";
  }
}

constexpr char kValidationPayload[] = "hallmark/validation";

Code CodeOf(int number) {
  const bool known = number > 0 && number <= static_cast<int>(Code::kUnauthenticated);
  return known ? static_cast<Code>(number) : Code::kUnknown;
}

}  // namespace

ExitCode ExitCodeOf(const Status& status) {
  const std::string reason = Reason(status);
  if (reason == reason::kCommandLineInvalid) return kUsage;
  if (reason == reason::kFileUnreadable || reason == reason::kConfigurationInvalid) return kFailed;
  switch (status.code()) {
    case Code::kOk: return kDone;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kAlreadyExists:
    case Code::kOutOfRange: return kRefused;
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kAborted:
    case Code::kResourceExhausted: return kUnavailable;
    case Code::kNotFound: return kNotFound;
    case Code::kPermissionDenied:
    case Code::kUnauthenticated: return kPermission;
    default: return kFailed;
  }
}

Status UsageError(const std::string& message) {
  return Error(Code::kInvalidArgument, reason::kCommandLineInvalid, message);
}

Status FromRpc(const google::rpc::Status& rpc) {
  std::string reason;
  std::vector<FieldViolation> violations;
  std::optional<Duration> retry;
  for (const google::protobuf::Any& detail : rpc.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry_info;
    if (detail.UnpackTo(&info)) {
      reason = Printable(info.reason());
    } else if (detail.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) {
        violations.push_back({Printable(violation.field()), Printable(violation.description())});
      }
    } else if (detail.UnpackTo(&retry_info)) {
      retry = absl::Seconds(retry_info.retry_delay().seconds()) + absl::Nanoseconds(retry_info.retry_delay().nanos());
    }
  }
  const std::string message = rpc.message().empty() ? "the service gave no message" : Printable(rpc.message());
  Status status = Error(CodeOf(rpc.code()), reason, message);
  if (!violations.empty()) {
    FieldErrors(reason, violations).ForEachPayload([&status](auto key, const absl::Cord& value) {
      status.SetPayload(key, value);
    });
  }
  for (const google::protobuf::Any& detail : rpc.details()) {
    if (detail.Is<v1::Validation>()) status.SetPayload(kValidationPayload, absl::Cord(detail.value()));
  }
  return retry.has_value() ? WithRetry(std::move(status), *retry) : status;
}

v1::Validation ValidationOf(const Status& status) {
  v1::Validation validation;
  const auto payload = status.GetPayload(kValidationPayload);
  if (!payload.has_value() || !validation.ParseFromString(std::string(*payload))) validation.Clear();
  return validation;
}

std::string FailureText(const Status& status) {
  const std::string message = Message(status);
  std::string text = fmt::format("hallmark: {}\n", message);
  for (const FieldViolation& violation : Fields(status)) {
    if (message.find(violation.description) != message.npos) continue;
    text += fmt::format("  {}: {}\n", violation.field, violation.description);
  }
  const std::string reason = Reason(status);
  const std::string next = NextStepFor(status);
  if (!reason.empty() || !next.empty()) {
    text += fmt::format("  {}{}{}\n", reason, reason.empty() || next.empty() ? "" : "; ", next);
  }
  return text;
}

nlohmann::json FailureJson(const Status& status) {
  nlohmann::json json = {{"code", absl::StatusCodeToString(status.code())}, {"message", Message(status)}};
  if (const std::string reason = Reason(status); !reason.empty()) json["reason"] = reason;
  for (const FieldViolation& violation : Fields(status)) {
    json["fields"].push_back({{"field", violation.field}, {"description", violation.description}});
  }
  if (const auto delay = RetryDelay(status)) json["retry_delay_ms"] = absl::ToInt64Milliseconds(*delay);
  if (const std::string next = NextStepFor(status); !next.empty()) json["next_step"] = next;
  return json;
}

}  // namespace hallmark::cli
