#include "publish/chain_plan.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "publish/dps_answer.h"
#include "publish/json_field.h"

namespace hallmark {
namespace {

using nlohmann::json;
using Kind = PlannedStep::Kind;

constexpr std::array<const char*, 2> kSlots = {"primary", "secondary"};
constexpr size_t kSuffix = 8;            // digits of the thumbprint
constexpr char kTwin[] = "initialTwin";  // people keep secrets in it: what they set is not told

json At(const json& object, const char* field) {
  const auto found = object.is_object() ? object.find(field) : object.end();
  return object.is_object() && found != object.end() ? *found : json();
}

// "reference NAME", "certificate SHA-256", or "" for an empty slot.
std::string SlotOf(const json& x509, const char* slot) {
  if (const json name = At(At(x509, "caReferences"), slot); name.is_string() && !name.get<std::string>().empty()) {
    return "reference " + name.get<std::string>();
  }
  const json certificate = At(At(x509, "signingCertificates"), slot);
  if (!certificate.is_object()) return "";
  return "certificate " + absl::AsciiStrToUpper(TextAt(At(certificate, "info"), "sha256Thumbprint"));
}

json AttestationOf(const json& group) {
  const json attestation = At(group, "attestation");
  const std::string type = TextAt(attestation, "type");
  if (type != "x509") return json{{"type", type}};
  const json x509 = At(attestation, "x509");
  return {{"type", type}, {"primary", SlotOf(x509, "primary")}, {"secondary", SlotOf(x509, "secondary")}};
}

json SortedHubs(json hubs) {
  if (hubs.is_array()) std::sort(hubs.begin(), hubs.end());
  return hubs;
}

// Whether what the service has is what is described; it may add to a twin.
bool Same(const json& found, const json& described) {
  if (!described.is_object() || !found.is_object()) return found == described;
  return std::all_of(described.items().begin(), described.items().end(), [&found](const auto& one) {
    return found.contains(one.key()) && Same(found[one.key()], one.value());
  });
}

const json* FindGroup(const FoundChain& found, const std::string& id) {
  const auto group = std::find_if(found.groups.begin(), found.groups.end(), [&id](const json& one) {
    return absl::EqualsIgnoreCase(TextAt(one, "enrollmentGroupId"), id);
  });
  return group == found.groups.end() ? nullptr : &*group;
}

// What the service takes for a certificate that is to stand in a group.
json PemBody(const WantedCertificate& certificate) {
  return {{"certificate", PemEncode("CERTIFICATE", certificate.certificate)}};
}

class Planner {
 public:
  Planner(const WantedChain& wanted, const FoundChain& found, const WrittenChain& written, bool take_over)
      : wanted_(wanted), found_(found), written_(written), take_over_(take_over) {}

  ChainPlan Plan() {
    for (const WantedCertificate& one : wanted_.certificates) AddCertificate(one);
    AppendSteps(uploads_);
    AppendSteps(proofs_);
    const auto prepared = static_cast<ptrdiff_t>(plan_.steps.size());
    for (const WantedGroup& group : wanted_.groups) {
      if (!group.revoked) AddGroup(group);
    }
    AddDenials();
    // Wherever it is cut off, nobody has been let in who is to be kept out.
    std::stable_partition(plan_.steps.begin() + prepared, plan_.steps.end(),
                          [](const PlannedStep& step) { return step.denies; });
    AddRemovals();
    CheckLimits();
    AddWarnings();
    return std::move(plan_);
  }

  ChainPlan Denials() {
    AddDenials();
    return std::move(plan_);
  }

 private:
  void AppendSteps(std::vector<PlannedStep>& steps) {
    for (PlannedStep& step : steps) plan_.steps.push_back(std::move(step));
  }

  const FoundCertificate* FindByThumbprint(const std::string& thumbprint) const {
    const auto found = std::find_if(found_.certificates.begin(), found_.certificates.end(),
                                    [&](const FoundCertificate& one) { return one.thumbprint == thumbprint; });
    return found == found_.certificates.end() ? nullptr : &*found;
  }

