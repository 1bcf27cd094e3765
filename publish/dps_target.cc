#include "publish/dps_target.h"

#include <absl/strings/ascii.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <map>
#include <set>

#include "base/reason.h"
#include "publish/entries.h"
#include "publish/json_field.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr int kPage = 1000;
constexpr int64_t kProgressEvery = 100;  // calls of a hub

const char* KindOf(const PlannedStep& step) {
  return step.kind == PlannedStep::Kind::kBind ? "enrollment group" : "certificate";
}

}  // namespace

struct DpsTarget::Sweep {
  bool repair;
  const std::string& caller;
  const std::function<bool(const Reconciled&)>& on_progress;
  const std::function<void(const Drift&)>& on_drift;
  Reconciled result = {};
  std::set<std::string> kept_out = {};   // devices, by the registration id in lower case
  std::set<std::string> hubs_away = {};  // which are told of once

  void Tell(const Drift& drift) {
    ++result.drift;
    if (drift.ours && repair) ++result.repairing;
    on_drift(drift);
  }
  Status Progress() const {
    if (on_progress(result)) return absl::OkStatus();
    return Error(Code::kCancelled, "", "nobody waits for the reconciliation any more");
  }
};

DpsTarget::DpsTarget(const DpsService::Parts& service, const CertificateAuthority& authority, const std::string& realm,
                     const std::string& target, DpsDescription description)
    : authority_(authority),
      target_(target),
      description_(std::move(description)),
      service_(service, description_),
      chain_(service_, authority, realm, target, description_),
      devices_(service_, authority.parts().store, authority.parts().clock, target, description_) {}

TargetCapabilities DpsTarget::capabilities() const {
  return {.proves = true, .binds = true, .blocks = true, .devices_at_once = DpsService::kBulkLimit};
}

StatusOr<Reconciled> DpsTarget::Reconcile(bool repair, const std::string& caller,
                                          const std::function<bool(const Reconciled&)>& on_progress,
                                          const std::function<void(const Drift&)>& on_drift, Time deadline) const {
  Sweep sweep{.repair = repair, .caller = caller, .on_progress = on_progress, .on_drift = on_drift};
  const Status chain = ReconcileChain(sweep, deadline);  // whose service may be away while that of devices answers
  RETURN_IF_ERROR(ReconcileEnrollments(sweep, deadline));
  RETURN_IF_ERROR(ReconcileHubs(sweep, deadline));
  RETURN_IF_ERROR(chain);
  return sweep.result;
}

Status DpsTarget::ReconcileChain(Sweep& sweep, Time deadline) const {
  ASSIGN_OR_RETURN(const ChainDrift drift, Patiently(deadline, [&] { return chain_.Compare(deadline); }));
  for (const PlannedStep& step : drift.plan.steps) {
    sweep.Tell(
        {.kind = KindOf(step), .id = step.id, .what = fmt::format("{}", fmt::join(step.details, "; ")), .ours = true});
  }
  for (const auto& [group, conflicts] : drift.plan.left) {
    sweep.Tell({.kind = "enrollment group",
                .id = group,
                .what = fmt::format("{}; we never set that, and it is left unless the chain is published with "
                                    "--take-over",
                                    fmt::join(conflicts, "; ")),
                .ours = false});
  }
  Store& store = authority_.parts().store;
  if (sweep.repair && !drift.plan.steps.empty()) {
    const Time now = authority_.parts().clock.Now();
    ASSIGN_OR_RETURN(const TargetRecord record, store.GetTarget(target_));
    const bool take_over = record.chain == ChainState::kPublishing && record.take_over;  // which goes on
    RETURN_IF_ERROR(store.PutPublished(drift.notes, now));
    RETURN_IF_ERROR(
        store.QueueChain(target_, take_over, now, PublicationStartedEntry(target_, take_over, sweep.caller, now)));
  }
  std::set<std::string> ours;
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Recent();
  for (const AuthorityRecord& record : known->records) {
    for (const Bytes& above : record.external_chain) ours.insert(ThumbprintOf(above));
    for (const Bytes& earlier : record.earlier_certificates) ours.insert(ThumbprintOf(earlier));
    if (!record.certificate.empty()) ours.insert(ThumbprintOf(record.certificate));
  }
  sweep.result.seen += static_cast<int64_t>(drift.certificates.size());
  for (const FoundCertificate& one : drift.certificates) {
    if (ours.contains(one.thumbprint)) continue;
    sweep.Tell({.kind = "certificate",
                .id = one.name,
                .what = fmt::format("is of no authority of ours{}: devices below it are let in, too",
                                    one.verified ? "" : ", and not verified"),
                .ours = false});
  }
  return absl::OkStatus();
}

