// Chains in the forms that others give and take them in.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark {

// A certs-only SignedData (RFC 5652 5.1, RFC 2315 9.1: what is called a PKCS#7 or .p7b file) of the certificates, DER.
Bytes EncodeCertsOnly(const std::vector<Bytes>& certificates);

inline constexpr size_t kChainLimit = 48 * 1024;  // octets, in any form
inline constexpr size_t kChainCertificates = 8;

// The certificates, DER, of any of these: DER, one after the other; PEM (RFC 7468), blocks CERTIFICATE and nothing but
// white space around them; a certs-only SignedData, DER or a PEM block PKCS7. Strict. kInvalidArgument (CHAIN_INVALID),
// field "certificates", for anything else, or more than the limits.
StatusOr<std::vector<Bytes>> ReadChain(ByteView octets);

// One certificate of a bundle, and where the authority is found that it belongs to.
struct BundledCertificate {
  Bytes certificate;
  std::string authority;  // empty: none of this instance
  std::string crl_url;
  std::string aia_url;
};
// A chain as a JSON document for programs; docs/operations.md lists its fields. kInternal for what is no certificate.
StatusOr<std::string> ChainBundle(const std::vector<BundledCertificate>& chain);

}  // namespace hallmark
