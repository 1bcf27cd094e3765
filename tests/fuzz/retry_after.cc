// A delay that is asked for is never negative and never longer than ten minutes.
#include "publish/retry_after.h"

#include "base/bytes.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Time now = absl::FromUnixSeconds(1'795'514'400);  // Tue, 24 Nov 2026 10:00:00 GMT
  const std::optional<Duration> delay = ParseRetryAfter(ToString({data, size}), now);
  if (!delay.has_value()) return 0;
  ++accepted_inputs;
  Require(*delay >= absl::ZeroDuration(), "nobody waits backwards");
  Require(*delay <= absl::Minutes(10), "no longer than ten minutes");
  return 0;
}

}  // namespace hallmark::fuzz
