#include "publish/dps_target.h"

#include <absl/strings/ascii.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <map>

#include "base/reason.h"
#include "publish/entries.h"
#include "publish/json_field.h"
#include "publish/possession.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr int kPage = 1000;

const char* KindOf(const PlannedStep& step) {
  return step.kind == PlannedStep::Kind::kBind ? "enrollment group" : "certificate";
}

}  // namespace

struct DpsTarget::Sweep {
  bool repair;
  const std::function<bool(const Reconciled&)>& on_progress;
  const std::function<void(const Drift&)>& on_drift;
  Reconciled result = {};

  void Tell(Drift drift) {
    ++result.drift;
    if (drift.ours && repair) ++result.repairing;
    on_drift(drift);
  }
};

DpsTarget::DpsTarget(const DpsService::Parts& service, const CertificateAuthority& authority, const std::string& realm,
                     const std::string& target, DpsDescription description)
    : authority_(authority),
      target_(target),
      publisher_(Publisher(realm).uri),
      description_(std::move(description)),
      service_(service, description_),
      chain_(service_, authority, realm, target, description_),
      devices_(service_, authority.parts().store, authority.parts().clock, target, description_) {}

TargetCapabilities DpsTarget::capabilities() const {
  return {.proves = true, .binds = true, .blocks = true, .devices_at_once = DpsService::kBulkLimit};
}

StatusOr<Reconciled> DpsTarget::Reconcile(bool repair, const std::function<bool(const Reconciled&)>& on_progress,
                                          const std::function<void(const Drift&)>& on_drift, Time deadline) const {
  Sweep sweep{.repair = repair, .on_progress = on_progress, .on_drift = on_drift};
  RETURN_IF_ERROR(ReconcileChain(sweep, deadline));
  RETURN_IF_ERROR(ReconcileEnrollments(sweep, deadline));
  return sweep.result;
}

Status DpsTarget::ReconcileChain(Sweep& sweep, Time deadline) const {
  ASSIGN_OR_RETURN(const ChainPlan plan, chain_.Plan(true, deadline));
  for (const PlannedStep& step : plan.steps) {
    sweep.Tell(
        {.kind = KindOf(step), .id = step.id, .what = fmt::format("{}", fmt::join(step.details, "; ")), .ours = true});
  }
  Store& store = authority_.parts().store;
  if (sweep.repair && !plan.steps.empty()) {
    const Time now = authority_.parts().clock.Now();
    const std::string entry = PublicationStartedEntry(target_, true, publisher_, now);
    RETURN_IF_ERROR(store.QueueChain(target_, true, now, entry));
  }
  std::set<std::string> ours;
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Recent();
  for (const AuthorityRecord& record : known->records) {
    for (const Bytes& above : record.external_chain) ours.insert(ThumbprintOf(above));
    for (const Bytes& earlier : record.earlier_certificates) ours.insert(ThumbprintOf(earlier));
    if (!record.certificate.empty()) ours.insert(ThumbprintOf(record.certificate));
  }
  ASSIGN_OR_RETURN(const std::vector<FoundCertificate> certificates, service_.ListCertificates(deadline));
  sweep.result.seen += static_cast<int64_t>(certificates.size());
  for (const FoundCertificate& one : certificates) {
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
  std::map<std::string, std::string> found;  // of ours, by the id in lower case: its provisioningStatus
  std::string continuation;
  do {
    ASSIGN_OR_RETURN(const std::vector<json> page,
                     Patiently(deadline, [&] { return service_.QueryEnrollments(continuation, deadline); }));
    for (const json& enrollment : page) {
      const std::string id = TextAt(enrollment, "registrationId");
      ASSIGN_OR_RETURN(const auto record, store.FindPublished(target_, PublishedKind::kEnrollment, id));
      if (record.has_value()) found[absl::AsciiStrToLower(id)] = TextAt(enrollment, "provisioningStatus");
    }
    sweep.result.seen += static_cast<int64_t>(page.size());
    if (!sweep.on_progress(sweep.result))
      return Error(Code::kCancelled, "", "nobody waits for the reconciliation any more");
  } while (!continuation.empty());
  std::string after;
  while (true) {
    ASSIGN_OR_RETURN(const auto records, store.ListPublished(target_, PublishedKind::kEnrollment, after, kPage));
    for (const PublishedRecord& record : records) {
      const auto it = found.find(absl::AsciiStrToLower(record.key));
      RETURN_IF_ERROR(ReconcileEnrollment(sweep, record, it == found.end() ? nullptr : &it->second));
      after = record.key;
    }
    if (records.size() < static_cast<size_t>(kPage)) return absl::OkStatus();
  }
}

Status DpsTarget::ReconcileEnrollment(Sweep& sweep, const PublishedRecord& record, const std::string* found) const {
  ASSIGN_OR_RETURN(EnrollmentNote note, ReadNote(record.content));
  if (note.state == EnrollmentNote::State::kUncertain) return absl::OkStatus();  // work is under way
  const bool blocked = note.state == EnrollmentNote::State::kBlocked;
  const std::string status = found == nullptr ? "" : *found;
  std::string what;
  if (found == nullptr) what = "was deleted by somebody else: its device is let in again";
  if (found != nullptr && blocked && status != "disabled") what = "was enabled by somebody else: its device is let in";
  if (found != nullptr && !blocked && status == "disabled")
    what = "was disabled by somebody else: its device is kept out";
  if (what.empty()) return absl::OkStatus();
  sweep.Tell({.kind = "enrollment", .id = record.key, .what = what, .ours = true});
  if (!sweep.repair) return absl::OkStatus();
  Store& store = authority_.parts().store;
  const Time now = authority_.parts().clock.Now();
  note.state = EnrollmentNote::State::kUncertain;
  PublishedRecord changed = record;
  changed.content = ToContent(note);
  RETURN_IF_ERROR(store.PutPublished({changed}, now));
  return store.QueueWork(target_, WorkKind::kDevice, {record.key}, now);
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
  ASSIGN_OR_RETURN(ServiceState state, Look(deadline));
  ASSIGN_OR_RETURN(const std::string id, RegistrationIdOf(chain));
  ASSIGN_OR_RETURN(const std::optional<json> enrollment,
                   Patiently(deadline, [&] { return service_.FindEnrollment(id, deadline); }));
  if (enrollment.has_value()) state.enrollment = *enrollment;
  return CheckAdmission(chain, state, authority_.parts().clock.Now());
}

}  // namespace hallmark
