#include "base/periodic.h"

#include <chrono>

namespace hallmark {

Periodic::Periodic(Duration period, Work work, Start start)
    : period_(period), work_(std::move(work)), thread_([this, start] { Run(start); }) {}

Periodic::~Periodic() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Periodic::Notify() {
  {
    const std::lock_guard lock(mutex_);
    notified_ = true;
  }
  changed_.notify_all();
}

void Periodic::Run(Start start) {
  std::unique_lock lock(mutex_);
  if (start == Start::kAfterPeriod) Rest(lock);
  while (!stopping_) {
    notified_ = false;
    lock.unlock();
    work_(stopping_);
    lock.lock();
    Rest(lock);
  }
}

void Periodic::Rest(std::unique_lock<std::mutex>& lock) {
  changed_.wait_for(lock, absl::ToChronoMilliseconds(period_), [this] { return stopping_ || notified_; });
}

}  // namespace hallmark
