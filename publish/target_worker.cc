#include "publish/target_worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/reason.h"
#include "base/text.h"
#include "publish/dps_answer.h"
#include "publish/retry_after.h"
#include "publish/wanted_chain.h"

namespace hallmark {
namespace {

constexpr Duration kAttempt = absl::Seconds(60);
constexpr Duration kChainAttempt = absl::Minutes(5);
constexpr Duration kFirstRest = absl::Seconds(1);
constexpr Duration kCollectEvery = absl::Minutes(1);
constexpr int kMostAttempts = 10;
constexpr int kMostHubFailures = 30;
constexpr int kTogether = 3;      // attempts with others, of what failed with them
constexpr int kMostRefusals = 3;  // of what the service calls wrong
constexpr int kMostPauseSteps = 8;
constexpr int kPage = 1000;
constexpr size_t kKept = 1000;  // octets of a failure

// It says nothing of the item, and was no failure of the service's.
bool IsMereDelay(const Status& status) {
  const std::string reason = Reason(status);
  return reason == reason::kTargetBudgetSpent || reason == reason::kTargetThrottled ||
         reason == reason::kTargetNotTried;
}

// A hub is busy, or was not asked: the device waits for it, and nothing is said against it.
bool IsOfBusyHub(const Status& status) {
  return Reason(status) == reason::kTargetHubFailed && RetryDelay(status).has_value();
}

// The service has judged this very item. An authority's key that is away comes back by itself.
bool IsVerdict(const Status& status) {
  if (Reason(status) == reason::kTargetUnavailable) return true;
  return !ConcernsTarget(status) && !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status);
}

// In [0, 1); without randomness there is none, and several publishers may come back together.
double Jitter() {
  const StatusOr<Bytes> octets = RandomBytes(2);
  return octets.ok() ? ((*octets)[0] * 256 + (*octets)[1]) / 65536.0 : 0.5;
}

}  // namespace

int TargetWorker::failures(WorkKind kind) const {
  const std::lock_guard lock(mutex_);
  return BreakerOf(kind).failures;
}

TargetPause TargetWorker::pause() const {
  const std::lock_guard lock(mutex_);
  return std::max_element(breakers_.begin(), breakers_.end(),
                          [](const Breaker& a, const Breaker& b) { return a.pause.until < b.pause.until; })
      ->pause;
}

bool TargetWorker::IsPaused(WorkKind kind, Time now) const {
  const std::lock_guard lock(mutex_);
  return now < BreakerOf(kind).pause.until;
}

void TargetWorker::EndPause() {
  const std::lock_guard lock(mutex_);
  breakers_ = {};
}

Status TargetWorker::Work(const std::atomic<bool>& stopping) {
  Store& store = authority_.parts().store;
  while (!stopping) {
    const Time now = authority_.parts().clock.Now();
    ASSIGN_OR_RETURN(const bool current, IsCurrent());
    if (!current) return absl::OkStatus();
    if (now >= collected_ + kCollectEvery) {
      RETURN_IF_ERROR(store.QueueCollections(name_, now));
      collected_ = now;
    }
    ASSIGN_OR_RETURN(std::vector<WorkRecord> work, NextWork(now));
    if (work.empty()) return absl::OkStatus();
    std::vector<bool> denied(work.size(), false);
    ASSIGN_OR_RETURN(const std::vector<Status> outcomes, Do(work, denied));
    RETURN_IF_ERROR(Settle(std::move(work), outcomes, denied));
  }
  return absl::OkStatus();
}

StatusOr<std::vector<WorkRecord>> TargetWorker::NextWork(Time now) const {
  Store& store = authority_.parts().store;
  const int count = static_cast<int>(target_.capabilities().devices_at_once);
  // Behind the chain, which is one, stands the first of the authorities.
  ASSIGN_OR_RETURN(const std::vector<WorkRecord> due, store.DueWork(name_, now, std::max(count, 2)));
  for (const WorkRecord& one : due) {
    if (one.kind == WorkKind::kAuthority && !IsPaused(one.kind, now)) return std::vector<WorkRecord>{one};
  }
  if (!due.empty() && due.front().kind == WorkKind::kChain && !IsPaused(WorkKind::kChain, now)) {
    if (!publication_.IsOf(due.front())) return std::vector<WorkRecord>{due.front()};
    ASSIGN_OR_RETURN(const bool waits, DevicesComeFirst());
    if (!waits) return std::vector<WorkRecord>{due.front()};
  }
  if (IsPaused(WorkKind::kDevice, now)) return std::vector<WorkRecord>();
  return store.DueDevices(name_, now, count);
}

