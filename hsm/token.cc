#include "hsm/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/reason.h"
#include "hsm/cryptoki.h"

namespace hallmark {
namespace {

CK_UTF8CHAR* Octets(const Secret& pin) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(pin.Reveal().data()));  // Cryptoki lacks the const
}

bool Matches(const TokenInformation& token, const KeyUri& uri) {
  const auto fits = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
  return token.initialized && token.label == uri.token && fits(uri.serial, token.serial) &&
         fits(uri.manufacturer, token.manufacturer) && fits(uri.model, token.model);
}

Status PinRefused(const std::string& token, const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kHsmPinIncorrect,
               fmt::format("cannot log in to the token \"{}\": {}", token, what));
}

// Ends an administrative session, whose login must not outlive it.
class Session {
 public:
  Session(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session) : functions_(functions), session_(session) {}
  Session(const Session&) = delete;  // two owners would close it twice
  Session& operator=(const Session&) = delete;
  ~Session() {
    functions_.C_Logout(session_);
    functions_.C_CloseSession(session_);
  }

 private:
  const CK_FUNCTION_LIST& functions_;
  const CK_SESSION_HANDLE session_;
};

Status SetUserPin(const Module& module, CK_SLOT_ID slot, const std::string& label, const Secret& so_pin,
                  const Secret& user_pin) {
  const CK_FUNCTION_LIST& functions = module.functions();
  const std::string attempted = fmt::format("set the user PIN of the new token \"{}\"", label);
  CK_SESSION_HANDLE handle = 0;
  CK_RV rv = functions.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle);
  if (rv != CKR_OK) return CkrError(attempted, rv);
  const Session session(functions, handle);
  rv = functions.C_Login(handle, CKU_SO, Octets(so_pin), so_pin.size());
  if (rv == CKR_OK) rv = functions.C_InitPIN(handle, Octets(user_pin), user_pin.size());
  return rv == CKR_OK ? absl::OkStatus() : CkrError(attempted, rv);
}

}  // namespace

