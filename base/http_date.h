// Instants as HTTP writes them (RFC 9110 5.6.7).
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace hallmark {

// An instant as IMF-fixdate, "Tue, 24 Nov 2026 10:00:00 GMT".
std::string HttpDate(Time time);

// Reads any of the three forms; nothing when `text` is none of them.
std::optional<Time> ParseHttpDate(const std::string& text);

}  // namespace hallmark
