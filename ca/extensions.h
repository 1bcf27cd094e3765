// The certificate and CRL extensions that Hallmark writes and reads (RFC 5280 4.2, 5.2, 5.3), as complete Extension
// elements.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "policies/profile.h"
#include "store/records.h"

namespace hallmark {

namespace oid {
inline constexpr char kSubjectKeyIdentifier[] = "2.5.29.14";
inline constexpr char kKeyUsage[] = "2.5.29.15";
inline constexpr char kSubjectAltName[] = "2.5.29.17";
inline constexpr char kBasicConstraints[] = "2.5.29.19";
inline constexpr char kCrlNumber[] = "2.5.29.20";
inline constexpr char kReasonCode[] = "2.5.29.21";
inline constexpr char kInvalidityDate[] = "2.5.29.24";
inline constexpr char kDeltaCrlIndicator[] = "2.5.29.27";
inline constexpr char kIssuingDistributionPoint[] = "2.5.29.28";
inline constexpr char kNameConstraints[] = "2.5.29.30";
inline constexpr char kCrlDistributionPoints[] = "2.5.29.31";
inline constexpr char kCertificatePolicies[] = "2.5.29.32";
inline constexpr char kAuthorityKeyIdentifier[] = "2.5.29.35";
inline constexpr char kExtendedKeyUsage[] = "2.5.29.37";
inline constexpr char kFreshestCrl[] = "2.5.29.46";
inline constexpr char kAuthorityInfoAccess[] = "1.3.6.1.5.5.7.1.1";
inline constexpr char kOcsp[] = "1.3.6.1.5.5.7.48.1";  // a method of authorityInfoAccess, as is the next
inline constexpr char kCaIssuers[] = "1.3.6.1.5.5.7.48.2";
inline constexpr char kCpsQualifier[] = "1.3.6.1.5.5.7.2.1";  // of a certificate policy
inline constexpr char kExtensionRequest[] = "1.2.840.113549.1.9.14";
}  // namespace oid

// The key identifier of a key's octets: the leftmost 160 bits of their SHA-256 (RFC 7093 2, method 1), or their SHA-1
// (RFC 5280 4.2.1.2, method 1).
Bytes KeyIdentifier(ByteView key_octets, Profile::KeyIdentifierMethod method = Profile::KeyIdentifierMethod::kRfc7093);

Bytes SubjectKeyIdentifier(ByteView key_identifier);
Bytes AuthorityKeyIdentifier(ByteView key_identifier);
Bytes BasicConstraints(bool ca, std::optional<int64_t> path_length);  // critical
Bytes KeyUsageExtension(const std::vector<KeyUsage>& usages);         // critical
Bytes ExtendedKeyUsage(const std::vector<std::string>& purposes);
Bytes SubjectAltName(ByteView general_names, bool critical);
Bytes CrlDistributionPoints(const std::string& url);
// An empty URL is left out; one is not.
Bytes AuthorityInfoAccess(const std::string& ca_issuers_url, const std::string& ocsp_url = "");
Bytes CertificatePolicies(const std::vector<CertificatePolicy>& policies);
Bytes FreshestCrl(const std::string& url);               // where deltas are, RFC 5280 5.2.6
Bytes IssuingDistributionPoint(const std::string& url);  // critical; of the certificates that name it, RFC 5280 5.2.5
Bytes DeltaCrlIndicator(uint64_t base);                  // critical, RFC 5280 5.2.4
Bytes CrlNumber(uint64_t number);
Bytes ReasonCode(RevocationReason reason);
Bytes InvalidityDate(Time time);

// An extension of the profile's own. A time is written as GeneralizedTime. kInvalidArgument (EXTENSION_NOT_ALLOWED),
// field "csr.extensions.OID": what is to be passed from the CSR is not one element of DER, or a text is not of its
// encoding.
StatusOr<Bytes> EncodeExtension(const PlannedExtension& planned);
// An extension of any type.
Bytes EncodeExtension(std::string_view oid, bool critical, ByteView value);

// One Extension being read.
struct Extension {
  std::string oid;
  bool critical = false;
  ByteView value;  // the octets of extnValue
};
// Reads an Extensions; refuses an empty list and an extension that stands twice (RFC 5280 4.2).
StatusOr<std::vector<Extension>> ReadExtensions(ByteView der);

// Of a basicConstraints without pathLenConstraint: more than any that is written.
inline constexpr int64_t kNoPathLength = 255;

struct BasicConstraintsValue {
  bool ca = false;
  std::optional<int64_t> path_length;
};
StatusOr<BasicConstraintsValue> ReadBasicConstraints(ByteView value);
StatusOr<std::vector<KeyUsage>> ReadKeyUsage(ByteView value);
StatusOr<std::vector<std::string>> ReadExtendedKeyUsage(ByteView value);
StatusOr<ByteView> ReadSubjectKeyIdentifier(ByteView value);

}  // namespace hallmark
