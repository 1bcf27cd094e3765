// What makes a certificate refused: its revocation, and the lists that say so.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/reason.h"
#include "ca/authority.h"
#include "ca/crl.h"
#include "ca/entries.h"

namespace hallmark {

StatusOr<CertificateRecord> CertificateAuthority::Revoke(const Caller& caller, const std::string& authority,
                                                         ByteView serial, RevocationReason reason) const {
  RETURN_IF_ERROR(FindIssuer(authority).status());
  if (reason == RevocationReason::kRemoveFromCrl) {
    return FieldError(reason::kRequestInvalid, "reason",
                      "removeFromCRL ends a hold and revokes nothing (RFC 5280 5.3.1)");
  }
  const StatusOr<CertificateRecord> found = parts_.store.GetCertificate(authority, serial);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevoke, authority, found));
  RETURN_IF_ERROR(found.status());
  const Revocation revocation{TruncateToSecond(parts_.clock.Now()), reason, caller.uri};
  ASSIGN_OR_RETURN(
      CertificateRecord revoked,
      parts_.store.Revoke(authority, serial, revocation, CertificateRevokedEntry(authority, serial, revocation)));
  if (!found->revocation.has_value() && observers_.revoked) observers_.revoked(revoked);
  return revoked;
}

// An expired certificate leaves the list only after it was on one that was made after its expiry (RFC 5280 3.3).
StatusOr<Time> CertificateAuthority::OldestExpiry(const CrlRecord& next) const {
  const StatusOr<CrlRecord> last = parts_.store.LatestCrl(next.authority);
  if (absl::IsNotFound(last.status())) return absl::FromUnixSeconds(0);
  RETURN_IF_ERROR(last.status());
  if (last->this_update > next.this_update) {
    log::Warning(
        "clock_stepped_back",
        {{"authority", next.authority}, {"now", Rfc3339(next.this_update)}, {"last_crl", Rfc3339(last->this_update)}});
  }
  return std::min(last->this_update, next.this_update);
}

StatusOr<CrlRecord> CertificateAuthority::GenerateCrl(const Issuer& issuer, Time deadline) const {
  RETURN_IF_ERROR(issuer.CheckKey());
  // One after the other, so that a list with a higher number never knows less.
  const std::lock_guard lock(crl_mutex_);
  const SigningKey& key = issuer.key();
  CrlRecord crl;
  crl.authority = issuer.record().authority;
  ASSIGN_OR_RETURN(crl.number, parts_.store.NextCrlNumber(crl.authority));
  crl.this_update = TruncateToSecond(parts_.clock.Now());
  // Nobody believes an authority's list beyond the authority's end.
  crl.next_update = std::min(crl.this_update + parts_.crl_lifetime, issuer.not_after());
  ASSIGN_OR_RETURN(const Time expires_from, OldestExpiry(crl));
  CrlEntries entries;
  ASSIGN_OR_RETURN(crl.revocation_count, parts_.store.ForEachRevoked(
                                             crl.authority, expires_from,
                                             [&entries](const RevokedCertificate& revoked) { entries.Add(revoked); }));
  if (crl.next_update <= crl.this_update) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' expired on {}; nobody would believe its CRL", crl.authority,
                             Rfc3339(issuer.not_after())));
  }
  Draft draft = ComposeCrl(issuer.name(), issuer.key_identifier(), key.signer().algorithm(), crl, entries);
  crl.crl = draft.Unsigned();
  RETURN_IF_ERROR(Verdict(LintCrl(crl.crl, issuer.lint())));
  RETURN_IF_ERROR(parts_.store.IntendCrl(crl));
  ASSIGN_OR_RETURN(crl.crl, Seal(std::move(draft), key, deadline));
  RETURN_IF_ERROR(parts_.store.RecordCrl(crl.authority, crl.number, crl.crl, CrlIssuedEntry(crl, crl.crl)));
  if (observers_.crl_issued) observers_.crl_issued(crl);
  return crl;
}

}  // namespace hallmark
