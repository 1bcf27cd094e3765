// An authority comes to be: requested, given a key, certified. What is done is on record before the next step is taken,
// so that the same request goes on from there.
#include <fmt/format.h>

#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/entries.h"
#include "ca/hierarchy.h"
#include "ca/lifecycle.h"
#include "ca/names.h"

namespace hallmark {
namespace {

std::string Join(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + '\0';
  return all;
}

std::string Text(const std::optional<Duration>& lifetime) {
  return lifetime.has_value() ? std::to_string(absl::ToInt64Seconds(*lifetime)) : "";
}
std::string Text(const std::optional<SignatureAlgorithm>& algorithm) {
  return algorithm.has_value() ? Name(*algorithm) : "";
}

// Of everything that decides what is made.
Digest DigestOf(const NewAuthority& asked) {
  const KeyChoice& key = asked.key;
  std::string all = Join({"create", asked.authority, asked.profile, asked.parent, Text(asked.lifetime), key.token,
                          key.key_uris.empty() ? Name(key.type) : "", Text(key.algorithm), Name(asked.state),
                          std::to_string(key.key_uris.size())});
  all += Join(key.key_uris) + Join(asked.profiles) + '\0';
  all += AsText(EncodeName(asked.subject));
  return Sha256(AsBytes(all));
}

Digest DigestOf(const std::string& authority, const Rollover& rollover) {
  const std::string all = Join({"rollover", authority, rollover.successor, rollover.token,
                                rollover.key_type.has_value() ? Name(*rollover.key_type) : "", Text(rollover.algorithm),
                                Text(rollover.lifetime)}) +
                          Join(rollover.key_uris);
  return Sha256(AsBytes(all));
}

Founding FoundingOf(const NewAuthority& asked, const std::string& caller) {
  return {.authority = asked.authority,
          .profile = asked.profile,
          .subject = asked.subject,
          .key_uri = "",
          .caller = caller,
          .lifetime = asked.lifetime};
}

Status Taken(const AuthorityRecord& earlier, const NewAuthority& asked, const std::string& caller) {
  if (earlier.caller == caller && earlier.request_id == asked.request_id) {
    return Error(Code::kAlreadyExists, reason::kRequestIdReused,
                 fmt::format("{} has used request id '{}' for authority '{}' with other content; ask under a new one",
                             caller, asked.request_id, asked.authority));
  }
  return Error(Code::kAlreadyExists, reason::kAuthorityExists,
               fmt::format("there is an authority '{}' already; choose another name", asked.authority));
}

// A new key for the same name.
StatusOr<NewAuthority> SuccessorOf(const AuthorityRecord& record, const Rollover& rollover) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(record.certificate));
  NewAuthority asked;
  asked.request_id = rollover.request_id;
  asked.authority = rollover.successor;
  asked.profile = record.profile;
  ASSIGN_OR_RETURN(asked.subject, ReadName(parts.subject));
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(parts.spki));
  asked.key = {rollover.token, rollover.key_type.value_or(key.type()), rollover.algorithm, rollover.key_uris};
  const bool same_type = asked.key.key_uris.empty() && asked.key.type == key.type();
  if (same_type && !asked.key.algorithm.has_value() && !record.signature_algorithm.empty()) {
    ASSIGN_OR_RETURN(asked.key.algorithm, ParseSignatureAlgorithm(record.signature_algorithm));
  }
  asked.lifetime = rollover.lifetime;
  asked.profiles = record.profiles;
  asked.validate_only = rollover.validate_only;
  return asked;
}

}  // namespace

StatusOr<AuthorityRecord> Lifecycle::Create(const Caller& caller, const NewAuthority& asked, Time deadline) {
  const PolicyPointer policies = parts().policies.Current();
  RETURN_IF_ERROR(policies->access->Check(caller, permission::kCreateAuthority,
                                          {asked.authority, asked.profile, caller.uri}, parts().clock.Now()));
  const std::lock_guard lock(mutex_);
  return Make(policies, caller, asked, nullptr, DigestOf(asked), deadline);
}

