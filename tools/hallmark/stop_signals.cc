#include "tools/hallmark/stop_signals.h"

#include <algorithm>

namespace hallmark::cli {
namespace {

constexpr Duration kDeafFor = absl::Milliseconds(100);  // at most

volatile sig_atomic_t stop_asked = 0;

}  // namespace

StopSignals::StopSignals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_asked = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGTERM, &action, &term_);
  sigaction(SIGINT, &action, &interrupt_);
}

StopSignals::~StopSignals() {
  sigaction(SIGTERM, &term_, nullptr);
  sigaction(SIGINT, &interrupt_, nullptr);
}

bool StopSignals::asked() { return stop_asked != 0; }

void StopSignals::Rest(Duration duration) {
  const Time end = absl::Now() + duration;
  for (Time now = absl::Now(); now < end && !asked(); now = absl::Now()) absl::SleepFor(std::min(kDeafFor, end - now));
}

}  // namespace hallmark::cli
