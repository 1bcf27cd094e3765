#include "hsm/spread_signer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/reason.h"

namespace hallmark {
namespace {

// Whether another copy may do better. Anything else would befall it, too, or the time is over.
bool IsLoss(Code code) { return code == Code::kUnavailable || code == Code::kFailedPrecondition; }

Status CheckSame(const Pkcs11Signer& first, const Pkcs11Signer& other) {
  if (!Equal(first.public_key(), other.public_key())) {
    return Error(Code::kFailedPrecondition, reason::kHsmKeyMismatch,
                 fmt::format("cannot sign with {} and {} alike: they are two keys, with the SHA-256 {} and {} of their "
                             "SubjectPublicKeyInfo; name copies of one key",
                             first.uri().ToString(), other.uri().ToString(), Hex(Sha256(first.public_key())),
                             Hex(Sha256(other.public_key()))));
  }
  if (first.algorithm() == other.algorithm()) return absl::OkStatus();
  return Error(
      Code::kInvalidArgument, reason::kConfigurationInvalid,
      fmt::format("cannot sign with {} and {} alike: their algorithms are {} and {}; choose one",
                  first.uri().ToString(), other.uri().ToString(), Name(first.algorithm()), Name(other.algorithm())));
}

// Of two failures the one that is of more use to who asked: that something may come back.
Status MoreHopeful(Status first, Status second) {
  return second.code() == Code::kUnavailable && first.code() != Code::kUnavailable ? second : first;
}

// Counts a signature in the making.
class Occupied {
 public:
  explicit Occupied(std::atomic<size_t>& busy) : busy_(busy) { ++busy_; }
  Occupied(const Occupied&) = delete;  // it would be counted once and discounted twice
  Occupied& operator=(const Occupied&) = delete;
  ~Occupied() { --busy_; }

 private:
  std::atomic<size_t>& busy_;
};

}  // namespace

SpreadSigner::SpreadSigner(std::vector<std::unique_ptr<Replica>> replicas, const Clock& clock, Observer observer)
    : replicas_(std::move(replicas)), clock_(clock), observer_(std::move(observer)) {
  for (const std::unique_ptr<Replica>& replica : replicas_) replica->since = clock_.Now();
}

StatusOr<std::shared_ptr<SpreadSigner>> SpreadSigner::Create(std::vector<std::unique_ptr<Pkcs11Signer>> copies,
                                                             const Clock& clock, Observer observer) {
  if (copies.empty()) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                 "cannot sign with no key; name at least one key URI");
  }
  std::vector<std::unique_ptr<Replica>> replicas;
  for (std::unique_ptr<Pkcs11Signer>& copy : copies) {
    if (!replicas.empty()) RETURN_IF_ERROR(CheckSame(*replicas.front()->signer, *copy));
    replicas.push_back(std::make_unique<Replica>(std::move(copy)));
  }
  std::shared_ptr<SpreadSigner> spread(new SpreadSigner(std::move(replicas), clock, std::move(observer)));
  Status failure = absl::OkStatus();
  bool is_any_left = false;
  for (const std::unique_ptr<Replica>& replica : spread->replicas_) {
    const Status status = spread->ExamineReplica(*replica, absl::InfiniteFuture());
    if (Reason(status) == reason::kHsmKeyMismatch) return status;
    is_any_left = is_any_left || status.code() != Code::kFailedPrecondition;
    if (failure.ok()) failure = status;
  }
  if (!is_any_left) return failure;
  return spread;
}

StatusOr<Bytes> SpreadSigner::Sign(ByteView tbs, Time deadline) const {
  if (replicas_.size() == 1) return SignWith(TurnOf(*replicas_.front(), true), tbs, deadline);
  Status failure = absl::OkStatus();
  for (const Turn& turn : Order()) {
    if (!failure.ok() && clock_.Now() >= deadline) break;
    StatusOr<Bytes> signature = SignWith(turn, tbs, deadline);
    if (!IsLoss(signature.status().code())) return signature;
    failure = failure.ok() ? signature.status() : MoreHopeful(failure, signature.status());
  }
  return failure;
}

