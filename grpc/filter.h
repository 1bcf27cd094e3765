// The filter of ListCertificates: AIP-160 in its simplest form, terms `field = value` joined by AND.
#pragma once

#include <string>

#include "store/records.h"

namespace hallmark {

// Reads e.g. `profile = "device-dps" AND revoked = true` into a filter. Fields: profile, subject, caller, spki_sha256,
// revoked; each at most once; values are "quoted" (\" and \\ inside) or words. kInvalidArgument (REQUEST_INVALID).
StatusOr<CertificateFilter> ParseFilter(const std::string& text);

}  // namespace hallmark
