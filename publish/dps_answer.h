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

// The service's own error code, 401002 or "IH400053", of an error's body; empty: none.
std::string ErrorCodeOf(const std::string& body);

}  // namespace hallmark
