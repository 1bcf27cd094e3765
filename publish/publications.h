// The targets of an instance: what callers ask of them, and a thread for each that works off what the store has for it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/periodic.h"
#include "ca/authority.h"
#include "publish/credential.h"
#include "publish/dps_target.h"
#include "publish/target_worker.h"

namespace hallmark {

struct TargetStatus {
  TargetRecord record;
  WorkCounts work;
  int64_t blocked = 0;  // devices that are kept out by an enrollment of ours
  int64_t pinned = 0;   // or let in with one certificate only
  TargetPause pause;
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

  // kInvalidArgument (TARGET_INVALID), field "description"; kAlreadyExists (TARGET_EXISTS) without `replace`.
  StatusOr<TargetStatus> Add(const Caller& caller, const std::string& description, bool replace, bool validate_only);
  StatusOr<TargetStatus> Get(const Caller& caller, const std::string& target) const;
  StatusOr<std::vector<TargetStatus>> List(const Caller& caller) const;
  // kFailedPrecondition (TARGET_BUSY) while something waits for it or stands there because of us, unless `force`.
  Status Remove(const Caller& caller, const std::string& target, bool force);

  // Errors of Target.
  StatusOr<ChainPlan> Plan(const Caller& caller, const std::string& target, Time deadline);
  StatusOr<TargetStatus> Publish(const Caller& caller, const std::string& target, bool take_over);
  StatusOr<Reconciled> Reconcile(const Caller& caller, const std::string& target, bool repair,
                                 const std::function<bool(const Reconciled&)>& on_progress,
                                 const std::function<void(const Drift&)>& on_drift, Time deadline);
  StatusOr<std::vector<WorkRecord>> ListWork(const Caller& caller, const std::string& target, bool parked_only,
                                             int count) const;
  StatusOr<int64_t> RetryWork(const Caller& caller, const std::string& target);
  // What a device would meet that shows `chain`, its own certificate first; with `complete`, and what is known of the
  // chain above it. kFailedPrecondition (TARGET_CANNOT): the target is no provisioning service.
  StatusOr<AdmissionVerdict> Check(const Caller& caller, const std::string& target, std::vector<Bytes> chain,
                                   bool complete, Time deadline);

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
  StatusOr<TargetStatus> StatusOf(TargetRecord record) const;
  Status CheckDescribed(const TargetDescription& description) const;
  void StartThread(const std::string& target);
  void Notify(const std::string& target);
  void Work(const std::string& target, const std::atomic<bool>& stopping);

  const Parts parts_;
  mutable std::mutex mutex_;
  std::map<std::string, Running> running_;  // guarded by mutex_
};

}  // namespace hallmark