  // Whether a slot names the certificate, which may stand there under several names.
  bool RefersTo(const std::string& slot, const WantedCertificate& certificate) const {
    return std::any_of(found_.certificates.begin(), found_.certificates.end(), [&](const FoundCertificate& one) {
      return one.thumbprint == certificate.thumbprint && absl::EqualsIgnoreCase(slot, "reference " + one.name);
    });
  }

  // Its name there, once the plan is done.
  std::string NameOf(const WantedCertificate& certificate) const {
    const FoundCertificate* found = FindByThumbprint(certificate.thumbprint);
    return found == nullptr ? CertificateNameOf(certificate) : found->name;
  }

  void AddCertificate(const WantedCertificate& certificate) {
    const FoundCertificate* found = FindByThumbprint(certificate.thumbprint);
    const std::string name = NameOf(certificate);
    if (!kept_.insert(name).second) return;
    const bool verified = found != nullptr && found->verified;
    if (verified && certificate.proof) plan_.verified.insert(name);
    if (verified) return;
    if (!certificate.counts) {
      plan_.warnings.push_back(
          fmt::format("{} is neither uploaded nor verified any more: authority {} is revoked, or it has expired", name,
                      certificate.authority));
      return;
    }
    if (found == nullptr) {
      PlannedStep upload{.kind = Kind::kUpload, .id = name, .details = {}, .certificate = certificate};
      upload.details.push_back(fmt::format("authority {}, SHA-1 {}", certificate.authority, certificate.thumbprint));
      uploads_.push_back(std::move(upload));
    }
    if (!certificate.proof) {
      PlannedStep claim{.kind = Kind::kClaim, .id = name, .details = {}, .certificate = certificate};
      claim.details.emplace_back("verified without proof of possession, as the description says");
      if (found != nullptr) claim.found = *found;
      proofs_.push_back(std::move(claim));
      return;
    }
    if (absl::IsUnavailable(certificate.provable)) {
      plan_.warnings.push_back(fmt::format("possession of {} is not proven before its key can be used again: {}", name,
                                           Message(certificate.provable)));
    } else if (!certificate.provable.ok()) {
      plan_.obstacles.push_back(Message(certificate.provable));
    }
    PlannedStep prove{.kind = Kind::kProve, .id = name, .details = {}, .certificate = certificate};
    prove.details.push_back(
        fmt::format("with a certificate that {} signs for the service's code", certificate.authority));
    if (found != nullptr) prove.found = *found;
    proofs_.push_back(std::move(prove));
  }

  const json* FindGroup(const std::string& id) const { return hallmark::FindGroup(found_, id); }

  json SlotsOf(const WantedGroup& group) const {
    json own = {{"type", "x509"}, {"primary", ""}, {"secondary", ""}};
    for (size_t i = 0; i < group.certificates.size(); ++i) {
      const WantedCertificate& one = group.certificates[i];
      own[kSlots[i]] = group.described.by_reference ? "reference " + NameOf(one) : "certificate " + one.fingerprint;
    }
    return own;
  }

  bool IsDenied(const WantedCertificate& certificate) const {
    return std::any_of(wanted_.denied.begin(), wanted_.denied.end(),
                       [&](const WantedCertificate& one) { return one.thumbprint == certificate.thumbprint; });
  }

  json DescribedOf(const WantedGroup& group) const {
    const DescribedGroup& described = group.described;
    const bool enabled = group.enabled && std::none_of(group.certificates.begin(), group.certificates.end(),
                                                       [&](const auto& one) { return IsDenied(one); });
    json own = {{"attestation", SlotsOf(group)}, {"provisioningStatus", enabled ? "enabled" : "disabled"}};
    if (described.allocation.has_value()) {
      own["allocationPolicy"] = *described.allocation;
      own["iotHubs"] = SortedHubs(described.hubs);
    }
    if (!described.initial_twin.is_null()) own[kTwin] = described.initial_twin;
    if (described.update_hub_assignment.has_value()) {
      own["reprovisionPolicy"] = {{"updateHubAssignment", *described.update_hub_assignment},
                                  {"migrateDeviceData", *described.migrate_device_data}};
    }
    if (described.edge.has_value()) own["capabilities"] = {{"iotEdge", *described.edge}};
    return own;
  }

