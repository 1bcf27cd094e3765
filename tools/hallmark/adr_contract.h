// What Azure Device Registry asks of a certificate that it accepts as its issuing CA's below one's own root
// (activateBringYourOwnRoot): a test before anything is issued, and of what was.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace hallmark::cli {

// Each returns what breaks the contract, `field` being the rule and `description` what was found and what to do; empty:
// nothing does. Octets that are no certificate or CSR break it, too.
//
// `chain`: the signing authority's certificate first, the root's last, DER. `validity`: what the certificate is to
// have.
std::vector<FieldViolation> CheckSigner(const std::vector<Bytes>& chain, Time now, Duration validity);
std::vector<FieldViolation> CheckRequest(ByteView csr);
// Of the certificate, or of its draft, which has no signature yet.
std::vector<FieldViolation> CheckCertificate(ByteView certificate, ByteView csr, Time now);

// At least so much must be left when it is activated.
inline constexpr Duration kAdrLeast = absl::Hours(365 * 24);

}  // namespace hallmark::cli
