// The end of an authority, and of what is below it.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/entries.h"
#include "ca/lifecycle.h"
#include "ca/mass_revocation.h"

namespace hallmark {
namespace {

Status CheckAsked(const AuthorityRevocation& asked, Time now) {
  RETURN_IF_ERROR(CheckRequestId(asked.request_id));
  if (asked.reason == RevocationReason::kCertificateHold || asked.reason == RevocationReason::kRemoveFromCrl) {
    return FieldError(reason::kRequestInvalid, "reason",
                      "an authority is revoked for ever; to make it wait, set its state to DISABLED");
  }
  return CheckInvalidity(asked.invalidity, now);
}

}  // namespace

// The authority and those that it certified, and so on, each after its issuer.
StatusOr<std::vector<AuthorityRecord>> Lifecycle::Below(const AuthorityRecord& record) const {
  ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> all, parts().store.ListAuthorities());
  std::vector<AuthorityRecord> found = {record};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const AuthorityRecord& other : all) {
      const bool is_below = other.parent == found[i].authority && other.authority != found[i].authority;
      if (is_below) found.push_back(other);
    }
  }
  return found;
}

// All the certificates that it ever had from an authority of this instance.
Status Lifecycle::AddCertificates(const AuthorityRecord& record, const Revocation& revocation,
                                  RevokedWithAuthorities& revoked) const {
  if (record.parent.empty()) return absl::OkStatus();
  std::vector<Bytes> certificates = record.earlier_certificates;
  if (!record.certificate.empty()) certificates.push_back(record.certificate);
  for (const Bytes& der : certificates) {
    ASSIGN_OR_RETURN(const CertificateParts parts_of, ReadCertificate(der));
    const CertificateId id{record.parent, ToBytes(parts_of.serial)};
    const StatusOr<CertificateRecord> found = parts().store.GetCertificate(id.authority, id.serial);
    if (absl::IsNotFound(found.status())) continue;  // of before it was certified here
    RETURN_IF_ERROR(found.status());
    revoked.certificates.push_back({id, revocation, CertificateRevokedEntry(id.authority, id.serial, revocation)});
  }
  return absl::OkStatus();
}

StatusOr<RevokedWithAuthorities> Lifecycle::RevokedWith(const Caller& caller, const AuthorityRevocation& asked,
                                                        const std::vector<AuthorityRecord>& authorities,
                                                        Time now) const {
  RevokedWithAuthorities revoked;
  Revocation revocation{now, asked.reason, caller.uri, asked.invalidity};
  const RevocationReason below = IsCompromise(asked.reason) ? RevocationReason::kUnspecified : asked.reason;
  for (const AuthorityRecord& record : authorities) {
    RETURN_IF_ERROR(AddCertificates(record, revocation, revoked));
    revocation.reason = below;  // of those after the first
    if (asked.below != AuthorityRevocation::Below::kCertificates || record.certificate.empty()) continue;
    MassRevocation all;
    all.request_id = fmt::format("authority/{}/{}", record.authority, asked.request_id);
    all.filter.authority = record.authority;
    all.reason = below;
    MassRevocationRecord begun = NewMassRevocation(caller.uri, all, now);
    ASSIGN_OR_RETURN(const auto counts, parts().store.CountCertificates(all.filter, now));
    for (const CertificateCount& count : counts) begun.total += count.certificates;
    const std::string entry = MassRevocationEntryOf("mass_revocation_started", begun, caller.uri, now);
    revoked.below.emplace_back(std::move(begun), entry);
  }
  return revoked;
}

StatusOr<RevokedAuthorities> Lifecycle::Revoke(const Caller& caller, const std::string& authority,
                                               const AuthorityRevocation& asked) {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevokeAuthority, authority));
  const Time now = TruncateToSecond(parts().clock.Now());
  RETURN_IF_ERROR(CheckAsked(asked, now));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const AuthorityRecord record, Get(authority, asked.version));
  RevokedAuthorities result;
  result.authorities = {record};
  if (asked.below != AuthorityRevocation::Below::kNothing) {
    ASSIGN_OR_RETURN(result.authorities, Below(record));
  }
  for (AuthorityRecord& one : result.authorities) {
    RETURN_IF_ERROR(CheckAccess(caller, permission::kRevokeAuthority, one.authority));
    one.state = AuthorityState::kRevoked;
    if (one.parent.empty() && !one.certificate.empty()) result.elsewhere.push_back(one.authority);
  }
  ASSIGN_OR_RETURN(const RevokedWithAuthorities revoked, RevokedWith(caller, asked, result.authorities, now));
  for (const auto& [started, entry] : revoked.below) result.revocations.push_back(started);
  if (asked.validate_only) return result;
  RETURN_IF_ERROR(Commit("authority_revoked", result.authorities, caller, revoked).status());
  for (AuthorityRecord& one : result.authorities) {
    ASSIGN_OR_RETURN(one, parts().store.GetAuthority(one.authority));
  }
  for (const CertificateRevocation& one : revoked.certificates) {
    const auto& [issuer, serial] = one.certificate;
    ASSIGN_OR_RETURN(const CertificateRecord certificate, parts().store.GetCertificate(issuer, serial));
    authority_.TellRevocation(certificate);
  }
  for (MassRevocationRecord& one : result.revocations) {
    ASSIGN_OR_RETURN(one, parts().store.GetMassRevocation(one.revocation));
  }
  return result;
}

}  // namespace hallmark
