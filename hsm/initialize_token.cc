#include <fmt/format.h>

#include "base/reason.h"
#include "hsm/cryptoki.h"
#include "hsm/token.h"

namespace hallmark {
namespace {

constexpr size_t kLabelSize = 32;  // PKCS#11 v2.40 3.2

// Ends an administrative session, whose login must not outlive it.
class SecurityOfficerSession {
 public:
  SecurityOfficerSession(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session)
      : functions_(functions), session_(session) {}
  SecurityOfficerSession(const SecurityOfficerSession&) = delete;  // two owners would close it twice
  SecurityOfficerSession& operator=(const SecurityOfficerSession&) = delete;
  ~SecurityOfficerSession() {
    functions_.C_Logout(session_);
    functions_.C_CloseSession(session_);
  }

 private:
  const CK_FUNCTION_LIST& functions_;
  const CK_SESSION_HANDLE session_;
};

Status InitToken(const Module& module, CK_SLOT_ID slot, const std::string& label, const Secret& so_pin) {
  CK_UTF8CHAR padded[kLabelSize];
  ToPadded(label, padded);
  ASSIGN_OR_RETURN(const Module::Use use, module.Enter());
  const CK_RV rv = module.functions().C_InitToken(slot, Octets(so_pin), so_pin.size(), padded);
  if (rv == CKR_OK) return absl::OkStatus();
  return CkrError(fmt::format("initialise a token \"{}\" in {}", label, module.name()), rv);
}

Status SetUserPin(const Module& module, CK_SLOT_ID slot, const std::string& label, const Secret& so_pin,
                  const Secret& user_pin) {
  ASSIGN_OR_RETURN(const Module::Use use, module.Enter());
  const CK_FUNCTION_LIST& functions = module.functions();
  const std::string attempted = fmt::format("set the user PIN of the new token \"{}\"", label);
  CK_SESSION_HANDLE handle = 0;
  CK_RV rv = functions.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle);
  if (rv != CKR_OK) return CkrError(attempted, rv);
  const SecurityOfficerSession session(functions, handle);
  rv = functions.C_Login(handle, CKU_SO, Octets(so_pin), so_pin.size());
  if (rv == CKR_OK) rv = functions.C_InitPIN(handle, Octets(user_pin), user_pin.size());
  return rv == CKR_OK ? absl::OkStatus() : CkrError(attempted, rv);
}

}  // namespace

Status InitializeToken(const Module& module, const std::string& label, const Secret& so_pin, const Secret& user_pin) {
  if (label.empty() || label.size() > kLabelSize || label.back() == ' ') {
    return FieldError(reason::kRequestInvalid, "label", "a token's label has 1 to 32 octets and no blank at its end");
  }
  ASSIGN_OR_RETURN(const std::vector<SlotInformation> slots, module.ListSlots());
  const SlotInformation* free_slot = nullptr;
  for (const SlotInformation& slot : slots) {
    if (!slot.token.has_value()) continue;
    if (slot.token->initialized && slot.token->label == label) {
      return Error(Code::kAlreadyExists, reason::kHsmRefused,
                   fmt::format("cannot initialise a token \"{}\" in {}: there is one; choose another label", label,
                               module.name()));
    }
    if (!slot.token->initialized && free_slot == nullptr) free_slot = &slot;
  }
  if (free_slot == nullptr) {
    return WithRetry(Error(Code::kUnavailable, reason::kHsmTokenNotFound,
                           fmt::format("cannot initialise a token \"{}\": {} has no slot with an uninitialised token",
                                       label, module.name())),
                     kHsmRetryDelay);
  }
  RETURN_IF_ERROR(InitToken(module, free_slot->slot, label, so_pin));
  ASSIGN_OR_RETURN(const std::vector<SlotInformation> new_slots, module.ListSlots());  // SoftHSM gives it a new slot
  for (const SlotInformation& slot : new_slots) {
    if (slot.token.has_value() && slot.token->initialized && slot.token->label == label) {
      return SetUserPin(module, slot.slot, label, so_pin, user_pin);
    }
  }
  return WithRetry(
      Error(Code::kUnavailable, reason::kHsmTokenNotFound,
            fmt::format("cannot set the PIN of the token \"{}\": {} does not show it after initialising it", label,
                        module.name())),
      kHsmRetryDelay);
}

}  // namespace hallmark
