// CircuitBreaker keeps callers off a token that does not answer, and lets one at a time find out whether it does again.
#pragma once

#include <functional>
#include <mutex>
#include <set>

#include "base/status.h"
#include "hsm/instant.h"

namespace hallmark {

// Thread-safe. A token is *up* until a call fails for reasons of the token, then *away* until any call is answered.
// Whoever is admitted says how it ended by one call of Answered, Failed or Undecided.
class CircuitBreaker {
 public:
  // What became of an Admit.
  enum class Admission { kCall, kProbe };

  struct State {
    Status status;  // OK: up; otherwise why callers are refused
    Time since;
  };

  // A call that stays in the HSM for longer than `stuck_limit`, while nothing else is answered, opens the breaker, too.
  // `changed` is called without locks after each change between up and away, by the thread that found it.
  CircuitBreaker(Duration stuck_limit, std::function<void(const State&)> changed)
      : stuck_limit_(stuck_limit), changed_(std::move(changed)) {}

  // Admits a call while the token is up. While it is away, every pause (200 ms at first, doubled up to 1 s) one caller
  // is admitted as the probe, and the others fail with the status that keeps them out.
  StatusOr<Admission> Admit(Instant now);

  // The token answered, be it by a refusal.
  void Answered(Admission admission, Instant now);
  // The token is to blame. While it is up that has no effect if it has answered somebody since `began`.
  void Failed(Admission admission, Instant began, const Status& status, Instant now);
  // It failed for reasons that say nothing of the token.
  void Undecided(Admission admission);

  // Fails with why the token is away, be it that a call was found stuck just now.
  Status Check(Instant now);

  State state() const;
  // When the token went away; `now` when it is up.
  Instant AwaySince(Instant now) const;

  // A call while it is in the HSM.
  class Stay {
   public:
    Stay(CircuitBreaker& breaker, Instant now);
    Stay(Stay&& other) noexcept : breaker_(std::exchange(other.breaker_, nullptr)), place_(other.place_) {}
    Stay& operator=(Stay&&) = delete;  // nobody needs it
    ~Stay();

   private:
    CircuitBreaker* breaker_;
    std::multiset<Instant>::const_iterator place_;
  };

 private:
  bool IsStuck(Instant now) const;
  State Open(const Status& status, Instant now, Instant next_probe);

  const Duration stuck_limit_;
  const std::function<void(const State&)> changed_;

  mutable std::mutex mutex_;
  std::multiset<Instant> stays_;  // when each call that is in the HSM entered it
  Instant last_answer_;
  State state_ = {absl::OkStatus(), absl::Now()};
  Instant away_since_;
  Instant next_probe_;
  Duration pause_;
  bool probing_ = false;
};

}  // namespace hallmark
