// ReadCertificate and OpenSSL agree on what both can read, and what lints clean OpenSSL can read.
#include "ca/certificate.h"

#include <openssl/err.h>

#include "ca/der.h"
#include "ca/lint.h"
#include "tests/fuzz/property.h"
#include "tests/fuzz/reference.h"

namespace hallmark::fuzz {
namespace {

void Compare(const CertificateParts& parts, X509* certificate) {
  const ssl::Bignum serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  const StatusOr<ByteView> magnitude = der::UnsignedContent(parts.serial);
  const ssl::Bignum expected(magnitude.ok() ? BN_bin2bn(magnitude->data(), static_cast<int>(magnitude->size()), nullptr)
                                            : nullptr);
  Require(!magnitude.ok() || BN_cmp(serial.get(), expected.get()) == 0, "the serial number is the same");
  Require(IsAt(X509_get0_notBefore(certificate), parts.not_before), "notBefore is the same");
  Require(IsAt(X509_get0_notAfter(certificate), parts.not_after), "notAfter is the same");
  Require(X509_get_ext_count(certificate) == static_cast<int>(parts.extensions.size()), "there are as many extensions");
  for (size_t i = 0; i < parts.extensions.size(); ++i) {
    X509_EXTENSION* extension = X509_get_ext(certificate, static_cast<int>(i));
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
    Require((X509_EXTENSION_get_critical(extension) != 0) == parts.extensions[i].critical,
            "an extension is as critical");
    Require(Equal({ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))},
                  parts.extensions[i].value),
            "an extension has the same value");
  }
}

// An issuer that fits whatever the certificate says, so that lint looks at the rest.
LintIssuer IssuerOf(const CertificateParts& parts) {
  return {.subject = parts.issuer,
          .key_identifier = IssuerKeyIdentifier(parts.extensions),
          .algorithm = parts.algorithm,
          .not_after = parts.not_after,
          .self = Equal(parts.issuer, parts.subject)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<CertificateParts> parts = ReadCertificate({data, size});
  if (!Accepted(parts)) {
    Require(!LintCertificate({data, size}, {}).empty(), "lint refuses what cannot be read");
    return 0;
  }
  const bool clean =
      IsIssuer(parts->issuer, parts->algorithm) && LintCertificate({data, size}, IssuerOf(*parts)).empty();
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  const uint8_t* in = data;
  const ssl::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(size)));
  Require(certificate != nullptr || !clean, "OpenSSL reads what lints clean");
  if (certificate != nullptr) Compare(*parts, certificate.get());
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
