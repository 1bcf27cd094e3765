#include "base/periodic.h"

#include <chrono>

namespace hallmark {

Periodic::Periodic(Duration period, Work work) : period_(period), work_(std::move(work)), thread_([this] { Run(); }) {}

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

void Periodic::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    notified_ = false;
    lock.unlock();
    work_(stopping_);
    lock.lock();
    changed_.wait_for(lock, absl::ToChronoMilliseconds(period_), [this] { return stopping_ || notified_; });
  }
}

}  // namespace hallmark
