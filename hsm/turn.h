// Turn lets one thread at a time do something, like a mutex, but nobody has to wait for it longer than a deadline.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "hsm/instant.h"

namespace hallmark {

// Thread-safe. Not to be taken twice by one thread.
class Turn {
 public:
  // A thread's turn, until it dies; or none, when the deadline came first.
  class Holder {
   public:
    Holder(Holder&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Holder& operator=(Holder&&) = delete;  // nobody needs it
    ~Holder() {
      if (turn_ != nullptr) turn_->End();
    }
    explicit operator bool() const { return turn_ != nullptr; }

   private:
    friend class Turn;
    explicit Holder(Turn* turn) : turn_(turn) {}
    Turn* turn_;
  };

  Holder Take(Instant deadline) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_until(lock, deadline, [this] { return !taken_; })) return Holder(nullptr);
    taken_ = true;
    return Holder(this);
  }

 private:
  void End() {
    const std::lock_guard lock(mutex_);
    taken_ = false;
    free_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
};

}  // namespace hallmark
