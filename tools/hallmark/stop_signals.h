// SIGTERM and SIGINT as the wish to end in good order.
#pragma once

#include <signal.h>

#include "base/clock.h"

namespace hallmark::cli {

// They are heard while this lives; a second one ends the program at once. One at a time.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;  // it puts back what was before
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  static bool asked();
  // Rests for that long, or until one is heard.
  static void Rest(Duration duration);

 private:
  struct sigaction term_ = {};
  struct sigaction interrupt_ = {};
};

}  // namespace hallmark::cli