StatusOr<bool> TargetWorker::DevicesComeFirst() const {
  // Whose hub failed is kept out of the service already.
  return authority_.parts().store.DevicesWait(name_, publication_.at, reason::kTargetHubFailed);
}

StatusOr<std::vector<Status>> TargetWorker::Do(const std::vector<WorkRecord>& work, std::vector<bool>& denied) {
  const Time now = authority_.parts().clock.Now();
  if (work.front().kind == WorkKind::kChain) return std::vector<Status>{PublishChain(work.front())};
  if (work.front().kind == WorkKind::kAuthority) {
    return std::vector<Status>{DenyAuthority(work.front())};
  }
  ASSIGN_OR_RETURN(const std::set<std::string> revoked, authority_.OutOfUse());
  std::vector<DeviceAdmission> devices;
  for (size_t i = 0; i < work.size(); ++i) {
    ASSIGN_OR_RETURN(DeviceAdmission admission, AdmissionFor(work[i], revoked));
    denied[i] = admission.kind == DeviceAdmission::Kind::kBlocked;
    devices.push_back(std::move(admission));
  }
  return target_.Admit(devices, now + kAttempt);
}

Status TargetWorker::PublishChain(const WorkRecord& work) {
  Store& store = authority_.parts().store;
  ASSIGN_OR_RETURN(const TargetRecord record, store.GetTarget(name_));
  const Time now = authority_.parts().clock.Now();
  if (!publication_.IsOf(work)) {
    // Devices that were revoked before anybody published: also if some of the chain then fails.
    std::string after;
    do {
      ASSIGN_OR_RETURN(after, store.QueueRevoked(name_, after, kPage, now));
    } while (!after.empty());
    publication_ = {.id = work.id, .generation = work.generation, .at = now};
    RETURN_IF_ERROR(target_.Publish(Extent::kPrepare, record.take_over, now + kChainAttempt));
    ASSIGN_OR_RETURN(const bool waits, DevicesComeFirst());
    if (waits) return Error(Code::kAborted, reason::kTargetNotTried, "devices that are revoked come first");
  }
  const Status published = target_.Publish(Extent::kWhole, record.take_over, now + kChainAttempt);
  // Also when a person has to help with the rest, and it is not tried again: some of the groups may have changed.
  const bool ends = published.ok() || (absl::IsFailedPrecondition(published) && !ConcernsTarget(published));
  if (ends) RETURN_IF_ERROR(QueueEnrollments());
  return published;
}

// What its devices' enrollments say follows from the authorities, and from the groups.
Status TargetWorker::QueueEnrollments() const {
  Store& store = authority_.parts().store;
  std::string after;
  while (true) {
    ASSIGN_OR_RETURN(const auto records, store.ListPublished(name_, PublishedKind::kEnrollment, after, kPage));
    std::vector<std::string> keys;
    for (const PublishedRecord& one : records) keys.push_back(one.key);
    RETURN_IF_ERROR(store.QueueReviews(name_, keys, authority_.parts().clock.Now()));
    if (records.size() < static_cast<size_t>(kPage)) return absl::OkStatus();
    after = records.back().key;
  }
}

Status TargetWorker::DenyAuthority(const WorkRecord& work) {
  const Time now = authority_.parts().clock.Now();
  if (!denial_.IsOf(work)) {
    RETURN_IF_ERROR(QueueEnrollments());
    denial_ = {.id = work.id, .generation = work.generation, .at = now};
  }
  return target_.Publish(Extent::kDenials, false, now + kChainAttempt);
}

StatusOr<bool> TargetWorker::IsCurrent() const {
  const StatusOr<TargetRecord> record = authority_.parts().store.GetTarget(name_);
  if (absl::IsNotFound(record.status())) return false;
  RETURN_IF_ERROR(record.status());
  return record->version == record_.version && record->description == record_.description;
}