Status InitializeToken(const Module& module, const std::string& label, const Secret& so_pin, const Secret& user_pin) {
  CK_UTF8CHAR padded[32];
  if (label.empty() || label.size() > sizeof padded || label.back() == ' ') {
    return FieldError(reason::kRequestInvalid, "label", "a token's label has 1 to 32 octets and no blank at its end");
  }
  ToPadded(label, padded);
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
  const CK_RV rv = module.functions().C_InitToken(free_slot->slot, Octets(so_pin), so_pin.size(), padded);
  if (rv != CKR_OK) return CkrError(fmt::format("initialise a token \"{}\" in {}", label, module.name()), rv);
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

Token::Token(std::shared_ptr<Module> module, KeyUri uri, Secret pin, size_t sessions)
    : module_(std::move(module)), uri_(std::move(uri)), pin_(std::move(pin)), sessions_(sessions) {}

Status Token::LogIn() {
  return Run(fmt::format("log in to the token \"{}\"", uri_.token), absl::InfiniteFuture(),
             [](SessionHandle) -> StatusOr<ReturnValue> { return CKR_OK; });
}

StatusOr<SlotInformation> Token::Find() const {
  ASSIGN_OR_RETURN(std::vector<SlotInformation> slots, module_->ListSlots());
  std::erase_if(slots, [this](const SlotInformation& slot) { return !slot.token || !Matches(*slot.token, uri_); });
  if (slots.size() == 1) return std::move(slots.front());
  const std::string what = fmt::format("cannot find the token {} in {}: ", uri_.ToString(), module_->name());
  if (slots.empty()) {
    return WithRetry(Error(Code::kUnavailable, reason::kHsmTokenNotFound,
                           what + "no slot has it; connect it or correct the URI, p11tool --list-tokens shows all"),
                     kHsmRetryDelay);
  }
  return Error(Code::kFailedPrecondition, reason::kHsmTokenNotFound,
               fmt::format("{}{} tokens match; add serial= to the URI", what, slots.size()));
}

StatusOr<SessionPool*> Token::Pool() {
  const std::lock_guard lock(pool_mutex_);
  if (pool_ != nullptr) return pool_.get();
  ASSIGN_OR_RETURN(slot_, Find());
  constexpr unsigned long kNoLimit = std::numeric_limits<unsigned long>::max();
  const TokenInformation& token = *slot_.token;
  const size_t size = std::min<size_t>({sessions_, token.max_sessions.value_or(kNoLimit),
                                        token.write_protected ? kNoLimit : token.max_rw_sessions.value_or(kNoLimit)});
  pool_ = std::make_unique<SessionPool>(
      size, [this] { return OpenSession(); }, [this](SessionHandle session) { CloseSession(session); });
  return pool_.get();
}

StatusOr<SessionHandle> Token::OpenSession() {
  const std::string attempted = fmt::format("open a session on the token \"{}\"", uri_.token);
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (slot_.token->write_protected ? 0 : CKF_RW_SESSION);
  CK_SESSION_HANDLE session = 0;
  CK_RV rv = module_->functions().C_OpenSession(slot_.slot, flags, nullptr, nullptr, &session);
  if (rv != CKR_OK) return CkrError(attempted, rv);
  rv = CheckLoggedIn(session);
  Status status = absl::OkStatus();
  if (rv == CKR_USER_NOT_LOGGED_IN) {
    status = LogInSession(session);
  } else if (rv != CKR_OK) {
    status = CkrError(attempted, rv);
  }
  if (status.ok()) return session;
  CloseSession(session);
  return status;
}

void Token::CloseSession(SessionHandle session) const {
  module_->functions().C_CloseSession(session);  // refused when it is gone already, which is what we want
}

Status Token::CheckPinNotRefused() const {
  if (!pin_refused_) return absl::OkStatus();
  return PinRefused(uri_.token, "the PIN was refused before and is not tried again; correct the PIN and restart");
}

Status Token::LogInSession(SessionHandle session) {
  const std::lock_guard lock(login_mutex_);
  RETURN_IF_ERROR(CheckPinNotRefused());
  if (CheckLoggedIn(session) == CKR_OK) return absl::OkStatus();  // another thread was faster
  return TryPin(session);
}

ReturnValue Token::CheckLoggedIn(SessionHandle session) const {
  CK_SESSION_INFO info = {};
  const CK_RV rv = module_->functions().C_GetSessionInfo(session, &info);
  if (rv != CKR_OK || !slot_.token->login_required) return rv;
  const bool is_user = info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
  return is_user ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

// Logs in unless a wrong PIN would lock the token: that attempt belongs to a person, not to a service that restarts.
Status Token::TryPin(SessionHandle session) {
  const std::string attempted = fmt::format("log in to the token \"{}\"", uri_.token);
  CK_TOKEN_INFO info = {};
  CK_RV rv = module_->functions().C_GetTokenInfo(slot_.slot, &info);
  if (rv != CKR_OK) return CkrError(attempted, rv);
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
    return PinRefused(uri_.token, "its user PIN is locked; unlock it with the security officer's PIN");
  }
  if ((info.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return PinRefused(
        uri_.token, "only one attempt is left before it locks; log in by hand, e.g. with p11tool --login, and restart");
  }
  rv = module_->functions().C_Login(session, CKU_USER, Octets(pin_), pin_.size());
  if (rv == CKR_USER_ALREADY_LOGGED_IN) return absl::OkStatus();
  pin_refused_ = RemedyFor(rv) == Remedy::kRefusePin;
  if (rv != CKR_OK) return CkrError(attempted, rv);
  ++generation_;
  return absl::OkStatus();
}

Status Token::Run(const std::string& attempted, Time deadline, const Call& call) {
  RETURN_IF_ERROR(CheckPinNotRefused());
  ASSIGN_OR_RETURN(SessionPool* const pool, Pool());
  ASSIGN_OR_RETURN(SessionPool::Lease lease, pool->Acquire(deadline));
  std::vector<Remedy> tried;
  while (true) {
    const uint64_t generation = generation_;
    ASSIGN_OR_RETURN(const ReturnValue rv, call(lease.session()));
    if (rv == CKR_OK) return absl::OkStatus();
    const Remedy remedy = RemedyFor(rv);
    const bool may_heal = remedy == Remedy::kOpenSession || remedy == Remedy::kLogIn || remedy == Remedy::kFindKey;
    if (!may_heal || std::find(tried.begin(), tried.end(), remedy) != tried.end()) {
      lease.MarkBroken();
      return CkrError(attempted, rv);
    }
    tried.push_back(remedy);
    RETURN_IF_ERROR(Heal(remedy, generation, lease));
  }
}

Status Token::Heal(Remedy remedy, uint64_t generation, SessionPool::Lease& lease) {
  if (remedy == Remedy::kOpenSession) return lease.Renew();
  if (remedy == Remedy::kLogIn) return LogInSession(lease.session());
  generation_.compare_exchange_strong(generation, generation + 1);  // unless another thread found it stale first
  return absl::OkStatus();
}

}  // namespace hallmark
