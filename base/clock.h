// The time, passed in: nobody in the house asks the system for it but SystemClock. Instants are UTC.
#pragma once

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <string>

namespace hallmark {

using Time = absl::Time;
using Duration = absl::Duration;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
};

class SystemClock : public Clock {
 public:
  Time Now() const override { return absl::Now(); }
};

// RFC 3339 in UTC with whole seconds, e.g. 2026-11-24T10:00:00Z.
inline std::string Rfc3339(Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

// The store's and X.509's resolution of an instant.
inline Time TruncateToSecond(Time time) { return absl::FromUnixSeconds(absl::ToUnixSeconds(time)); }

}  // namespace hallmark
