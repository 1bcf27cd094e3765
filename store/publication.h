// What the store keeps for publish/: the targets, what is to be done in them (the outbox), and what stands there
// because of us. A part of the contract of store.h, whose promises hold for it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "store/records.h"

namespace hallmark {

// The numbers are on disk: do not change them.
enum class ChainState { kNone = 0, kPublishing = 1, kPublished = 2, kFailed = 3 };

// A service that lets devices in, and is told whom it must not.
struct TargetRecord {
  std::string target;       // its name, [a-z][a-z0-9-]{0,62}
  std::string kind;         // "dps", "directory"
  std::string description;  // YAML, as it was reviewed
  // Whose devices it lets in, or has let in: its groups may stand there still; and, as they come to be, their
  // successors and those below them.
  std::vector<std::string> authorities;
  int64_t version = 0;
  Time created;
  Time updated;
  std::string updated_by;  // the caller's URI
  ChainState chain = ChainState::kNone;
  bool take_over = false;  // also what others have set, while it is kPublishing
  std::optional<Time> published = std::nullopt;
  int64_t published_version = 0;  // of the description that was
};

// The numbers are on disk: do not change them.
enum class WorkKind { kChain = 1, kAuthority = 2, kDevice = 3 };

// Something that may not be in a target as it is here. What it should be is looked up when it is done, so that however
// often it changes meanwhile there is one of it, and the last word counts.
struct WorkRecord {
  int64_t id = 0;
  std::string target;
  WorkKind kind = WorkKind::kDevice;
  std::string key;         // the device's registration id, compared without case; the authority; of kChain empty
  Time queued;             // since when
  int64_t generation = 0;  // grows when it is queued again
  int64_t attempts = 0;    // that have failed
  Time next;               // not tried before
  bool parked = false;     // not tried until a person says so, or it is queued again
  bool review = false;     // of a device: nothing was decided of it, what it depends on has changed
  std::string reason;      // of the last failure
  std::string failure;
};

// The numbers are on disk: do not change them.
enum class PublishedKind { kCertificate = 1, kProof = 2, kGroup = 3, kEnrollment = 4, kHubDevice = 5 };

// What we have made or changed in a target, or were about to: written before and after.
struct PublishedRecord {
  std::string target;
  PublishedKind kind = PublishedKind::kEnrollment;
  std::string key;              // its name there; compared without case
  std::string content;          // JSON, of publish/
  std::optional<Time> collect;  // when there is no need of it any more
};

// Where a page of work begins: after the item that was queued then and has this number.
struct WorkPlace {
  Time queued = absl::InfinitePast();
  int64_t id = 0;
};

struct WorkCounts {
  int64_t waiting = 0;
  std::optional<Time> oldest_waiting;
  int64_t parked = 0;
  std::optional<Time> oldest_parked;
};

class PublicationStore {
 public:
  virtual ~PublicationStore() = default;

  // --- Targets.

  // With version 1. kAlreadyExists (TARGET_EXISTS).
  virtual Status AddTarget(const TargetRecord& target, const std::string& ledger_entry) = 0;
  // Replaces the description of what was read at its `version`, which then grows by one, and adds to its authorities;
  // what was published stays, and what is being published has to be done anew. kNotFound (TARGET_UNKNOWN); kAborted
  // (TARGET_CHANGED).
  virtual Status UpdateTarget(const TargetRecord& target, const std::string& ledger_entry) = 0;
  // With its work and what is known to stand there. Idempotent.
  virtual Status RemoveTarget(const std::string& target, Time time, const std::string& ledger_entry) = 0;
  virtual StatusOr<TargetRecord> GetTarget(const std::string& target) = 0;  // kNotFound (TARGET_UNKNOWN)
  virtual StatusOr<std::vector<TargetRecord>> ListTargets() = 0;            // by name

  // --- Work. Besides what is queued here: of a device, by every mutation that revokes or releases its certificate, and
  // by Record for a device that work or an enrollment is there of; of an authority, by every change of its state or of
  // what is above it; each in that mutation's transaction, and for each target that lets in devices of the authority or
  // of one below it.

