// The targets of an instance: what callers ask of them, and a thread for each that works off what the store has for it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/periodic.h"
#include "ca/authority.h"
#include "factory/terms.h"
#include "publish/credential.h"
#include "publish/dps_target.h"
#include "publish/target_worker.h"

namespace hallmark {

struct TargetStatus {
  TargetRecord record;
  WorkCounts work;
  std::optional<WorkRecord> chain = std::nullopt;  // while it is published, or has failed
  int64_t blocked = 0;                             // devices that are kept out by an enrollment of ours
  int64_t pinned = 0;                              // or let in with one certificate only
  int64_t under_way = 0;                           // whose enrollment is being written, or whose call got no answer
  TargetPause pause = {};
  // It was published, with the description that it has now.
  bool as_described() const { return record.published.has_value() && record.published_version == record.version; }
  // That, and nothing is left to do.
  bool converged() const {
    return as_described() && record.chain == ChainState::kPublished && work.waiting + work.parked == 0;
  }
};

struct WorkPage {
  std::vector<WorkRecord> work;
  std::string next;  // the token of the next one; empty: there is none
};

// Whether a target would let in the devices of a lot, before the first is made.
struct LotAdmission {
  std::string target;    // empty: there is none of that ID scope
  std::string id_scope;  // to which the lot or the target sends them
  Status looked;         // why the service could not be asked
  AdmissionVerdict verdict;
};

// A device in a target that is there otherwise than its group says, because of us.
struct Enrollment {
  enum class State { kUnderWay, kBlocked, kPinned };
  std::string registration_id;
  State state = State::kUnderWay;
  bool created = false;                        // by us; otherwise somebody else's
  std::optional<Time> collect = std::nullopt;  // until when it is needed
  std::string hub = "";                        // that it was assigned to, as far as it was looked for
  bool hub_disabled = false;                   // its identity there, by us
  // Nobody has looked after its hub: a device that is kept out stays connected until a person disables its identity,
  // and that of one that is pinned may still know a revoked certificate.
  bool by_hand = false;
};

struct EnrollmentPage {
  std::vector<Enrollment> enrollments;
  std::string next;  // after which the next one begins; empty: there is none
};

// Thread-safe. Of every method: kPermissionDenied; kNotFound (TARGET_UNKNOWN); the store's errors.
class Publications {
 public:
  // kNotFound (TARGET_CREDENTIAL_MISSING): there is none of that name.
  using FindCredential = std::function<StatusOr<Credential*>(const std::string& name)>;
  struct Parts {
    const CertificateAuthority& authority;  // outlives it, as does `azure`
    FindCredential find_credential;         // what it finds outlives the Publications
    const AzureConfig& azure;
    std::string realm;
    std::filesystem::path directory = {};  // below which targets of kind directory write; empty: there are none
    PublicationObservers observers = {};
  };
  explicit Publications(Parts parts);
  ~Publications();
  Publications(const Publications&) = delete;  // its threads know its address
  Publications& operator=(const Publications&) = delete;

  // Begins to work off what there is.
  void Start();

  // kInvalidArgument (TARGET_INVALID), field "description", also for another service than it was published to;
  // kAlreadyExists (TARGET_EXISTS) without `replace`.
  StatusOr<TargetStatus> Add(const Caller& caller, const std::string& description, bool replace, bool validate_only);
  StatusOr<TargetStatus> Get(const Caller& caller, const std::string& target) const;
  StatusOr<std::vector<TargetStatus>> List(const Caller& caller) const;
  // kFailedPrecondition (TARGET_BUSY) while something waits for it or stands there because of us, unless `force`.
  Status Remove(const Caller& caller, const std::string& target, bool force);

  // Errors of Target.
  StatusOr<ChainPlan> Plan(const Caller& caller, const std::string& target, bool take_over, Time deadline);
  StatusOr<TargetStatus> Publish(const Caller& caller, const std::string& target, bool take_over);
  // For at most an hour. kFailedPrecondition (PUBLICATION_OBSTRUCTED): `repair` of what was never published; kAborted
  // (TARGET_BUSY): the target is being reconciled.
  StatusOr<Reconciled> Reconcile(const Caller& caller, const std::string& target, bool repair,
                                 const std::function<bool(const Reconciled&)>& on_progress,
                                 const std::function<void(const Drift&)>& on_drift, Time deadline);
  // At most `count`, from where the page before ended. kInvalidArgument, field "page_token".
  StatusOr<WorkPage> ListWork(const Caller& caller, const std::string& target, bool parked_only,
                              const std::string& page_token, int count) const;
  StatusOr<int64_t> RetryWork(const Caller& caller, const std::string& target);
  // What a device would meet that shows `chain`, its own certificate first; with `complete`, and what is known of the
  // chain above it. kFailedPrecondition (TARGET_CANNOT): the target is no provisioning service.
  StatusOr<AdmissionVerdict> Check(const Caller& caller, const std::string& target, std::vector<Bytes> chain,
                                   bool complete, Time deadline);

  // What the devices of a lot would meet in the service that its bootstrap names; of a lot that names none, in each
  // that lets its authority's devices in. Empty: there is no such service. For whoever may see the lot.
  StatusOr<std::vector<LotAdmission>> CheckLot(const LotTerms& terms, Time deadline);

  // By registration id, from the one after `after` on, at most `count`; it looks at a few thousand, so that a page may
  // be short although another follows.
  StatusOr<EnrollmentPage> ListEnrollments(const Caller& caller, const std::string& target, bool by_hand_only,
                                           const std::string& after, int count) const;

  // For metrics.
  StatusOr<std::vector<TargetStatus>> Look() const;

 private:
  // A target as its description was at one version.
  struct Built;
  struct Running {
    std::shared_ptr<Built> built;
    std::unique_ptr<Periodic> thread;
  };

  Status Authorize(const Caller& caller, const char* permission) const;
  StatusOr<std::shared_ptr<Built>> Find(const std::string& target);
  StatusOr<std::shared_ptr<Built>> Find(const TargetRecord& record);
  StatusOr<std::shared_ptr<Built>> Build(const TargetRecord& record) const;
  StatusOr<TargetStatus> StatusOf(const std::string& target) const;
  StatusOr<TargetStatus> StatusOf(TargetRecord record) const;
  Status CheckDescribed(const TargetDescription& description) const;
  void StartThread(const std::string& target);
  void Notify(const std::string& target);
  void Work(const std::string& target, const std::atomic<bool>& stopping);

  const Parts parts_;
  mutable std::mutex mutex_;
  std::map<std::string, Running> running_;  // guarded by mutex_
  std::set<std::string> reconciling_;       // targets; guarded by mutex_
};

}  // namespace hallmark
