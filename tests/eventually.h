// Waiting for what other threads and programs do.
#pragma once

#include <absl/time/clock.h>

#include <functional>

namespace hallmark::testing {

// Looks until it is so, for as long as nobody would wait; false: it never was.
inline bool Eventually(const std::function<bool()>& so) {
  for (const absl::Time end = absl::Now() + absl::Seconds(60); !so(); absl::SleepFor(absl::Milliseconds(10))) {
    if (absl::Now() > end) return false;
  }
  return true;
}

}  // namespace hallmark::testing
