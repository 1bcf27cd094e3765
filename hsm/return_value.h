// What a return value of PKCS#11 (CK_RV, v2.40 5.1) means to Hallmark: its name, what may heal it, and its Status.
#pragma once

#include <string>

#include "base/status.h"

namespace hallmark {

using ReturnValue = unsigned long;  // CK_RV, as pkcs11.h defines it

// What may help after a call has failed. A remedy is tried once for a call; when it did not help, the call fails.
enum class Remedy {
  kRefuse,       // nothing: an operator has to act
  kRefusePin,    // nothing: and the PIN must not be tried again, or the token may lock
  kOpenSession,  // the session is lost or spoilt: open another
  kLogIn,        // the login is lost: log in again
  kFindKey,      // the object handle is stale: find the key again
  kWait,         // the HSM is away or busy: ask again later
};

Remedy RemedyFor(ReturnValue value);

// The name in the standard, e.g. CKR_PIN_INCORRECT; of a vendor's or unknown value its number, e.g. CKR_0x80000001.
std::string CkrName(ReturnValue value);

// The Status of a call that failed for good, by its remedy: kFailedPrecondition with HSM_REFUSED or HSM_PIN_INCORRECT,
// otherwise kUnavailable (HSM_UNAVAILABLE) with a retry delay. `attempted` completes "cannot ...".
Status CkrError(const std::string& attempted, ReturnValue value);

// The retry delay of everything that is kUnavailable here.
inline constexpr absl::Duration kHsmRetryDelay = absl::Seconds(1);

}  // namespace hallmark
