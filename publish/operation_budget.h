// How many operations a target may be sent: so many a minute, which people and other programs share with us.
#pragma once

#include <algorithm>
#include <mutex>

#include "base/clock.h"

namespace hallmark {

// Thread-safe. Begins with a few only, so that no restart adds to a minute's operations.
class OperationBudget {
 public:
  explicit OperationBudget(int64_t per_minute, double at_start = 3)
      : per_second_(static_cast<double>(per_minute) / 60), left_(at_start) {}

  // Takes one. Zero: it may be sent now; otherwise nothing was taken, and after so long there will be enough for what
  // needs several in a row.
  Duration Take(Time now) {
    const std::lock_guard lock(mutex_);
    if (now > filled_) {
      if (filled_ != absl::InfinitePast()) {
        left_ = std::min(kBurst, left_ + absl::ToDoubleSeconds(now - filled_) * per_second_);
      }
      filled_ = now;
    }
    if (left_ >= 1) {
      left_ -= 1;
      return absl::ZeroDuration();
    }
    return absl::Seconds((kBurst - left_) / per_second_);
  }

 private:
  static constexpr double kBurst = 10;

  const double per_second_;
  std::mutex mutex_;
  double left_;  // guarded by mutex_, as is the next
  Time filled_ = absl::InfinitePast();
};

}  // namespace hallmark
