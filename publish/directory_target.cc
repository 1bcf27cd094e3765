#include "publish/directory_target.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "publish/entries.h"
#include "publish/possession.h"

namespace hallmark {
namespace {

constexpr char kSignerProfile[] = "report-signer";

}  // namespace

StatusOr<Caller> DirectoryTarget::Maker() const {
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Recent();
  for (const auto& [name, issuer] : known->issuers) {
    if (issuer->FindTemplate(kSignerProfile) == nullptr) continue;
    return Publisher(realm_, name);
  }
  return Error(Code::kFailedPrecondition, reason::kProfileUnknown,
               fmt::format("no authority issues under the profile {}, by which the bundle is signed", kSignerProfile));
}

Status DirectoryTarget::Write(const Caller& maker, Time deadline) const {
  ASSIGN_OR_RETURN(const Bundle bundle, MakeBundle(authority_, maker, issuer_, deadline));
  return directory_.Write(bundle).status();
}

StatusOr<ChainPlan> DirectoryTarget::Plan(bool, Time) const {
  ASSIGN_OR_RETURN(const Caller maker, Maker());
  ASSIGN_OR_RETURN(const Bundle bundle, MakeUnsignedBundle(authority_, maker, issuer_));
  ChainPlan plan;
  if (directory_.Holds(bundle)) return plan;
  plan.steps.push_back({.kind = PlannedStep::Kind::kUpload, .id = path_.string(), .details = {}});
  plan.steps.back().details.push_back(fmt::format("the bundle of {}, {} files", issuer_, bundle.size()));
  return plan;
}

// Also when an authority changes: the bundle is to be that of now.
Status DirectoryTarget::Publish(Extent extent, bool, Time deadline) const {
  if (extent == Extent::kPrepare) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Caller maker, Maker());
  ASSIGN_OR_RETURN(const Bundle bundle, MakeUnsignedBundle(authority_, maker, issuer_));
  return directory_.Holds(bundle) ? absl::OkStatus() : Write(maker, deadline);
}

std::vector<Status> DirectoryTarget::Admit(const std::vector<DeviceAdmission>& devices, Time) const {
  return std::vector<Status>(devices.size(), absl::OkStatus());
}

StatusOr<Reconciled> DirectoryTarget::Reconcile(bool repair, const std::string&,
                                                const std::function<bool(const Reconciled&)>&,
                                                const std::function<void(const Drift&)>& on_drift,
                                                Time deadline) const {
  ASSIGN_OR_RETURN(const Caller maker, Maker());
  ASSIGN_OR_RETURN(const Bundle bundle, MakeUnsignedBundle(authority_, maker, issuer_));
  Reconciled result{.seen = static_cast<int64_t>(bundle.size())};
  if (directory_.Holds(bundle)) return result;
  result.drift = 1;
  on_drift({.kind = "bundle", .id = path_.string(), .what = "is not as it should be", .ours = true});
  if (!repair) return result;
  RETURN_IF_ERROR(Write(maker, deadline));
  result.repairing = 1;
  return result;
}

}  // namespace hallmark
