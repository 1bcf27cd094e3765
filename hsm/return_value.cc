#include "hsm/return_value.h"

#include <fmt/format.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>

#include "base/reason.h"
#include "hsm/explanation.h"

namespace hallmark {
namespace {

struct Meaning {
  ReturnValue value;
  const char* name;
  Remedy remedy;
};

#define MEANING(name, remedy) \
  { name, #name, Remedy::remedy }
// Every return value of PKCS#11 v2.40, by number.
constexpr Meaning kMeanings[] = {
    MEANING(CKR_OK, kRefuse),
    MEANING(CKR_CANCEL, kRefuse),
    MEANING(CKR_HOST_MEMORY, kWait),
    MEANING(CKR_SLOT_ID_INVALID, kFindToken),
    MEANING(CKR_GENERAL_ERROR, kReplaceSession),
    MEANING(CKR_FUNCTION_FAILED, kReplaceSession),
    MEANING(CKR_ARGUMENTS_BAD, kRefuse),
    MEANING(CKR_NO_EVENT, kRefuse),
    MEANING(CKR_NEED_TO_CREATE_THREADS, kRefuse),
    MEANING(CKR_CANT_LOCK, kRefuse),
    MEANING(CKR_ATTRIBUTE_READ_ONLY, kRefuse),
    MEANING(CKR_ATTRIBUTE_SENSITIVE, kRefuse),
    MEANING(CKR_ATTRIBUTE_TYPE_INVALID, kRefuse),
    MEANING(CKR_ATTRIBUTE_VALUE_INVALID, kRefuse),
    MEANING(CKR_ACTION_PROHIBITED, kRefuse),
    MEANING(CKR_DATA_INVALID, kRefuse),
    MEANING(CKR_DATA_LEN_RANGE, kRefuse),
    MEANING(CKR_DEVICE_ERROR, kReinitialize),
    MEANING(CKR_DEVICE_MEMORY, kWait),
    MEANING(CKR_DEVICE_REMOVED, kReinitialize),
    MEANING(CKR_ENCRYPTED_DATA_INVALID, kRefuse),
    MEANING(CKR_ENCRYPTED_DATA_LEN_RANGE, kRefuse),
    MEANING(CKR_FUNCTION_CANCELED, kReplaceSession),
    MEANING(CKR_FUNCTION_NOT_PARALLEL, kRefuse),
    MEANING(CKR_FUNCTION_NOT_SUPPORTED, kRefuse),
    MEANING(CKR_KEY_HANDLE_INVALID, kFindKey),
    MEANING(CKR_KEY_SIZE_RANGE, kRefuse),
    MEANING(CKR_KEY_TYPE_INCONSISTENT, kRefuse),
    MEANING(CKR_KEY_NOT_NEEDED, kRefuse),
    MEANING(CKR_KEY_CHANGED, kRefuse),
    MEANING(CKR_KEY_NEEDED, kRefuse),
    MEANING(CKR_KEY_INDIGESTIBLE, kRefuse),
    MEANING(CKR_KEY_FUNCTION_NOT_PERMITTED, kRefuse),
    MEANING(CKR_KEY_NOT_WRAPPABLE, kRefuse),
    MEANING(CKR_KEY_UNEXTRACTABLE, kRefuse),
    MEANING(CKR_MECHANISM_INVALID, kRefuse),
    MEANING(CKR_MECHANISM_PARAM_INVALID, kRefuse),
    MEANING(CKR_OBJECT_HANDLE_INVALID, kFindKey),
    MEANING(CKR_OPERATION_ACTIVE, kReplaceSession),
    MEANING(CKR_OPERATION_NOT_INITIALIZED, kReplaceSession),
    MEANING(CKR_PIN_INCORRECT, kRefusePin),
    MEANING(CKR_PIN_INVALID, kRefusePin),
    MEANING(CKR_PIN_LEN_RANGE, kRefusePin),
    MEANING(CKR_PIN_EXPIRED, kRefusePin),
    MEANING(CKR_PIN_LOCKED, kRefusePin),
    MEANING(CKR_SESSION_CLOSED, kOpenSession),
    MEANING(CKR_SESSION_COUNT, kShareSessions),
    MEANING(CKR_SESSION_HANDLE_INVALID, kOpenSession),
    MEANING(CKR_SESSION_PARALLEL_NOT_SUPPORTED, kRefuse),
    MEANING(CKR_SESSION_READ_ONLY, kRefuse),
    MEANING(CKR_SESSION_EXISTS, kRefuse),
    MEANING(CKR_SESSION_READ_ONLY_EXISTS, kRefuse),
    MEANING(CKR_SESSION_READ_WRITE_SO_EXISTS, kWait),
    MEANING(CKR_SIGNATURE_INVALID, kRefuse),
    MEANING(CKR_SIGNATURE_LEN_RANGE, kRefuse),
    MEANING(CKR_TEMPLATE_INCOMPLETE, kRefuse),
    MEANING(CKR_TEMPLATE_INCONSISTENT, kRefuse),
    MEANING(CKR_TOKEN_NOT_PRESENT, kFindToken),
    MEANING(CKR_TOKEN_NOT_RECOGNIZED, kFindToken),
    MEANING(CKR_TOKEN_WRITE_PROTECTED, kRefuse),
    MEANING(CKR_UNWRAPPING_KEY_HANDLE_INVALID, kRefuse),
    MEANING(CKR_UNWRAPPING_KEY_SIZE_RANGE, kRefuse),
    MEANING(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, kRefuse),
    MEANING(CKR_USER_ALREADY_LOGGED_IN, kRefuse),
    MEANING(CKR_USER_NOT_LOGGED_IN, kLogIn),
    MEANING(CKR_USER_PIN_NOT_INITIALIZED, kRefuse),
    MEANING(CKR_USER_TYPE_INVALID, kRefuse),
    MEANING(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, kWait),
    MEANING(CKR_USER_TOO_MANY_TYPES, kRefuse),
    MEANING(CKR_WRAPPED_KEY_INVALID, kRefuse),
    MEANING(CKR_WRAPPED_KEY_LEN_RANGE, kRefuse),
    MEANING(CKR_WRAPPING_KEY_HANDLE_INVALID, kRefuse),
    MEANING(CKR_WRAPPING_KEY_SIZE_RANGE, kRefuse),
    MEANING(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, kRefuse),
    MEANING(CKR_RANDOM_SEED_NOT_SUPPORTED, kRefuse),
    MEANING(CKR_RANDOM_NO_RNG, kRefuse),
    MEANING(CKR_DOMAIN_PARAMS_INVALID, kRefuse),
    MEANING(CKR_CURVE_NOT_SUPPORTED, kRefuse),
    MEANING(CKR_BUFFER_TOO_SMALL, kRefuse),
    MEANING(CKR_SAVED_STATE_INVALID, kRefuse),
    MEANING(CKR_INFORMATION_SENSITIVE, kRefuse),
    MEANING(CKR_STATE_UNSAVEABLE, kRefuse),
    MEANING(CKR_CRYPTOKI_NOT_INITIALIZED, kReinitialize),
    MEANING(CKR_CRYPTOKI_ALREADY_INITIALIZED, kRefuse),
    MEANING(CKR_MUTEX_BAD, kRefuse),
    MEANING(CKR_MUTEX_NOT_LOCKED, kRefuse),
    MEANING(CKR_NEW_PIN_MODE, kRefusePin),
    MEANING(CKR_NEXT_OTP, kRefusePin),
    MEANING(CKR_EXCEEDED_MAX_ITERATIONS, kWait),
    MEANING(CKR_FIPS_SELF_TEST_FAILED, kRefuse),
    MEANING(CKR_LIBRARY_LOAD_FAILED, kRefuse),
    MEANING(CKR_PIN_TOO_WEAK, kRefuse),
    MEANING(CKR_PUBLIC_KEY_INVALID, kRefuse),
    MEANING(CKR_FUNCTION_REJECTED, kRefuse),
};
#undef MEANING

const Meaning* Find(ReturnValue value) {
  const auto* found =
      std::lower_bound(std::begin(kMeanings), std::end(kMeanings), value,
                       [](const Meaning& meaning, ReturnValue wanted) { return meaning.value < wanted; });
  return found != std::end(kMeanings) && found->value == value ? found : nullptr;
}

}  // namespace

Remedy RemedyFor(ReturnValue value) {
  const Meaning* meaning = Find(value);
  // Vendors report a lost connection with values of their own, and nothing else of ours would provoke one.
  return meaning == nullptr ? Remedy::kReinitialize : meaning->remedy;
}

std::string CkrName(ReturnValue value) {
  const Meaning* meaning = Find(value);
  return meaning == nullptr ? fmt::format("CKR_{:#x}", value) : meaning->name;
}

Status CkrError(const std::string& attempted, ReturnValue value) {
  const Explanation explanation = Explain(value);
  const std::string what = fmt::format("cannot {}: the HSM answered {} ({}; {})", attempted, CkrName(value),
                                       explanation.meaning, explanation.next_step);
  switch (RemedyFor(value)) {
    case Remedy::kRefuse:
      return Error(Code::kFailedPrecondition, reason::kHsmRefused,
                   what + "; a retry will not help, compare the token's mechanisms, policy and key attributes");
    case Remedy::kRefusePin:
      return Error(Code::kFailedPrecondition, reason::kHsmPinIncorrect,
                   what + "; this PIN is not tried again, so that the token does not lock: correct it in its source");
    case Remedy::kWait:
    case Remedy::kShareSessions:
    case Remedy::kFindKey:
    case Remedy::kLogIn:
    case Remedy::kReplaceSession:
    case Remedy::kOpenSession:
    case Remedy::kFindToken:
    case Remedy::kReinitialize: break;
  }
  return WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable, what + "; try again later"), kHsmRetryDelay);
}

}  // namespace hallmark
