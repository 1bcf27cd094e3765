// What Azure answers when it does not do what was asked (docs/publishing.md lists the reasons). Three shapes of bodies
// are read, and none is expected.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "publish/web_client.h"

namespace hallmark {

// OK for 2xx. Otherwise, with `what` was attempted and what the service said:
//   kNotFound (TARGET_OBJECT_UNKNOWN) 404; kAborted (TARGET_CONFLICT) 409, 412: it was changed by another;
//   kFailedPrecondition (TARGET_CREDENTIAL_REFUSED) 401, 403; kUnavailable (TARGET_THROTTLED) 429, with the delay that
//   was asked for, if any; kUnavailable (TARGET_UNAVAILABLE) 408, 5xx; kFailedPrecondition (TARGET_REFUSED) the others.
Status CheckAnswer(const WebResponse& response, const std::string& what, Time now);

// Whether a failure says nothing of what was asked, but that the target, or our way to it, cannot be used now. An
// authority's key that is away is no such failure: nobody but that authority's proof has to wait for it.
bool ConcernsTarget(const Status& status);

// Of Resource Manager, while the service of devices answers: what can be done without it is done.
inline constexpr char kTargetManagementAway[] = "TARGET_MANAGEMENT_AWAY";

// Whether nothing of a call can have been done: it was refused as a whole, or never sent.
bool IsUndone(const Status& failure);

// As much as can be shown of what somebody else said: at most `limit` octets of it, on one line.
std::string Clean(const std::string& text, size_t limit = 512);

// The service's own error code, 401002 or "IH400053", of an error's body; empty: none.
std::string ErrorCodeOf(const std::string& body);

}  // namespace hallmark
