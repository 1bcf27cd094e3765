#include "ca/hierarchy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/completion.h"
#include "ca/entries.h"
#include "ca/names.h"
#include "ca/serial.h"

namespace hallmark {
namespace {

constexpr size_t kNameLimit = 63;
constexpr int kMaxDepth = 8;

Status CheckName(const std::string& authority) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (!authority.empty() && authority.size() <= kNameLimit && authority[0] >= 'a' && authority[0] <= 'z' &&
      authority.find_first_not_of(kAllowed) == authority.npos) {
    return absl::OkStatus();
  }
  return FieldError(reason::kRequestInvalid, "authority", "must be 1 to 63 of a-z 0-9 - and begin with a letter");
}

Status CheckAbsent(Store& store, const std::string& authority) {
  ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> records, store.ListAuthorities());
  for (const AuthorityRecord& record : records) {
    if (record.authority != authority) continue;
    return Error(Code::kAlreadyExists, reason::kAuthorityExists,
                 fmt::format("authority '{}' exists already", authority));
  }
  return absl::OkStatus();
}

// A root is its own issuer: what it contributes to its certificate comes from the plan and its key.
struct SelfIssuer {
  SelfIssuer(const Plan& plan, const SigningKey& key)
      : names{EncodeName(plan.subject), KeyIdentifier(key.public_key().key_octets()), "", ""},
        certificates(*plan.profile, names, key.signer().algorithm()),
        lint{.subject = names.name,
             .key_identifier = names.key_identifier,
             .algorithm = AlgorithmIdentifier(key.signer().algorithm()),
             .not_after = plan.not_after,
             .self = true} {}
  IssuerNames names;
  CertificateTemplate certificates;
  LintIssuer lint;
};

StatusOr<std::vector<Bytes>> ChainOf(const std::vector<AuthorityRecord>& records, const AuthorityRecord& record) {
  std::vector<Bytes> chain = {record.certificate};
  std::string authority = record.authority;
  std::string parent = record.parent;
  while (parent != authority) {
    const auto found = std::find_if(records.begin(), records.end(),
                                    [&](const AuthorityRecord& other) { return other.authority == parent; });
    if (found == records.end() || chain.size() == kMaxDepth) {
      return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                   fmt::format("authority '{}': its chain does not end in a root", record.authority));
    }
    chain.push_back(found->certificate);
    authority = found->authority;
    parent = found->parent;
  }
  return chain;
}

}  // namespace

StatusOr<AuthorityRecord> FoundAuthority(Store& store, const Clock& clock, const ProfileMap& profiles,
                                         const Founding& founding, const SigningKey& key, const Issuer* parent,
                                         Time deadline) {
  RETURN_IF_ERROR(CheckName(founding.authority));
  const auto profile = profiles.find(founding.profile);
  if (profile == profiles.end() || !profile->second->ca || profile->second->subject_is_issuer != (parent == nullptr)) {
    return FieldError(reason::kProfileUnknown, "profile",
                      fmt::format("'{}' is no profile of {}", founding.profile,
                                  parent == nullptr ? "a root" : "an authority below another"));
  }
  RETURN_IF_ERROR(CheckAbsent(store, founding.authority));

  const Time now = clock.Now();
  Facts facts;
  facts.subject = founding.subject;
  facts.key = key.public_key().type();
  ASSIGN_OR_RETURN(
      const Plan plan,
      Decide(profile->second, facts, now,
             parent == nullptr ? IssuerValidity() : IssuerValidity{parent->not_before(), parent->not_after()}));
  const SelfIssuer self(plan, key);
  const CertificateTemplate* certificates =
      parent == nullptr ? &self.certificates : parent->FindTemplate(founding.profile);
  if (certificates == nullptr) {
    return Error(Code::kFailedPrecondition, reason::kProfileUnknown,
                 fmt::format("authority '{}' does not certify under profile '{}': its pathLenConstraint or the "
                             "profile's authorities forbid it",
                             parent->record().authority, founding.profile));
  }
  ASSIGN_OR_RETURN(const Bytes serial, NewSerial());
  ASSIGN_OR_RETURN(const Draft draft, certificates->Compose(plan, key.public_key(), serial));
  const std::string issuer = parent == nullptr ? founding.authority : parent->record().authority;
  const Digest spki = Sha256(key.public_key().spki());
  const Intent intent{.caller = founding.caller,
                      .request_id = "authority:" + founding.authority,
                      .request_digest = spki,
                      .authority = issuer,
                      .profile = founding.profile,
                      .serial = serial,
                      .subject = ToRfc4514(plan.subject),
                      .spki = spki,
                      .not_before = plan.not_before,
                      .not_after = plan.not_after,
                      .intended = TruncateToSecond(now),
                      .draft = draft.Unsigned()};
  RETURN_IF_ERROR(Verdict(LintCertificate(intent.draft, parent == nullptr ? self.lint : parent->lint())));
  ASSIGN_OR_RETURN(const Intended intended, store.Intend(intent));
  ASSIGN_OR_RETURN(const CertificateRecord certificate,
                   CompleteIntent(store, clock, parent == nullptr ? key : parent->key(), intended, deadline));
  const AuthorityRecord record{.authority = founding.authority,
                               .parent = issuer,
                               .state = AuthorityState::kEnabled,
                               .profile = founding.profile,
                               .key_uri = founding.key_uri,
                               .certificate = certificate.certificate,
                               .created = TruncateToSecond(now)};
  RETURN_IF_ERROR(store.AddAuthority(record, AuthorityCreatedEntry(record, founding.caller)));
  return record;
}

StatusOr<IssuerMap> LoadIssuers(
    Store& store, const ProfileMap& profiles, const std::string& base_url,
    const std::function<StatusOr<std::shared_ptr<const SigningKey>>(const AuthorityRecord&)>& open_key) {
  ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> records, store.ListAuthorities());
  IssuerMap issuers;
  for (const AuthorityRecord& record : records) {
    ASSIGN_OR_RETURN(std::vector<Bytes> chain, ChainOf(records, record));
    StatusOr<std::shared_ptr<const SigningKey>> key = open_key(record);
    if (!key.ok()) return Annotate(key.status(), fmt::format("authority '{}'", record.authority));
    ASSIGN_OR_RETURN(issuers[record.authority],
                     Issuer::Create(record, std::move(chain), std::move(*key), base_url, profiles));
  }
  return issuers;
}

}  // namespace hallmark
