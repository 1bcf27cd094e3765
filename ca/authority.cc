#include "ca/authority.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/completion.h"
#include "ca/entries.h"
#include "ca/lint.h"
#include "ca/ocsp_signers.h"
#include "ca/serial.h"

namespace hallmark {
namespace {

constexpr size_t kRequestIdLimit = 64;

// Of everything that decides what is certified: a retry has the same, another request has not.
Digest DigestOf(const Request& request) {
  std::string all = request.authority + '\0' + request.profile + '\0';
  all += request.lifetime.has_value() ? std::to_string(absl::ToInt64Seconds(*request.lifetime)) : "";
  all += '\0';
  all += AsText(request.key.empty() ? request.csr : request.key);
  if (!request.lot.empty()) {  // as before there were lots, otherwise
    for (const std::string& field :
         {request.lot, request.device_serial, Hex(request.endorsement_key), request.reissue_reason}) {
      all += '\0' + field;
    }
  }
  return Sha256(AsBytes(all));
}

StatusOr<ProfilePointer> FindProfile(const PolicySnapshot& policies, const Issuer& issuer, const std::string& profile) {
  const auto found = policies.profiles.find(profile);
  if (found != policies.profiles.end() && issuer.FindTemplate(profile) != nullptr) return found->second;
  std::string known;
  for (const auto& [name, unused] : policies.profiles) {
    if (issuer.FindTemplate(name) != nullptr) known += (known.empty() ? "" : ", ") + name;
  }
  return Error(Code::kNotFound, reason::kProfileUnknown,
               fmt::format("authority '{}' has no profile '{}'; known: {}", issuer.record().authority, profile, known));
}

Intent MakeIntent(const Caller& caller, const Request& request, const Digest& digest, const Plan& plan,
                  const PublicKey& key, const Bytes& serial, Time now, const Draft& draft, const CrlScope& scope) {
  return {.caller = caller.uri,
          .request_id = request.request_id,
          .request_digest = digest,
          .authority = request.authority,
          .profile = request.profile,
          .profile_version = plan.profile->version,
          .serial = serial,
          .subject = ToRfc4514(plan.subject),
          .caseless_name = CaselessName(plan),
          .spki = Sha256(key.spki()),
          .not_before = plan.not_before,
          .not_after = plan.not_after,
          .intended = TruncateToSecond(now),
          .csr = request.csr,
          .lifetime = request.lifetime,
          .draft = draft.Unsigned(),
          .crl_shard = scope.shard,
          .caller_authority = caller.authority,
          .caller_serial = caller.serial};
}

// What would be recorded of an intent, for validate_only.
CertificateRecord Preview(const Intent& intent) {
  CertificateRecord record;
  record.authority = intent.authority;
  record.serial = intent.serial;
  record.profile = intent.profile;
  record.profile_version = intent.profile_version;
  record.subject = intent.subject;
  record.spki = intent.spki;
  record.not_before = intent.not_before;
  record.not_after = intent.not_after;
  record.caller = intent.caller;
  record.request_id = intent.request_id;
  record.certificate = intent.draft;
  return record;
}

// A key or a name that is another device's already is worth a look: a clone, a line that mixed them up, or an attack.
StatusOr<Intended> Watched(const Intent& intent, StatusOr<Intended> intended) {
  const std::string why = intended.ok() ? "" : Reason(intended.status());
  if (why == reason::kKeyCertifiedForAnother || why == reason::kSubjectDiffersByCase) {
    log::Fields fields = log::Describe(intended.status());
    fields.update({{"caller", intent.caller},
                   {"request_id", intent.request_id},
                   {"subject", intent.subject},
                   {"spki_sha256", Hex(intent.spki)}});
    log::Warning("device_refused", fields);
  }
  return intended;
}

// A disabled or a revoked authority answers for what it has issued, and so still certifies who does that for it. A
// disabled one, whose devices are let in until they expire, also shows a cloud that its key is here.
Status CheckMayIssue(const CertificateAuthority& authority, const Issuer& issuer, const std::string& profile) {
  const bool disabled = issuer.record().state == AuthorityState::kDisabled;
  const bool answers = (disabled || issuer.record().state == AuthorityState::kRevoked) && profile == kResponderProfile;
  const bool shows = disabled && profile == kPossessionProfile;
  if (!answers && !shows) return authority.CheckIssuing(issuer);
  if (disabled) RETURN_IF_ERROR(authority.CheckValid(issuer));
  return issuer.CheckKey();
}

std::string AskInstead(const AuthorityRecord& record) {
  return record.successor.empty() ? "ask for its successor" : fmt::format("ask its successor '{}'", record.successor);
}

}  // namespace

Status CheckRequestId(const std::string& request_id) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  if (!request_id.empty() && request_id.size() <= kRequestIdLimit &&
      request_id.find_first_not_of(kAllowed) == request_id.npos) {
    return absl::OkStatus();
  }
  return FieldError(reason::kRequestInvalid, "request_id",
                    "must be 1 to 64 of A-Z a-z 0-9 . _ : - and the same in every retry; a UUID is a good one");
}