// Waits for the budget, which work has, too.
template <class Call>
auto DpsTarget::Patiently(Time deadline, const Call& call) const -> decltype(call()) {
  while (true) {
    auto answer = call();
    const bool spent = hallmark::Reason(answer.status()) == reason::kTargetBudgetSpent;
    const Duration delay = RetryDelay(answer.status()).value_or(absl::Seconds(1));
    if (!spent || authority_.parts().clock.Now() + delay >= deadline) return answer;
    absl::SleepFor(delay);
  }
}

// Each enrollment that we know is looked for among all that the service has; of the others we say nothing, they are
// people's.
Status DpsTarget::ReconcileEnrollments(Sweep& sweep, Time deadline) const {
  Store& store = authority_.parts().store;
  std::map<std::string, PublishedRecord> ours;  // by the registration id in lower case
  std::string after;
  do {
    ASSIGN_OR_RETURN(const auto records, store.ListPublished(target_, PublishedKind::kEnrollment, after, kPage));
    after = records.size() < static_cast<size_t>(kPage) ? "" : records.back().key;
    for (const PublishedRecord& record : records) {
      ASSIGN_OR_RETURN(const EnrollmentNote note, ReadNote(record.content));
      const std::string id = absl::AsciiStrToLower(record.key);
      if (note.state == EnrollmentNote::State::kBlocked) sweep.kept_out.insert(id);
      ours[id] = record;
    }
  } while (!after.empty());
  std::string continuation;
  do {
    ASSIGN_OR_RETURN(const std::vector<json> page,
                     Patiently(deadline, [&] { return service_.QueryEnrollments(continuation, deadline); }));
    for (const json& enrollment : page) {
      const auto one = ours.find(absl::AsciiStrToLower(TextAt(enrollment, "registrationId")));
      if (one == ours.end()) continue;
      RETURN_IF_ERROR(ReconcileEnrollment(sweep, one->second, &enrollment));
      ours.erase(one);
    }
    sweep.result.seen += static_cast<int64_t>(page.size());
    RETURN_IF_ERROR(sweep.Progress());
  } while (!continuation.empty());
  for (const auto& [id, record] : ours) RETURN_IF_ERROR(ReconcileEnrollment(sweep, record, nullptr));
  return absl::OkStatus();
}

// Whether work has been done of it since it was read: then it says nothing of what the service had.
StatusOr<bool> DpsTarget::IsNews(const PublishedRecord& record) const {
  ASSIGN_OR_RETURN(const auto now, authority_.parts().store.FindPublished(target_, record.kind, record.key));
  return !now.has_value() || now->content != record.content;
}

// Has its device looked at again.
Status DpsTarget::Doubt(PublishedRecord record, std::string content) const {
  Store& store = authority_.parts().store;
  const Time now = authority_.parts().clock.Now();
  record.content = std::move(content);
  RETURN_IF_ERROR(store.PutPublished({record}, now));
  return store.QueueWork(target_, WorkKind::kDevice, {record.key}, now);
}

Status DpsTarget::ReconcileEnrollment(Sweep& sweep, const PublishedRecord& record, const json* found) const {
  ASSIGN_OR_RETURN(EnrollmentNote note, ReadNote(record.content));
  std::string what;
  if (note.state == EnrollmentNote::State::kUncertain) {
    ASSIGN_OR_RETURN(const auto work, authority_.parts().store.FindWork(target_, WorkKind::kDevice, record.key));
    if (work.has_value()) return absl::OkStatus();  // it is under way
    what = "may be otherwise: what was begun with it was cut off";
  } else {
    what = found == nullptr ? "was deleted by somebody else: its group decides on its device again"
                            : DifferenceOf(*found, note);
  }
  if (what.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool news, IsNews(record));
  if (news) return absl::OkStatus();
  sweep.Tell({.kind = "enrollment", .id = record.key, .what = what, .ours = true});
  note.state = EnrollmentNote::State::kUncertain;
  return sweep.repair ? Doubt(record, ToContent(note)) : absl::OkStatus();
}

