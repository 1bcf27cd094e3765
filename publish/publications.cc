#include "publish/publications.h"

#include <absl/cleanup/cleanup.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "publish/directory_target.h"
#include "publish/entries.h"

namespace hallmark {
namespace {

constexpr Duration kPeriod = absl::Seconds(1);  // between two looks at what is due
constexpr int kLookedAt = 5000;                 // enrollments, for a page of some of them
constexpr Duration kMostReconciling = absl::Hours(1);
constexpr char kDescriptionField[] = "description";

Store& StoreOf(const CertificateAuthority& authority) { return authority.parts().store; }

Status Unfit(const Status& status) { return FieldError(reason::kTargetInvalid, kDescriptionField, Message(status)); }

// The issuers' certificates above the last of `chain`, as far as they are ours.
void Complete(const Issuers::Snapshot& authorities, std::vector<Bytes>& chain) {
  const StatusOr<CertificateParts> last = ReadCertificate(chain.back());
  if (!last.ok() || Equal(last->issuer, last->subject)) return;
  for (const auto& [name, issuer] : authorities.issuers) {
    if (!Equal(issuer->name(), last->issuer)) continue;
    chain.insert(chain.end(), issuer->chain().begin(), issuer->chain().end());
    return;
  }
}

// Of a lot that names a service, that one.
bool IsFor(const LotTerms& terms, const TargetRecord& target, const DpsDescription& description) {
  if (!terms.bootstrap.type.empty()) return absl::EqualsIgnoreCase(terms.bootstrap.id_scope, description.id_scope);
  return std::find(target.authorities.begin(), target.authorities.end(), terms.authority) != target.authorities.end();
}

ProspectiveDevice ProspectOf(const Profile& profile) {
  const auto is_cn = [](const NameRule& rule) { return rule.type == "CN" && rule.required; };
  const auto& purposes = profile.extended_key_usage;
  return {.profile = profile.name,
          .common_name = std::any_of(profile.subject.begin(), profile.subject.end(), is_cn),
          .client_auth = std::find(purposes.begin(), purposes.end(), kClientAuth) != purposes.end()};
}

StatusOr<Enrollment> EnrollmentOf(const PublishedRecord& published, const std::optional<PublishedRecord>& hub) {
  ASSIGN_OR_RETURN(const EnrollmentNote note, ReadNote(published.content));
  Enrollment enrollment{.registration_id = published.key, .created = note.created, .collect = published.collect};
  enrollment.state = note.state == EnrollmentNote::State::kBlocked  ? Enrollment::State::kBlocked
                     : note.state == EnrollmentNote::State::kPinned ? Enrollment::State::kPinned
                                                                    : Enrollment::State::kUnderWay;
  bool looked_after = false;
  if (hub.has_value()) {
    ASSIGN_OR_RETURN(const HubNote in_hub, ReadHubNote(hub->content));
    enrollment.hub = in_hub.hub;
    enrollment.hub_disabled = in_hub.state == HubNote::State::kDisabled;
    looked_after = enrollment.hub_disabled || in_hub.state == HubNote::State::kNothing;
  }
  enrollment.by_hand = enrollment.state != Enrollment::State::kUnderWay && !looked_after;
  return enrollment;
}

std::string TokenOf(const WorkRecord& last) { return fmt::format("{}-{}", absl::ToUnixSeconds(last.queued), last.id); }

StatusOr<WorkPlace> ParsePlace(const std::string& page_token) {
  WorkPlace place;
  if (page_token.empty()) return place;
  const std::pair<std::string, std::string> parts = absl::StrSplit(page_token, absl::MaxSplits('-', 1));
  int64_t queued = 0;
  if (!absl::SimpleAtoi(parts.first, &queued) || !absl::SimpleAtoi(parts.second, &place.id)) {
    return FieldError(reason::kRequestInvalid, "page_token", "is not one that a page of this list ended with");
  }
  place.queued = absl::FromUnixSeconds(queued);
  return place;
}

// What stands in a service because of us is known by the target's name: another service has none of it.
Status CheckSameService(const TargetRecord& before, const TargetDescription& description) {
  if (before.chain == ChainState::kNone) return absl::OkStatus();
  ASSIGN_OR_RETURN(const TargetDescription earlier, ReadDescription(before.description));
  const DpsDescription* was = earlier.dps();
  const DpsDescription* is = description.dps();
  if (was == nullptr && is == nullptr) return absl::OkStatus();
  if (was != nullptr && is != nullptr && absl::EqualsIgnoreCase(was->service, is->service) &&
      absl::EqualsIgnoreCase(was->subscription, is->subscription) &&
      absl::EqualsIgnoreCase(was->resource_group, is->resource_group)) {
    return absl::OkStatus();
  }
  return FieldError(
      reason::kTargetInvalid, kDescriptionField,
      fmt::format("names another service than the target \"{}\" was published to; add a target of another "
                  "name for it, publish that, and remove this one when no device uses it any more",
                  before.target));
}

}  // namespace

struct Publications::Built {
  int64_t version = 0;
  std::string text;  // of the description
  std::unique_ptr<OperationBudget> budget;
  std::unique_ptr<Target> target;
  const DpsTarget* dps = nullptr;  // the same, if it is one
  std::unique_ptr<TargetWorker> worker;
};

Publications::Publications(Parts parts) : parts_(std::move(parts)) {}

Publications::~Publications() {
  std::map<std::string, Running> running;
  {
    const std::lock_guard lock(mutex_);
    running.swap(running_);
  }
}

Status Publications::Authorize(const Caller& caller, const char* permission) const {
  return parts_.authority.Authorize(caller, permission, {});
}

void Publications::Start() {
  const StatusOr<std::vector<TargetRecord>> targets = StoreOf(parts_.authority).ListTargets();
  if (!targets.ok()) return log::Warning("targets_unknown", log::Describe(targets.status()));
  for (const TargetRecord& record : *targets) StartThread(record.target);
}

void Publications::StartThread(const std::string& target) {
  const std::lock_guard lock(mutex_);
  Running& running = running_[target];
  if (running.thread != nullptr) return running.thread->Notify();
  running.thread = std::make_unique<Periodic>(
      kPeriod, [this, target](const std::atomic<bool>& stopping) { Work(target, stopping); });
}

void Publications::Notify(const std::string& target) {
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(target);
  if (found == running_.end()) return;
  if (found->second.built != nullptr) found->second.built->worker->EndPause();
  found->second.thread->Notify();
}

void Publications::Work(const std::string& target, const std::atomic<bool>& stopping) {
  const StatusOr<TargetRecord> record = StoreOf(parts_.authority).GetTarget(target);
  if (absl::IsNotFound(record.status()) || (record.ok() && record->chain == ChainState::kNone)) return;
  const StatusOr<std::shared_ptr<Built>> built = record.ok() ? Find(*record) : record.status();
  const Status status = built.ok() ? (*built)->worker->Work(stopping) : built.status();
  if (status.ok() || stopping) return;
  log::Fields fields = log::Describe(status);
  fields["target"] = target;
  log::Warning("publication_waits", fields);
}

StatusOr<std::shared_ptr<Publications::Built>> Publications::Find(const std::string& target) {
  ASSIGN_OR_RETURN(const TargetRecord record, StoreOf(parts_.authority).GetTarget(target));
  return Find(record);
}

StatusOr<std::shared_ptr<Publications::Built>> Publications::Find(const TargetRecord& record) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(record.target);
    if (found != running_.end() && found->second.built != nullptr && found->second.built->version == record.version &&
        found->second.built->text == record.description) {
      return found->second.built;
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<Built> built, Build(record));
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(record.target);
  if (found != running_.end()) found->second.built = built;
  return built;
}

