// Token is one token of a module, found by its label, with its login and its sessions.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"
#include "hsm/key_uri.h"
#include "hsm/module.h"
#include "hsm/return_value.h"
#include "hsm/session_pool.h"

namespace hallmark {

// Initialises a free slot's token with `label` (1 to 32 octets) and sets both PINs (C_InitToken, C_InitPIN).
// kAlreadyExists (HSM_REFUSED): a token has that label. kUnavailable (HSM_TOKEN_NOT_FOUND): no slot is free. Otherwise
// as CkrError says.
Status InitializeToken(const Module& module, const std::string& label, const Secret& so_pin, const Secret& user_pin);

// Thread-safe. Finds the token and logs in when first needed, and again when the login was lost; a login is the
// application's, so that all Tokens of one token share it. A wrong PIN is tried once: from then on this object refuses
// everything without touching the token, which so cannot lock.
class Token {
 public:
  // Touches nothing yet. `uri` names the token; what it says of an object is ignored. At most `sessions` signatures
  // are made at a time, fewer if the token states a lower limit.
  Token(std::shared_ptr<Module> module, KeyUri uri, Secret pin, size_t sessions);
  Token(const Token&) = delete;  // it owns the login
  Token& operator=(const Token&) = delete;

  // Finds the token and logs in, for a check at start. kUnavailable (HSM_TOKEN_NOT_FOUND, with a retry delay): it is
  // not there. kFailedPrecondition: HSM_TOKEN_NOT_FOUND when several match, HSM_PIN_INCORRECT when the PIN is wrong or
  // locked, or when only one attempt is left, which is for a person to make. Otherwise as CkrError says.
  Status LogIn();

  const KeyUri& uri() const { return uri_; }
  const Module& module() const { return *module_; }

  // For the files of hsm/ from here on.

  // Grows whenever the handles of objects may have become stale.
  uint64_t generation() const { return generation_; }

  // CKR_USER_NOT_LOGGED_IN when the session may use no private key: a token does not say so to who looks for one, it
  // only finds none. For calls of Run.
  ReturnValue CheckLoggedIn(SessionHandle session) const;

  // Calls `call` with a session that is logged in. When it returns another value than CKR_OK, tries what heals it (see
  // Remedy) and calls it again; an error of its own is returned as it is. `attempted` completes "cannot ...".
  // Errors: as LogIn, kDeadlineExceeded as SessionPool::Acquire, and as CkrError.
  using Call = std::function<StatusOr<ReturnValue>(SessionHandle session)>;
  Status Run(const std::string& attempted, Time deadline, const Call& call);

 private:
  StatusOr<SessionPool*> Pool();
  StatusOr<SlotInformation> Find() const;
  StatusOr<SessionHandle> OpenSession();
  void CloseSession(SessionHandle session) const;
  Status CheckPinNotRefused() const;
  Status LogInSession(SessionHandle session);
  Status TryPin(SessionHandle session);
  Status Heal(Remedy remedy, uint64_t generation, SessionPool::Lease& lease);

  const std::shared_ptr<Module> module_;
  const KeyUri uri_;
  const Secret pin_;
  const size_t sessions_;
  std::atomic<uint64_t> generation_ = 1;

  std::mutex login_mutex_;
  std::atomic<bool> pin_refused_ = false;  // for the rest of this object's life

  std::mutex pool_mutex_;
  SlotInformation slot_;               // set before the pool, constant after
  std::unique_ptr<SessionPool> pool_;  // made when the token was found
};

}  // namespace hallmark
