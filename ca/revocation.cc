// What makes a certificate refused: its revocation, and the lists that say so.
#include <fmt/format.h>

#include "base/reason.h"
#include "ca/authority.h"
#include "ca/crl.h"
#include "ca/entries.h"

namespace hallmark {

StatusOr<CertificateRecord> CertificateAuthority::Revoke(const Caller& caller, const std::string& authority, ByteView serial,
                                                         RevocationReason reason) const {
  RETURN_IF_ERROR(parts_.access.Check(caller, permission::kRevoke, {.authority = authority, .profile = "", .owner = ""}));
  RETURN_IF_ERROR(FindIssuer(authority).status());
  if (reason == RevocationReason::kRemoveFromCrl) {
    return FieldError(reason::kRequestInvalid, "reason", "removeFromCRL ends a hold and revokes nothing (RFC 5280 5.3.1)");
  }
  ASSIGN_OR_RETURN(const CertificateRecord found, parts_.store.GetCertificate(authority, serial));
  RETURN_IF_ERROR(parts_.access.Check(caller, permission::kRevoke, {authority, found.profile, found.caller}));
  const Revocation revocation{TruncateToSecond(parts_.clock.Now()), reason, caller.uri};
  ASSIGN_OR_RETURN(CertificateRecord revoked, parts_.store.Revoke(authority, serial, revocation,
                                                                  CertificateRevokedEntry(authority, serial, revocation)));
  if (observers_.revoked) observers_.revoked(revoked);
  return revoked;
}

StatusOr<CrlRecord> CertificateAuthority::GenerateCrl(const Issuer& issuer, Time deadline) const {
  // One after the other, so that a list with a higher number never knows less.
  const std::lock_guard lock(crl_mutex_);
  const SigningKey& key = issuer.key();
  CrlRecord crl;
  crl.authority = issuer.record().authority;
  ASSIGN_OR_RETURN(crl.number, parts_.store.NextCrlNumber(crl.authority));
  crl.this_update = TruncateToSecond(parts_.clock.Now());
  crl.next_update = crl.this_update + parts_.crl_lifetime;
  CrlEntries entries;
  // An expired certificate stays for one list beyond its expiry (RFC 5280 3.3).
  ASSIGN_OR_RETURN(crl.revocation_count,
                   parts_.store.ForEachRevoked(crl.authority, crl.this_update - parts_.crl_lifetime,
                                               [&entries](const RevokedCertificate& revoked) { entries.Add(revoked); }));
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
