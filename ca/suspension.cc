#include "ca/suspension.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/entries.h"

namespace hallmark {
namespace {

constexpr size_t kReasonLimit = 256;

// Callers belong to no authority, profile or lot.
Status CheckAccess(const CertificateAuthority& authority, const Caller& caller, const char* permission) {
  return authority.Authorize(caller, permission, {"", "", ""});
}

Status CheckUri(const Caller& caller, const std::string& uri) {
  const StatusOr<Caller> other = ParseCallerUri(uri);
  if (other.ok() && other->realm == caller.realm) return absl::OkStatus();
  return FieldError(reason::kRequestInvalid, "caller",
                    fmt::format("must be hallmark://{}/<role>/<name>, as in the caller's certificate", caller.realm));
}

Status CheckReason(const std::string& text) {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == 127; };
  if (!text.empty() && text.size() <= kReasonLimit && std::none_of(text.begin(), text.end(), is_control)) {
    return absl::OkStatus();
  }
  return FieldError(reason::kRequestInvalid, "reason",
                    fmt::format("must be 1 to {} octets without control characters", kReasonLimit));
}

}  // namespace

StatusOr<SuspensionRecord> SuspendCaller(const CertificateAuthority& authority, const Caller& caller,
                                         const std::string& suspended, const std::string& reason) {
  RETURN_IF_ERROR(CheckAccess(authority, caller, permission::kSuspendCaller));
  RETURN_IF_ERROR(CheckUri(caller, suspended));
  RETURN_IF_ERROR(CheckReason(reason));
  if (suspended == caller.uri) {
    return FieldError(reason::kRequestInvalid, "caller", "nobody suspends himself; have another operator do it");
  }
  Store& store = authority.parts().store;
  const SuspensionRecord suspension{suspended, reason, caller.uri, TruncateToSecond(authority.parts().clock.Now())};
  RETURN_IF_ERROR(store.Suspend(suspension, CallerSuspendedEntry(suspension)));
  ASSIGN_OR_RETURN(const std::optional<SuspensionRecord> stands, store.FindSuspension(suspended));
  return stands.value_or(suspension);  // nothing stands only if somebody resumed it at once
}

Status ResumeCaller(const CertificateAuthority& authority, const Caller& caller, const std::string& suspended) {
  RETURN_IF_ERROR(CheckAccess(authority, caller, permission::kSuspendCaller));
  RETURN_IF_ERROR(CheckUri(caller, suspended));
  const Time now = TruncateToSecond(authority.parts().clock.Now());
  return authority.parts().store.Resume(suspended, CallerResumedEntry(suspended, caller.uri, now), now);
}

StatusOr<std::vector<SuspensionRecord>> ListSuspensions(const CertificateAuthority& authority, const Caller& caller) {
  RETURN_IF_ERROR(CheckAccess(authority, caller, permission::kListSuspensions));
  return authority.parts().store.ListSuspensions();
}

}  // namespace hallmark
