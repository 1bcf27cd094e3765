// What a return value of PKCS#11 (CK_RV, v2.40 5.1) means to Hallmark: its name, what may heal it, and its Status.
#pragma once

#include <string>

#include "base/status.h"

namespace hallmark {

using ReturnValue = unsigned long;  // CK_RV, as pkcs11.h defines it

// What may help after a call has failed. A remedy is tried once for a call, and the call made again; then, where it
// says so, the next stronger one; and when nothing is left the call fails.
enum class Remedy {
  kRefuse,          // nothing: an operator has to act
  kRefusePin,       // nothing: and the PIN must not be tried again, or the token may lock
  kWait,            // nothing: the HSM is busy, or another application has it; ask again later
  kShareSessions,   // the token allows no further session: use those that are open already
  kFindKey,         // the object handle is stale: find the key again
  kLogIn,           // the login is lost: log in again
  kReplaceSession,  // the session is spoilt, or the failure may have been a passing one: close it and open another
  kOpenSession,     // the session is lost, and with it perhaps all: open another; then kReinitialize
  kFindToken,       // the token is away, and with it all sessions: look for it in every slot; then kReinitialize
  // The module has lost its device or its server, and many find it again only when they are initialised anew: p11-kit's
  // client, YubiHSM's. That ends every session in the module, so it is done after kReplaceSession did not help, and
  // only if nobody else gets answers from the module.
  kReinitialize,
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
