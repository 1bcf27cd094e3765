// OCSP (RFC 6960): requests read strictly, responses composed as drafts, and read back from DER.
//
// A request comes from anybody: it is read as DER that fills its octets, of at most 64 KiB, for at most 100
// certificates. Its signature, if it has one, is read as a structure and not verified (RFC 5019 2.1.2: who asks makes
// no difference to the answer). Extensions that are not critical are passed over, but for the nonce.
#pragma once

#include <optional>
#include <vector>

#include "ca/draft.h"
#include "store/records.h"

namespace hallmark {

namespace oid {
inline constexpr char kOcspBasic[] = "1.3.6.1.5.5.7.48.1.1";
inline constexpr char kOcspNonce[] = "1.3.6.1.5.5.7.48.1.2";
}  // namespace oid

inline constexpr size_t kOcspRequestLimit = 64 << 10;
inline constexpr size_t kOcspMaxCertificates = 100;
// RFC 9654 2.1 has every responder take 16 to 32 octets and lets it refuse to go beyond; RFC 8954 refuses it as here.
inline constexpr size_t kOcspMaxNonce = 32;

// The hash algorithms of a CertID that Hallmark computes.
enum class OcspHash { kSha1, kSha256 };
Bytes HashOf(OcspHash hash, ByteView octets);

// CertID (RFC 6960 4.1.1); views into the request.
struct CertId {
  ByteView der;                  // the whole element, which the response repeats
  std::optional<OcspHash> hash;  // nullopt: another algorithm
  ByteView issuer_name_hash;
  ByteView issuer_key_hash;
  // The content octets of the serial number without a leading zero; empty: negative, or longer than the 20 octets of
  // RFC 5280 4.1.2.2, so that no certificate has it.
  ByteView serial;
};

struct OcspRequest {
  std::vector<CertId> ids;  // at least one
  ByteView nonce;           // empty: there is none
};

// Reads an OCSPRequest (RFC 6960 4.1.1); views into `der`. kInvalidArgument (REQUEST_INVALID), which is to be answered
// malformedRequest: what is not DER, another version, no or too many certificates, a nonce of 0 or more than 32 octets
// (RFC 8954 2.1), an unknown critical extension.
StatusOr<OcspRequest> ReadOcspRequest(ByteView der);

// OCSPResponseStatus (RFC 6960 4.2.1); the numbers are the standard's.
enum class OcspStatus {
  kSuccessful = 0,
  kMalformedRequest = 1,
  kInternalError = 2,
  kTryLater = 3,
  kSigRequired = 5,
  kUnauthorized = 6,
};
const char* Name(OcspStatus status);  // "successful", "malformedRequest"...

// CertStatus (RFC 6960 4.2.1); the numbers are its tags.
enum class CertStatus { kGood = 0, kRevoked = 1, kUnknown = 2 };

struct SingleResponse {
  Bytes cert_id;  // DER, as it was asked for
  CertStatus status = CertStatus::kUnknown;
  Time revoked;  // of kRevoked, as is the next
  RevocationReason reason = RevocationReason::kUnspecified;
  Time this_update;
  Time next_update;
};

struct OcspResponseData {
  Bytes responder_key_hash;  // SHA-1 of the responder's key octets: responderID byKey
  Time produced_at;
  std::vector<SingleResponse> responses;
  Bytes nonce;  // empty: none
};

// Composes a BasicOCSPResponse (RFC 6960 4.2.1). `certificate`: of the delegated responder, which follows the
// signature.
Draft ComposeOcspResponse(const OcspResponseData& data, SignatureAlgorithm algorithm, ByteView certificate);

// The OCSPResponse around a sealed BasicOCSPResponse, and one that is an error.
Bytes SuccessfulOcspResponse(ByteView basic);
Bytes OcspErrorResponse(OcspStatus status);

// An OCSPResponse taken apart; views into its octets.
struct OcspResponseParts {
  OcspStatus status = OcspStatus::kInternalError;
  // Only of kSuccessful.
  ByteView tbs;
  ByteView algorithm;
  ByteView signature;
  ByteView certificate;  // the first of certs; empty: there is none
  OcspResponseData data;
};
// Reads what the two above write: version v1, responderID byKey, nextUpdate there. kInvalidArgument otherwise.
StatusOr<OcspResponseParts> ReadOcspResponse(ByteView der);

}  // namespace hallmark
