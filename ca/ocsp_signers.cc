#include "ca/ocsp_signers.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/reason.h"
#include "ca/certification_request.h"
#include "ca/names.h"
#include "ca/ocsp.h"

namespace hallmark {
namespace {

constexpr Duration kRetry = absl::Seconds(5);
constexpr Duration kSignLimit = absl::Seconds(30);  // nobody waits for a renewal
constexpr char kOrganization[] = "OCSP responder";

bool IsValid(const OcspSigner& signer, Time now) { return signer.not_before <= now && now < signer.not_after; }

// Two thirds of its life are over: there is time to renew it, even if the token is away for a day or two.
bool IsDue(Time not_before, Time not_after, Time now) { return now >= not_before + (not_after - not_before) / 3 * 2; }

Caller CallerOf(const std::string& realm) {
  Caller caller;
  caller.uri = fmt::format("hallmark://{}/{}/ocsp", realm, kResponderRole);
  caller.realm = realm;
  caller.role = kResponderRole;
  caller.name = "ocsp";
  return caller;
}

// Whoever verifies the issuer's signatures verifies the responder's, too. RSA keys of 4096 bits would make each
// response slow and long, and live for a week only.
KeyType TypeUnder(KeyType issuer) { return issuer == KeyType::kRsa4096 ? KeyType::kRsa3072 : issuer; }

StatusOr<KeyType> TypeOf(const Issuer& issuer) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(issuer.record().certificate));
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(parts.spki));
  return key.type();
}

std::string LabelOf(const std::string& authority, int generation) {
  return generation == 1 ? "ocsp." + authority : fmt::format("ocsp.{}.{}", authority, generation);
}

OcspSignerPointer MakeSigner(std::shared_ptr<const SigningKey> key, const CertificateRecord& record) {
  auto signer = std::make_shared<OcspSigner>();
  signer->key_hash = HashOf(OcspHash::kSha1, key->public_key().key_octets());
  signer->key = std::move(key);
  signer->certificate = record.certificate;
  signer->serial = record.serial;
  signer->not_before = record.not_before;
  signer->not_after = record.not_after;
  return signer;
}

}  // namespace

OcspSigners::OcspSigners(const CertificateAuthority& authority, Tokens tokens, const std::string& realm)
    : authority_(authority), tokens_(std::move(tokens)), caller_(CallerOf(realm)) {}

OcspSigners::Slot& OcspSigners::SlotOf(const std::string& authority) {
  const std::lock_guard lock(mutex_);
  return slots_[authority];
}

OcspSignerPointer OcspSigners::CurrentOf(const Slot& slot) const {
  const std::lock_guard lock(mutex_);
  return slot.current;
}

StatusOr<OcspSignerPointer> OcspSigners::Find(const Issuer& issuer, Time deadline) {
  Slot& slot = SlotOf(issuer.record().authority);
  const Time now = authority_.parts().clock.Now();
  const OcspSignerPointer current = CurrentOf(slot);
  const bool is_valid = current != nullptr && IsValid(*current, now);
  if (is_valid && !IsDue(current->not_before, current->not_after, now)) return current;
  std::unique_lock making(slot.making, std::defer_lock);
  if (!is_valid) {
    making.lock();
  } else if (!making.try_lock()) {
    return current;  // somebody renews it
  }
  return MakeOrKeep(slot, issuer, deadline);
}

