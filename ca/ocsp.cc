#include "ca/ocsp.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/der.h"

namespace hallmark {
namespace {

constexpr char kSha1Oid[] = "1.3.14.3.2.26";
constexpr char kSha256Oid[] = "2.16.840.1.101.3.4.2.1";
constexpr size_t kMaxSerial = 20;

// The hash algorithm of a CertID; its parameters are NULL or absent (RFC 8017 A.2.4, RFC 5754 2).
StatusOr<std::optional<OcspHash>> ReadHash(ByteView algorithm) {
  der::Reader fields(algorithm);
  ASSIGN_OR_RETURN(const ByteView content, fields.Content(der::kOid));
  ASSIGN_OR_RETURN(const std::string oid, der::OidText(content));
  const bool known = oid == kSha1Oid || oid == kSha256Oid;
  if (!fields.empty()) {
    ASSIGN_OR_RETURN(const der::Element parameters, fields.Next());
    if (known && (parameters.tag != der::kNull || !parameters.content.empty()))
      return absl::InvalidArgumentError("the hash algorithm has parameters");
    RETURN_IF_ERROR(der::CheckElement(parameters.whole));
  }
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (!known) return std::optional<OcspHash>();
  return std::optional(oid == kSha1Oid ? OcspHash::kSha1 : OcspHash::kSha256);
}

size_t SizeOf(OcspHash hash) { return hash == OcspHash::kSha1 ? SHA_DIGEST_LENGTH : SHA256_DIGEST_LENGTH; }

// The serial number as a CertId has it.
StatusOr<ByteView> ReadSerial(ByteView integer) {
  if (integer.empty()) return absl::InvalidArgumentError("an empty serial number");
  if (integer.size() > 1 && (integer[0] == 0xff && integer[1] >= 0x80))
    return absl::InvalidArgumentError("a serial number not in its shortest form");
  if (integer[0] >= 0x80) return ByteView();
  ASSIGN_OR_RETURN(const ByteView serial, der::UnsignedContent(integer));
  return serial.size() > kMaxSerial ? ByteView() : serial;
}

StatusOr<CertId> ReadCertId(const der::Element& element) {
  CertId id;
  id.der = element.whole;
  der::Reader fields(element.content);
  ASSIGN_OR_RETURN(const ByteView algorithm, fields.Content(der::kSequence));
  ASSIGN_OR_RETURN(id.hash, ReadHash(algorithm));
  ASSIGN_OR_RETURN(id.issuer_name_hash, fields.Content(der::kOctetString));
  ASSIGN_OR_RETURN(id.issuer_key_hash, fields.Content(der::kOctetString));
  ASSIGN_OR_RETURN(const ByteView serial, fields.Content(der::kInteger));
  RETURN_IF_ERROR(fields.ExpectEnd());
  ASSIGN_OR_RETURN(id.serial, ReadSerial(serial));
  if (id.hash.has_value() &&
      (id.issuer_name_hash.size() != SizeOf(*id.hash) || id.issuer_key_hash.size() != SizeOf(*id.hash))) {
    return absl::InvalidArgumentError("a hash that is not of its algorithm's size");
  }
  return id;
}

// Extensions of a request or of one certificate in it; those that are critical must be known.
StatusOr<std::vector<Extension>> ReadUncritical(ByteView der) {
  ASSIGN_OR_RETURN(std::vector<Extension> extensions, ReadExtensions(der));
  for (const Extension& extension : extensions) {
    if (!extension.critical || extension.oid == oid::kOcspNonce) continue;
    return absl::InvalidArgumentError(fmt::format("the extension {} is critical and not known here", extension.oid));
  }
  return extensions;
}

StatusOr<CertId> ReadSingleRequest(ByteView content) {
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const der::Element element, fields.Next(der::kSequence));
  ASSIGN_OR_RETURN(CertId id, ReadCertId(element));
  ASSIGN_OR_RETURN(const std::optional<ByteView> extensions, fields.OptionalContent(der::ContextConstructed(0)));
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (extensions.has_value()) RETURN_IF_ERROR(ReadUncritical(*extensions).status());
  return id;
}

StatusOr<std::vector<CertId>> ReadRequestList(ByteView content) {
  std::vector<CertId> ids;
  for (der::Reader list(content); !list.empty();) {
    if (ids.size() == kOcspMaxCertificates) {
      return absl::InvalidArgumentError(fmt::format("more than {} certificates", kOcspMaxCertificates));
    }
    ASSIGN_OR_RETURN(const ByteView single, list.Content(der::kSequence));
    ASSIGN_OR_RETURN(const CertId id, ReadSingleRequest(single));
    ids.push_back(id);
  }
  if (ids.empty()) return absl::InvalidArgumentError("it asks for no certificate");
  return ids;
}

// The nonce among the extensions; empty: there is none. Its value is an OCTET STRING of its own (RFC 6960 4.4.1).
StatusOr<ByteView> ReadNonce(const std::vector<Extension>& extensions) {
  const Extension* extension = FindExtension(extensions, oid::kOcspNonce);
  if (extension == nullptr) return ByteView();
  ASSIGN_OR_RETURN(const ByteView nonce, der::ReadWhole(extension->value, der::kOctetString));
  if (nonce.empty() || nonce.size() > kOcspMaxNonce) {
    return absl::InvalidArgumentError(fmt::format("a nonce of {} octets, not of 1 to {}", nonce.size(), kOcspMaxNonce));
  }
  return nonce;
}

StatusOr<OcspRequest> ReadTbsRequest(ByteView content) {
  der::Reader fields(content);
  // version v1 is the DEFAULT, which DER leaves out.
  if (fields.tag() == der::ContextConstructed(0)) return absl::InvalidArgumentError("it is not of version 1");
  ASSIGN_OR_RETURN(const std::optional<ByteView> requestor, fields.OptionalContent(der::ContextConstructed(1)));
  if (requestor.has_value()) RETURN_IF_ERROR(der::CheckElement(*requestor));
  OcspRequest request;
  ASSIGN_OR_RETURN(const ByteView list, fields.Content(der::kSequence));
  ASSIGN_OR_RETURN(request.ids, ReadRequestList(list));
  ASSIGN_OR_RETURN(const std::optional<ByteView> extensions, fields.OptionalContent(der::ContextConstructed(2)));
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (extensions.has_value()) {
    ASSIGN_OR_RETURN(const std::vector<Extension> read, ReadUncritical(*extensions));
    ASSIGN_OR_RETURN(request.nonce, ReadNonce(read));
  }
  return request;
}

// Signature (RFC 6960 4.1.1), within its explicit tag.
Status CheckSignature(ByteView explicit_content) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(explicit_content, der::kSequence));
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const der::Element algorithm, fields.Next(der::kSequence));
  RETURN_IF_ERROR(der::CheckElement(algorithm.whole));
  ASSIGN_OR_RETURN(const ByteView bits, fields.Content(der::kBitString));
  RETURN_IF_ERROR(der::BitStringOctets(bits).status());
  ASSIGN_OR_RETURN(const std::optional<ByteView> certificates, fields.OptionalContent(der::ContextConstructed(0)));
  if (certificates.has_value()) {
    RETURN_IF_ERROR(der::ReadWhole(*certificates, der::kSequence).status());
    RETURN_IF_ERROR(der::CheckElement(*certificates));
  }
  return fields.ExpectEnd();
}

