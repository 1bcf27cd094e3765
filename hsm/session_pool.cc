#include "hsm/session_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "hsm/return_value.h"

namespace hallmark {

SessionPool::SessionPool(size_t size, std::function<StatusOr<SessionHandle>()> open,
                         std::function<void(SessionHandle)> close)
    : size_(std::max<size_t>(size, 1)), open_(std::move(open)), close_(std::move(close)) {}

SessionPool::~SessionPool() {
  for (const SessionHandle session : idle_) close_(session);
}

StatusOr<SessionPool::Lease> SessionPool::Acquire(Time deadline) {
  std::unique_lock lock(mutex_);
  const auto is_free = [this] { return !idle_.empty() || count_ < size_; };
  if (deadline == absl::InfiniteFuture()) {
    freed_.wait(lock, is_free);
  } else if (!freed_.wait_until(lock, absl::ToChronoTime(deadline), is_free)) {
    return WithRetry(Error(Code::kDeadlineExceeded, reason::kHsmUnavailable,
                           fmt::format("cannot use the HSM: all of its {} sessions were busy until the deadline; try "
                                       "again, or allow more sessions if the token has them",
                                       size_)),
                     kHsmRetryDelay);
  }
  if (!idle_.empty()) {
    Lease lease(this, epoch_);  // idle sessions of an older epoch do not exist
    lease.session_ = idle_.back();
    idle_.pop_back();
    return lease;
  }
  ++count_;
  Lease lease(this, epoch_);
  lock.unlock();
  ASSIGN_OR_RETURN(lease.session_, open_());  // a failed Lease gives its place back as it dies
  return lease;
}

Status SessionPool::Lease::Renew() {
  epoch_ = pool_->CloseLost(epoch_);
  // Closing a lost handle is refused and harms nobody; one that was only spoilt must not leak.
  if (session_.has_value()) pool_->close_(*std::exchange(session_, std::nullopt));
  ASSIGN_OR_RETURN(session_, pool_->open_());
  return absl::OkStatus();
}

SessionPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->GiveBack(*this);
}

// Closes the idle sessions of the epoch `lost`, unless another thread found the same loss first. Returns the epoch.
uint64_t SessionPool::CloseLost(uint64_t lost) {
  std::unique_lock lock(mutex_);
  if (lost != epoch_) return epoch_;
  const uint64_t epoch = ++epoch_;
  const std::vector<SessionHandle> closing = std::exchange(idle_, {});
  lock.unlock();
  for (const SessionHandle session : closing) close_(session);
  lock.lock();
  count_ -= closing.size();  // only now, so that the token never sees more sessions than it may
  freed_.notify_all();
  return epoch;
}

void SessionPool::GiveBack(const Lease& lease) {
  std::unique_lock lock(mutex_);
  if (lease.session_.has_value() && !lease.broken_ && lease.epoch_ == epoch_) {
    idle_.push_back(*lease.session_);
  } else {
    lock.unlock();
    if (lease.session_.has_value()) close_(*lease.session_);
    lock.lock();
    --count_;
  }
  freed_.notify_one();
}

}  // namespace hallmark