// Serial numbers are random, so that their first octets spread certificates evenly.
CrlScope CertificateAuthority::ScopeOf(const std::string& authority, ByteView serial) const {
  uint64_t start = 0;
  for (size_t i = 0; i < std::min<size_t>(serial.size(), sizeof(uint32_t)); ++i) start = start << 8 | serial[i];
  return {static_cast<int64_t>(start % static_cast<uint64_t>(ShardsFrom(authority))), false};
}

Resource CertificateAuthority::ResourceOf(const Caller& caller, const Request& request) const {
  return {request.authority, request.profile, caller.uri, parts_.issuers.Predecessors(request.authority), request.lot};
}

// The steps and their numbers are the design's (docs/architecture.md). They are taken in this order and from here only.
StatusOr<Issued> CertificateAuthority::Issue(const PolicyPointer& policies, const Caller& caller,
                                             const Request& request, Time deadline, const char* permission) const {
  // 1 access
  const Time now = parts_.clock.Now();
  RETURN_IF_ERROR(policies->access->Check(caller, permission, ResourceOf(caller, request), now));
  RETURN_IF_ERROR(CheckRequestId(request.request_id));
  ASSIGN_OR_RETURN(const IssuerPointer issuer, parts_.issuers.Find(request.authority, policies));
  const Digest digest = DigestOf(request);
  ASSIGN_OR_RETURN(const std::optional<Intended> earlier,
                   parts_.store.FindRequest(caller.uri, request.request_id, digest));
  // What was answered once is answered again, whatever policy has become since.
  if (earlier.has_value() && earlier->certificate.has_value()) return WithBundle({*earlier->certificate, issuer});
  RETURN_IF_ERROR(CheckMayIssue(*this, *issuer, request.profile));
  ASSIGN_OR_RETURN(const ProfilePointer profile, FindProfile(*policies, *issuer, request.profile));
  RETURN_IF_ERROR(CheckRole(*profile, caller, policies->access->RolesOf(caller)));
  // 2 the request and its proof of possession
  ASSIGN_OR_RETURN(Csr csr, ReadCsr(request.csr));
  // 3 admission: the device's line in its lot; what was claimed for this request stays so
  if (earlier.has_value() && !request.validate_only) return Complete(issuer, *earlier, deadline);
  ASSIGN_OR_RETURN(const Admission admission, admissions_.Admit(*profile, caller, request, csr, now));
  AddFacts(caller, request, admission, csr.facts);
  // 4 the profile's verdict
  ASSIGN_OR_RETURN(const Plan plan, Decide(profile, csr.facts, now, {issuer->not_before(), issuer->not_after()}));
  RETURN_IF_ERROR(admission.CheckNames(plan));
  // 5 the draft
  ASSIGN_OR_RETURN(const Bytes serial, NewSerial());
  const CrlScope scope = ScopeOf(request.authority, serial);
  ASSIGN_OR_RETURN(const Draft draft,
                   issuer->FindTemplate(profile->name)->Compose(plan, csr.key, serial, issuer->crl_url(scope)));
  const Intent intent = MakeIntent(caller, request, digest, plan, csr.key, serial, now, draft, scope);
  // 6 lint, on the octets that will be signed
  RETURN_IF_ERROR(Verdict(LintCertificate(intent.draft, issuer->lint(), profile->standards)));
  if (request.validate_only) {
    RETURN_IF_ERROR(parts_.store.CheckKey(intent));
    return Issued{Preview(intent), issuer};
  }
  // 7 intended before signed; a retry of what was intended and never signed gets that draft back
  ASSIGN_OR_RETURN(const Intended intended, Watched(intent, parts_.store.Intend(intent, admission.claim_or_null())));
  if (intended.intent.serial != serial) return Complete(issuer, intended, deadline);
  return Finish(issuer, intended, deadline);
}

StatusOr<Issued> CertificateAuthority::Issue(const Caller& caller, const Request& request, Time deadline,
                                             const char* permission) const {
  StatusOr<Issued> issued = Issue(parts_.policies.Current(), caller, request, deadline, permission);
  if (!issued.ok() && !request.validate_only) NoteAttempt(caller, request, issued.status());
  return issued;
}

// What was intended before, by an earlier try of the same request.
StatusOr<Issued> CertificateAuthority::Complete(const IssuerPointer& issuer, const Intended& intended,
                                                Time deadline) const {
  if (!intended.certificate.has_value()) RETURN_IF_ERROR(CheckMayComplete(*issuer, intended.intent));
  return Finish(issuer, intended, deadline);
}

// 8 seal and 9 record
StatusOr<Issued> CertificateAuthority::Finish(IssuerPointer issuer, const Intended& intended, Time deadline) const {
  ASSIGN_OR_RETURN(CertificateRecord record,
                   CompleteIntent(parts_.store, parts_.clock, issuer->key(), intended, deadline));
  if (!intended.certificate.has_value() && observers_.issued) observers_.issued(record);
  return WithBundle({std::move(record), std::move(issuer)});
}