// With slot.making held.
StatusOr<OcspSignerPointer> OcspSigners::MakeOrKeep(Slot& slot, const Issuer& issuer, Time deadline) {
  const Time now = authority_.parts().clock.Now();
  OcspSignerPointer kept;
  {
    const std::lock_guard lock(mutex_);
    if (slot.current != nullptr && IsValid(*slot.current, now)) kept = slot.current;
    if (kept != nullptr && !IsDue(kept->not_before, kept->not_after, now)) return kept;  // made while we waited
    if (now < slot.retry_at) return kept != nullptr ? StatusOr<OcspSignerPointer>(kept) : slot.failure;
  }
  StatusOr<OcspSignerPointer> made = Make(slot, issuer, deadline);
  if (!made.ok()) {
    log::Fields fields = log::Describe(made.status());
    fields["authority"] = issuer.record().authority;
    log::Warning("ocsp_signer_failed", fields);
  }
  const std::lock_guard lock(mutex_);
  if (made.ok()) {
    slot.current = *made;
    return made;
  }
  slot.retry_at = now + kRetry;
  slot.failure = made.status();
  return kept != nullptr ? StatusOr<OcspSignerPointer>(kept) : made;
}

StatusOr<OcspSignerPointer> OcspSigners::Make(Slot& slot, const Issuer& issuer, Time deadline) const {
  const std::string& authority = issuer.record().authority;
  const Time now = authority_.parts().clock.Now();
  if (now >= issuer.not_after()) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' expired on {}; nobody would believe an OCSP response for it", authority,
                             Rfc3339(issuer.not_after())));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const SigningKey> key, FindKey(issuer));
  ASSIGN_OR_RETURN(const std::optional<CertificateRecord> before, Newest(authority, *key, std::nullopt));
  // One from before a restart, or of another process.
  if (before.has_value() && before->not_before <= now && now < before->not_after &&
      !IsDue(before->not_before, before->not_after, now)) {
    return MakeSigner(std::move(key), *before);
  }
  ASSIGN_OR_RETURN(const CertificateRecord record, Certify(slot, issuer, *key, before, deadline));
  log::Info("ocsp_signer_certified",
            {{"authority", authority}, {"serial", Hex(record.serial)}, {"not_after", Rfc3339(record.not_after)}});
  return MakeSigner(std::move(key), record);
}

// The first of the authority's responder keys that no revoked certificate has.
StatusOr<std::shared_ptr<const SigningKey>> OcspSigners::FindKey(const Issuer& issuer) const {
  ASSIGN_OR_RETURN(const KeyType issuer_type, TypeOf(issuer));
  const KeyType type = TypeUnder(issuer_type);
  for (int generation = 1;; ++generation) {
    AuthorityRecord record;  // as far as a key is opened by it
    record.authority = LabelOf(issuer.record().authority, generation);
    ASSIGN_OR_RETURN(const std::string uri, FindOrGenerate(type, record.authority));
    record.key_uris = {uri};
    if (type == issuer_type) record.signature_algorithm = issuer.record().signature_algorithm;
    ASSIGN_OR_RETURN(std::shared_ptr<const SigningKey> key, tokens_.open(record));
    ASSIGN_OR_RETURN(const std::optional<CertificateRecord> revoked, Newest(issuer.record().authority, *key, true));
    if (!revoked.has_value()) return key;
  }
}

StatusOr<std::string> OcspSigners::FindOrGenerate(KeyType type, const std::string& label) const {
  ASSIGN_OR_RETURN(std::optional<std::string> uri, tokens_.find("", label));
  if (uri.has_value()) return *uri;
  StatusOr<std::string> generated = tokens_.generate("", type, label);
  if (!absl::IsAlreadyExists(generated.status())) return generated;
  ASSIGN_OR_RETURN(uri, tokens_.find("", label));  // another process was faster
  return uri.has_value() ? StatusOr<std::string>(*uri) : generated;
}

// The key's newest certificate, or its newest that is revoked.
StatusOr<std::optional<CertificateRecord>> OcspSigners::Newest(const std::string& authority, const SigningKey& key,
                                                               std::optional<bool> revoked) const {
  CertificateFilter filter;
  filter.authority = authority;
  filter.profile = kResponderProfile;
  filter.spki = Sha256(key.public_key().spki());
  filter.revoked = revoked;
  filter.newest_first = true;
  ASSIGN_OR_RETURN(const Page<CertificateRecord> page, authority_.parts().store.ListCertificates(filter, 1, ""));
  if (page.items.empty()) return std::optional<CertificateRecord>();
  return std::optional(page.items.front());
}

