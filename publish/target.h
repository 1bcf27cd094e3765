// A place that lets devices in. The interface has two implementations: Azure's provisioning service (dps_target.h) and
// a directory for a person who publishes by hand (directory_target.h); docs/publishing.md says what another would cost.
//
// A target holds no state of its own: what it does follows from what stands in the service, what the store says, and
// the description. So whatever was cut off is gone on with by doing it again, and doing it twice changes nothing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "publish/chain_plan.h"
#include "publish/device_admission.h"
#include "store/publication.h"

namespace hallmark {

struct TargetCapabilities {
  bool proves = false;  // it challenges whoever uploads a certificate to prove possession of its key
  bool binds = false;   // it lets devices in below a certificate
  bool blocks = false;  // it can keep one device out
  size_t devices_at_once = 1;
};

// Something that stands in the target otherwise than it should.
struct Drift {
  std::string kind;  // "certificate", "enrollment group", "enrollment", "hub identity", "hub", "bundle"
  std::string id;
  std::string what;   // for people
  bool ours = false;  // and can be repaired
};

struct Reconciled {
  int64_t seen = 0;
  int64_t drift = 0;
  int64_t repairing = 0;
};

// How much of the chain is published.
enum class Extent {
  kDenials,  // what keeps devices out
  kPrepare,  // that, and certificates with their proofs: all but what lets devices in
  kWhole
};

// Errors of all: the service's (dps_answer.h), the web client's and the credential's, the store's. Thread-safe.
class Target {
 public:
  virtual ~Target() = default;

  virtual TargetCapabilities capabilities() const = 0;

  // What Publish would do.
  virtual StatusOr<ChainPlan> Plan(bool take_over, Time deadline) const = 0;
  // Uploads, proves and binds until there is nothing left to do. kFailedPrecondition: PUBLICATION_OBSTRUCTED, with what
  // a person has to do first; PUBLICATION_CONFLICT, with what somebody else has set otherwise; POSSESSION_NOT_PROVEN.
  virtual Status Publish(Extent extent, bool take_over, Time deadline) const = 0;

  // Blocks, pins or unblocks devices, each as it says; returns what became of each, in their order. What was not tried,
  // because the target failed before, has the status of that failure.
  virtual std::vector<Status> Admit(const std::vector<DeviceAdmission>& devices, Time deadline) const = 0;

  // Tells of all that is not as it should be, and with `repair` queues work for what is ours; the ledger has that
  // `caller`, a URI, asked for it. kCancelled: `on_progress` says that nobody waits for it any more.
  virtual StatusOr<Reconciled> Reconcile(bool repair, const std::string& caller,
                                         const std::function<bool(const Reconciled&)>& on_progress,
                                         const std::function<void(const Drift&)>& on_drift, Time deadline) const = 0;
};

}  // namespace hallmark
