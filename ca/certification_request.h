// Certification requests of our own (PKCS#10, RFC 2986): what somebody else is asked to certify an authority's key
// with.
#pragma once

#include "ca/draft.h"

namespace hallmark {

// Composes the request for `key` under `subject` (a Name), without attributes: what the certificate shall contain is
// its issuer's to decide.
Draft ComposeCertificationRequest(ByteView subject, const PublicKey& key, SignatureAlgorithm algorithm);

}  // namespace hallmark