  // What the service takes for a slot; of what stands in that very slot already, what it said of it.
  json SlotBody(const WantedGroup& group, size_t slot, const json* found) const {
    const WantedCertificate& certificate = group.certificates[slot];
    if (group.described.by_reference) return NameOf(certificate);
    if (found != nullptr) {
      const json x509 = At(At(*found, "attestation"), "x509");
      const char* name = kSlots[slot];
      if (SlotOf(x509, name) == "certificate " + certificate.fingerprint) return x509["signingCertificates"][name];
    }
    return PemBody(certificate);
  }

  json AttestationBody(const WantedGroup& group, const json* found) const {
    json slots = json::object();
    for (size_t i = 0; i < group.certificates.size(); ++i) slots[kSlots[i]] = SlotBody(group, i, found);
    const char* kind = group.described.by_reference ? "caReferences" : "signingCertificates";
    return {{"type", "x509"}, {"x509", {{kind, std::move(slots)}}}};
  }

  // Whether a field may be set: it is as we left it, or nobody has set it, or we may take it over; what keeps devices
  // out always may.
  bool MaySet(const std::string& id, const std::string& field, const json& now, const json& described) {
    if (take_over_ || (field == "provisioningStatus" && described == "disabled")) return true;
    const json written = WrittenOf(id);
    const bool unset = now.is_null() || (field == "attestation" && now == json{{"type", ""}});
    if (unset || (written.contains(field) && Same(now, written[field]))) return true;
    const std::string values =
        field == kTwin ? "" : fmt::format(" to {}, and is to be {}", Clean(now.dump()), Clean(described.dump()));
    const std::string what = fmt::format("{} was changed by somebody else{}", field, values);
    plan_.conflicts.push_back(fmt::format("enrollment group {}: {}", id, what));
    plan_.left[id].push_back(what);
    return false;
  }

  json WrittenOf(const std::string& id) const {
    for (const auto& [name, own] : written_.groups) {
      if (absl::EqualsIgnoreCase(name, id) && own.is_object()) return own;
    }
    return json::object();
  }
  // What was written before is ours still.
  json OwnWith(const std::string& id, const json& more) const {
    json own = WrittenOf(id);
    own.update(more);
    return own;
  }

  void AddGroup(const WantedGroup& group) {
    const std::string& id = group.described.group;
    const json described = DescribedOf(group);
    const json* found = FindGroup(id);
    PlannedStep step{.kind = Kind::kBind, .id = id, .details = {}};
    step.own = OwnWith(id, described);
    step.denies = described["provisioningStatus"] == "disabled";
    if (found == nullptr) {
      step.group = {{"enrollmentGroupId", id}};
      for (const auto& [field, value] : described.items())
        step.details.push_back(fmt::format("{}: {}", field, value.dump()));
      SetFields(step.group, described, group, nullptr);
    } else {
      step.etag = TextAt(*found, "etag");
      step.group = *found;
      const json changes = ChangesOf(id, *found, described, step);
      if (changes.empty() && Same(OwnFieldsOf(*found, described), described)) plan_.settled[id] = step.own;
      if (changes.empty()) return;
      SetFields(step.group, changes, group, found);
      const json status = changes.value("provisioningStatus", OwnFieldsOf(*found, described)["provisioningStatus"]);
      step.denies = status == "disabled" && (changes.contains("provisioningStatus") || !group.enabled);
    }
    step.group = WithoutServerFields(std::move(step.group));
    plan_.steps.push_back(std::move(step));
  }

