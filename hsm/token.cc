#include "hsm/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/reason.h"
#include "hsm/cryptoki.h"

namespace hallmark {
namespace {

bool Matches(const TokenInformation& token, const KeyUri& uri) {
  const auto fits = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
  return token.initialized && token.label == uri.token && fits(uri.serial, token.serial) &&
         fits(uri.manufacturer, token.manufacturer) && fits(uri.model, token.model);
}

Status Unanswered(const std::string& attempted) {
  return WithRetry(
      Error(Code::kUnavailable, reason::kHsmUnavailable,
            fmt::format("cannot {}: another call that does so has not come back; try again later", attempted)),
      kHsmRetryDelay);
}

}  // namespace

size_t UsableSessions(const TokenInformation& token, size_t configured) {
  constexpr unsigned long kNoLimit = std::numeric_limits<unsigned long>::max();
  return std::min<size_t>({configured == 0 ? kMostSessions : configured, token.max_sessions.value_or(kNoLimit),
                           token.write_protected ? kNoLimit : token.max_rw_sessions.value_or(kNoLimit)});
}

Token::Token(std::shared_ptr<Module> module, KeyUri uri, PinSource pin, TokenOptions options)
    : module_(std::move(module)),
      uri_(std::move(uri)),
      options_(std::move(options)),
      breaker_(options_.stuck_limit,
               [this](const CircuitBreaker::State& state) {
                 if (!state.status.ok()) pool_.Interrupt(state.status);
                 if (options_.observe) options_.observe(Describe(state));
               }),
      login_(uri_.token, std::move(pin)),
      // One session until the token was found, so that one caller looks for it and the others wait.
      pool_(1, {.open = [this](Instant deadline, Session& session) { return OpenSession(deadline, session); },
                .close = [this](const Session& session) { CloseSession(session); }}) {}

Status Token::LogIn() {
  return Run(fmt::format("log in to the token \"{}\"", uri_.token), absl::InfiniteFuture(),
             [](SessionHandle) -> StatusOr<ReturnValue> { return CKR_OK; });
}

Health Token::health() const { return Describe(breaker_.state()); }

Health Token::Describe(const CircuitBreaker::State& state) const {
  const SessionPool::Usage usage = pool_.usage();
  return {.status = state.status,
          .since = state.since,
          .busy = usage.busy,
          .open = usage.open,
          .limit = usage.limit,
          .logins = logins_,
          .reinitializations = module_->incarnation() - 1};
}

StatusOr<Token::Stay> Token::Enter(Instant deadline) {
  ASSIGN_OR_RETURN(Module::Use use, module_->Enter(std::min(deadline, After(Now(), options_.stuck_limit))));
  return Stay{std::move(use), CircuitBreaker::Stay(breaker_, Now())};
}

// --- Where it is.

// Returns where the token is, after looking for it if it was found lost or the module is another incarnation.
StatusOr<ReturnValue> Token::Find(Instant deadline, Place& place) {
  const Turn::Holder turn = find_turn_.Take(std::min(deadline, After(Now(), options_.stuck_limit)));
  if (!turn) return Unanswered(fmt::format("find the token {}", uri_.ToString()));
  {
    const std::lock_guard lock(place_mutex_);
    if (place_.has_value() && place_->incarnation == module_->incarnation()) {
      place = *place_;
      return CKR_OK;
    }
  }
  size_t sessions = 0;
  ASSIGN_OR_RETURN(const ReturnValue rv, LookFor(deadline, place, sessions));
  if (rv != CKR_OK) return rv;
  pool_.DiscardAll();
  pool_.SetSize(sessions);
  ++generation_;
  const std::lock_guard lock(place_mutex_);
  place_ = place;
  ++found_;
  return CKR_OK;
}

StatusOr<ReturnValue> Token::LookFor(Instant deadline, Place& place, size_t& sessions) {
  ASSIGN_OR_RETURN(const Stay stay, Enter(deadline));
  std::vector<SlotInformation> slots;
  if (const ReturnValue rv = module_->ReadSlots(slots); rv != CKR_OK) return rv;
  std::erase_if(slots, [this](const SlotInformation& slot) { return !slot.token || !Matches(*slot.token, uri_); });
  const std::string what = fmt::format("cannot find the token {} in {}: ", uri_.ToString(), module_->name());
  if (slots.empty()) {
    return WithRetry(Error(Code::kUnavailable, reason::kHsmTokenNotFound,
                           what + "no slot has it; connect it or correct the URI, p11tool --list-tokens shows all"),
                     kHsmRetryDelay);
  }
  if (slots.size() > 1) {
    return Error(Code::kFailedPrecondition, reason::kHsmTokenNotFound,
                 fmt::format("{}{} tokens match; add serial= to the URI", what, slots.size()));
  }
  const TokenInformation& token = *slots.front().token;
  place = {.incarnation = stay.use.incarnation(), .slot = slots.front().slot, .write_protected = token.write_protected};
  login_required_ = token.login_required;
  sessions = module_->is_serial() ? 1 : UsableSessions(token, options_.sessions);
  return CKR_OK;
}

// --- Its sessions.

StatusOr<ReturnValue> Token::OpenSession(Instant deadline, Session& session) {
  Place place;
  ASSIGN_OR_RETURN(ReturnValue rv, Find(deadline, place));
  if (rv != CKR_OK) return rv;
  ASSIGN_OR_RETURN(const Stay stay, Enter(deadline));
  if (stay.use.incarnation() != place.incarnation) return CKR_SESSION_HANDLE_INVALID;  // it would have been lost
  session.incarnation = place.incarnation;
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (place.write_protected ? 0 : CKF_RW_SESSION);
  rv = module_->functions().C_OpenSession(place.slot, flags, nullptr, nullptr, &session.handle);
  if (rv != CKR_OK) return rv;
  StatusOr<ReturnValue> logged_in = LogInSession(deadline, session.handle);
  if (!logged_in.ok() || *logged_in != CKR_OK) module_->functions().C_CloseSession(session.handle);
  return logged_in;
}

void Token::CloseSession(const Session& session) {
  const StatusOr<Stay> stay = Enter(Instant::max());
  if (!stay.ok() || stay->use.incarnation() != session.incarnation) return;  // re-initialisation has closed it
  module_->functions().C_CloseSession(session.handle);  // refused when it is gone already, which is what we want
}

StatusOr<ReturnValue> Token::LogInSession(Instant deadline, SessionHandle session) {
  ReturnValue rv = CheckLoggedIn(session);
  if (rv != CKR_USER_NOT_LOGGED_IN) return rv;
  const Turn::Holder turn = login_turn_.Take(std::min(deadline, After(Now(), options_.stuck_limit)));
  if (!turn) return Unanswered(fmt::format("log in to the token \"{}\"", uri_.token));
  rv = CheckLoggedIn(session);
  if (rv != CKR_USER_NOT_LOGGED_IN) return rv;  // another thread was faster, or the session is lost
  ASSIGN_OR_RETURN(rv, login_.TryPin(module_->functions(), session));
  if (rv != CKR_OK) return rv;
  ++generation_;
  ++logins_;
  return CKR_OK;
}

ReturnValue Token::CheckLoggedIn(SessionHandle session) const {
  CK_SESSION_INFO info = {};
  const CK_RV rv = module_->functions().C_GetSessionInfo(session, &info);
  if (rv != CKR_OK || !login_required_) return rv;
  const bool is_user = info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
  return is_user ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

Status Token::CheckPin() {
  const Turn::Holder turn = login_turn_.Take(After(Now(), options_.stuck_limit));
  return turn ? login_.Check() : Unanswered(fmt::format("log in to the token \"{}\"", uri_.token));
}

}  // namespace hallmark
