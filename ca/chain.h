// Chains in the forms that others take them in.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace hallmark {

// A certs-only SignedData (RFC 5652 5.1, RFC 2315 9.1: what is called a PKCS#7 or .p7b file) of the certificates, DER.
Bytes EncodeCertsOnly(const std::vector<Bytes>& certificates);

}  // namespace hallmark