  json ChangesOf(const std::string& id, const json& found, const json& described, PlannedStep& step) {
    const json own = OwnFieldsOf(found, described);
    json changes = json::object();
    for (const auto& [field, value] : described.items()) {
      const json& now = own[field];
      if (!Same(now, value) && MaySet(id, field, now, value)) changes[field] = value;
    }
    // An attestation that is left as others set it may be what the group was disabled for.
    const bool left = !changes.contains("attestation") && !Same(own["attestation"], described["attestation"]);
    if (left && described["provisioningStatus"] == "enabled") changes.erase("provisioningStatus");
    const json written = WrittenOf(id);
    for (const auto& [field, value] : described.items()) {  // what is left is no more ours than before
      if (Same(own[field], value) || changes.contains(field)) continue;
      step.own.erase(field);
      if (written.contains(field)) step.own[field] = written[field];
    }
    for (const auto& [field, value] : changes.items()) {
      const std::string before = field == kTwin ? "..." : Clean(own[field].dump());
      step.details.push_back(fmt::format("{}: {} -> {}", field, before, value.dump()));
    }
    return changes;
  }

  void SetFields(json& body, const json& changes, const WantedGroup& group, const json* found) const {
    for (const auto& [field, value] : changes.items()) {
      if (field == "attestation") {
        body[field] = AttestationBody(group, found);
      } else if (value.is_object() && body.contains(field)) {
        body[field].merge_patch(value);
      } else {
        body[field] = value;
      }
    }
  }

  // What is planned for a group that was found; nullptr: nothing.
  const PlannedStep* FindPlanned(const json& group) const {
    const auto planned = std::find_if(plan_.steps.begin(), plan_.steps.end(), [&](const PlannedStep& step) {
      return step.kind == Kind::kBind && absl::EqualsIgnoreCase(step.id, TextAt(group, "enrollmentGroupId"));
    });
    return planned == plan_.steps.end() ? nullptr : &*planned;
  }

  void AddDenials() {
    for (const WantedGroup& group : wanted_.groups) {
      const json* found = group.revoked ? FindGroup(group.described.group) : nullptr;
      if (found != nullptr) Disable(*found, "since its authority is revoked or has expired");
    }
    for (const WantedCertificate& denied : wanted_.denied) AddDenial(denied);
  }

  // A group that has the authority's certificate is disabled, or loses it if it has another one; without any, a
  // disabled one is made.
  void AddDenial(const WantedCertificate& denied) {
    bool has_one = false;
    for (const json& group : found_.groups) {
      const json slots = AttestationOf(group);
      const auto is_of = [&](const WantedCertificate& one, const char* slot) {
        const std::string text = slots.value(slot, "");
        return text == "certificate " + one.fingerprint || RefersTo(text, one);
      };
      const auto counts = [&](const char* slot) {
        return !slots.value(slot, "").empty() && std::none_of(wanted_.denied.begin(), wanted_.denied.end(),
                                                              [&](const auto& one) { return is_of(one, slot); });
      };
      if (!is_of(denied, "primary") && !is_of(denied, "secondary")) continue;
      const PlannedStep* planned = FindPlanned(group);
      const bool alone = slots.value("primary", "").empty() || slots.value("secondary", "").empty();
      if (IsShut(group) || (!counts("primary") && !counts("secondary"))) {
        has_one |= alone && (planned == nullptr || KeepsOut(*planned, group));
        Disable(group);
      } else if (planned == nullptr) {
        EmptySlot(group, is_of(denied, "primary") ? "primary" : "secondary");
      }
    }
    if (has_one) return;
    AddGroup({.described = {.group = DenyingGroupOf(denied), .authority = denied.authority, .by_reference = false},
              .enabled = false,
              .certificates = {denied}});
  }

  // Whether it is of the description, which lets nobody in by it: then it stays as it is, disabled.
  bool IsShut(const json& group) const {
    return std::any_of(wanted_.groups.begin(), wanted_.groups.end(), [&](const WantedGroup& one) {
      return one.revoked && absl::EqualsIgnoreCase(one.described.group, TextAt(group, "enrollmentGroupId"));
    });
  }

  // Whether a group is disabled with the certificates that it has.
  static bool KeepsOut(const PlannedStep& step, const json& group) {
    return TextAt(step.group, "provisioningStatus") == "disabled" &&
           At(step.group, "attestation") == At(group, "attestation");
  }

  void Send(PlannedStep step, const json& group) {
    step.denies = true;
    step.etag = TextAt(group, "etag");
    step.group = WithoutServerFields(std::move(step.group));
    plan_.steps.push_back(std::move(step));
  }

