#include "publish/dps_answer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/reason.h"
#include "base/text.h"
#include "publish/retry_after.h"

namespace hallmark {
namespace {

constexpr size_t kCode = 64;

std::string TextOf(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number() ? value.dump() : "";
}

struct Said {
  std::string code;
  std::string message;
};

Said ReadError(const std::string& body) {
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return {"", body};
  const nlohmann::json& error = json.contains("error") && json["error"].is_object() ? json["error"] : json;
  Said said;
  for (const char* field : {"errorCode", "code", "errorStatus"}) {
    if (said.code.empty() && error.contains(field)) said.code = TextOf(error[field]);
  }
  for (const char* field : {"message", "Message", "errorStatus"}) {
    if (said.message.empty() && error.contains(field)) said.message = TextOf(error[field]);
  }
  if (said.message.empty()) said.message = body;
  return said;
}

Status StatusOfCode(int status, const std::string& message) {
  switch (status) {
    case 401:
    case 403: return Error(Code::kFailedPrecondition, reason::kTargetCredentialRefused, message);
    case 404: return Error(Code::kNotFound, reason::kTargetObjectUnknown, message);
    case 409:
    case 412: return Error(Code::kAborted, reason::kTargetConflict, message);
    case 429: return Error(Code::kUnavailable, reason::kTargetThrottled, message);
    case 408: return Error(Code::kUnavailable, reason::kTargetUnavailable, message);
    default: break;
  }
  if (status >= 500) return Error(Code::kUnavailable, reason::kTargetUnavailable, message);
  return Error(Code::kFailedPrecondition, reason::kTargetRefused, message);
}

}  // namespace

std::string Clean(const std::string& text, size_t limit) {
  std::string clean = Shorten(text, limit);
  if (IsCleanUtf8(clean)) return clean;
  for (char& c : clean) {
    if (c < ' ' || c > '~') c = '?';
  }
  return clean;
}

bool ConcernsTarget(const Status& status) {
  static const std::set<std::string> kReasons = {reason::kTargetUntrusted, reason::kTargetCredentialMissing,
                                                 reason::kTargetCredentialRefused, reason::kConfigurationInvalid,
                                                 reason::kFileUnreadable};
  // Of an authority's key, for of a credential's they never come here (Authorizer::Authorization); and of the service
  // of the chain, while the one of denials answers.
  static const std::set<std::string> kOthers = {reason::kHsmUnavailable, reason::kHsmTokenNotFound,
                                                kTargetManagementAway};
  const std::string reason = Reason(status);
  if (kOthers.contains(reason)) return false;
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || kReasons.contains(reason);
}

bool IsUndone(const Status& failure) {
  static const std::set<std::string> kReasons = {reason::kTargetThrottled, reason::kTargetBudgetSpent,
                                                 reason::kTargetRefused,   reason::kTargetCredentialRefused,
                                                 reason::kTargetUntrusted, reason::kTargetCredentialMissing};
  return kReasons.contains(Reason(failure));
}

std::string ErrorCodeOf(const std::string& body) {
  const Said said = ReadError(body);
  const size_t stated = said.message.find("errorcode: ");
  if (stated == std::string::npos) return said.code;
  const std::string rest = said.message.substr(stated + sizeof "errorcode: " - 1);
  return rest.substr(0, rest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"));
}

Status CheckAnswer(const WebResponse& response, const std::string& what, Time now) {
  if (response.status >= 200 && response.status < 300) return absl::OkStatus();
  const Said said = ReadError(response.body);
  const std::string message = fmt::format("{}: the service answered {}{}: {}", what, response.status,
                                          said.code.empty() ? "" : " " + Clean(said.code, kCode), Clean(said.message));
  Status status = StatusOfCode(response.status, message);
  const auto header = response.headers.find("retry-after");
  if (!absl::IsUnavailable(status) || header == response.headers.end()) return status;
  const std::optional<Duration> delay = ParseRetryAfter(header->second, now);
  return delay.has_value() ? WithRetry(std::move(status), *delay) : status;
}

}  // namespace hallmark
