#include "base/status.h"

#include <absl/strings/cord.h>

#include <array>
#include <charconv>

#include "base/text.h"

namespace hallmark {
namespace {

constexpr char kReasonPayload[] = "hallmark/reason";
constexpr char kFieldsPayload[] = "hallmark/fields";
constexpr char kRetryPayload[] = "hallmark/retry-milliseconds";
constexpr char kQuotaPayload[] = "hallmark/quota";
// Field names and descriptions are printable text, so the ASCII unit and record separators cannot occur in them.
constexpr char kUnitSeparator = '\x1f';
constexpr char kRecordSeparator = '\x1e';

// A client of gRPC takes 8 KiB of trailers, where a message stands twice, its fields once, and most of it in base64.
constexpr size_t kFieldsLimit = 1536;

std::string Payload(const Status& status, const char* key) {
  auto payload = status.GetPayload(key);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

Status Error(Code code, std::string_view reason, const std::string& message) {
  Status status(code, message);
  status.SetPayload(kReasonPayload, absl::Cord(std::string(reason)));
  return status;
}

Status FieldError(std::string_view reason, const std::string& field, const std::string& description) {
  return FieldErrors(reason, {{field, description}});
}

Status FieldErrors(std::string_view reason, const std::vector<FieldViolation>& violations) {
  std::string message;
  std::string fields;
  size_t told = 0;
  for (const FieldViolation& violation : violations) {
    const std::string next = violation.field + ": " + violation.description;
    if (told > 0 && message.size() + next.size() > kFieldsLimit) break;
    message += (told > 0 ? "; " : "") + Shorten(next, kFieldsLimit);
    fields += violation.field + kUnitSeparator + Shorten(violation.description, kFieldsLimit) + kRecordSeparator;
    ++told;
  }
  if (told < violations.size()) message += "; and " + std::to_string(violations.size() - told) + " more";
  Status status = Error(Code::kInvalidArgument, reason, message);
  status.SetPayload(kFieldsPayload, absl::Cord(fields));
  return status;
}

Status WithRetry(Status status, absl::Duration delay) {
  status.SetPayload(kRetryPayload, absl::Cord(std::to_string(absl::ToInt64Milliseconds(delay))));
  return status;
}

Status WithQuota(Status status, const QuotaViolation& quota) {
  status.SetPayload(kQuotaPayload, absl::Cord(quota.subject + kUnitSeparator + quota.description));
  return status;
}

Status Annotate(const Status& status, const std::string& context) {
  if (status.ok()) return status;
  Status annotated(status.code(), context + ": " + Message(status));
  status.ForEachPayload([&annotated](auto key, const absl::Cord& value) { annotated.SetPayload(key, value); });
  return annotated;
}

std::string Reason(const Status& status) { return Payload(status, kReasonPayload); }

std::vector<FieldViolation> Fields(const Status& status) {
  std::vector<FieldViolation> violations;
  const std::string fields = Payload(status, kFieldsPayload);
  size_t start = 0;
  while (start < fields.size()) {
    const size_t unit = fields.find(kUnitSeparator, start);
    const size_t record = fields.find(kRecordSeparator, unit);
    violations.push_back({fields.substr(start, unit - start), fields.substr(unit + 1, record - unit - 1)});
    start = record + 1;
  }
  return violations;
}

std::optional<absl::Duration> RetryDelay(const Status& status) {
  const std::string text = Payload(status, kRetryPayload);
  int64_t milliseconds = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), milliseconds).ec != std::errc()) return std::nullopt;
  return absl::Milliseconds(milliseconds);
}

std::optional<QuotaViolation> Quota(const Status& status) {
  const std::string quota = Payload(status, kQuotaPayload);
  const size_t unit = quota.find(kUnitSeparator);
  if (unit == quota.npos) return std::nullopt;
  return QuotaViolation{quota.substr(0, unit), quota.substr(unit + 1)};
}

}  // namespace hallmark