  // The target is kPublishing from now on. Idempotent; without an entry if it is empty. kNotFound (TARGET_UNKNOWN).
  virtual Status QueueChain(const std::string& target, bool take_over, Time now, const std::string& ledger_entry) = 0;
  // kNotFound (TARGET_UNKNOWN).
  virtual Status QueueWork(const std::string& target, WorkKind kind, const std::vector<std::string>& keys,
                           Time now) = 0;
  // Devices that are to be looked at again: behind all of which something was decided. kNotFound (TARGET_UNKNOWN).
  virtual Status QueueReviews(const std::string& target, const std::vector<std::string>& devices, Time now) = 0;
  // The devices of revoked certificates that have not expired, of at most `count` after where the answer before ended,
  // unless an enrollment is there of them; the answer is empty at the end.
  virtual StatusOr<std::string> QueueRevoked(const std::string& target, const std::string& after, int count,
                                             Time now) = 0;
  // As reviews, the devices whose enrollments are to be collected by now, unless work is there of them.
  virtual Status QueueCollections(const std::string& target, Time now) = 0;
  // What may be tried now: the chain, authorities, devices, reviews; last devices whose hub failed. The oldest first.
  virtual StatusOr<std::vector<WorkRecord>> DueWork(const std::string& target, Time now, int count) = 0;
  virtual StatusOr<std::vector<WorkRecord>> DueDevices(const std::string& target, Time now, int count) = 0;
  // Whether a device of which something was decided by then waits, be it for its next attempt, and not because of
  // `but_for`.
  virtual StatusOr<bool> DevicesWait(const std::string& target, Time queued_by, const std::string& but_for) = 0;
  // The oldest first.
  virtual StatusOr<std::vector<WorkRecord>> ListWork(const std::string& target, bool parked_only,
                                                     const WorkPlace& after, int count) = 0;
  virtual StatusOr<std::optional<WorkRecord>> FindWork(const std::string& target, WorkKind kind,
                                                       const std::string& key) = 0;
  virtual StatusOr<WorkCounts> CountWork(const std::string& target) = 0;
  // It is done, unless it was queued again since it was read; of kChain, the target is kPublished then.
  virtual Status FinishWork(const std::vector<WorkRecord>& work, Time now) = 0;
  // Sets `attempts`, `next`, `parked`, `reason` and `failure`, unless it was queued again since; of kChain that is
  // parked, the target is kFailed then.
  virtual Status PostponeWork(const std::vector<WorkRecord>& work) = 0;
  // All of it may be tried now, also what is parked; returns how much.
  virtual StatusOr<int64_t> RetryWork(const std::string& target, Time now) = 0;

  // --- What stands there.

  // Adds or replaces; and appends the entry if there is one.
  virtual Status PutPublished(const std::vector<PublishedRecord>& records, Time now,
                              const std::string& ledger_entry = "") = 0;
  virtual Status RemovePublished(const std::vector<PublishedRecord>& records, Time now,
                                 const std::string& ledger_entry = "") = 0;
  virtual StatusOr<std::optional<PublishedRecord>> FindPublished(const std::string& target, PublishedKind kind,
                                                                 const std::string& key) = 0;
  // By key, from the one after `after` on.
  virtual StatusOr<std::vector<PublishedRecord>> ListPublished(const std::string& target, PublishedKind kind,
                                                               const std::string& after, int count) = 0;
  // By the `state` of their content.
  virtual StatusOr<std::map<std::string, int64_t>> CountEnrollments(const std::string& target) = 0;

  // Of a device, by its registration id compared without case: the certificates that the target's authorities have
  // issued to it, in the order of issuance.
  virtual StatusOr<std::vector<CertificateRecord>> CertificatesOfDevice(const std::string& target,
                                                                        const std::string& registration_id) = 0;
};

}  // namespace hallmark
