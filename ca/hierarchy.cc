#include "ca/hierarchy.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/completion.h"
#include "ca/entries.h"
#include "ca/names.h"
#include "ca/serial.h"

namespace hallmark {
namespace {

constexpr size_t kNameLimit = 63;

Status CheckAbsent(Store& store, const std::string& authority) {
  const Status status = store.GetAuthority(authority).status();
  if (absl::IsNotFound(status)) return absl::OkStatus();
  RETURN_IF_ERROR(status);
  return Error(Code::kAlreadyExists, reason::kAuthorityExists, fmt::format("authority '{}' exists already", authority));
}

// A root is its own issuer: what it contributes to its certificate comes from the plan and its key.
struct SelfIssuer {
  SelfIssuer(const Plan& plan, const SigningKey& key)
      : names{EncodeName(plan.subject),
              KeyIdentifier(key.public_key().key_octets(), plan.profile->subject_key_identifier), "", ""},
        certificates(*plan.profile, names, key.signer().algorithm()),
        lint{.certificate = {},
             .subject = names.name,
             .key_identifier = names.key_identifier,
             .algorithm = AlgorithmIdentifier(key.signer().algorithm()),
             .not_after = plan.not_after,
             .self = true} {}
  IssuerNames names;
  CertificateTemplate certificates;
  LintIssuer lint;
};

Intent MakeIntent(const Founding& founding, const Plan& plan, const PublicKey& key, const std::string& issuer,
                  const Bytes& serial, Time now, const Draft& draft) {
  const Digest spki = Sha256(key.spki());
  return {.caller = founding.caller,
          .request_id = "authority/" + founding.authority,  // no id that a caller can choose
          .request_digest = spki,
          .authority = issuer,
          .profile = founding.profile,
          .profile_version = plan.profile->version,
          .serial = serial,
          .subject = ToRfc4514(plan.subject),
          .caseless_name = CaselessName(plan),
          .spki = spki,
          .not_before = plan.not_before,
          .not_after = plan.not_after,
          .intended = TruncateToSecond(now),
          .csr = {},
          .lifetime = founding.lifetime,
          .draft = draft.Unsigned()};
}

}  // namespace

Status CheckAuthorityName(const std::string& authority) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (!authority.empty() && authority.size() <= kNameLimit && authority[0] >= 'a' && authority[0] <= 'z' &&
      authority.find_first_not_of(kAllowed) == authority.npos) {
    return absl::OkStatus();
  }
  return FieldError(reason::kRequestInvalid, "authority_id", "must be 1 to 63 of a-z 0-9 - and begin with a letter");
}

StatusOr<Plan> PlanAuthority(Time now, const ProfileMap& profiles, const Founding& founding, KeyType type,
                             const Issuer* parent) {
  const auto profile = profiles.find(founding.profile);
  if (profile == profiles.end() || !profile->second->ca || profile->second->subject_is_issuer != (parent == nullptr)) {
    return FieldError(reason::kProfileUnknown, "profile",
                      fmt::format("'{}' is no profile of {}", founding.profile,
                                  parent == nullptr ? "a root" : "an authority below another"));
  }
  if (parent != nullptr && parent->FindTemplate(founding.profile) == nullptr) {
    return Error(Code::kFailedPrecondition, reason::kProfileUnknown,
                 fmt::format("authority '{}' does not certify under profile '{}': its pathLenConstraint or the "
                             "profile's authorities forbid it",
                             parent->record().authority, founding.profile));
  }
  Facts facts;
  facts.subject = founding.subject;
  facts.key = type;
  facts.lifetime = founding.lifetime;
  if (StatusOr<Caller> caller = ParseCallerUri(founding.caller); caller.ok()) facts.caller = *std::move(caller);
  ASSIGN_OR_RETURN(Plan plan, Decide(profile->second, facts, now,
                                     parent == nullptr ? IssuerValidity()
                                                       : IssuerValidity{parent->not_before(), parent->not_after()}));
  if (parent != nullptr && Equal(EncodeName(plan.subject), parent->name()))
    return FieldError(reason::kSubjectNotAllowed, "subject", "is the issuer's own; only a root's is (RFC 5280 3.2)");
  return plan;
}

StatusOr<CertificateRecord> CertifyAuthority(Store& store, const Clock& clock, const ProfileMap& profiles,
                                             const Founding& founding, const SigningKey& key, const Issuer* parent,
                                             Time deadline) {
  const Time now = clock.Now();
  ASSIGN_OR_RETURN(const Plan plan, PlanAuthority(now, profiles, founding, key.public_key().type(), parent));
  const SelfIssuer self(plan, key);
  const CertificateTemplate& certificates =
      parent == nullptr ? self.certificates : *parent->FindTemplate(founding.profile);
  ASSIGN_OR_RETURN(const Bytes serial, NewSerial());
  ASSIGN_OR_RETURN(const Draft draft, certificates.Compose(plan, key.public_key(), serial));
  const Intent intent =
      MakeIntent(founding, plan, key.public_key(), parent == nullptr ? founding.authority : parent->record().authority,
                 serial, now, draft);
  RETURN_IF_ERROR(
      Verdict(LintCertificate(intent.draft, parent == nullptr ? self.lint : parent->lint(), plan.profile->standards)));
  ASSIGN_OR_RETURN(const Intended intended, store.Intend(intent));
  return CompleteIntent(store, clock, parent == nullptr ? key : parent->key(), intended, deadline);
}

StatusOr<AuthorityRecord> FoundAuthority(Store& store, const Clock& clock, const ProfileMap& profiles,
                                         const Founding& founding, const SigningKey& key, const Issuer* parent,
                                         Time deadline) {
  RETURN_IF_ERROR(CheckAuthorityName(founding.authority));
  RETURN_IF_ERROR(CheckAbsent(store, founding.authority));
  ASSIGN_OR_RETURN(const CertificateRecord certificate,
                   CertifyAuthority(store, clock, profiles, founding, key, parent, deadline));
  AuthorityRecord record;
  record.authority = founding.authority;
  record.parent = certificate.authority;
  record.profile = founding.profile;
  record.key_uris = {founding.key_uri};
  record.signature_algorithm = Name(key.signer().algorithm());
  record.certificate = certificate.certificate;
  record.created = TruncateToSecond(clock.Now());
  RETURN_IF_ERROR(store.AddAuthority(record, AuthorityCreatedEntry(record, founding.caller)));
  return record;
}

}  // namespace hallmark