StatusOr<std::shared_ptr<Publications::Built>> Publications::Build(const TargetRecord& record) const {
  ASSIGN_OR_RETURN(TargetDescription description, ReadDescription(record.description));
  auto built = std::make_shared<Built>();
  built->version = record.version;
  built->text = record.description;
  if (const DpsDescription* dps = description.dps()) {
    ASSIGN_OR_RETURN(Credential* const credential, parts_.find_credential(dps->credential));
    built->budget = std::make_unique<OperationBudget>(dps->operations);
    const DpsService::Parts service{.credential = *credential,
                                    .azure = parts_.azure,
                                    .budget = *built->budget,
                                    .clock = parts_.authority.parts().clock};
    auto target = std::make_unique<DpsTarget>(service, parts_.authority, parts_.realm, record.target, *dps);
    built->dps = target.get();
    built->target = std::move(target);
  } else {
    built->target = std::make_unique<DirectoryTarget>(parts_.authority, parts_.realm, parts_.directory / record.target,
                                                      std::get<DirectoryDescription>(description.kind).authority);
  }
  built->worker = std::make_unique<TargetWorker>(*built->target, parts_.authority, record, parts_.observers);
  return built;
}

Status Publications::CheckDescribed(const TargetDescription& description) const {
  const auto authorities = parts_.authority.parts().issuers.Recent();
  const Time now = parts_.authority.parts().clock.Now();
  if (const DpsDescription* dps = description.dps()) {
    const Status credential = parts_.find_credential(dps->credential).status();
    if (!credential.ok()) return Unfit(credential);
    const Status wanted = WantedOf(*dps, {}, {}, *authorities, now).status();
    return wanted.ok() ? wanted : Unfit(wanted);
  }
  if (parts_.directory.empty()) {
    return Unfit(
        absl::NotFoundError("a target of kind directory needs publish.directory in the service's configuration"));
  }
  const Status found = parts_.authority.FindIssuer(std::get<DirectoryDescription>(description.kind).authority).status();
  return found.ok() ? found : Unfit(found);
}

