// OCSP requests put together by hand, right and wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/ocsp.h"

namespace hallmark::testing {

inline constexpr char kSha1Oid[] = "1.3.14.3.2.26";
inline constexpr char kSha256Oid[] = "2.16.840.1.101.3.4.2.1";

inline Bytes CertIdOf(const std::string& hash, ByteView name_hash, ByteView key_hash, ByteView serial_integer) {
  return der::Sequence({der::Sequence({der::Oid(hash), der::Tlv(der::kNull, {})}),
                        der::Tlv(der::kOctetString, name_hash), der::Tlv(der::kOctetString, key_hash), serial_integer});
}

// The CertID of a certificate with that serial number under the issuer whose certificate is given.
inline Bytes CertIdUnder(ByteView issuer_certificate, ByteView serial, OcspHash hash = OcspHash::kSha1) {
  const CertificateParts issuer = ReadCertificate(issuer_certificate).value();
  const PublicKey key = PublicKey::FromSpki(issuer.spki).value();
  return CertIdOf(hash == OcspHash::kSha1 ? kSha1Oid : kSha256Oid, HashOf(hash, issuer.subject),
                  HashOf(hash, key.key_octets()), der::Unsigned(serial));
}

// An OCSPRequest, each part of which may be replaced.
struct OcspQuestion {
  std::vector<Bytes> ids = {};      // CertIDs
  std::optional<Bytes> nonce = {};  // its octets
  Bytes before_list = {};           // version, requestorName
  Bytes more_extensions = {};       // beside the nonce
  Bytes single_extensions = {};     // singleRequestExtensions of each, tagged
  Bytes after_tbs = {};             // optionalSignature

  Bytes Build() const {
    Bytes list;
    for (const Bytes& id : ids) Append(list, der::Sequence({id, single_extensions}));
    Bytes extensions;
    if (nonce.has_value()) {
      extensions = EncodeExtension(oid::kOcspNonce, false, der::Tlv(der::kOctetString, *nonce));
    }
    Append(extensions, more_extensions);
    if (!extensions.empty()) {
      extensions = der::Tlv(der::ContextConstructed(2), der::Tlv(der::kSequence, extensions));
    }
    return der::Sequence({der::Sequence({before_list, der::Tlv(der::kSequence, list), extensions}), after_tbs});
  }
};

// Where a request is asked by GET (RFC 6960 A.1): its base64, percent-encoded.
inline std::string OcspPath(ByteView request) {
  std::string path = "/ocsp/";
  for (const char c : Base64(request)) {
    path += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
  }
  return path;
}

}  // namespace hallmark::testing
