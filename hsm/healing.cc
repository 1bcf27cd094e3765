// How Token::Run finds out what is wrong, and heals it.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "hsm/cryptoki.h"
#include "hsm/token.h"

namespace hallmark {
namespace {

bool IsFull(const SessionPool::Usage& usage) { return usage.busy >= usage.limit; }

}  // namespace

// One call of Run. What the last try found decides on the remedy.
struct Token::Effort {
  const std::string& attempted;
  const Instant deadline;
  const CircuitBreaker::Admission admission;
  std::optional<SessionPool::Lease> lease = std::nullopt;
  std::vector<Remedy> tried = {};
  bool must_log_in = false;

  // The last try: when it began, what it saw then, and whether it got as far as the call.
  Instant began = Now();
  uint64_t incarnation = 0;
  uint64_t found = 0;
  uint64_t generation = 0;
  bool called = false;

  bool IsProbe() const { return admission == CircuitBreaker::Admission::kProbe; }
  bool HasTried(Remedy remedy) const { return std::find(tried.begin(), tried.end(), remedy) != tried.end(); }
  void Discard(SessionPool::Loss loss) {
    if (lease.has_value()) lease->Discard(loss);
  }
};

Status Token::Run(const std::string& attempted, Time deadline, const Call& call) {
  ASSIGN_OR_RETURN(const CircuitBreaker::Admission admission, breaker_.Admit(Now()));
  Effort effort{.attempted = attempted, .deadline = ToInstant(deadline), .admission = admission};
  Status status = effort.IsProbe() ? CheckPin() : absl::OkStatus();
  if (status.ok()) status = RunAdmitted(effort, call);
  effort.lease.reset();
  Judge(effort, status);
  return status;
}

Status Token::RunAdmitted(Effort& effort, const Call& call) {
  while (true) {
    const StatusOr<ReturnValue> outcome = Try(effort, call);
    if (outcome.ok() && *outcome == CKR_OK) return absl::OkStatus();
    const std::optional<Remedy> remedy = NextRemedy(effort, outcome);
    if (remedy.has_value()) {
      effort.tried.push_back(*remedy);
      RETURN_IF_ERROR(Heal(*remedy, effort));
      continue;
    }
    if (!outcome.ok()) return outcome.status();
    if (RemedyFor(*outcome) != Remedy::kRefuse) effort.Discard(SessionPool::Loss::kThis);
    return CkrError(effort.called ? effort.attempted : effort.attempted + " (open a session)", *outcome);
  }
}

StatusOr<ReturnValue> Token::Try(Effort& effort, const Call& call) {
  effort.called = false;
  effort.began = Now();
  effort.incarnation = module_->incarnation();
  effort.found = found_;
  ASSIGN_OR_RETURN(ReturnValue rv, TakeSession(effort));
  if (rv != CKR_OK) return rv;
  const Session session = *effort.lease->session();
  ASSIGN_OR_RETURN(const Stay stay, Enter(effort.deadline));
  effort.began = Now();
  effort.incarnation = stay.use.incarnation();
  if (session.incarnation != stay.use.incarnation()) return CKR_SESSION_HANDLE_INVALID;
  if (std::exchange(effort.must_log_in, false)) {
    ASSIGN_OR_RETURN(rv, LogInSession(effort.deadline, session.handle));
    if (rv != CKR_OK) return rv;
  }
  effort.generation = generation_;
  effort.called = true;
  return call(session.handle);
}

// The session of the lease, or another. While it waits it looks whether those that have the sessions come back.
StatusOr<ReturnValue> Token::TakeSession(Effort& effort) {
  if (effort.lease.has_value() && effort.lease->session().has_value()) return CKR_OK;
  if (effort.IsProbe() && !effort.lease.has_value() && IsFull(pool_.usage())) RETURN_IF_ERROR(breaker_.Check(Now()));
  while (true) {
    const Instant until = std::min(effort.deadline, After(Now(), options_.stuck_limit));
    StatusOr<ReturnValue> rv =
        effort.lease.has_value() ? effort.lease->Renew(until) : pool_.Acquire(until, effort.lease);
    if (rv.ok() || rv.status().code() != Code::kDeadlineExceeded || effort.deadline <= Now()) return rv;
    RETURN_IF_ERROR(breaker_.Check(Now()));
  }
}

// Each remedy once, then the last resort, unless it would end what works.
std::optional<Remedy> Token::NextRemedy(const Effort& effort, const StatusOr<ReturnValue>& outcome) const {
  const bool is_absent =
      outcome.status().code() == Code::kUnavailable && Reason(outcome.status()) == reason::kHsmTokenNotFound;
  if ((!outcome.ok() && !is_absent) || effort.deadline <= Now()) return std::nullopt;
  const Remedy remedy = is_absent ? Remedy::kReinitialize : RemedyFor(*outcome);
  if (remedy == Remedy::kRefuse || remedy == Remedy::kRefusePin || remedy == Remedy::kWait ||
      remedy == Remedy::kShareSessions) {
    return std::nullopt;
  }
  // What another thread healed while this call failed was not tried yet.
  constexpr size_t kMost = 16;
  const bool has_moved = effort.called && generation_ != effort.generation && effort.tried.size() < kMost;
  if (has_moved && remedy != Remedy::kReinitialize) return remedy;
  const bool is_last_resort = remedy == Remedy::kReinitialize;
  if (is_last_resort && !is_absent && !effort.HasTried(Remedy::kReplaceSession)) return Remedy::kReplaceSession;
  if (!effort.HasTried(remedy) && !is_last_resort) return remedy;
  const bool goes_on = is_last_resort || remedy == Remedy::kOpenSession || remedy == Remedy::kFindToken;
  const bool may_reinitialize = (goes_on || effort.IsProbe()) && !effort.HasTried(Remedy::kReinitialize);
  return may_reinitialize && !ModuleWorks(effort) ? std::optional(Remedy::kReinitialize) : std::nullopt;
}

// Whether the module answers somebody while the effort fails, or another token since this one is in trouble.
bool Token::ModuleWorks(const Effort& effort) const {
  const Instant in_trouble =
      effort.IsProbe() ? breaker_.AwaySince(effort.began) : effort.began - std::chrono::seconds(1);
  return module_->HasAnswered(effort.began) || module_->HasAnsweredOthers(this, in_trouble);
}

Status Token::Heal(Remedy remedy, Effort& effort) {
  switch (remedy) {
    case Remedy::kLogIn: effort.must_log_in = true; break;
    case Remedy::kFindKey:  // unless another thread found it stale first
      generation_.compare_exchange_strong(effort.generation, effort.generation + 1);
      break;
    case Remedy::kReplaceSession: effort.Discard(SessionPool::Loss::kThis); break;
    case Remedy::kOpenSession: effort.Discard(SessionPool::Loss::kAll); break;
    case Remedy::kFindToken: {
      effort.Discard(SessionPool::Loss::kThis);
      const std::lock_guard lock(place_mutex_);
      if (found_ == effort.found) place_.reset();  // unless another thread has found it again
      break;
    }
    case Remedy::kReinitialize:
      effort.Discard(SessionPool::Loss::kThis);
      return module_->Reinitialize(effort.incarnation, effort.deadline);
    case Remedy::kRefuse:
    case Remedy::kRefusePin:
    case Remedy::kWait:
    case Remedy::kShareSessions: break;
  }
  return absl::OkStatus();
}

// Tells the circuit breaker what the outcome says of the token: a refusal of the call is an answer, too.
void Token::Judge(const Effort& effort, const Status& status) {
  const bool is_unavailable = status.code() == Code::kUnavailable;
  const bool is_too_late = status.code() == Code::kDeadlineExceeded;
  if (status.ok() || (effort.called && !is_unavailable && !is_too_late)) {
    module_->NoteAnswer(this);
    breaker_.Answered(effort.admission, Now());
  } else if (is_too_late) {
    breaker_.Undecided(effort.admission);
  } else {
    breaker_.Failed(effort.admission, effort.began, status, Now());
  }
}

}  // namespace hallmark