StatusOr<size_t> CertificateAuthority::Recover(Time intended_before, Time deadline) const {
  ASSIGN_OR_RETURN(const std::vector<Intent> intents, parts_.store.OpenIntents());
  size_t finished = 0;
  for (const Intent& intent : intents) {
    if (intent.intended >= intended_before) continue;
    const StatusOr<IssuerPointer> issuer = FindIssuer(intent.authority);
    if (absl::IsNotFound(issuer.status())) {
      return Error(Code::kFailedPrecondition, reason::kAuthorityUnknown,
                   fmt::format("the intent of {} (request {}) is open under authority '{}', which is not configured",
                               intent.caller, intent.request_id, intent.authority));
    }
    // A root that awaits its own certificate: who asked for it asks again.
    const Status may = issuer.ok() ? CheckMayComplete(**issuer, intent) : issuer.status();
    // One whose key is away now is left to whoever asks again.
    if (absl::IsFailedPrecondition(may) || (issuer.ok() && absl::IsUnavailable((*issuer)->CheckKey()))) {
      log::Warning("intent_left_open",
                   {{"caller", intent.caller}, {"request_id", intent.request_id}, {"message", Message(may)}});
      continue;
    }
    RETURN_IF_ERROR(may);
    RETURN_IF_ERROR(Finish(*issuer, Intended{intent, std::nullopt}, deadline).status());
    ++finished;
  }
  return finished;
}

StatusOr<std::optional<Revocation>> CertificateAuthority::FindRevocation(const Issuer& issuer) const {
  // Up to the root, and read anew each time: another process may have revoked one of them a moment ago.
  const std::shared_ptr<const Issuers::Snapshot> known = parts_.issuers.Current();
  std::vector<CertificateId> path;
  // Without a parent here: who certified it tells relying parties itself.
  for (const Issuer* authority = &issuer; !authority->record().parent.empty();) {
    const std::string& parent = authority->record().parent;
    path.push_back({parent, ToBytes(authority->serial())});
    if (parent == authority->record().authority) break;
    authority = known->issuers.at(parent).get();
  }
  return parts_.store.FindRevocation(path);
}

StatusOr<std::set<std::string>> CertificateAuthority::OutOfUse() const {
  ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> authorities, parts_.store.ListAuthorities());
  std::set<std::string> out;
  for (const AuthorityRecord& one : authorities) {
    bool revoked = one.state == AuthorityState::kRevoked;
    if (!revoked && !one.parent.empty() && !one.certificate.empty()) {
      ASSIGN_OR_RETURN(const CertificateParts certificate, ReadCertificate(one.certificate));
      ASSIGN_OR_RETURN(const auto revocation, parts_.store.FindRevocation({{one.parent, ToBytes(certificate.serial)}}));
      revoked = revocation.has_value();
    }
    if (revoked) out.insert(one.authority);
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (const AuthorityRecord& one : authorities)
      grown |= out.contains(one.parent) && out.insert(one.authority).second;
  }
  return out;
}

std::string CertificateAuthority::RevokedInPath(const Issuer& issuer) const {
  const std::shared_ptr<const Issuers::Snapshot> known = parts_.issuers.Current();
  const Issuer* authority = &issuer;
  while (authority->record().state != AuthorityState::kRevoked) {
    const std::string& parent = authority->record().parent;
    if (parent.empty() || parent == authority->record().authority) return "";
    authority = known->issuers.at(parent).get();
  }
  return authority->record().authority;
}

Status CertificateAuthority::CheckIssuing(const Issuer& issuer) const {
  const AuthorityRecord& record = issuer.record();
  if (record.state != AuthorityState::kStaged && record.state != AuthorityState::kEnabled) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' does not issue any more; {}", record.authority, AskInstead(record)));
  }
  RETURN_IF_ERROR(CheckValid(issuer));
  return issuer.CheckKey();
}

Status CertificateAuthority::CheckValid(const Issuer& issuer) const {
  const AuthorityRecord& record = issuer.record();
  const auto refuse = [&record](const std::string& why) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' {}; {}", record.authority, why, AskInstead(record)));
  };
  if (issuer.not_after() < parts_.clock.Now()) return refuse("expired on " + Rfc3339(issuer.not_after()));
  const std::string revoked = RevokedInPath(issuer);
  if (!revoked.empty()) return refuse(fmt::format("cannot be believed, since authority '{}' is REVOKED", revoked));
  ASSIGN_OR_RETURN(const std::optional<Revocation> revocation, FindRevocation(issuer));
  if (revocation.has_value()) return refuse("or one above it was revoked on " + Rfc3339(revocation->revoked));
  return absl::OkStatus();
}

// An intent that waited for long may have become one that nobody would intend today.
Status CertificateAuthority::CheckMayComplete(const Issuer& issuer, const Intent& intent) const {
  RETURN_IF_ERROR(CheckMayIssue(*this, issuer, intent.profile));
  if (intent.not_after > parts_.clock.Now()) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kValidityNotAllowed,
               fmt::format("what request {} of {} intended expired on {}, unsigned; ask with a new request id",
                           intent.request_id, intent.caller, Rfc3339(intent.not_after)));
}

}  // namespace hallmark