  // Of the certificates that we have, the one that a slot names; nullptr: none of them.
  const WantedCertificate* FindBySlot(const std::string& slot) const {
    const auto is_it = [&slot](const WantedCertificate& one) { return slot == "certificate " + one.fingerprint; };
    for (const auto* all : {&wanted_.certificates, &wanted_.known}) {
      if (const auto found = std::find_if(all->begin(), all->end(), is_it); found != all->end()) return &*found;
    }
    for (const WantedGroup& group : wanted_.groups) {
      const auto found = std::find_if(group.certificates.begin(), group.certificates.end(), is_it);
      if (found != group.certificates.end()) return &*found;
    }
    return nullptr;
  }

  // The other slot's certificate becomes the only one. In another slot the service takes it as a certificate only: one
  // that we do not have cannot move, and the group is disabled.
  void EmptySlot(const json& group, const std::string& slot) {
    PlannedStep step{.kind = Kind::kBind, .id = TextAt(group, "enrollmentGroupId"), .details = {}};
    step.details.push_back(fmt::format("attestation: without its {}, whose authority is revoked", slot));
    step.group = group;
    json& x509 = step.group["attestation"]["x509"];
    json own = AttestationOf(group);
    if (slot == "primary") {
      const std::string other = own["secondary"];
      own["primary"] = other;
      const WantedCertificate* certificate = FindBySlot(other);
      if (other.starts_with("reference ")) {
        x509["caReferences"]["primary"] = x509["caReferences"]["secondary"];
      } else if (certificate != nullptr) {
        x509["signingCertificates"]["primary"] = PemBody(*certificate);
      } else {
        return Disable(group, "since its primary's authority is revoked, and its secondary is none of ours");
      }
    }
    own["secondary"] = "";
    for (const char* kind : {"caReferences", "signingCertificates"}) {
      if (x509.contains(kind) && x509[kind].is_object()) x509[kind].erase("secondary");
    }
    step.own = OwnWith(step.id, {{"attestation", own}});
    Send(std::move(step), group);
  }

  void Disable(const json& group, const char* why = "since its authority is revoked") {
    if (TextAt(group, "provisioningStatus") == "disabled" || FindPlanned(group) != nullptr) return;
    PlannedStep step{.kind = Kind::kBind, .id = TextAt(group, "enrollmentGroupId"), .details = {}};
    step.details.push_back(fmt::format("provisioningStatus: disabled, {}", why));
    step.group = group;
    step.own = OwnWith(step.id, {{"provisioningStatus", "disabled"}});
    step.group["provisioningStatus"] = "disabled";
    Send(std::move(step), group);
  }

  bool IsReferenced(const std::string& name) const {
    const auto refers = [&name](const json& group) {
      const json slots = AttestationOf(group);
      return absl::EqualsIgnoreCase(slots.value("primary", ""), "reference " + name) ||
             absl::EqualsIgnoreCase(slots.value("secondary", ""), "reference " + name);
    };
    for (const json& group : found_.groups) {
      const PlannedStep* planned = FindPlanned(group);  // it says what its group will refer to
      if (refers(planned != nullptr ? planned->group : group)) return true;
    }
    return false;
  }

  void AddRemovals() {
    for (const FoundCertificate& one : found_.certificates) {
      if (!written_.certificates.contains(one.name) || kept_.contains(one.name) || IsReferenced(one.name)) continue;
      plan_.steps.push_back({.kind = Kind::kRemove,
                             .id = one.name,
                             .details = {"nothing refers to it any more, and it was uploaded by us"},
                             .certificate = {},
                             .found = one});
    }
  }