StatusOr<AuthorityRecord> Lifecycle::RollOver(const Caller& caller, const std::string& authority,
                                              const Rollover& rollover, Time deadline) {
  const PolicyPointer policies = parts().policies.Current();
  const std::lock_guard lock(mutex_);
  const StatusOr<AuthorityRecord> record = Get(authority, 0);
  std::vector<std::string> lineage = parts().issuers.Predecessors(authority);
  lineage.insert(lineage.begin(), authority);
  RETURN_IF_ERROR(policies->access->Check(
      caller, permission::kCreateAuthority,
      {rollover.successor, record.ok() ? record->profile : "", caller.uri, std::move(lineage)}, parts().clock.Now()));
  RETURN_IF_ERROR(record.status());
  RETURN_IF_ERROR(parts().issuers.Find(authority).status());  // one without a certificate has nothing to roll over
  ASSIGN_OR_RETURN(NewAuthority asked, SuccessorOf(*record, rollover));
  if (record->parent == record->authority) {
    asked.parent = rollover.successor;
  } else if (!record->parent.empty()) {
    ASSIGN_OR_RETURN(asked.parent, IssuingParent(*record));
  }
  return Make(policies, caller, asked, &*record, DigestOf(authority, rollover), deadline);
}

StatusOr<std::string> Lifecycle::IssuingParent(const AuthorityRecord& record) const {
  ASSIGN_OR_RETURN(AuthorityRecord parent, Get(record.parent, 0));
  while (parent.state == AuthorityState::kDisabled && !parent.successor.empty()) {
    ASSIGN_OR_RETURN(parent, Get(parent.successor, 0));
  }
  return parent.authority;
}

StatusOr<AuthorityRecord> Lifecycle::Make(const PolicyPointer& policies, const Caller& caller,
                                          const NewAuthority& asked, const AuthorityRecord* predecessor,
                                          const Digest& digest, Time deadline) {
  RETURN_IF_ERROR(CheckRequestId(asked.request_id));
  RETURN_IF_ERROR(CheckAuthorityName(asked.authority));
  StatusOr<AuthorityRecord> record = parts().store.GetAuthority(asked.authority);
  if (absl::IsNotFound(record.status())) {
    ASSIGN_OR_RETURN(record, Compose(policies, caller, asked, predecessor, digest));
    if (asked.validate_only) return record;
    RETURN_IF_ERROR(parts().store.AddAuthority(
        *record, AuthorityEntry("authority_requested", {*record}, caller.uri, record->created)));
  }
  RETURN_IF_ERROR(record.status());
  if (record->caller != caller.uri || record->request_id != asked.request_id || record->request_digest != digest)
    return Taken(*record, asked, caller.uri);
  if (asked.validate_only) return record;
  if (record->key_uris.empty()) {
    ASSIGN_OR_RETURN(record, GiveKey(*std::move(record), asked.key, caller));
  }
  if (record->certificate.empty() && !record->parent.empty()) {
    ASSIGN_OR_RETURN(record, Certify(policies, *std::move(record), asked, caller, deadline));
  }
  RETURN_IF_ERROR(parts().issuers.Reload());
  return record;
}

// The record as it begins: judged by policy, with everything that can be refused refused before anything is made.
StatusOr<AuthorityRecord> Lifecycle::Compose(const PolicyPointer& policies, const Caller& caller,
                                             const NewAuthority& asked, const AuthorityRecord* predecessor,
                                             const Digest& digest) const {
  if (asked.state != AuthorityState::kStaged && asked.state != AuthorityState::kEnabled)
    return FieldError(reason::kRequestInvalid, "state", "must be STAGED or ENABLED");
  for (const std::string& name : asked.profiles) {
    if (!policies->profiles.contains(name))
      return FieldError(reason::kProfileUnknown, "profiles", fmt::format("'{}' is no profile of this instance", name));
  }
  const bool external = asked.parent.empty();
  ASSIGN_OR_RETURN(const IssuerPointer parent, Parent(policies, asked.authority, asked.parent));
  const auto profile = policies->profiles.find(asked.profile);
  if (external && (profile == policies->profiles.end() || !profile->second->ca || profile->second->subject_is_issuer)) {
    return FieldError(reason::kProfileUnknown, "profile",
                      fmt::format("'{}' is no profile of an authority below another", asked.profile));
  }
  ASSIGN_OR_RETURN(const KeyType type, CheckKeyChoice(asked));
  const Time now = parts().clock.Now();
  Facts facts;
  facts.subject = asked.subject;
  facts.key = type;
  facts.lifetime = asked.lifetime;
  facts.caller = caller;
  ASSIGN_OR_RETURN(const Plan plan, external ? Decide(profile->second, facts, now, IssuerValidity())
                                             : PlanAuthority(now, policies->profiles, FoundingOf(asked, caller.uri),
                                                             type, parent.get()));
  AuthorityRecord record;
  record.authority = asked.authority;
  record.parent = asked.parent;
  record.state = AuthorityState::kAwaitingActivation;
  record.profile = asked.profile;
  record.key_uris = asked.key.key_uris;
  record.signature_algorithm = Name(asked.key.algorithm.value_or(DefaultAlgorithm(type)));
  record.subject = EncodeName(plan.subject);
  record.created = TruncateToSecond(now);
  record.predecessor = predecessor == nullptr ? "" : predecessor->authority;
  record.profiles = asked.profiles;
  record.caller = caller.uri;
  record.request_id = asked.request_id;
  record.request_digest = digest;
  if (external && predecessor != nullptr) {
    ASSIGN_OR_RETURN(const CertificateParts before, ReadCertificate(predecessor->certificate));
    record.subject = ToBytes(before.subject);  // whoever encoded it
  }
  return record;
}