Status SpreadSigner::Examine(Time deadline) const {
  Status failure = absl::OkStatus();
  for (const std::unique_ptr<Replica>& replica : replicas_) {
    Status status = ExamineReplica(*replica, deadline);
    if (failure.ok() || status.code() == Code::kFailedPrecondition) failure = std::move(status);
  }
  return failure;
}

std::vector<ReplicaHealth> SpreadSigner::Health() const {
  const std::lock_guard lock(mutex_);
  std::vector<ReplicaHealth> health;
  for (const std::unique_ptr<Replica>& replica : replicas_) health.push_back(HealthOf(*replica));
  return health;
}

SpreadSigner::Turn SpreadSigner::TurnOf(Replica& replica, bool may_retry) const {
  Turn turn = {&replica, false, replica.code, replica.busy};
  if (turn.code == Code::kOk || !may_retry) return turn;
  const std::lock_guard lock(mutex_);
  turn.is_retry = !replica.retried && clock_.Now() >= replica.retry_at;
  if (turn.is_retry) replica.retried = true;
  return turn;
}

// All replicas: a lost one whose time has come, then those in use, the least busy first, and then those that are only
// away. The others stand at the end for their Status.
std::vector<SpreadSigner::Turn> SpreadSigner::Order() const {
  const size_t first = next_.fetch_add(1, std::memory_order_relaxed);
  std::vector<Turn> turns;
  turns.reserve(replicas_.size());
  bool is_retry = false;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    turns.push_back(TurnOf(*replicas_[(first + i) % replicas_.size()], !is_retry));
    is_retry = is_retry || turns.back().is_retry;
  }
  const auto rank = [](const Turn& turn) {
    if (turn.is_retry) return 0;
    if (turn.code == Code::kOk) return 1;
    return turn.code == Code::kUnavailable ? 2 : 3;
  };
  std::stable_sort(turns.begin(), turns.end(), [&](const Turn& a, const Turn& b) {
    return std::pair(rank(a), a.busy) < std::pair(rank(b), b.busy);
  });
  return turns;
}

StatusOr<Bytes> SpreadSigner::SignWith(const Turn& turn, ByteView tbs, Time deadline) const {
  Replica& replica = *turn.replica;
  if (turn.code == Code::kFailedPrecondition) {
    if (turn.is_retry) {
      RETURN_IF_ERROR(ExamineReplica(replica, deadline));
    } else {
      const std::lock_guard lock(mutex_);
      RETURN_IF_ERROR(replica.status);  // OK when it has returned meanwhile
    }
  }
  const uint64_t changes = replica.changes;
  const Occupied occupied(replica.busy);
  StatusOr<Bytes> signature = replica.signer->Sign(tbs, deadline);
  Note(replica, changes, signature.status());
  return signature;
}

Status SpreadSigner::ExamineReplica(Replica& replica, Time deadline) const {
  const uint64_t changes = replica.changes;
  Status status = replica.signer->Examine(deadline);
  Note(replica, changes, status);
  return status;
}

// Draws the conclusion from a use of a replica that began when it had changed `changes` times.
void SpreadSigner::Note(Replica& replica, uint64_t changes, const Status& status) const {
  if (status.ok() && replica.code == Code::kOk) return;  // as always
  const std::lock_guard lock(mutex_);
  replica.retried = false;
  replica.retry_at = clock_.Now() + kRetryInterval;
  // A use that began before the last change tells of the time before it.
  if ((!status.ok() && !IsLoss(status.code())) || changes != replica.changes) return;
  replica.status = status;
  if (status.code() == replica.code) return;
  replica.code = status.code();
  ++replica.changes;
  replica.since = clock_.Now();
  if (observer_ != nullptr) observer_(HealthOf(replica));
}

ReplicaHealth SpreadSigner::HealthOf(const Replica& replica) const {
  return {replica.signer->uri(), replica.status, replica.since, replica.signer->accepted()};
}

}  // namespace hallmark
