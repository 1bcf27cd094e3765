#include "ca/completion.h"

#include <algorithm>

#include "ca/entries.h"

namespace hallmark {

std::string CaselessName(const Plan& plan) {
  const std::vector<Standard>& standards = plan.profile->standards;
  // Azure takes a registration ID without its case.
  if (std::find(standards.begin(), standards.end(), Standard::kAzureDps) == standards.end()) return "";
  return ValueOf(plan.subject, "CN");
}

// The revocation that a reissue brings with it (RFC 5280 5.3.1: superseded).
static std::optional<ReplacedCertificate> ReplacedBy(const Intent& intent, Time issued) {
  if (!intent.device.has_value() || !intent.device->revoke_replaced) return std::nullopt;
  const ClaimedDevice& device = *intent.device;
  const Revocation revocation{issued, RevocationReason::kSuperseded, intent.caller};
  return ReplacedCertificate{revocation,
                             CertificateRevokedEntry(device.replaced_authority, device.replaced_serial, revocation)};
}

StatusOr<CertificateRecord> CompleteIntent(Store& store, const Clock& clock, const SigningKey& issuer_key,
                                           const Intended& intended, Time deadline) {
  if (intended.certificate.has_value()) return *intended.certificate;
  ASSIGN_OR_RETURN(Draft draft, Draft::FromUnsigned(intended.intent.draft, issuer_key.signer().algorithm()));
  ASSIGN_OR_RETURN(const Bytes certificate, Seal(std::move(draft), issuer_key, deadline));
  const Time issued = TruncateToSecond(clock.Now());
  return store.Record(intended.intent, certificate, issued,
                      CertificateIssuedEntry(intended.intent, certificate, issued),
                      ReplacedBy(intended.intent, issued));
}

}  // namespace hallmark
