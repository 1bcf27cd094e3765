// An authority that somebody else certifies: its request goes out, its certificate comes back.
#include <fmt/format.h>

#include "base/reason.h"
#include "ca/certification_request.h"
#include "ca/chain.h"
#include "ca/der.h"
#include "ca/entries.h"
#include "ca/lifecycle.h"
#include "ca/names.h"
#include "ca/path.h"

namespace hallmark {
namespace {

// What a certificate made elsewhere would have been had it been intended here.
StatusOr<Intent> IntentOf(const AuthorityRecord& record, const Caller& caller, Time now) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(record.certificate));
  ASSIGN_OR_RETURN(const Subject subject, ReadName(parts.subject));
  const Digest fingerprint = Sha256(record.certificate);
  return Intent{.caller = caller.uri,
                .request_id = fmt::format("authority/{}/{}", record.authority, Hex(fingerprint)),
                .request_digest = fingerprint,
                .authority = record.parent,
                .profile = record.profile,
                .profile_version = "",
                .serial = ToBytes(parts.serial),
                .subject = ToRfc4514(subject),
                .caseless_name = "",
                .spki = Sha256(parts.spki),
                .not_before = parts.not_before,
                .not_after = parts.not_after,
                .intended = TruncateToSecond(now),
                .csr = {},
                .lifetime = std::nullopt,
                .draft = der::Sequence({parts.tbs, parts.algorithm, der::BitString({})})};
}

}  // namespace

StatusOr<Bytes> Lifecycle::FetchCsr(const Caller& caller, const std::string& authority, Time deadline) {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kFetchCsr, authority));
  ASSIGN_OR_RETURN(const AuthorityRecord record, Get(authority, 0));
  if (record.key_uris.empty()) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' has no key yet; repeat the request that creates it", authority));
  }
  Bytes subject = record.subject;
  KeyPointer key;
  if (record.certificate.empty()) {
    ASSIGN_OR_RETURN(key, tokens_.open(record));
  } else {
    ASSIGN_OR_RETURN(const IssuerPointer issuer, parts().issuers.Find(authority));
    RETURN_IF_ERROR(issuer->CheckKey());
    key = issuer->shared_key();
    subject = ToBytes(issuer->name());
  }
  Draft draft = ComposeCertificationRequest(subject, key->public_key(), key->signer().algorithm());
  const Time now = TruncateToSecond(parts().clock.Now());
  RETURN_IF_ERROR(parts().store.AppendEntry(CsrRequestedEntry(authority, draft.tbs(), caller.uri, now), now).status());
  return Seal(std::move(draft), *key, deadline);
}

StatusOr<AuthorityRecord> Lifecycle::Activate(const Caller& caller, const std::string& authority, ByteView certificates,
                                              bool validate_only) {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kActivateAuthority, authority));
  ASSIGN_OR_RETURN(const std::vector<Bytes> given, ReadChain(certificates));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const AuthorityRecord record, Get(authority, 0));
  if (record.state == AuthorityState::kRevoked || record.key_uris.empty() || record.parent == record.authority) {
    return Error(
        Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
        fmt::format("authority '{}' cannot be activated: {}", authority,
                    record.state == AuthorityState::kRevoked ? "it is REVOKED for ever"
                    : record.key_uris.empty()                ? "it has no key yet; repeat the request that creates it"
                                              : "it is a root; hand a cross-certificate out beside its chain"));
  }
  ASSIGN_OR_RETURN(const Bytes spki, SpkiOf(record));
  const std::shared_ptr<const Issuers::Snapshot> known = parts().issuers.Recent();
  std::vector<std::vector<Bytes>> chains;
  for (const auto& [name, issuer] : known->issuers) {
    if (name != authority) chains.push_back(issuer->chain());
  }
  ASSIGN_OR_RETURN(std::vector<Bytes> path, OrderPath(given, spki, chains));
  ASSIGN_OR_RETURN(AuthorityRecord activated, WithPath(record, std::move(path)));
  const bool repeated = activated.certificate == record.certificate && activated.parent == record.parent &&
                        activated.external_chain == record.external_chain;
  if (repeated || validate_only) return activated;
  RETURN_IF_ERROR(Import(activated, caller));
  return Commit("authority_activated", {activated}, caller);
}

StatusOr<Bytes> Lifecycle::SpkiOf(const AuthorityRecord& record) const {
  if (!record.certificate.empty()) {
    ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(record.certificate));
    return ToBytes(parts.spki);
  }
  ASSIGN_OR_RETURN(const KeyPointer key, tokens_.open(record));
  return ToBytes(key->public_key().spki());
}

// The record with the certificate and what is above it, once both are found good.
StatusOr<AuthorityRecord> Lifecycle::WithPath(AuthorityRecord record, std::vector<Bytes> path) const {
  ASSIGN_OR_RETURN(const Bytes spki, SpkiOf(record));
  PathExpectation expected{.spki = spki, .subject = record.subject, .now = parts().clock.Now()};
  const PolicyPointer policies = parts().policies.Current();
  const auto profile = policies->profiles.find(record.profile);
  if (profile != policies->profiles.end()) expected.path_length = profile->second->path_length.value_or(0);
  IssuerPointer issuer;
  if (!record.certificate.empty()) {
    ASSIGN_OR_RETURN(issuer, parts().issuers.Find(record.authority));
    expected.subject = issuer->name();
    expected.exact_subject = true;
    expected.key_identifier = issuer->key_identifier();
  }
  RETURN_IF_ERROR(CheckPath(path, expected));
  if (record.certificate.empty()) {
    record.state = AuthorityState::kStaged;
  } else if (record.certificate != path.front()) {
    record.earlier_certificates.push_back(record.certificate);
  }
  record.certificate = path.front();
  record.parent.clear();
  const std::shared_ptr<const Issuers::Snapshot> known = parts().issuers.Current();
  for (const auto& [name, other] : known->issuers) {
    if (other->record().certificate == path[1]) record.parent = name;
  }
  record.external_chain.clear();
  if (record.parent.empty()) record.external_chain.assign(path.begin() + 1, path.end());
  return record;
}

// One that an authority of this instance made, but not through it, as in a ceremony: from now on it can be revoked here
// like any other.
Status Lifecycle::Import(const AuthorityRecord& record, const Caller& caller) const {
  if (record.parent.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const CertificateParts parts_of, ReadCertificate(record.certificate));
  const StatusOr<CertificateRecord> found = parts().store.GetCertificate(record.parent, parts_of.serial);
  if (found.ok() && found->certificate == record.certificate) return absl::OkStatus();
  const Time now = parts().clock.Now();
  ASSIGN_OR_RETURN(const Intent intent, IntentOf(record, caller, now));
  ASSIGN_OR_RETURN(const Intended intended, parts().store.Intend(intent));
  if (intended.certificate.has_value()) return absl::OkStatus();
  const Time issued = TruncateToSecond(now);
  return parts()
      .store
      .Record(intended.intent, record.certificate, issued,
              CertificateIssuedEntry(intended.intent, record.certificate, issued))
      .status();
}

}  // namespace hallmark