// A request is repeated as it is, CSR and all, until it is answered, so that an outage of the authority's key leaves
// one open intent and not one for each try; after a day it is another, lest a draft that expired unsigned stops it for
// ever. What a crash leaves behind is finished at the next start, as every intent is.
StatusOr<CertificateRecord> OcspSigners::Certify(Slot& slot, const Issuer& issuer, const SigningKey& key,
                                                 const std::optional<CertificateRecord>& before, Time deadline) const {
  constexpr size_t kDigits = 48;
  const Time now = authority_.parts().clock.Now();
  const std::string what =
      fmt::format("{} {} {}", Hex(Sha256(key.public_key().spki())), before.has_value() ? Hex(before->serial) : "",
                  absl::ToUnixSeconds(now) / (24 * 60 * 60));
  if (slot.asked_for != what) {
    Request request;
    request.authority = issuer.record().authority;
    request.profile = kResponderProfile;
    ASSIGN_OR_RETURN(request.lifetime, LifetimeUnder(issuer, now));
    Draft draft = ComposeCertificationRequest(EncodeName({{"O", kOrganization}, {"CN", request.authority}}),
                                              key.public_key(), key.signer().algorithm());
    ASSIGN_OR_RETURN(request.csr, Seal(std::move(draft), key, deadline));
    request.request_id = "ocsp:" + Hex(Sha256(request.csr)).substr(0, kDigits);
    slot.asked = std::move(request);
    slot.asked_for = what;
  }
  ASSIGN_OR_RETURN(Issued issued, authority_.Issue(caller_, slot.asked, deadline));
  return std::move(issued.record);
}

// The profile's, or what is left of the issuer's life.
StatusOr<std::optional<Duration>> OcspSigners::LifetimeUnder(const Issuer& issuer, Time now) const {
  const PolicyPointer policies = authority_.parts().policies.Current();
  const auto profile = policies->profiles.find(kResponderProfile);
  if (profile == policies->profiles.end()) {
    return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                 "OCSP needs the profile 'ocsp-signer' in policies/profiles; restore it");
  }
  const Duration left = issuer.not_after() - now;
  if (profile->second->lifetime <= left) return std::optional<Duration>();
  return std::optional(absl::Floor(left, absl::Seconds(1)));
}

void OcspSigners::Refresh(const std::atomic<bool>& stopping) {
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Recent();
  for (const auto& [name, issuer] : known->issuers) {
    if (stopping) return;
    OcspSignerPointer current;
    {
      const std::lock_guard lock(mutex_);
      const auto slot = slots_.find(name);
      if (slot != slots_.end()) current = slot->second.current;
    }
    if (current == nullptr) continue;
    const auto revocation = authority_.parts().store.FindRevocation({{name, current->serial}});
    if (revocation.ok() && revocation->has_value()) Forget(name, current->serial);
    Find(*issuer, authority_.parts().clock.Now() + kSignLimit).IgnoreError();  // which has logged it
  }
}

std::vector<ResponderFreshness> OcspSigners::Current() const {
  const std::lock_guard lock(mutex_);
  std::vector<ResponderFreshness> all;
  for (const auto& [authority, slot] : slots_) {
    if (slot.current == nullptr) continue;
    all.push_back({.authority = authority,
                   .not_before = slot.current->not_before,
                   .not_after = slot.current->not_after,
                   .failure = slot.failure});
  }
  return all;
}

void OcspSigners::Revoked(const CertificateRecord& revoked) {
  if (revoked.profile == kResponderProfile) Forget(revoked.authority, revoked.serial);
}

void OcspSigners::Forget(const std::string& authority, ByteView serial) {
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(authority);
  if (slot == slots_.end() || slot->second.current == nullptr) return;
  if (Equal(slot->second.current->serial, serial)) slot->second.current = nullptr;
}

}  // namespace hallmark