StatusOr<DeviceAdmission> TargetWorker::AdmissionFor(const WorkRecord& work,
                                                     const std::set<std::string>& revoked_authorities) const {
  ASSIGN_OR_RETURN(const std::vector<CertificateRecord> certificates,
                   authority_.parts().store.CertificatesOfDevice(name_, work.key));
  DeviceAdmission admission = AdmissionOf(work.key, certificates, revoked_authorities, authority_.parts().clock.Now());
  // After a conflict or a refusal of its own; or when it may be what fails its neighbours.
  admission.alone =
      work.attempts > kTogether || work.reason == reason::kTargetConflict || work.reason == reason::kTargetRefused;
  return admission;
}

Status TargetWorker::Settle(std::vector<WorkRecord> work, const std::vector<Status>& outcomes,
                            const std::vector<bool>& denied) {
  const Time now = authority_.parts().clock.Now();
  const WorkKind kind = work.front().kind;
  std::vector<WorkRecord> done;
  std::vector<WorkRecord> postponed;
  Status pausing;
  for (size_t i = 0; i < work.size(); ++i) {
    if (outcomes[i].ok()) {
      if (work[i].kind == WorkKind::kDevice && !work[i].review && observers_.admitted) {
        observers_.admitted(name_, denied[i], std::max(now - work[i].queued, absl::ZeroDuration()));
      }
      done.push_back(std::move(work[i]));
      continue;
    }
    if (ConcernsTarget(outcomes[i])) pausing = outcomes[i];
    if (IsMereDelay(outcomes[i])) continue;
    Postpone(work[i], outcomes[i], now);
    postponed.push_back(std::move(work[i]));
  }
  if (!done.empty()) {
    const std::lock_guard lock(mutex_);
    BreakerOf(kind).failures = 0;
    BreakerOf(kind).throttles = 0;
  }
  Store& store = authority_.parts().store;
  if (!done.empty()) RETURN_IF_ERROR(store.FinishWork(done, now));
  if (!postponed.empty()) RETURN_IF_ERROR(store.PostponeWork(postponed));
  if (!pausing.ok()) Pause(kind, pausing, now);
  return absl::OkStatus();
}

void TargetWorker::Postpone(WorkRecord& work, const Status& failure, Time now) const {
  work.reason = Reason(failure);
  work.failure = Shorten(Message(failure), kKept);
  if (IsOfBusyHub(failure)) {
    work.next = now + std::max(*RetryDelay(failure), kFirstRest);
    return;
  }
  ++work.attempts;
  // The first time a device is tried again soon, apart from those that it may have failed with.
  work.next = work.attempts == 1 && work.kind == WorkKind::kDevice
                  ? now + kFirstRest
                  : now + BackOff(static_cast<int>(work.attempts), Jitter());
  const bool refused = absl::IsFailedPrecondition(failure) && !ConcernsTarget(failure);
  int most = refused ? kMostRefusals : kMostAttempts;
  if (work.reason == reason::kTargetHubFailed) most = kMostHubFailures;
  // While nothing at all succeeds it is the service's failure, not the item's.
  const bool service_is_away = ConcernsTarget(failure) && failures(work.kind) >= work.attempts;
  work.parked = IsVerdict(failure) && !service_is_away && work.attempts >= most;
  if (work.kind == WorkKind::kChain && refused) work.parked = true;  // only a person can help
  if (observers_.failed) observers_.failed(name_, failure);
  log::Fields fields = log::Describe(failure);
  fields["target"] = name_;
  fields["key"] = work.key;
  fields["attempts"] = work.attempts;
  log::Warning(work.parked ? "publication_parked" : "publication_postponed", fields);
}

void TargetWorker::Pause(WorkKind kind, const Status& failure, Time now) {
  const std::lock_guard lock(mutex_);
  Breaker& breaker = BreakerOf(kind);
  if (!IsMereDelay(failure)) ++breaker.failures;
  if (Reason(failure) == reason::kTargetThrottled) ++breaker.throttles;
  const int step = std::clamp(std::max(breaker.failures, breaker.throttles), 1, kMostPauseSteps);
  const Duration asked = RetryDelay(failure).value_or(absl::ZeroDuration());
  const Duration pause = asked > absl::ZeroDuration() ? asked : BackOff(step, Jitter());
  breaker.pause = {.until = now + pause, .reason = Message(failure)};
  if (Reason(failure) == reason::kTargetBudgetSpent) breaker.pause.reason.clear();
}

}  // namespace hallmark
