// Proof that an authority's key is ours: a service gives a code, and wants a certificate whose CN it is, signed with
// that key (Azure DPS and IoT Hub, AWS IoT Core). It is certified through the ordinary line, under the profile
// `verification`.
#pragma once

#include <string>

#include "ca/authority.h"

namespace hallmark {

// The service itself when it publishes: hallmark://{realm}/publisher/publication, as a caller that `authority`
// certified. No profile certifies anybody in that role.
Caller Publisher(const std::string& realm, const std::string& authority = "");

// A request (PKCS#10, DER) for a certificate of that CN, by a key that is thrown away. kInternal.
StatusOr<Bytes> MakePossessionRequest(const std::string& code, Time deadline);

// The certificate, DER. The same `csr` gets the same one, over restarts. Errors of CertificateAuthority::Issue.
StatusOr<Bytes> CertifyPossession(const CertificateAuthority& authority, const std::string& realm,
                                  const std::string& issuer, ByteView csr, Time deadline);

}  // namespace hallmark