StatusOr<OcspRequest> ReadRequest(ByteView der) {
  if (der.size() > kOcspRequestLimit) return absl::InvalidArgumentError("it is longer than 64 KiB");
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const ByteView tbs, fields.Content(der::kSequence));
  ASSIGN_OR_RETURN(OcspRequest request, ReadTbsRequest(tbs));
  ASSIGN_OR_RETURN(const std::optional<ByteView> signature, fields.OptionalContent(der::ContextConstructed(0)));
  if (signature.has_value()) RETURN_IF_ERROR(CheckSignature(*signature));
  RETURN_IF_ERROR(fields.ExpectEnd());
  return request;
}

Bytes Enumerated(int value) {
  const auto octet = static_cast<uint8_t>(value);
  return der::Tlv(der::kEnumerated, ByteView(&octet, 1));
}

Bytes EncodeStatus(const SingleResponse& response) {
  const auto tag = static_cast<uint8_t>(response.status);
  if (response.status != CertStatus::kRevoked) return der::Tlv(der::ContextPrimitive(tag), {});
  // As in a CRL, unspecified is left out (RFC 5280 5.3.1).
  const Bytes reason = response.reason == RevocationReason::kUnspecified
                           ? Bytes()
                           : der::Tlv(der::ContextConstructed(0), Enumerated(static_cast<int>(response.reason)));
  return der::Constructed(der::ContextConstructed(tag), {der::GeneralizedTime(response.revoked), reason});
}

