// Login logs an application in to a token as its user, and never tries a PIN again that the token refused.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/secret.h"
#include "base/status.h"
#include "hsm/instant.h"
#include "hsm/return_value.h"

struct _CK_FUNCTION_LIST;  // of pkcs11.h, which only the files of hsm/ see

namespace hallmark {

// Where the PIN comes from, each time that it is needed. Its errors are passed on as they are.
using PinSource = std::function<StatusOr<Secret>()>;

// Always the same one: typed, or read once.
PinSource KeepPin(Secret pin);

// Not thread-safe. A PIN that was refused is kept, and nothing is tried until the source gives another one: so an
// operator heals it without a restart, and a token does not lock.
class Login {
 public:
  // `token`: its label, for messages.
  Login(std::string token, PinSource source) : token_(std::move(token)), source_(std::move(source)) {}

  // Fails unless there may be a PIN to try. Looks at the source twice a second at most, and never at the token.
  // kFailedPrecondition (HSM_PIN_INCORRECT): it gives the PIN that was refused. Otherwise as the source fails.
  Status Check();

  // Logs in with C_Login, within a Module::Use. Returns CKR_OK, or a value of the module that is no verdict on the PIN.
  // kFailedPrecondition (HSM_PIN_INCORRECT): the PIN is wrong, expired or locked, or one attempt is left before it
  // locks, which is for a person to make. Otherwise as the source fails.
  StatusOr<ReturnValue> TryPin(const _CK_FUNCTION_LIST& functions, unsigned long session);

 private:
  Status Refused(const std::string& what) const;

  const std::string token_;
  const PinSource source_;
  std::optional<Secret> refused_;
  Status refusal_;
  Instant next_look_;
};

}  // namespace hallmark
