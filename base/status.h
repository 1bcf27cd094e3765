// The one error idiom of the house: absl::Status and absl::StatusOr, whose codes are gRPC's own.
//
// A Status that leaves a room says what was attempted, on what, what was wrong and what to do next, and carries a
// stable reason (base/reason.h) for programs. It never holds a PIN, a key or a whole CSR.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hallmark {

using Status = absl::Status;
template <class T>
using StatusOr = absl::StatusOr<T>;
using Code = absl::StatusCode;

// One field of a request that was wrong (google.rpc.BadRequest.FieldViolation).
struct FieldViolation {
  std::string field;
  std::string description;
};

// Returns a Status of `code` with the stable `reason` of base/reason.h.
Status Error(Code code, std::string_view reason, const std::string& message);

// Returns INVALID_ARGUMENT that names the field of the request at fault.
Status FieldError(std::string_view reason, const std::string& field, const std::string& description);

// Returns INVALID_ARGUMENT for several fields at once; `violations` must not be empty. Of very many, it names the first
// and says how many more there are.
Status FieldErrors(std::string_view reason, const std::vector<FieldViolation>& violations);

// Returns `status` with the delay after which the caller may try again (google.rpc.RetryInfo).
Status WithRetry(Status status, absl::Duration delay);

// What was used up (google.rpc.QuotaFailure.Violation).
struct QuotaViolation {
  std::string subject;      // a resource name or a caller's URI
  std::string description;  // what is allowed
};
// Returns `status` with the quota that it is about.
Status WithQuota(Status status, const QuotaViolation& quota);

// Returns `status` with `context` and a colon before its message; reason, fields and retry delay stay. OK stays OK.
Status Annotate(const Status& status, const std::string& context);

// What Error, FieldErrors, WithRetry and WithQuota put into a Status; empty when it holds none.
std::string Reason(const Status& status);
std::vector<FieldViolation> Fields(const Status& status);
std::optional<absl::Duration> RetryDelay(const Status& status);
std::optional<QuotaViolation> Quota(const Status& status);

// The message as std::string, since the system's absl::string_view is not std::string_view.
inline std::string Message(const Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace hallmark

// Debian's abseil is older than absl/status/status_macros.h; these two behave like it.
#define RETURN_IF_ERROR(expression)                             \
  do {                                                          \
    if (::absl::Status status_ = (expression); !status_.ok()) { \
      return status_;                                           \
    }                                                           \
  } while (false)

#define HALLMARK_CONCAT_(a, b) a##b
#define HALLMARK_CONCAT(a, b) HALLMARK_CONCAT_(a, b)
#define ASSIGN_OR_RETURN(target, expression) \
  HALLMARK_ASSIGN_OR_RETURN_(HALLMARK_CONCAT(status_or_, __LINE__), target, expression)
#define HALLMARK_ASSIGN_OR_RETURN_(result, target, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) {                                          \
    return std::move(result).status();                         \
  }                                                            \
  target = std::move(result).value()