Bytes EncodeSingle(const SingleResponse& response) {
  return der::Sequence({response.cert_id, EncodeStatus(response), der::GeneralizedTime(response.this_update),
                        der::Tlv(der::ContextConstructed(0), der::GeneralizedTime(response.next_update))});
}

StatusOr<Time> ReadGeneralizedTime(der::Reader& fields) {
  ASSIGN_OR_RETURN(const der::Element element, fields.Next(der::kGeneralizedTime));
  return der::ReadTime(element);
}

StatusOr<RevocationReason> ReadReason(ByteView explicit_content) {
  ASSIGN_OR_RETURN(const ByteView reason, der::ReadWhole(explicit_content, der::kEnumerated));
  if (reason.size() != 1 || reason[0] > 10 || reason[0] == 7) return absl::InvalidArgumentError("an unknown CRLReason");
  return static_cast<RevocationReason>(reason[0]);
}

Status ReadStatus(const der::Element& element, SingleResponse& response) {
  for (const CertStatus status : {CertStatus::kGood, CertStatus::kUnknown}) {
    if (element.tag != der::ContextPrimitive(static_cast<uint8_t>(status)) || !element.content.empty()) continue;
    response.status = status;
    return absl::OkStatus();
  }
  if (element.tag != der::ContextConstructed(1)) return absl::InvalidArgumentError("an unknown CertStatus");
  response.status = CertStatus::kRevoked;
  der::Reader fields(element.content);
  ASSIGN_OR_RETURN(response.revoked, ReadGeneralizedTime(fields));
  ASSIGN_OR_RETURN(const std::optional<ByteView> reason, fields.OptionalContent(der::ContextConstructed(0)));
  if (reason.has_value()) {
    ASSIGN_OR_RETURN(response.reason, ReadReason(*reason));
  }
  return fields.ExpectEnd();
}

StatusOr<SingleResponse> ReadSingle(ByteView content) {
  SingleResponse response;
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const der::Element id, fields.Next(der::kSequence));
  RETURN_IF_ERROR(ReadCertId(id).status());
  response.cert_id = ToBytes(id.whole);
  ASSIGN_OR_RETURN(const der::Element status, fields.Next());
  RETURN_IF_ERROR(ReadStatus(status, response));
  ASSIGN_OR_RETURN(response.this_update, ReadGeneralizedTime(fields));
  ASSIGN_OR_RETURN(const ByteView next_update, fields.Content(der::ContextConstructed(0)));
  der::Reader next(next_update);
  ASSIGN_OR_RETURN(response.next_update, ReadGeneralizedTime(next));
  RETURN_IF_ERROR(next.ExpectEnd());
  RETURN_IF_ERROR(fields.ExpectEnd());
  return response;
}

StatusOr<OcspResponseData> ReadResponseData(ByteView content) {
  OcspResponseData data;
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const ByteView responder, fields.Content(der::ContextConstructed(2)));
  ASSIGN_OR_RETURN(const ByteView key_hash, der::ReadWhole(responder, der::kOctetString));
  data.responder_key_hash = ToBytes(key_hash);
  ASSIGN_OR_RETURN(data.produced_at, ReadGeneralizedTime(fields));
  ASSIGN_OR_RETURN(const ByteView responses, fields.Content(der::kSequence));
  for (der::Reader list(responses); !list.empty();) {
    ASSIGN_OR_RETURN(const ByteView single, list.Content(der::kSequence));
    ASSIGN_OR_RETURN(SingleResponse response, ReadSingle(single));
    data.responses.push_back(std::move(response));
  }
  ASSIGN_OR_RETURN(const std::optional<ByteView> extensions, fields.OptionalContent(der::ContextConstructed(1)));
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (extensions.has_value()) {
    ASSIGN_OR_RETURN(const std::vector<Extension> read, ReadUncritical(*extensions));
    ASSIGN_OR_RETURN(const ByteView nonce, ReadNonce(read));
    data.nonce = ToBytes(nonce);
  }
  return data;
}

Status ReadBasicResponse(ByteView der, OcspResponseParts& parts) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const der::Element tbs, fields.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, fields.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView bits, fields.Content(der::kBitString));
  ASSIGN_OR_RETURN(parts.signature, der::BitStringOctets(bits));
  ASSIGN_OR_RETURN(const std::optional<ByteView> certificates, fields.OptionalContent(der::ContextConstructed(0)));
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (certificates.has_value()) {
    ASSIGN_OR_RETURN(const ByteView list, der::ReadWhole(*certificates, der::kSequence));
    ASSIGN_OR_RETURN(const der::Element certificate, der::Reader(list).Next(der::kSequence));
    parts.certificate = certificate.whole;
  }
  parts.tbs = tbs.whole;
  parts.algorithm = algorithm.whole;
  ASSIGN_OR_RETURN(parts.data, ReadResponseData(tbs.content));
  return absl::OkStatus();
}

}  // namespace

