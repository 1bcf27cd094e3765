#include "publish/dps_chain.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "publish/admission_check.h"
#include "publish/dps_answer.h"
#include "publish/entries.h"
#include "publish/json_field.h"
#include "publish/possession.h"

namespace hallmark {
namespace {

using nlohmann::json;
using Kind = PlannedStep::Kind;

constexpr int kMostSteps = 300;
constexpr int kMostConflicts = 5;  // with others who write at the same time
constexpr int kMostRefusals = 2;   // of a proof
constexpr int kMostCodes = 6;      // that others make worthless
constexpr int kPage = 1000;

Store& StoreOf(const CertificateAuthority& authority) { return authority.parts().store; }

template <class T>
bool Has(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

struct DpsChain::Proof {
  std::string code;
  std::string etag;
  Bytes csr;
  int tries = 0;         // that were refused before
  bool earlier = false;  // it was begun before

  // `sha256`: of the certificate of possession, once it is sent.
  json Content(const std::string& sha256 = "") const {
    return {{"code", code}, {"etag", etag}, {"csr", Hex(csr)}, {"tries", tries}, {"sha256", sha256}};
  }
};

PublishedRecord DpsChain::Record(PublishedKind kind, const std::string& id, const json& content) const {
  return {.target = target_, .kind = kind, .key = id, .content = content.dump(), .collect = std::nullopt};
}

Status DpsChain::Keep(PublishedKind kind, const std::string& id, const json& content, const char* entry) const {
  const Time now = authority_.parts().clock.Now();
  const std::string leaf = entry == nullptr ? "" : ChainEntry(entry, target_, id, content, now);
  return StoreOf(authority_).PutPublished({Record(kind, id, content)}, now, leaf);
}

StatusOr<WantedChain> DpsChain::Wanted() const {
  RETURN_IF_ERROR(authority_.parts().issuers.Reload());
  ASSIGN_OR_RETURN(const TargetRecord record, StoreOf(authority_).GetTarget(target_));
  ASSIGN_OR_RETURN(const std::set<std::string> revoked, authority_.OutOfUse());
  ASSIGN_OR_RETURN(WantedChain wanted, WantedOf(description_, record.authorities, revoked,
                                                *authority_.parts().issuers.Current(), authority_.parts().clock.Now()));
  for (std::string& warning : UntoldProfiles()) wanted.warnings.push_back(std::move(warning));
  return wanted;
}

StatusOr<WrittenChain> DpsChain::Written() const {
  WrittenChain written;
  Store& store = StoreOf(authority_);
  ASSIGN_OR_RETURN(const auto certificates, store.ListPublished(target_, PublishedKind::kCertificate, "", kPage));
  for (const PublishedRecord& one : certificates) written.certificates.insert(one.key);
  ASSIGN_OR_RETURN(const auto groups, store.ListPublished(target_, PublishedKind::kGroup, "", kPage));
  for (const PublishedRecord& one : groups) written.groups[one.key] = json::parse(one.content, nullptr, false);
  return written;
}

StatusOr<std::vector<FoundCertificate>> DpsChain::Uploaded() const {
  ASSIGN_OR_RETURN(const auto notes,
                   StoreOf(authority_).ListPublished(target_, PublishedKind::kCertificate, "", kPage));
  std::vector<FoundCertificate> uploaded;
  for (const PublishedRecord& one : notes) {
    const json content = json::parse(one.content, nullptr, false);
    uploaded.push_back({.name = one.key, .thumbprint = TextAt(content, "sha1"), .verified = false, .etag = ""});
  }
  return uploaded;
}

StatusOr<FoundChain> DpsChain::Found(Time deadline) const {
  FoundChain found;
  ASSIGN_OR_RETURN(found.certificates, service_.ListCertificates(deadline));
  ASSIGN_OR_RETURN(found.groups, service_.ListGroups(deadline));
  return found;
}

StatusOr<ChainPlan> DpsChain::Plan(bool take_over, Time deadline) const {
  ASSIGN_OR_RETURN(const WantedChain wanted, Wanted());
  ASSIGN_OR_RETURN(const WrittenChain written, Written());
  ASSIGN_OR_RETURN(const FoundChain found, Found(deadline));
  return PlanChain(wanted, found, written, take_over);
}

// A field that we wrote counts as ours whatever it is now: its note is brought to what stands there, and who publishes
// then finds it as we left it.
StatusOr<ChainDrift> DpsChain::Compare(Time deadline) const {
  ASSIGN_OR_RETURN(const WantedChain wanted, Wanted());
  ASSIGN_OR_RETURN(const WrittenChain written, Written());
  ASSIGN_OR_RETURN(FoundChain found, Found(deadline));
  const WrittenChain standing = AsFound(written, found);
  ChainDrift drift{.plan = PlanChain(wanted, found, standing, false), .notes = {}, .certificates = {}};
  for (const auto& [id, own] : written.groups) {
    json note = own;
    for (const PlannedStep& step : drift.plan.steps) {
      if (step.kind != Kind::kBind || !absl::EqualsIgnoreCase(step.id, id) || !own.is_object()) continue;
      for (const auto& [field, now] : standing.groups.at(id).items()) {
        if (step.own.contains(field) && step.own[field] != now) note[field] = now;
      }
    }
    if (note != own) drift.notes.push_back(Record(PublishedKind::kGroup, id, note));
  }
  drift.certificates = std::move(found.certificates);
  return drift;
}

Status DpsChain::Publish(Extent extent, bool take_over, Time deadline) const {
  if (extent == Extent::kDenials) return Deny(deadline);
  const auto is_due = [extent](const PlannedStep& step) {
    const bool lets_in = step.kind == Kind::kBind && !step.denies;
    return extent == Extent::kWhole || (!lets_in && step.kind != Kind::kRemove);
  };
  int conflicts = 0;
  for (int steps = 0; steps < kMostSteps; ++steps) {
    ASSIGN_OR_RETURN(const ChainPlan plan, Plan(take_over, deadline));
    if (!plan.obstacles.empty()) {
      return Error(Code::kFailedPrecondition, reason::kPublicationObstructed,
                   fmt::format("{}", fmt::join(plan.obstacles, "; ")));
    }
    const auto step = std::find_if(plan.steps.begin(), plan.steps.end(), is_due);
    if (step == plan.steps.end()) {
      if (extent == Extent::kPrepare) return absl::OkStatus();
      if (!plan.conflicts.empty()) {
        return Error(Code::kFailedPrecondition, reason::kPublicationConflict,
                     fmt::format("{}. It was left; publish with take-over to set it, or change the description",
                                 fmt::join(plan.conflicts, "; ")));
      }
      return NoteSettled(plan);
    }
    const Status done = Perform(*step, deadline);
    if (absl::IsAborted(done) && ++conflicts <= kMostConflicts) continue;
    RETURN_IF_ERROR(done);
  }
  return Error(Code::kFailedPrecondition, reason::kPublicationConflict,
               fmt::format("after {} steps the service still is not as it should be; somebody changes it all the time",
                           kMostSteps));
}

// One that fails keeps no other from being tried.
Status DpsChain::Deny(Time deadline) const {
  ASSIGN_OR_RETURN(const WantedChain wanted, Wanted());
  ASSIGN_OR_RETURN(const WrittenChain written, Written());
  FoundChain found;
  ASSIGN_OR_RETURN(found.groups, service_.ListGroups(deadline));
  StatusOr<std::vector<FoundCertificate>> certificates = service_.ListCertificates(deadline);
  if (certificates.ok()) {
    found.certificates = *std::move(certificates);
  } else {
    ASSIGN_OR_RETURN(found.certificates, Uploaded());  // what refers to another waits for the next time
  }
  const ChainPlan plan = PlanDenials(wanted, found, written);
  Status failed;
  for (const PlannedStep& step : plan.steps) {
    const Status done = BindNoted(step, written, deadline);
    if (!done.ok()) failed = done;
    if (ConcernsTarget(done)) break;
  }
  RETURN_IF_ERROR(failed);
  if (!plan.conflicts.empty()) {
    return Error(Code::kFailedPrecondition, reason::kPublicationConflict,
                 fmt::format("{}; publish with take-over, so that it keeps its devices out", plan.conflicts.front()));
  }
  if (certificates.ok()) return absl::OkStatus();
  return Error(Code::kUnavailable, kTargetManagementAway, Message(certificates.status()));
}

// What is stored and answered to nobody was changed by nobody else: so it is noted before, and not when nothing of it
// was done.
Status DpsChain::BindNoted(const PlannedStep& step, const WrittenChain& written, Time deadline) const {
  RETURN_IF_ERROR(Keep(PublishedKind::kGroup, step.id, step.own, nullptr));
  const Status done = Bind(step, deadline);
  if (!IsUndone(done) && Reason(done) != reason::kTargetConflict) return done;
  const auto before = std::find_if(written.groups.begin(), written.groups.end(),
                                   [&](const auto& one) { return absl::EqualsIgnoreCase(one.first, step.id); });
  if (before != written.groups.end()) {
    RETURN_IF_ERROR(Keep(PublishedKind::kGroup, step.id, before->second, nullptr));
  } else {
    const Time now = authority_.parts().clock.Now();
    RETURN_IF_ERROR(StoreOf(authority_).RemovePublished({Record(PublishedKind::kGroup, step.id, nullptr)}, now));
  }
  return done;
}

// The profiles that our authorities certify TLS clients under whose names nobody keeps to be registration ids: a group
// lets their devices in as well, and their revocation reaches no target.
std::vector<std::string> DpsChain::UntoldProfiles() const {
  std::vector<std::string> warnings;
  const auto authorities = authority_.parts().issuers.Current();
  const PolicyPointer policies = authority_.parts().policies.Current();
  for (const std::string& name : AuthoritiesBelow(description_, authorities->records)) {
    const auto issuer = authorities->issuers.find(name);
    if (issuer == authorities->issuers.end()) continue;
    for (const auto& [profile, rules] : policies->profiles) {
      if (issuer->second->FindTemplate(profile) == nullptr || Has(rules->standards, Standard::kAzureDps)) continue;
      if (!Has(rules->extended_key_usage, std::string(kClientAuth))) continue;
      warnings.push_back(
          fmt::format("{} also certifies under the profile {}, which is not held to azure-dps: its devices are "
                      "let in as well, and DPS is not told when their certificates are revoked",
                      name, profile));
    }
  }
  return warnings;
}

Status DpsChain::NoteSettled(const ChainPlan& plan) const {
  ASSIGN_OR_RETURN(const WrittenChain written, Written());
  ASSIGN_OR_RETURN(const auto proofs, StoreOf(authority_).ListPublished(target_, PublishedKind::kProof, "", kPage));
  for (const PublishedRecord& one : proofs) {
    const json content = json::parse(one.content, nullptr, false);
    // Believed, though the answer was lost; otherwise somebody else has verified it, or nobody needs it any more.
    const bool believed = plan.verified.contains(one.key) && !TextAt(content, "sha256").empty();
    RETURN_IF_ERROR(believed ? NoteProven(one.key, content) : DropProof(one.key));
  }
  for (const auto& [id, own] : plan.settled) {
    const auto noted = written.groups.find(id);
    if (noted != written.groups.end() && noted->second == own) continue;
    RETURN_IF_ERROR(Keep(PublishedKind::kGroup, id, own, nullptr));
  }
  return absl::OkStatus();
}

Status DpsChain::Perform(const PlannedStep& step, Time deadline) const {
  switch (step.kind) {
    case Kind::kUpload: return Upload(step, deadline);
    case Kind::kProve: return Prove(step, deadline);
    case Kind::kClaim: return Claim(step, deadline);
    case Kind::kBind: return Bind(step, deadline);
    case Kind::kRemove: return Remove(step, deadline);
  }
  return absl::OkStatus();
}

Status DpsChain::Upload(const PlannedStep& step, Time deadline) const {
  const json content = {{"authority", step.certificate.authority}, {"sha1", step.certificate.thumbprint}};
  // Before, too: a certificate whose upload was answered to nobody is ours all the same.
  RETURN_IF_ERROR(Keep(PublishedKind::kCertificate, step.id, content, nullptr));
  RETURN_IF_ERROR(service_.PutCertificate(step.id, step.certificate.certificate, false, "", deadline).status());
  return Keep(PublishedKind::kCertificate, step.id, content, "certificate_uploaded");
}

Status DpsChain::Claim(const PlannedStep& step, Time deadline) const {
  const Time now = authority_.parts().clock.Now();
  const json details = {{"authority", step.certificate.authority}, {"sha1", step.certificate.thumbprint}};
  RETURN_IF_ERROR(
      StoreOf(authority_).AppendEntry(ChainEntry("possession_claimed", target_, step.id, details, now), now).status());
  ASSIGN_OR_RETURN(const FoundCertificate claimed,
                   service_.PutCertificate(step.id, step.certificate.certificate, true, step.found.etag, deadline));
  if (claimed.verified) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kTargetRefused,
               fmt::format("the service takes {} without calling it verified; prove its possession instead", step.id));
}

StatusOr<DpsChain::Proof> DpsChain::BeginProof(const PlannedStep& step, Time deadline) const {
  ASSIGN_OR_RETURN(const auto earlier, StoreOf(authority_).FindPublished(target_, PublishedKind::kProof, step.id));
  int tries = 0;
  if (earlier.has_value()) {
    const json content = json::parse(earlier->content, nullptr, false);
    const StatusOr<Bytes> csr = FromHex(TextAt(content, "csr"));
    if (content.is_object() && content.contains("tries")) tries = content["tries"].get<int>();
    // The code is bound to the certificate's etag: whoever asked for another one since has made it worthless.
    if (csr.ok() && TextAt(content, "etag") == step.found.etag) {
      return Proof{TextAt(content, "code"), step.found.etag, *csr, tries, true};
    }
  }
  ASSIGN_OR_RETURN(const VerificationCode code, service_.GenerateVerificationCode(step.found, deadline));
  ASSIGN_OR_RETURN(Bytes csr, MakePossessionRequest(code.code, deadline));
  Proof proof{code.code, code.etag, std::move(csr), tries};
  RETURN_IF_ERROR(Keep(PublishedKind::kProof, step.id, proof.Content(), nullptr));
  return proof;
}

Status DpsChain::NoteProven(const std::string& id, const json& content) const {
  const Time now = authority_.parts().clock.Now();
  const json details = {{"code", TextAt(content, "code")}, {"sha256", TextAt(content, "sha256")}};
  return StoreOf(authority_)
      .RemovePublished({Record(PublishedKind::kProof, id, nullptr)}, now,
                       ChainEntry("possession_proven", target_, id, details, now));
}

Status DpsChain::DropProof(const std::string& id) const {
  const Time now = authority_.parts().clock.Now();
  return StoreOf(authority_).RemovePublished({Record(PublishedKind::kProof, id, nullptr)}, now);
}

Status DpsChain::NoteRefusal(const PlannedStep& step, const Proof& proof, const Status& refused) const {
  Store& store = StoreOf(authority_);
  const Time now = authority_.parts().clock.Now();
  const bool conflict = absl::IsAborted(refused);
  const json details = {{"authority", step.certificate.authority}, {"code", proof.code}};
  const std::string entry =
      ChainEntry(conflict ? "possession_code_lost" : "possession_refused", target_, step.id, details, now);
  const int tries = proof.tries + 1;
  if (tries < (conflict ? kMostCodes : kMostRefusals)) {
    RETURN_IF_ERROR(store.PutPublished({Record(PublishedKind::kProof, step.id, {{"tries", tries}})}, now, entry));
    return Error(Code::kAborted, reason::kTargetConflict, Message(refused));
  }
  // Whoever tries again begins anew.
  RETURN_IF_ERROR(store.RemovePublished({Record(PublishedKind::kProof, step.id, nullptr)}, now, entry));
  if (conflict) {
    return Error(
        Code::kFailedPrecondition, reason::kTargetConflict,
        fmt::format("somebody else asks for verification codes for {} all the time: {}", step.id, Message(refused)));
  }
  return Error(
      Code::kFailedPrecondition, reason::kPossessionNotProven,
      fmt::format("the service does not believe that {} has the key of {}: {}. See that the certificate that it "
                  "has is the authority's, then try again",
                  step.certificate.authority, step.id, Message(refused)));
}

Status DpsChain::Prove(const PlannedStep& step, Time deadline) const {
  RETURN_IF_ERROR(step.certificate.provable);  // no code is asked for that nobody can answer now
  ASSIGN_OR_RETURN(const Proof proof, BeginProof(step, deadline));
  const StatusOr<Bytes> certificate =
      CertifyPossession(authority_, realm_, step.certificate.authority, proof.csr, deadline);
  if (absl::IsFailedPrecondition(certificate.status())) {
    // As when what was intended has expired unsigned: the same request would be refused for ever.
    RETURN_IF_ERROR(DropProof(step.id));
    if (proof.earlier) return Error(Code::kAborted, Reason(certificate.status()), Message(certificate.status()));
  }
  RETURN_IF_ERROR(certificate.status());
  const std::string sha256 = Hex(Sha256(*certificate));
  RETURN_IF_ERROR(Keep(PublishedKind::kProof, step.id, proof.Content(sha256), nullptr));
  const StatusOr<FoundCertificate> verified = service_.Verify(step.id, proof.etag, *certificate, deadline);
  if (ConcernsTarget(verified.status())) return verified.status();  // the code still counts
  if (verified.ok() && verified->verified) {
    return NoteProven(step.id, {{"code", proof.code}, {"sha256", sha256}});
  }
  const Status refused = verified.ok() ? Error(Code::kFailedPrecondition, reason::kTargetRefused,
                                               "it answers that the certificate is not verified")
                                       : verified.status();
  return NoteRefusal(step, proof, refused);
}

Status DpsChain::Bind(const PlannedStep& step, Time deadline) const {
  RETURN_IF_ERROR(service_.PutGroup(step.group, step.etag, deadline).status());
  return Keep(PublishedKind::kGroup, step.id, step.own, "group_set");
}

Status DpsChain::Remove(const PlannedStep& step, Time deadline) const {
  RETURN_IF_ERROR(service_.DeleteCertificate(step.found, deadline));
  const Time now = authority_.parts().clock.Now();
  return StoreOf(authority_)
      .RemovePublished({Record(PublishedKind::kCertificate, step.id, nullptr)}, now,
                       ChainEntry("certificate_removed", target_, step.id, {{"sha1", step.found.thumbprint}}, now));
}

}  // namespace hallmark
