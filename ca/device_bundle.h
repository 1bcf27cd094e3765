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

// What a device signs to confirm that it has its certificate, and its key: "hallmark-installation-v1:" and the SHA-256
// of the certificate in lower-case hexadecimal. Nobody can know it before the certificate is issued, since that has a
// random serial number.
std::string InstallationChallenge(ByteView certificate);

}  // namespace hallmark
