// Work that is done again and again on a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace hallmark {

// Calls `work` at once or after the first period, then after each `period` of rest, and when it is told to, from
// construction to destruction, which waits for a call that runs; a long one looks at `stopping` now and then.
// Thread-safe.
class Periodic {
 public:
  using Work = std::function<void(const std::atomic<bool>& stopping)>;
  enum class Start { kAtOnce, kAfterPeriod };
  Periodic(Duration period, Work work, Start start = Start::kAtOnce);
  ~Periodic();
  Periodic(const Periodic&) = delete;  // its thread knows its address
  Periodic& operator=(const Periodic&) = delete;

  // Does not let the period pass: there is something to do. Also heard while `work` runs, which is then called again.
  void Notify();

 private:
  void Run(Start start);
  void Rest(std::unique_lock<std::mutex>& lock);

  const Duration period_;
  const Work work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace hallmark
