#include "publish/retry_after.h"

#include <algorithm>
#include <charconv>

#include "base/http_date.h"

namespace hallmark {

std::optional<Duration> ParseRetryAfter(const std::string& value, Time now) {
  constexpr Duration kLongest = absl::Minutes(10);
  const bool is_number = !value.empty() && value.find_first_not_of("0123456789") == value.npos;
  if (is_number) {
    int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    // Only a number that is too large fails here.
    return error == std::errc() ? std::min(absl::Seconds(seconds), kLongest) : kLongest;
  }
  const std::optional<Time> date = ParseHttpDate(value);
  if (!date.has_value() || *date <= now) return std::nullopt;
  return std::min(*date - now, kLongest);
}

Duration BackOff(int failures, double jitter) {
  constexpr Duration kShortest = absl::Seconds(1);
  constexpr Duration kLongest = absl::Minutes(5);
  constexpr int kDoublings = 9;  // which reach the longest
  const int doublings = std::clamp(failures - 1, 0, kDoublings);
  return std::min(kShortest * (1 << doublings), kLongest) * jitter;
}

}  // namespace hallmark