Bytes HashOf(OcspHash hash, ByteView octets) {
  Bytes digest(SizeOf(hash));
  if (hash == OcspHash::kSha1) {
    SHA1(octets.data(), octets.size(), digest.data());  // names an issuer here, and protects nothing
  } else {
    SHA256(octets.data(), octets.size(), digest.data());
  }
  return digest;
}

StatusOr<OcspRequest> ReadOcspRequest(ByteView der) {
  StatusOr<OcspRequest> request = ReadRequest(der);
  if (request.ok()) return request;
  return Error(Code::kInvalidArgument, reason::kRequestInvalid,
               "this is no OCSP request (RFC 6960 4.1.1): " + Message(request.status()));
}

const char* Name(OcspStatus status) {
  switch (status) {
    case OcspStatus::kSuccessful: return "successful";
    case OcspStatus::kMalformedRequest: return "malformedRequest";
    case OcspStatus::kInternalError: return "internalError";
    case OcspStatus::kTryLater: return "tryLater";
    case OcspStatus::kSigRequired: return "sigRequired";
    case OcspStatus::kUnauthorized: return "unauthorized";
  }
  return "unknown";
}

Draft ComposeOcspResponse(const OcspResponseData& data, SignatureAlgorithm algorithm, ByteView certificate) {
  Bytes responses;
  for (const SingleResponse& response : data.responses) Append(responses, EncodeSingle(response));
  const Bytes by_key = der::Tlv(der::ContextConstructed(2), der::Tlv(der::kOctetString, data.responder_key_hash));
  Bytes extensions;
  if (!data.nonce.empty()) {
    const Bytes nonce = EncodeExtension(oid::kOcspNonce, false, der::Tlv(der::kOctetString, data.nonce));
    extensions = der::Tlv(der::ContextConstructed(1), der::Sequence({nonce}));
  }
  Bytes certificates;
  if (!certificate.empty()) certificates = der::Tlv(der::ContextConstructed(0), der::Sequence({certificate}));
  return Draft(
      der::Sequence({by_key, der::GeneralizedTime(data.produced_at), der::Tlv(der::kSequence, responses), extensions}),
      algorithm, std::move(certificates));
}

Bytes SuccessfulOcspResponse(ByteView basic) {
  const Bytes bytes = der::Sequence({der::Oid(oid::kOcspBasic), der::Tlv(der::kOctetString, basic)});
  return der::Sequence(
      {Enumerated(static_cast<int>(OcspStatus::kSuccessful)), der::Tlv(der::ContextConstructed(0), bytes)});
}

Bytes OcspErrorResponse(OcspStatus status) { return der::Sequence({Enumerated(static_cast<int>(status))}); }

StatusOr<OcspResponseParts> ReadOcspResponse(ByteView der) {
  OcspResponseParts parts;
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const ByteView status, fields.Content(der::kEnumerated));
  if (status.size() != 1 || status[0] > 6 || status[0] == 4)
    return absl::InvalidArgumentError("an unknown OCSPResponseStatus");
  parts.status = static_cast<OcspStatus>(status[0]);
  if (parts.status != OcspStatus::kSuccessful) {
    RETURN_IF_ERROR(fields.ExpectEnd());
    return parts;
  }
  ASSIGN_OR_RETURN(const ByteView explicit_bytes, fields.Content(der::ContextConstructed(0)));
  RETURN_IF_ERROR(fields.ExpectEnd());
  ASSIGN_OR_RETURN(const ByteView bytes, der::ReadWhole(explicit_bytes, der::kSequence));
  der::Reader typed(bytes);
  ASSIGN_OR_RETURN(const ByteView type, typed.Content(der::kOid));
  ASSIGN_OR_RETURN(const std::string oid, der::OidText(type));
  if (oid != oid::kOcspBasic) return absl::InvalidArgumentError("a response of another type than id-pkix-ocsp-basic");
  ASSIGN_OR_RETURN(const ByteView basic, typed.Content(der::kOctetString));
  RETURN_IF_ERROR(typed.ExpectEnd());
  RETURN_IF_ERROR(ReadBasicResponse(basic, parts));
  return parts;
}

}  // namespace hallmark