StatusOr<TargetStatus> Publications::Add(const Caller& caller, const std::string& text, bool replace,
                                         bool validate_only) {
  RETURN_IF_ERROR(Authorize(caller, permission::kUpdateTarget));
  ASSIGN_OR_RETURN(const TargetDescription description, ReadDescription(text));
  RETURN_IF_ERROR(parts_.authority.parts().issuers.Reload());
  RETURN_IF_ERROR(CheckDescribed(description));
  const Time now = TruncateToSecond(parts_.authority.parts().clock.Now());
  TargetRecord record{.target = description.target,
                      .kind = description.dps() != nullptr ? "dps" : "directory",
                      .description = text,
                      .authorities = {},
                      .version = 0,
                      .created = now,
                      .updated = now,
                      .updated_by = caller.uri};
  if (const DpsDescription* dps = description.dps()) {
    record.authorities = AuthoritiesBelow(*dps, parts_.authority.parts().issuers.Recent()->records);
  }
  Store& store = StoreOf(parts_.authority);
  const StatusOr<TargetRecord> before = store.GetTarget(record.target);
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  if (before.ok() && !replace) {
    return Error(Code::kAlreadyExists, reason::kTargetExists,
                 fmt::format("there is a target \"{}\" already; replace it, or choose another name", record.target));
  }
  if (before.ok()) RETURN_IF_ERROR(CheckSameService(*before, description));
  if (validate_only) return TargetStatus{.record = std::move(record), .work = {}};
  if (before.ok()) {
    record.version = before->version;
    RETURN_IF_ERROR(store.UpdateTarget(record, TargetEntry("target_replaced", record.target, text, caller.uri, now)));
  } else {
    RETURN_IF_ERROR(store.AddTarget(record, TargetEntry("target_added", record.target, text, caller.uri, now)));
  }
  StartThread(record.target);
  return StatusOf(record.target);
}

StatusOr<TargetStatus> Publications::StatusOf(const std::string& target) const {
  ASSIGN_OR_RETURN(TargetRecord record, StoreOf(parts_.authority).GetTarget(target));
  return StatusOf(std::move(record));
}

StatusOr<TargetStatus> Publications::StatusOf(TargetRecord record) const {
  Store& store = StoreOf(parts_.authority);
  TargetStatus status{.record = std::move(record), .work = {}};
  ASSIGN_OR_RETURN(status.work, store.CountWork(status.record.target));
  ASSIGN_OR_RETURN(status.chain, store.FindWork(status.record.target, WorkKind::kChain, ""));
  ASSIGN_OR_RETURN(const auto enrollments, store.CountEnrollments(status.record.target));
  for (const auto& [state, count] : enrollments) {
    (state == "blocked" ? status.blocked : state == "pinned" ? status.pinned : status.under_way) += count;
  }
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(status.record.target);
  if (found == running_.end() || found->second.built == nullptr) return status;
  TargetPause pause = found->second.built->worker->pause();
  if (parts_.authority.parts().clock.Now() < pause.until) status.pause = std::move(pause);
  return status;
}

StatusOr<TargetStatus> Publications::Get(const Caller& caller, const std::string& target) const {
  RETURN_IF_ERROR(Authorize(caller, permission::kGetTarget));
  return StatusOf(target);
}

