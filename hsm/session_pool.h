// SessionPool shares a bounded number of PKCS#11 sessions between threads, and keeps dead ones out.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

using SessionHandle = unsigned long;  // CK_SESSION_HANDLE, as pkcs11.h defines it

// Thread-safe. Sessions are opened when needed and kept until the pool dies, which must be after the last Lease.
class SessionPool {
 public:
  // One session of one thread. Gives the session back when it dies, unless it is broken: that one is closed.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          session_(other.session_),
          epoch_(other.epoch_),
          broken_(other.broken_) {}
    Lease& operator=(Lease&&) = delete;  // nobody needs it
    ~Lease();

    SessionHandle session() const { return *session_; }
    void MarkBroken() { broken_ = true; }

    // Replaces a session that turned out to be lost by a new one. Those that idle in the pool since before are taken
    // for lost too and closed. Fails as `open` does; the Lease then may only die.
    Status Renew();

   private:
    friend class SessionPool;
    Lease(SessionPool* pool, uint64_t epoch) : pool_(pool), epoch_(epoch) {}

    SessionPool* pool_;
    std::optional<SessionHandle> session_;
    uint64_t epoch_;  // of the pool, when the session was opened
    bool broken_ = false;
  };

  // At most `size` (at least 1) sessions at a time, made and closed by the two functions, which any thread may call.
  SessionPool(size_t size, std::function<StatusOr<SessionHandle>()> open, std::function<void(SessionHandle)> close);
  SessionPool(const SessionPool&) = delete;  // two pools would close the same sessions
  SessionPool& operator=(const SessionPool&) = delete;
  ~SessionPool();

  // Waits until `deadline` for a session; one that is free is given also after it. kDeadlineExceeded
  // (HSM_UNAVAILABLE, with a retry delay): all were busy until then. Otherwise as `open` fails.
  StatusOr<Lease> Acquire(Time deadline);

  size_t size() const { return size_; }

 private:
  void GiveBack(const Lease& lease);
  uint64_t CloseLost(uint64_t lost);

  const size_t size_;
  const std::function<StatusOr<SessionHandle>()> open_;
  const std::function<void(SessionHandle)> close_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<SessionHandle> idle_;  // all of this epoch
  size_t count_ = 0;                 // leased and idle
  uint64_t epoch_ = 0;               // grows whenever sessions were found lost
};

}  // namespace hallmark
