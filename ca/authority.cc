#include "ca/authority.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/completion.h"
#include "ca/lint.h"
#include "ca/serial.h"

namespace hallmark {
namespace {

constexpr size_t kRequestIdLimit = 64;

Status CheckRequestId(const std::string& request_id) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  if (!request_id.empty() && request_id.size() <= kRequestIdLimit && request_id.find_first_not_of(kAllowed) == request_id.npos) {
    return absl::OkStatus();
  }
  return FieldError(reason::kRequestInvalid, "request_id",
                    "must be 1 to 64 of A-Z a-z 0-9 . _ : - and the same in every retry; a UUID is a good one");
}

// Of everything that decides what is certified: a retry has the same, another request has not.
Digest DigestOf(const Request& request) {
  std::string all = request.authority + '\0' + request.profile + '\0';
  all += request.lifetime.has_value() ? std::to_string(absl::ToInt64Seconds(*request.lifetime)) : "";
  all += '\0';
  all += AsText(request.csr);
  return Sha256(AsBytes(all));
}

Intent MakeIntent(const Caller& caller, const Request& request, const Digest& digest, const Plan& plan, const PublicKey& key,
                  const Bytes& serial, Time now, const Draft& draft) {
  return {.caller = caller.uri,
          .request_id = request.request_id,
          .request_digest = digest,
          .authority = request.authority,
          .profile = request.profile,
          .serial = serial,
          .subject = ToRfc4514(plan.subject),
          .spki = Sha256(key.spki()),
          .not_before = plan.not_before,
          .not_after = plan.not_after,
          .intended = TruncateToSecond(now),
          .draft = draft.Unsigned()};
}

// What would be recorded of an intent, for validate_only.
CertificateRecord Preview(const Intent& intent) {
  CertificateRecord record;
  record.authority = intent.authority;
  record.serial = intent.serial;
  record.profile = intent.profile;
  record.subject = intent.subject;
  record.spki = intent.spki;
  record.not_before = intent.not_before;
  record.not_after = intent.not_after;
  record.caller = intent.caller;
  record.request_id = intent.request_id;
  record.certificate = intent.draft;
  return record;
}

}  // namespace

// The steps and their numbers are the design's (docs/architecture.md). They are taken in this order and from here only.
StatusOr<Issued> CertificateAuthority::Issue(const Caller& caller, const Request& request, Time deadline) const {
  // 1 access
  RETURN_IF_ERROR(parts_.access.Check(caller, permission::kIssue, {request.authority, request.profile, caller.uri}));
  RETURN_IF_ERROR(CheckRequestId(request.request_id));
  ASSIGN_OR_RETURN(const IssuerPointer issuer, FindIssuer(request.authority));
  const Digest digest = DigestOf(request);
  ASSIGN_OR_RETURN(const std::optional<Intended> earlier, parts_.store.FindRequest(caller.uri, request.request_id, digest));
  // What was answered once is answered again, whatever policy has become since.
  if (earlier.has_value() && !request.validate_only) return Finish(issuer, *earlier, deadline);
  RETURN_IF_ERROR(CheckIssuing(*issuer));
  ASSIGN_OR_RETURN(const ProfilePointer profile, FindProfile(*issuer, request.profile));
  // 2 the request and its proof of possession
  ASSIGN_OR_RETURN(Csr csr, ReadCsr(request.csr));
  csr.facts.lifetime = request.lifetime;
  // 3 admission of the device, its line in its lot, stands here once factory/ has lots
  // 4 the profile's verdict
  const Time now = parts_.clock.Now();
  ASSIGN_OR_RETURN(const Plan plan, Decide(profile, csr.facts, now, issuer->not_after()));
  // 5 the draft
  ASSIGN_OR_RETURN(const Bytes serial, NewSerial());
  ASSIGN_OR_RETURN(const Draft draft, issuer->FindTemplate(profile->name)->Compose(plan, csr.key, serial));
  const Intent intent = MakeIntent(caller, request, digest, plan, csr.key, serial, now, draft);
  // 6 lint, on the octets that will be signed
  RETURN_IF_ERROR(Verdict(LintCertificate(intent.draft, issuer->lint())));
  if (request.validate_only) return Issued{Preview(intent), issuer};
  // 7 intended before signed
  ASSIGN_OR_RETURN(const Intended intended, parts_.store.Intend(intent));
  return Finish(issuer, intended, deadline);
}

// 8 seal and 9 record
StatusOr<Issued> CertificateAuthority::Finish(IssuerPointer issuer, const Intended& intended, Time deadline) const {
  ASSIGN_OR_RETURN(CertificateRecord record, CompleteIntent(parts_.store, parts_.clock, issuer->key(), intended, deadline));
  if (!intended.certificate.has_value() && observers_.issued) observers_.issued(record);
  return Issued{std::move(record), std::move(issuer)};
}

StatusOr<size_t> CertificateAuthority::Recover(Time deadline) const {
  ASSIGN_OR_RETURN(const std::vector<Intent> intents, parts_.store.OpenIntents());
  for (const Intent& intent : intents) {
    const auto issuer = parts_.issuers.find(intent.authority);
    if (issuer == parts_.issuers.end()) {
      return Error(Code::kFailedPrecondition, reason::kAuthorityUnknown,
                   fmt::format("the intent of {} (request {}) is open under authority '{}', which is not configured", intent.caller,
                               intent.request_id, intent.authority));
    }
    RETURN_IF_ERROR(Finish(issuer->second, Intended{intent, std::nullopt}, deadline).status());
  }
  return intents.size();
}

StatusOr<IssuerPointer> CertificateAuthority::FindIssuer(const std::string& authority) const {
  const auto found = parts_.issuers.find(authority);
  if (found != parts_.issuers.end()) return found->second;
  std::string known;
  for (const auto& [name, issuer] : parts_.issuers) known += (known.empty() ? "" : ", ") + name;
  return Error(Code::kNotFound, reason::kAuthorityUnknown, fmt::format("there is no authority '{}'; known: {}", authority, known));
}

Status CertificateAuthority::CheckIssuing(const Issuer& issuer) const {
  const AuthorityRecord& record = issuer.record();
  // Read anew each time: another process may have revoked it a moment ago.
  ASSIGN_OR_RETURN(const CertificateRecord certificate, parts_.store.GetCertificate(record.parent, issuer.serial()));
  const bool open = record.state == AuthorityState::kStaged || record.state == AuthorityState::kEnabled;
  if (open && !certificate.revocation.has_value()) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
               fmt::format("authority '{}' {}; ask for its successor", record.authority,
                           certificate.revocation.has_value() ? "was revoked on " + Rfc3339(certificate.revocation->revoked)
                                                              : "does not issue any more"));
}

StatusOr<ProfilePointer> CertificateAuthority::FindProfile(const Issuer& issuer, const std::string& profile) const {
  const auto found = parts_.profiles.find(profile);
  if (found == parts_.profiles.end() || issuer.FindTemplate(profile) == nullptr) {
    std::string known;
    for (const auto& [name, unused] : parts_.profiles) {
      if (issuer.FindTemplate(name) != nullptr) known += (known.empty() ? "" : ", ") + name;
    }
    return Error(Code::kNotFound, reason::kProfileUnknown,
                 fmt::format("authority '{}' has no profile '{}'; known: {}", issuer.record().authority, profile, known));
  }
  return found->second;
}

}  // namespace hallmark