StatusOr<std::vector<TargetStatus>> Publications::Look() const {
  ASSIGN_OR_RETURN(std::vector<TargetRecord> records, StoreOf(parts_.authority).ListTargets());
  std::vector<TargetStatus> targets;
  for (TargetRecord& record : records) {
    ASSIGN_OR_RETURN(TargetStatus status, StatusOf(std::move(record)));
    targets.push_back(std::move(status));
  }
  return targets;
}

StatusOr<std::vector<TargetStatus>> Publications::List(const Caller& caller) const {
  RETURN_IF_ERROR(Authorize(caller, permission::kGetTarget));
  return Look();
}

Status Publications::Remove(const Caller& caller, const std::string& target, bool force) {
  RETURN_IF_ERROR(Authorize(caller, permission::kUpdateTarget));
  Store& store = StoreOf(parts_.authority);
  ASSIGN_OR_RETURN(const TargetStatus status, StatusOf(target));
  const int64_t work = status.work.waiting + status.work.parked;
  const int64_t enrollments = status.blocked + status.pinned + status.under_way;
  if (!force && (work > 0 || enrollments > 0)) {
    return Error(
        Code::kFailedPrecondition, reason::kTargetBusy,
        fmt::format("{} changes wait for target \"{}\", and {} devices have enrollments of ours there, which would "
                    "stay without anybody who looks after them; say force if that is meant",
                    work, target, enrollments));
  }
  const Time now = parts_.authority.parts().clock.Now();
  RETURN_IF_ERROR(store.RemoveTarget(target, now, TargetRemovedEntry(target, work, enrollments, caller.uri, now)));
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(target);
  if (found != running_.end()) found->second.built = nullptr;  // its thread finds no such target from now on
  return absl::OkStatus();
}

StatusOr<ChainPlan> Publications::Plan(const Caller& caller, const std::string& target, bool take_over, Time deadline) {
  RETURN_IF_ERROR(Authorize(caller, permission::kGetTarget));
  ASSIGN_OR_RETURN(const std::shared_ptr<Built> built, Find(target));
  return built->target->Plan(take_over, deadline);
}

StatusOr<TargetStatus> Publications::Publish(const Caller& caller, const std::string& target, bool take_over) {
  RETURN_IF_ERROR(Authorize(caller, permission::kPublishTarget));
  RETURN_IF_ERROR(Find(target).status());
  const Time now = parts_.authority.parts().clock.Now();
  RETURN_IF_ERROR(StoreOf(parts_.authority)
                      .QueueChain(target, take_over, now, PublicationStartedEntry(target, take_over, caller.uri, now)));
  StartThread(target);
  Notify(target);
  return StatusOf(target);
}

StatusOr<Reconciled> Publications::Reconcile(const Caller& caller, const std::string& target, bool repair,
                                             const std::function<bool(const Reconciled&)>& on_progress,
                                             const std::function<void(const Drift&)>& on_drift, Time deadline) {
  RETURN_IF_ERROR(Authorize(caller, repair ? permission::kPublishTarget : permission::kGetTarget));
  ASSIGN_OR_RETURN(const TargetRecord record, StoreOf(parts_.authority).GetTarget(target));
  if (repair && record.chain == ChainState::kNone) {
    return Error(Code::kFailedPrecondition, reason::kPublicationObstructed,
                 fmt::format("target \"{0}\" was never published, and nothing in it is ours to mend; publish it first: "
                             "hallmark publish dps apply {0}",
                             target));
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<Built> built, Find(record));
  {
    const std::lock_guard lock(mutex_);
    if (!reconciling_.insert(target).second) {
      return Error(Code::kAborted, reason::kTargetBusy,
                   fmt::format("target \"{}\" is being reconciled already; ask again when that has ended", target));
    }
  }
  const absl::Cleanup end = [&] {
    const std::lock_guard lock(mutex_);
    reconciling_.erase(target);
  };
  const Time latest = parts_.authority.parts().clock.Now() + kMostReconciling;
  StatusOr<Reconciled> result =
      built->target->Reconcile(repair, caller.uri, on_progress, on_drift, std::min(deadline, latest));
  if (repair) Notify(target);  // also of what was queued before it failed
  return result;
}

StatusOr<WorkPage> Publications::ListWork(const Caller& caller, const std::string& target, bool parked_only,
                                          const std::string& page_token, int count) const {
  RETURN_IF_ERROR(Authorize(caller, permission::kGetTarget));
  Store& store = StoreOf(parts_.authority);
  RETURN_IF_ERROR(store.GetTarget(target).status());
  ASSIGN_OR_RETURN(const WorkPlace after, ParsePlace(page_token));
  WorkPage page;
  ASSIGN_OR_RETURN(page.work, store.ListWork(target, parked_only, after, count));
  if (page.work.size() == static_cast<size_t>(count)) page.next = TokenOf(page.work.back());
  return page;
}

