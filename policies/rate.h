// How often a caller may do something.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

// "600/min": so many in that time, at once or spread over it, and then again at that pace.
struct Rate {
  int64_t count = 0;
  Duration period;
  std::string text;                // as roles.yaml has it
  Duration interval = Duration();  // between two at that pace
  Duration capacity() const { return interval * count; }
};

// Reads "COUNT/UNIT", COUNT from 1 to a million, UNIT s, min, h or d. kInvalidArgument (CONFIGURATION_INVALID).
StatusOr<Rate> ParseRate(const std::string& text);

// Who did how much, in memory: a restart or another file of roles begins anew. Thread-safe.
class RateLimits {
 public:
  // Counts one act of `key` and returns zero, if its rate allows it at `now`; otherwise counts nothing and returns how
  // long to wait. A clock that goes back is taken to stand still.
  Duration Take(const std::string& key, const Rate& rate, Time now);

 private:
  void ForgetIdle(Time now);

  std::mutex mutex_;
  // Until when each would have to be idle to have its whole count again; in the past: it has.
  std::map<std::string, Time> full_at_;
  size_t forget_at_ = 4096;  // entries
};

}  // namespace hallmark