// Identities of devices that are kept out. What has only expired stays disabled, too, but would not be again.
Status DpsTarget::ReconcileHubs(Sweep& sweep, Time deadline) const {
  std::string after;
  do {
    ASSIGN_OR_RETURN(const auto records,
                     authority_.parts().store.ListPublished(target_, PublishedKind::kHubDevice, after, kPage));
    after = records.size() < static_cast<size_t>(kPage) ? "" : records.back().key;
    for (const PublishedRecord& record : records) {
      if (sweep.kept_out.contains(absl::AsciiStrToLower(record.key))) {
        RETURN_IF_ERROR(ReconcileIdentity(sweep, record, deadline));
      }
    }
  } while (!after.empty());
  return absl::OkStatus();
}

Status DpsTarget::ReconcileIdentity(Sweep& sweep, const PublishedRecord& record, Time deadline) const {
  const HubIdentities& hubs = devices_.hubs();
  ASSIGN_OR_RETURN(HubNote note, ReadHubNote(record.content));
  if (note.state != HubNote::State::kDisabled || !hubs.IsDescribed(note)) return absl::OkStatus();
  if (sweep.hubs_away.contains(note.hub)) return absl::OkStatus();
  const StatusOr<bool> enabled = Patiently(deadline, [&] { return hubs.IsEnabled(note, deadline); });
  if (hallmark::Reason(enabled.status()) == reason::kTargetHubFailed) {
    sweep.hubs_away.insert(note.hub);
    sweep.Tell({.kind = "hub",
                .id = note.hub,
                .what = "its identities could not be looked at: " + Message(enabled.status()),
                .ours = false});
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(enabled.status());
  if (++sweep.result.seen % kProgressEvery == 0) RETURN_IF_ERROR(sweep.Progress());
  if (!*enabled) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool news, IsNews(record));
  if (news) return absl::OkStatus();
  sweep.Tell({.kind = "hub identity",
              .id = note.device,
              .what = fmt::format("was enabled in {} by somebody else: its device may stay connected", note.hub),
              .ours = true});
  note.state = HubNote::State::kUncertain;
  return sweep.repair ? Doubt(record, ToContent(note)) : absl::OkStatus();
}

// Without an enrollment.
StatusOr<ServiceState> DpsTarget::Look(Time deadline) const {
  ServiceState state;
  ASSIGN_OR_RETURN(state.certificates, Patiently(deadline, [&] { return service_.ListCertificates(deadline); }));
  ASSIGN_OR_RETURN(state.groups, Patiently(deadline, [&] { return service_.ListGroups(deadline); }));
  return state;
}

StatusOr<AdmissionVerdict> DpsTarget::Check(const ProspectiveDevice& device, const std::vector<Bytes>& issuers,
                                            Time deadline) const {
  ASSIGN_OR_RETURN(const ServiceState state, Look(deadline));
  return CheckProspect(device, issuers, state, authority_.parts().clock.Now());
}

StatusOr<AdmissionVerdict> DpsTarget::Check(const std::vector<Bytes>& chain, Time deadline) const {
  ASSIGN_OR_RETURN(const std::optional<std::string> id, RegistrationIdOf(chain));
  ASSIGN_OR_RETURN(ServiceState state, Look(deadline));
  if (id.has_value()) {
    ASSIGN_OR_RETURN(const std::optional<json> enrollment,
                     Patiently(deadline, [&] { return service_.FindEnrollment(*id, deadline); }));
    if (enrollment.has_value()) state.enrollment = *enrollment;
  }
  return CheckAdmission(chain, state, authority_.parts().clock.Now());
}

}  // namespace hallmark
