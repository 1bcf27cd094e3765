// SessionPool shares a bounded number of PKCS#11 sessions between threads, and keeps dead ones out.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "hsm/instant.h"
#include "hsm/return_value.h"

namespace hallmark {

using SessionHandle = unsigned long;  // CK_SESSION_HANDLE, as pkcs11.h defines it

// A session, and the incarnation of the module in which its handle means something.
struct Session {
  SessionHandle handle = 0;
  uint64_t incarnation = 0;

  bool operator==(const Session&) const = default;
};

// Thread-safe. Sessions are opened when needed and kept until they are lost or the pool dies, which must be after the
// last Lease.
class SessionPool {
 public:
  // Both may be called by any thread, and without locks. `open` returns a value of the module, CKR_OK with a session,
  // or an error of its own; `close` is also given sessions that are lost.
  struct Functions {
    std::function<StatusOr<ReturnValue>(Instant deadline, Session& session)> open;
    std::function<void(const Session&)> close;
  };

  // Which sessions a failure has spoilt.
  enum class Loss { kThis, kAll };

  // One thread's place in the pool, and mostly a session. Gives both back when it dies.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          has_place_(other.has_place_),
          session_(other.session_),
          epoch_(other.epoch_) {}
    Lease& operator=(Lease&&) = delete;  // nobody needs it
    ~Lease();

    const std::optional<Session>& session() const { return session_; }

    // Closes the session, which never returns to the pool. kAll: and every one that idles there since before, unless
    // another thread has found the same loss.
    void Discard(Loss loss);

    // Opens another session, after Discard. Errors as Acquire.
    StatusOr<ReturnValue> Renew(Instant deadline) { return pool_->Fill(*this, deadline); }

   private:
    friend class SessionPool;
    explicit Lease(SessionPool* pool) : pool_(pool) {}

    SessionPool* pool_;
    bool has_place_ = false;
    std::optional<Session> session_;
    uint64_t epoch_ = 0;  // of the pool, when it got the session
  };

  struct Usage {
    size_t busy = 0;   // leases
    size_t open = 0;   // sessions, leased or idle
    size_t limit = 0;  // of sessions, as configured or as the token has taught
  };

  // At most `size` (at least 1) sessions at a time. When the token allows fewer (CKR_SESSION_COUNT), the pool does with
  // those that it has, and tries to open one more after every `growth_pause` in which somebody waits.
  SessionPool(size_t size, Functions functions, Duration growth_pause = absl::Seconds(5));
  SessionPool(const SessionPool&) = delete;  // two pools would close the same sessions
  SessionPool& operator=(const SessionPool&) = delete;
  ~SessionPool();

  // Sets `lease` to a session that is free, or opened now; waits for one until `deadline`, and takes one that is free
  // also after it. Returns CKR_OK, or the value with which `open` failed, and then a lease that may be renewed. Errors:
  // kDeadlineExceeded (HSM_UNAVAILABLE, with a retry delay): all were busy until then. That of Interrupt. That of
  // `open`.
  StatusOr<ReturnValue> Acquire(Instant deadline, std::optional<Lease>& lease);

  // Ends the waiting of all who wait now, with an error.
  void Interrupt(const Status& status);

  // Closes all idle sessions, and the others when they are given back.
  void DiscardAll();

  void SetSize(size_t size);

  Usage usage() const;

 private:
  StatusOr<ReturnValue> Fill(Lease& lease, Instant deadline);
  Status TakePlace(Lease& lease, Instant deadline);
  StatusOr<ReturnValue> Open(Lease& lease, Instant deadline);
  bool LearnLimit(Lease& lease);
  void Keep(Lease& lease, const Session& session);
  void GiveBack(Lease& lease);
  void Close(const std::vector<Session>& sessions);

  const Functions functions_;
  const Duration growth_pause_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Session> idle_;  // all of this epoch
  size_t places_ = 0;          // taken by leases
  size_t opening_ = 0;         // by `open`, right now
  size_t open_ = 0;            // sessions
  size_t size_;
  size_t limit_;  // at most size_
  Instant grow_at_;
  uint64_t epoch_ = 0;  // grows whenever sessions were found lost
  uint64_t interruptions_ = 0;
  Status interruption_;
};

}  // namespace hallmark