  // A group that nobody can come in by, and one that we have set and the description has not any more.
  void AddWarnings() {
    plan_.warnings.insert(plan_.warnings.end(), wanted_.warnings.begin(), wanted_.warnings.end());
    for (const WantedGroup& group : wanted_.groups) {
      if (!group.revoked) continue;
      plan_.warnings.push_back(
          fmt::format("enrollment group {} is {}: authority {} is revoked or has expired; describe another, or roll it "
                      "over",
                      group.described.group, FindGroup(group.described.group) == nullptr ? "not made" : "kept disabled",
                      group.described.authority));
    }
    for (const WantedCertificate& one : wanted_.known) {
      if (!written_.groups.contains(DenyingGroupOf(one)) || FindGroup(DenyingGroupOf(one)) == nullptr) continue;
      plan_.warnings.push_back(
          fmt::format("enrollment group {} keeps out the devices of {}, which is not revoked any more; remove it there",
                      DenyingGroupOf(one), one.authority));
    }
    for (const auto& [id, own] : written_.groups) {
      const auto is_it = [&id = id](const WantedGroup& group) {
        return absl::EqualsIgnoreCase(group.described.group, id);
      };
      const json* found = FindGroup(id);
      if (std::any_of(wanted_.groups.begin(), wanted_.groups.end(), is_it) || found == nullptr) continue;
      if (TextAt(*found, "provisioningStatus") == "disabled") continue;
      plan_.warnings.push_back(
          fmt::format("enrollment group {} is not described any more and still lets devices in; describe it as "
                      "enabled: false, or remove it there",
                      id));
    }
  }

  void CheckLimits() {
    plan_.certificates = found_.certificates.size();
    plan_.groups = found_.groups.size();
    plan_.most_certificates = DpsService::kMostCertificates;
    plan_.most_groups = DpsService::kMostGroups;
    size_t most = plan_.certificates;
    for (const PlannedStep& step : plan_.steps) {
      most += step.kind == Kind::kUpload ? 1 : 0;
      plan_.certificates += step.kind == Kind::kUpload ? 1 : 0;
      plan_.certificates -= step.kind == Kind::kRemove ? 1 : 0;
      plan_.groups += step.kind == Kind::kBind && step.etag.empty() ? 1 : 0;
    }
    if (most > DpsService::kMostCertificates) {
      plan_.obstacles.push_back(
          fmt::format("the service would have {} CA certificates, and takes {}; remove some that nobody needs", most,
                      DpsService::kMostCertificates));
    }
    if (plan_.groups > DpsService::kMostGroups) {
      plan_.obstacles.push_back(
          fmt::format("the service would have {} enrollment groups, and takes {}; remove some that nobody needs",
                      plan_.groups, DpsService::kMostGroups));
    }
  }

  const WantedChain& wanted_;
  const FoundChain& found_;
  const WrittenChain& written_;
  const bool take_over_;
  ChainPlan plan_;
  std::set<std::string> kept_;  // names of certificates that are wanted
  std::vector<PlannedStep> uploads_;
  std::vector<PlannedStep> proofs_;
};

}  // namespace

json OwnFieldsOf(const json& group, const json& described) {
  json own = json::object();
  for (const auto& [field, value] : described.items()) {
    own[field] = field == "attestation" ? AttestationOf(group)
                 : field == "iotHubs"   ? SortedHubs(At(group, "iotHubs"))
                                        : At(group, field.c_str());
  }
  if (own.contains("provisioningStatus") && own["provisioningStatus"].is_null()) own["provisioningStatus"] = "enabled";
  return own;
}

WrittenChain AsFound(const WrittenChain& written, const FoundChain& found) {
  WrittenChain standing = written;
  for (auto& [id, own] : standing.groups) {
    const json* group = FindGroup(found, id);
    if (group != nullptr && own.is_object()) own = OwnFieldsOf(*group, own);
  }
  return standing;
}

std::string CertificateNameOf(const WantedCertificate& certificate) {
  return fmt::format("{}-{}", certificate.authority, absl::AsciiStrToLower(certificate.thumbprint.substr(0, kSuffix)));
}

std::string DenyingGroupOf(const WantedCertificate& certificate) { return "revoked-" + CertificateNameOf(certificate); }

ChainPlan PlanChain(const WantedChain& wanted, const FoundChain& found, const WrittenChain& written, bool take_over) {
  return Planner(wanted, found, written, take_over).Plan();
}

ChainPlan PlanDenials(const WantedChain& wanted, const FoundChain& found, const WrittenChain& written) {
  return Planner(wanted, found, written, false).Denials();
}

}  // namespace hallmark
