// Brings one target to what it should be, as long as there is work for it in the store.
//
// Order: what concerns authorities, then devices of which something was decided, then those that are only looked at
// again because of that; of each the oldest first. But before a publication lets anybody in, the devices that were
// revoked until then are kept out. All that is known of a device is one item, so that its last word counts. A failure
// that concerns the whole target pauses it, for as long as the service asks or exponentially with jitter: the chain,
// which has a service of its own, the authorities, or the devices. One of an item postpones that item, and parks it for
// a person once it has failed often.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "ca/authority.h"
#include "publish/target.h"

namespace hallmark {

struct TargetPause {
  Time until = absl::InfinitePast();
  std::string reason;  // for people
};

// Told of what is done, for metrics. Must be quick.
struct PublicationObservers {
  // A device is kept out or let in as it should be, `took` after that was decided; not of a mere review.
  std::function<void(const std::string& target, bool denied, Duration took)> admitted = nullptr;
  std::function<void(const std::string& target, const Status& failure)> failed = nullptr;
};

// Work is for one thread; pause() for any.
class TargetWorker {
 public:
  // `target`: as the record describes it. All of these outlive the worker but the record.
  TargetWorker(const Target& target, const CertificateAuthority& authority, TargetRecord record,
               const PublicationObservers& observers)
      : target_(target),
        authority_(authority),
        record_(std::move(record)),
        name_(record_.target),
        observers_(observers) {}

  // Does what is due, until nothing is, the target must be left alone, its record is another, or `stopping`. Errors of
  // the store.
  Status Work(const std::atomic<bool>& stopping);

  TargetPause pause() const;  // the one that is longer
  // A person wants it tried now.
  void EndPause();

 private:
  // Of one kind of work.
  struct Breaker {
    TargetPause pause = {};
    int failures = 0;   // without a success between them
    int throttles = 0;  // the same, of those that are no failures of the service
  };
  // An item whose devices are queued: of a publication the revoked, of an authority all that have an enrollment.
  struct Prepared {
    int64_t id = 0;
    int64_t generation = 0;
    Time at = absl::InfinitePast();  // when they were
    bool IsOf(const WorkRecord& work) const { return id == work.id && generation == work.generation; }
  };

  // What may be done together: one of an authority or the chain, or devices.
  StatusOr<std::vector<WorkRecord>> NextWork(Time now) const;
  StatusOr<std::vector<Status>> Do(const std::vector<WorkRecord>& work, std::vector<bool>& denied);
  Status PublishChain(const WorkRecord& work);
  // Whether some device that a publication waits for may still be let in.
  StatusOr<bool> DevicesComeFirst() const;
  StatusOr<DeviceAdmission> AdmissionFor(const WorkRecord& work,
                                         const std::set<std::string>& revoked_authorities) const;
  Status DenyAuthority(const WorkRecord& work);
  Status QueueEnrollments() const;
  StatusOr<bool> IsCurrent() const;
  Status Settle(std::vector<WorkRecord> work, const std::vector<Status>& outcomes, const std::vector<bool>& denied);
  void Postpone(WorkRecord& work, const Status& failure, Time now) const;
  void Pause(WorkKind kind, const Status& failure, Time now);
  Breaker& BreakerOf(WorkKind kind) { return breakers_.at(static_cast<size_t>(kind) - 1); }
  const Breaker& BreakerOf(WorkKind kind) const { return breakers_.at(static_cast<size_t>(kind) - 1); }
  bool IsPaused(WorkKind kind, Time now) const;
  int failures(WorkKind kind) const;

  const Target& target_;
  const CertificateAuthority& authority_;
  const TargetRecord record_;  // that the target was made of
  const std::string name_;
  const PublicationObservers& observers_;
  Time collected_ = absl::InfinitePast();
  Prepared publication_;
  Prepared denial_;
  mutable std::mutex mutex_;
  std::array<Breaker, 3> breakers_;  // by WorkKind; guarded by mutex_
};

}  // namespace hallmark
