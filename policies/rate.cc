#include "policies/rate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/reason.h"

namespace hallmark {

StatusOr<Rate> ParseRate(const std::string& text) {
  constexpr int64_t kMaxCount = 1'000'000;
  Rate rate{.count = 0, .period = absl::ZeroDuration(), .text = text};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate.count);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit == "/s") rate.period = absl::Seconds(1);
  if (unit == "/min") rate.period = absl::Minutes(1);
  if (unit == "/h") rate.period = absl::Hours(1);
  if (unit == "/d") rate.period = absl::Hours(24);
  if (error != std::errc() || rate.count < 1 || rate.count > kMaxCount || rate.period == absl::ZeroDuration()) {
    return Error(
        Code::kInvalidArgument, reason::kConfigurationInvalid,
        fmt::format("'{}' is not a rate; write 1 to {} and one of /s, /min, /h, /d, e.g. 600/min", text, kMaxCount));
  }
  // Rounded up, so that what is spread over the period never is more than the count.
  rate.interval = absl::Nanoseconds((absl::ToInt64Nanoseconds(rate.period) + rate.count - 1) / rate.count);
  return rate;
}

// A token bucket, kept as the one instant at which it will be full again.
Duration RateLimits::Take(const std::string& key, const Rate& rate, Time now) {
  const std::lock_guard lock(mutex_);
  if (full_at_.size() >= forget_at_) ForgetIdle(now);
  Time& full_at = full_at_.try_emplace(key, absl::InfinitePast()).first->second;
  const Time next = std::max(full_at, now) + rate.interval;
  const Duration wait = next - rate.capacity() - now;
  if (wait > absl::ZeroDuration()) return wait;
  full_at = next;
  return absl::ZeroDuration();
}

void RateLimits::ForgetIdle(Time now) {
  std::erase_if(full_at_, [now](const auto& entry) { return entry.second <= now; });
  forget_at_ = std::max(forget_at_, 2 * full_at_.size());
}

}  // namespace hallmark