// Who certifies it, fit to do so now; nullptr for a root, and for somebody else.
StatusOr<IssuerPointer> Lifecycle::Parent(const PolicyPointer& policies, const std::string& authority,
                                          const std::string& parent) const {
  if (parent.empty() || parent == authority) return IssuerPointer();
  ASSIGN_OR_RETURN(IssuerPointer issuer, parts().issuers.Find(parent, policies));
  RETURN_IF_ERROR(authority_.CheckIssuing(*issuer));
  return issuer;
}

// The type of the key that is chosen. A new one must have its label for itself, so that whoever finds it after a crash
// knows whose it is.
StatusOr<KeyType> Lifecycle::CheckKeyChoice(const NewAuthority& asked) const {
  KeyType type = asked.key.type;
  if (asked.key.key_uris.empty()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> found, tokens_.find(asked.key.token, asked.authority));
    if (found.has_value()) {
      return Error(Code::kAlreadyExists, reason::kHsmRefused,
                   fmt::format("cannot generate a key for authority '{0}': the token holds a key labelled '{0}' "
                               "already; use it by its URI {1}, or choose another name",
                               asked.authority, *found));
    }
  }
  AuthorityRecord record;
  record.authority = asked.authority;
  if (asked.key.algorithm.has_value()) record.signature_algorithm = Name(*asked.key.algorithm);
  Bytes spki;
  for (const std::string& uri : asked.key.key_uris) {
    record.key_uris = {uri};
    ASSIGN_OR_RETURN(const KeyPointer key, tokens_.open(record));
    if (!spki.empty() && !Equal(key->public_key().spki(), spki))
      return FieldError(reason::kRequestInvalid, "key_uris", uri + " is another key than the first; all must be one");
    spki = ToBytes(key->public_key().spki());
    type = key->public_key().type();
  }
  if (!Fits(asked.key.algorithm.value_or(DefaultAlgorithm(type)), type)) {
    return FieldError(reason::kRequestInvalid, "signature_algorithm",
                      fmt::format("{} does not fit a key of type {}", Name(*asked.key.algorithm), Name(type)));
  }
  return type;
}

StatusOr<AuthorityRecord> Lifecycle::GiveKey(AuthorityRecord record, const KeyChoice& choice, const Caller& caller) {
  // One that was generated before a crash is the authority's: its label was free when the request was recorded.
  ASSIGN_OR_RETURN(std::optional<std::string> uri, tokens_.find(choice.token, record.authority));
  if (!uri.has_value()) {
    ASSIGN_OR_RETURN(uri, tokens_.generate(choice.token, choice.type, record.authority));
  }
  record.key_uris = {*uri};
  ASSIGN_OR_RETURN(const KeyPointer key, tokens_.open(record));
  if (key->public_key().type() != choice.type) {
    return Error(Code::kFailedPrecondition, reason::kHsmRefused,
                 fmt::format("the key {} is labelled '{}' and of type {}, not the {} that was asked for; somebody else "
                             "made it: destroy or rename it and ask again",
                             *uri, record.authority, Name(key->public_key().type()), Name(choice.type)));
  }
  return Commit("authority_keyed", {record}, caller);
}

StatusOr<AuthorityRecord> Lifecycle::Certify(const PolicyPointer& policies, AuthorityRecord record,
                                             const NewAuthority& asked, const Caller& caller, Time deadline) {
  ASSIGN_OR_RETURN(const IssuerPointer parent, Parent(policies, record.authority, record.parent));
  ASSIGN_OR_RETURN(const KeyPointer key, tokens_.open(record));
  ASSIGN_OR_RETURN(const CertificateRecord certificate,
                   CertifyAuthority(parts().store, parts().clock, policies->profiles, FoundingOf(asked, caller.uri),
                                    *key, parent.get(), deadline));
  record.certificate = certificate.certificate;
  record.state = asked.state;
  return Commit("authority_activated", {record}, caller);
}

}  // namespace hallmark
