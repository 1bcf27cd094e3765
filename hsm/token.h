// Token is one token of a module, found by its label, with its login and its sessions, and how it is doing.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"
#include "hsm/circuit_breaker.h"
#include "hsm/key_uri.h"
#include "hsm/login.h"
#include "hsm/module.h"
#include "hsm/return_value.h"
#include "hsm/session_pool.h"
#include "hsm/turn.h"

namespace hallmark {

// Initialises a free slot's token with `label` (1 to 32 octets) and sets both PINs (C_InitToken, C_InitPIN).
// kAlreadyExists (HSM_REFUSED): a token has that label. kUnavailable (HSM_TOKEN_NOT_FOUND): no slot is free. Otherwise
// as CkrError says.
Status InitializeToken(const Module& module, const std::string& label, const Secret& so_pin, const Secret& user_pin);

// How a token is doing.
struct Health {
  Status status;  // OK: up, or never tried; otherwise what callers get at once
  Time since;
  size_t busy = 0;   // callers that have a session, or open one
  size_t open = 0;   // sessions
  size_t limit = 0;  // of sessions, as configured, as the token states, or as it has taught
  uint64_t logins = 0;
  uint64_t reinitializations = 0;  // of its module
};

// How many sessions may be open of those that are configured (0: as many as the token states, at most kMostSessions).
inline constexpr size_t kMostSessions = 64;
size_t UsableSessions(const TokenInformation& token, size_t configured);

struct TokenOptions {
  size_t sessions = 0;                       // at most so many; see UsableSessions
  Duration stuck_limit = absl::Seconds(10);  // after which a call that does not return counts as no answer
  std::function<void(const Health&)> observe =
      {};  // each change between up and away; without locks, by whoever found it
};

// Thread-safe. Finds the token and logs in when first needed; heals a lost session, login, slot or module by itself,
// within the call that finds the loss. A login is the application's, so that all Tokens of one token share it. A PIN
// that was refused is not tried again, so that the token does not lock; when the source gives another, that one is.
//
// A token that does not answer is *away*: every Run fails at once with what is wrong, but for one every second at most,
// which tries everything that may heal it. If that is answered the token is up again for all.
class Token {
 public:
  // Touches nothing yet. `uri` names the token; what it says of an object is ignored. `pin` is asked at each login.
  Token(std::shared_ptr<Module> module, KeyUri uri, PinSource pin, TokenOptions options);
  Token(const Token&) = delete;  // it owns the login
  Token& operator=(const Token&) = delete;
  ~Token() { module_->Forget(this); }

  // Finds the token and logs in, for a check at start. kUnavailable (HSM_TOKEN_NOT_FOUND, with a retry delay): it is
  // not there. kFailedPrecondition: HSM_TOKEN_NOT_FOUND when several match, HSM_PIN_INCORRECT when the PIN is wrong or
  // locked, or when only one attempt is left, which is for a person to make. Otherwise as CkrError and the PIN's source
  // say.
  Status LogIn();

  const KeyUri& uri() const { return uri_; }
  const Module& module() const { return *module_; }

  // Cheap, and never touches the HSM.
  Health health() const;

  // For the files of hsm/ from here on.

  // Grows whenever the handles of objects may have become stale.
  uint64_t generation() const { return generation_; }

  // CKR_USER_NOT_LOGGED_IN when the session may use no private key: a token does not say so to who looks for one, it
  // only finds none. For calls of Run.
  ReturnValue CheckLoggedIn(SessionHandle session) const;

  // Calls `call` with a session that is logged in, within a Module::Use. When it returns another value than CKR_OK,
  // tries what heals it (see Remedy) and calls it again, so that it must do no harm when it is repeated; an error of
  // its own is returned as it is. `attempted` completes "cannot ...". Errors: as LogIn; kUnavailable (with a retry
  // delay), at once, while the token is away; kDeadlineExceeded as SessionPool::Acquire; and as CkrError.
  using Call = std::function<StatusOr<ReturnValue>(SessionHandle session)>;
  Status Run(const std::string& attempted, Time deadline, const Call& call);

 private:
  // Where the token was found.
  struct Place {
    uint64_t incarnation = 0;  // of the module
    unsigned long slot = 0;
    bool write_protected = false;
  };
  // A thread's stay in the module, of which the circuit breaker knows.
  struct Stay {
    Module::Use use;
    CircuitBreaker::Stay stay;
  };
  struct Effort;

  StatusOr<Stay> Enter(Instant deadline);
  Status RunAdmitted(Effort& effort, const Call& call);
  StatusOr<ReturnValue> Try(Effort& effort, const Call& call);
  StatusOr<ReturnValue> TakeSession(Effort& effort);
  std::optional<Remedy> NextRemedy(const Effort& effort, const StatusOr<ReturnValue>& outcome) const;
  bool ModuleWorks(const Effort& effort) const;
  Status Heal(Remedy remedy, Effort& effort);
  void Judge(const Effort& effort, const Status& status);
  Status CheckPin();
  Health Describe(const CircuitBreaker::State& state) const;

  StatusOr<ReturnValue> Find(Instant deadline, Place& place);
  StatusOr<ReturnValue> LookFor(Instant deadline, Place& place, size_t& sessions);
  StatusOr<ReturnValue> OpenSession(Instant deadline, Session& session);
  void CloseSession(const Session& session);
  StatusOr<ReturnValue> LogInSession(Instant deadline, SessionHandle session);

  const std::shared_ptr<Module> module_;
  const KeyUri uri_;
  const TokenOptions options_;
  std::atomic<uint64_t> generation_ = 1;
  CircuitBreaker breaker_;

  Turn login_turn_;
  Login login_;
  std::atomic<uint64_t> logins_ = 0;
  std::atomic<bool> login_required_ = true;

  Turn find_turn_;
  mutable std::mutex place_mutex_;
  std::optional<Place> place_;       // until it is found lost
  std::atomic<uint64_t> found_ = 0;  // how often it was looked for

  SessionPool pool_;  // dies first: it closes its sessions
};

}  // namespace hallmark
