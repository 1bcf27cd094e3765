#include "hsm/login.h"

#include <fmt/format.h>

#include <memory>

#include "base/reason.h"
#include "hsm/cryptoki.h"

namespace hallmark {

PinSource KeepPin(Secret pin) {
  return [kept = std::make_shared<const Secret>(std::move(pin))] { return kept->Copy(); };
}

Status Login::Refused(const std::string& what) const {
  return Error(Code::kFailedPrecondition, reason::kHsmPinIncorrect,
               fmt::format("cannot log in to the token \"{}\": {}", token_, what));
}

Status Login::Check() {
  constexpr Duration kPause = absl::Milliseconds(500);
  if (!refused_.has_value()) return absl::OkStatus();
  if (Now() < next_look_) return refusal_;
  next_look_ = After(Now(), kPause);
  ASSIGN_OR_RETURN(const Secret pin, source_());
  if (pin.Reveal() == refused_->Reveal()) return refusal_;
  refused_.reset();
  return absl::OkStatus();
}

StatusOr<ReturnValue> Login::TryPin(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session) {
  RETURN_IF_ERROR(Check());
  CK_SESSION_INFO session_info = {};
  CK_TOKEN_INFO info = {};
  CK_RV rv = functions.C_GetSessionInfo(session, &session_info);
  if (rv == CKR_OK) rv = functions.C_GetTokenInfo(session_info.slotID, &info);
  if (rv != CKR_OK) return rv;
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
    return Refused("its user PIN is locked; unlock it with the security officer's PIN");
  }
  if ((info.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return Refused("only one attempt is left before it locks; log in by hand, e.g. with p11tool --login");
  }
  ASSIGN_OR_RETURN(Secret pin, source_());
  rv = functions.C_Login(session, CKU_USER, Octets(pin), pin.size());
  if (rv == CKR_USER_ALREADY_LOGGED_IN) return CKR_OK;
  if (RemedyFor(rv) != Remedy::kRefusePin) return rv;
  refused_ = std::move(pin);
  refusal_ = CkrError(fmt::format("log in to the token \"{}\"", token_), rv);
  next_look_ = Instant();
  return refusal_;
}

}  // namespace hallmark
