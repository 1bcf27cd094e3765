// Reports: what the service signs for others to keep and to check with any tool, e.g. what became of a lot, or what a
// bundle for a cloud holds.
#pragma once

#include <string>

#include "ca/authority.h"

namespace hallmark {

struct Report {
  std::string kind;       // CN of its signer's certificate, one that profile report-signer lists: "Lot report"
  std::string about;      // OU: the lot or the authority
  std::string content;    // any octets
  bool detached = false;  // the content is kept beside the signature, not in it (RFC 5652 5.2)
};

// Signs a report: CMS SignedData (RFC 5652 5), DER, with the certificates up to the root. The key lives for this one
// signature; the service has it certified by the authority `issuer` under profile report-signer, on record as every
// certificate. `permission`: that the caller must have for it. Errors as CertificateAuthority::Issue. Thread-safe.
StatusOr<Bytes> SignReport(const CertificateAuthority& authority, const Caller& caller, const std::string& issuer,
                           const Report& report, const char* permission, Time deadline);

}  // namespace hallmark