StatusOr<int64_t> Publications::RetryWork(const Caller& caller, const std::string& target) {
  RETURN_IF_ERROR(Authorize(caller, permission::kPublishTarget));
  ASSIGN_OR_RETURN(const int64_t items,
                   StoreOf(parts_.authority).RetryWork(target, parts_.authority.parts().clock.Now()));
  Notify(target);
  return items;
}

StatusOr<AdmissionVerdict> Publications::Check(const Caller& caller, const std::string& target,
                                               std::vector<Bytes> chain, bool complete, Time deadline) {
  RETURN_IF_ERROR(Authorize(caller, permission::kGetTarget));
  ASSIGN_OR_RETURN(const std::shared_ptr<Built> built, Find(target));
  if (built->dps == nullptr) {
    return Error(Code::kFailedPrecondition, reason::kTargetCannot,
                 fmt::format("target \"{}\" is a directory, and lets no device in", target));
  }
  if (complete) Complete(*parts_.authority.parts().issuers.Recent(), chain);
  return built->dps->Check(chain, deadline);
}

StatusOr<std::vector<LotAdmission>> Publications::CheckLot(const LotTerms& terms, Time deadline) {
  const PolicyPointer policies = parts_.authority.parts().policies.Current();
  ASSIGN_OR_RETURN(const IssuerPointer issuer, parts_.authority.parts().issuers.Find(terms.authority, policies));
  const auto profile = policies->profiles.find(terms.profile);
  if (profile == policies->profiles.end()) {
    return Error(Code::kNotFound, reason::kProfileUnknown,
                 fmt::format("the lot's profile '{}' is not there any more", terms.profile));
  }
  const ProspectiveDevice device = ProspectOf(*profile->second);
  ASSIGN_OR_RETURN(const std::vector<TargetRecord> targets, StoreOf(parts_.authority).ListTargets());
  std::vector<LotAdmission> admissions;
  for (const TargetRecord& record : targets) {
    const StatusOr<TargetDescription> description = ReadDescription(record.description);
    const DpsDescription* dps = description.ok() ? description->dps() : nullptr;
    if (dps == nullptr || !IsFor(terms, record, *dps)) continue;
    LotAdmission& admission = admissions.emplace_back();
    admission.target = record.target;
    admission.id_scope = dps->id_scope;
    const StatusOr<std::shared_ptr<Built>> built = Find(record);
    StatusOr<AdmissionVerdict> verdict =
        built.ok() ? (*built)->dps->Check(device, issuer->chain(), deadline) : built.status();
    admission.looked = verdict.status();
    if (verdict.ok()) admission.verdict = *std::move(verdict);
  }
  if (admissions.empty() && !terms.bootstrap.type.empty()) {
    admissions.emplace_back().id_scope = terms.bootstrap.id_scope;
  }
  return admissions;
}

StatusOr<EnrollmentPage> Publications::ListEnrollments(const Caller& caller, const std::string& target,
                                                       bool by_hand_only, const std::string& after, int count) const {
  RETURN_IF_ERROR(Authorize(caller, permission::kGetTarget));
  Store& store = StoreOf(parts_.authority);
  RETURN_IF_ERROR(store.GetTarget(target).status());
  EnrollmentPage page{.enrollments = {}, .next = after};
  for (int looked = 0; looked < kLookedAt; looked += count) {
    ASSIGN_OR_RETURN(const auto records, store.ListPublished(target, PublishedKind::kEnrollment, page.next, count));
    for (const PublishedRecord& published : records) {
      ASSIGN_OR_RETURN(const auto hub, store.FindPublished(target, PublishedKind::kHubDevice, published.key));
      ASSIGN_OR_RETURN(Enrollment enrollment, EnrollmentOf(published, hub));
      if (!by_hand_only || enrollment.by_hand) page.enrollments.push_back(std::move(enrollment));
      page.next = published.key;
      if (page.enrollments.size() == static_cast<size_t>(count)) return page;
    }
    if (records.size() < static_cast<size_t>(count)) {
      page.next.clear();
      return page;
    }
  }
  return page;
}

}  // namespace hallmark
