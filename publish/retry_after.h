// When to come again: what a server asks for, and what we do when it asks for nothing.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace hallmark {

// Reads the value of Retry-After (RFC 9110 10.2.3), seconds or an HTTP date, as the time from `now`. More than 10
// minutes count as 10 minutes, so that a mistaken server cannot hold publication up for long. Nothing for what is
// neither, or is not in the future but for "0".
std::optional<Duration> ParseRetryAfter(const std::string& value, Time now);

// The rest after `failures` (at least 1) in a row: any time up to 1 s, twice as much after each further one, 5 minutes
// at most ("full jitter", so that several publishers do not come back together). `jitter` is in [0, 1).
Duration BackOff(int failures, double jitter);

}  // namespace hallmark
