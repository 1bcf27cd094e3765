// What the holder of a certified key signs to say something of its certificate.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark {

// What a device signs to confirm that it has its certificate, and its key: "hallmark-installation-v1:" and the SHA-256
// of the certificate in lower-case hexadecimal. Nobody can know it before the certificate is issued, since that has a
// random serial number.
std::string InstallationChallenge(ByteView certificate);
// What whoever holds a key signs to have its certificate revoked: likewise, with "hallmark-revocation-v1:".
std::string RevocationChallenge(ByteView certificate);

// Whether `signature` is the certified key's over the challenge: ECDSA with SHA-256 in DER, or RSA PKCS#1 v1.5 with
// SHA-256. An error: `certificate` (DER) cannot be read.
StatusOr<bool> IsSignedByCertified(ByteView certificate, const std::string& challenge, ByteView signature);

}  // namespace hallmark
