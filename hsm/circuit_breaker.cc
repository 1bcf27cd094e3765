#include "hsm/circuit_breaker.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "hsm/return_value.h"

namespace hallmark {
namespace {

constexpr Duration kFirstPause = absl::Milliseconds(200);
constexpr Duration kLongestPause = absl::Seconds(1);

}  // namespace

StatusOr<CircuitBreaker::Admission> CircuitBreaker::Admit(Instant now) {
  Check(now).IgnoreError();  // only to find a stuck call
  const std::lock_guard lock(mutex_);
  if (state_.status.ok()) return Admission::kCall;
  if (probing_ || now < next_probe_) return state_.status;
  probing_ = true;
  return Admission::kProbe;
}

void CircuitBreaker::Answered(Admission admission, Instant now) {
  State up;
  {
    const std::lock_guard lock(mutex_);
    last_answer_ = now;
    if (admission == Admission::kProbe) probing_ = false;
    if (state_.status.ok()) return;
    up = state_ = {absl::OkStatus(), absl::Now()};
  }
  changed_(up);
}

void CircuitBreaker::Failed(Admission admission, Instant began, const Status& status, Instant now) {
  State away;
  {
    const std::lock_guard lock(mutex_);
    const bool is_probe = admission == Admission::kProbe;
    if (is_probe) probing_ = false;
    if (!state_.status.ok()) {
      if (!is_probe) return;
      state_.status = status;
      pause_ = std::min(2 * pause_, kLongestPause);
      next_probe_ = After(now, pause_);
      return;
    }
    if (last_answer_ > began) return;
    away = Open(status, now, After(now, kFirstPause));
  }
  changed_(away);
}

void CircuitBreaker::Undecided(Admission admission) {
  const std::lock_guard lock(mutex_);
  if (admission == Admission::kProbe) probing_ = false;
}

Status CircuitBreaker::Check(Instant now) {
  State away;
  {
    const std::lock_guard lock(mutex_);
    if (!state_.status.ok() || !IsStuck(now)) return state_.status;
    const Status status = WithRetry(
        Error(Code::kUnavailable, reason::kHsmUnavailable,
              fmt::format("cannot use the HSM: it has not answered for {}; try again later, and see to the HSM",
                          absl::FormatDuration(stuck_limit_))),
        kHsmRetryDelay);
    away = Open(status, now, now);  // who found it may try whether new calls are answered
  }
  changed_(away);
  return away.status;
}

CircuitBreaker::State CircuitBreaker::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Instant CircuitBreaker::AwaySince(Instant now) const {
  const std::lock_guard lock(mutex_);
  return state_.status.ok() ? now : away_since_;
}

// Calls that entered before the last answer do not count: the HSM has them for long, but it works.
bool CircuitBreaker::IsStuck(Instant now) const {
  const auto oldest = stays_.upper_bound(last_answer_);
  return oldest != stays_.end() && After(*oldest, stuck_limit_) <= now;
}

CircuitBreaker::State CircuitBreaker::Open(const Status& status, Instant now, Instant next_probe) {
  state_ = {status, absl::Now()};
  away_since_ = now;
  pause_ = kFirstPause;
  next_probe_ = next_probe;
  return state_;
}

CircuitBreaker::Stay::Stay(CircuitBreaker& breaker, Instant now) : breaker_(&breaker) {
  const std::lock_guard lock(breaker.mutex_);
  place_ = breaker.stays_.insert(now);
}

CircuitBreaker::Stay::~Stay() {
  if (breaker_ == nullptr) return;
  const std::lock_guard lock(breaker_->mutex_);
  breaker_->stays_.erase(place_);
}

}  // namespace hallmark
