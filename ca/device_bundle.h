// All that a device needs to come up, as one JSON document that a station writes to it (docs/device-bundle.md).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "factory/terms.h"
#include "store/records.h"

namespace hallmark {

// `record` is of a device in a lot with these terms; `chain`: above it, the issuer first and the root last. The same
// certificate makes the same octets.
std::string DeviceBundle(const CertificateRecord& record, const std::vector<Bytes>& chain, const LotTerms& terms);

}  // namespace hallmark
