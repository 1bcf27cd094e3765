// Instants of the monotonic clock, for what this room waits for: a step of the system's clock must neither keep a token
// away nor end a wait. Callers' deadlines are Times and are converted where they come in.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace hallmark {

using Instant = std::chrono::steady_clock::time_point;

inline Instant Now() { return std::chrono::steady_clock::now(); }

// After a duration of at most a day, which is for ever here.
inline Instant After(Instant start, Duration duration) {
  return start + absl::ToChronoNanoseconds(std::min(duration, absl::Hours(24)));
}

inline Instant ToInstant(Time deadline) {
  return deadline == absl::InfiniteFuture() ? Instant::max() : After(Now(), deadline - absl::Now());
}

}  // namespace hallmark
