#include "hsm/session_pool.h"

#include <fmt/format.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>

#include "base/reason.h"

namespace hallmark {

SessionPool::SessionPool(size_t size, Functions functions, Duration growth_pause)
    : functions_(std::move(functions)), growth_pause_(growth_pause), size_(std::max<size_t>(size, 1)), limit_(size_) {}

SessionPool::~SessionPool() {
  for (const Session& session : idle_) functions_.close(session);
}

StatusOr<ReturnValue> SessionPool::Acquire(Instant deadline, std::optional<Lease>& lease) {
  lease.emplace(Lease(this));
  return Fill(*lease, deadline);
}

StatusOr<ReturnValue> SessionPool::Fill(Lease& lease, Instant deadline) {
  while (true) {
    if (!lease.has_place_) RETURN_IF_ERROR(TakePlace(lease, deadline));
    if (lease.session_.has_value()) return CKR_OK;
    ASSIGN_OR_RETURN(const ReturnValue rv, Open(lease, deadline));
    if (rv == CKR_OK || RemedyFor(rv) != Remedy::kShareSessions || !LearnLimit(lease)) return rv;
  }
}

StatusOr<ReturnValue> SessionPool::Open(Lease& lease, Instant deadline) {
  std::unique_lock lock(mutex_);
  ++opening_;
  lock.unlock();
  Session session;
  StatusOr<ReturnValue> rv = functions_.open(deadline, session);
  lock.lock();
  --opening_;
  if (rv.ok() && *rv == CKR_OK) Keep(lease, session);
  return rv;
}

// Waits for an idle session, which comes with its place, or for the place to open one.
Status SessionPool::TakePlace(Lease& lease, Instant deadline) {
  std::unique_lock lock(mutex_);
  const uint64_t interruptions = interruptions_;
  const auto is_free = [&] { return !idle_.empty() || places_ < limit_ || interruptions != interruptions_; };
  while (!is_free()) {
    const bool may_grow = limit_ < size_;
    const Instant until = may_grow ? std::min(deadline, grow_at_) : deadline;
    if (freed_.wait_until(lock, until, is_free)) break;
    if (may_grow && grow_at_ <= Now()) {
      ++limit_;
      grow_at_ = After(Now(), growth_pause_);
    } else if (deadline <= Now()) {
      return WithRetry(Error(Code::kDeadlineExceeded, reason::kHsmUnavailable,
                             fmt::format("cannot use the HSM: all of its {} sessions were busy until the deadline; try "
                                         "again, or allow more sessions if the token has them",
                                         limit_)),
                       kHsmRetryDelay);
    }
  }
  if (interruptions != interruptions_) return interruption_;
  ++places_;
  lease.has_place_ = true;
  lease.epoch_ = epoch_;
  if (idle_.empty()) return absl::OkStatus();
  lease.session_ = idle_.back();
  idle_.pop_back();
  return absl::OkStatus();
}

// Gives the place up when there are sessions to wait for. They are all that the token allows, for the time being.
bool SessionPool::LearnLimit(Lease& lease) {
  const std::lock_guard lock(mutex_);
  if (open_ + opening_ == 0) return false;
  limit_ = std::clamp<size_t>(open_, 1, size_);
  grow_at_ = After(Now(), growth_pause_);
  --places_;
  lease.has_place_ = false;
  return true;
}

void SessionPool::Keep(Lease& lease, const Session& session) {
  open_ -= std::erase(idle_, session);  // a handle that is given anew was lost before
  ++open_;
  lease.session_ = session;
  lease.epoch_ = epoch_;
  if (open_ < limit_ || limit_ == size_) return;
  limit_ = std::min(open_, size_);
  grow_at_ = Now();  // perhaps it allows more still
}

void SessionPool::Lease::Discard(Loss loss) {
  if (!session_.has_value()) return;
  std::vector<Session> lost;
  {
    const std::lock_guard lock(pool_->mutex_);
    if (loss == Loss::kAll && epoch_ == pool_->epoch_) {
      ++pool_->epoch_;
      lost = std::exchange(pool_->idle_, {});
    }
  }
  lost.push_back(*std::exchange(session_, std::nullopt));
  pool_->Close(lost);
}

void SessionPool::DiscardAll() {
  std::unique_lock lock(mutex_);
  ++epoch_;
  const std::vector<Session> lost = std::exchange(idle_, {});
  lock.unlock();
  Close(lost);
}

// Closing a lost handle is refused and harms nobody; one that was only spoilt must not leak.
void SessionPool::Close(const std::vector<Session>& sessions) {
  for (const Session& session : sessions) functions_.close(session);
  const std::lock_guard lock(mutex_);
  open_ -= sessions.size();  // only now, so that the token never sees more sessions than it may
  freed_.notify_all();
}

SessionPool::Lease::~Lease() {
  if (pool_ != nullptr && has_place_) pool_->GiveBack(*this);
}

void SessionPool::GiveBack(Lease& lease) {
  std::unique_lock lock(mutex_);
  if (lease.session_.has_value() && lease.epoch_ == epoch_) {
    idle_.push_back(*lease.session_);
  } else if (lease.session_.has_value()) {
    lock.unlock();
    Close({*lease.session_});
    lock.lock();
  }
  --places_;
  freed_.notify_one();
}

void SessionPool::Interrupt(const Status& status) {
  const std::lock_guard lock(mutex_);
  ++interruptions_;
  interruption_ = status;
  freed_.notify_all();
}

void SessionPool::SetSize(size_t size) {
  const std::lock_guard lock(mutex_);
  size_ = std::max<size_t>(size, 1);
  limit_ = size_;
  freed_.notify_all();
}

SessionPool::Usage SessionPool::usage() const {
  const std::lock_guard lock(mutex_);
  return {.busy = places_, .open = open_, .limit = limit_};
}

}  // namespace hallmark
