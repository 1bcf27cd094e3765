// A Signer over copies of one private key on several tokens, cloned or wrapped: spreads the signatures, and goes on
// while one copy is left.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "hsm/pkcs11_signer.h"

namespace hallmark {

// One copy, as far as its last use told.
struct ReplicaHealth {
  KeyUri uri;
  Status status;  // OK: in use. kUnavailable: its token is away. kFailedPrecondition: it needs an operator
  Time since;     // when the status's code became what it is
  std::vector<AcceptedWeakness> accepted;
};

// Each signature is made by the copy with the fewest in the making, by each in turn when they are equal. One that fails
// is lost: the signature is made by the next, and the lost one is tried again only by one caller every kRetryInterval,
// after an examination if an operator was needed; or by whoever finds no other left. A single copy is used as if it
// stood alone, but for those tries.
class SpreadSigner : public Signer {
 public:
  static constexpr Duration kRetryInterval = absl::Seconds(2);

  // Told of each loss, return and change of a loss's code, one at a time and in order, by the thread that noticed. It
  // must not call the SpreadSigner, and it holds up others: a metric and a log line.
  using Observer = std::function<void(const ReplicaHealth&)>;

  // Examines each copy; one that fails is lost from the start. `clock` must outlive the result.
  // kFailedPrecondition: HSM_KEY_MISMATCH when two copies, or a copy and the expected public key, are not one key, and
  // otherwise as examined when every copy needs an operator. kInvalidArgument (CONFIGURATION_INVALID): there is none,
  // or two sign with different algorithms.
  static StatusOr<std::shared_ptr<SpreadSigner>> Create(std::vector<std::unique_ptr<Pkcs11Signer>> copies,
                                                        const Clock& clock, Observer observer);

  ByteView public_key() const override { return replicas_.front()->signer->public_key(); }
  SignatureAlgorithm algorithm() const override { return replicas_.front()->signer->algorithm(); }

  // Errors as Pkcs11Signer, when no copy is left or the deadline has passed: kUnavailable if any copy may come back.
  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override;

  // Examines every copy, for a regular watch: those that fail are lost, those that succeed return. OK when all are
  // well; otherwise an error of one, kFailedPrecondition if any needs an operator.
  Status Examine(Time deadline = absl::InfiniteFuture()) const;

  // Asks no HSM.
  std::vector<ReplicaHealth> Health() const;

 private:
  struct Replica {
    explicit Replica(std::unique_ptr<const Pkcs11Signer> signer) : signer(std::move(signer)) {}

    const std::unique_ptr<const Pkcs11Signer> signer;
    std::atomic<size_t> busy = 0;        // signatures in the making
    std::atomic<Code> code = Code::kOk;  // of `status`
    std::atomic<uint64_t> changes = 0;   // of `code`
    // Under mutex_.
    Status status;
    Time since;
    Time retry_at;
    bool retried = false;  // a caller is at it
  };

  // A replica that a caller is going to use, and what was known of it.
  struct Turn {
    Replica* replica;
    bool is_retry;  // by this caller for all
    Code code;
    size_t busy;
  };

  SpreadSigner(std::vector<std::unique_ptr<Replica>> replicas, const Clock& clock, Observer observer);

  Turn TurnOf(Replica& replica, bool may_retry) const;
  std::vector<Turn> Order() const;
  StatusOr<Bytes> SignWith(const Turn& turn, ByteView tbs, Time deadline) const;
  Status ExamineReplica(Replica& replica, Time deadline) const;
  void Note(Replica& replica, uint64_t changes, const Status& status) const;
  ReplicaHealth HealthOf(const Replica& replica) const;

  const std::vector<std::unique_ptr<Replica>> replicas_;
  const Clock& clock_;
  const Observer observer_;
  mutable std::atomic<size_t> next_ = 0;
  mutable std::mutex mutex_;
};

}  // namespace hallmark
