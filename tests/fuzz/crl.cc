// ReadCrl and OpenSSL agree on what both can read, and what lints clean OpenSSL can read.
#include "ca/crl.h"

#include <openssl/err.h>

#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/lint.h"
#include "tests/fuzz/property.h"
#include "tests/fuzz/reference.h"

namespace hallmark::fuzz {
namespace {

int CountEntries(const CrlParts& parts) {
  int count = 0;
  for (der::Reader reader(parts.revoked_certificates); !reader.empty() && reader.Next().ok();) ++count;
  return count;
}

void Compare(const CrlParts& parts, X509_CRL* crl) {
  Require(IsAt(X509_CRL_get0_lastUpdate(crl), parts.this_update), "thisUpdate is the same");
  Require(IsAt(X509_CRL_get0_nextUpdate(crl), parts.next_update), "nextUpdate is the same");
  Require(X509_CRL_get_ext_count(crl) == static_cast<int>(parts.extensions.size()), "there are as many extensions");
  const int entries = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));
  Require((entries < 0 ? 0 : entries) == CountEntries(parts), "as many certificates are revoked");
}

LintIssuer IssuerOf(const CrlParts& parts) {
  return {.subject = parts.issuer,
          .key_identifier = IssuerKeyIdentifier(parts.extensions),
          .algorithm = parts.algorithm,
          .not_after = parts.next_update};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<CrlParts> parts = ReadCrl({data, size});
  if (!Accepted(parts)) {
    Require(!LintCrl({data, size}, {}).empty(), "lint refuses what cannot be read");
    return 0;
  }
  const bool clean = IsIssuer(parts->issuer, parts->algorithm) && LintCrl({data, size}, IssuerOf(*parts)).empty();
  const uint8_t* in = data;
  const ssl::Crl crl(d2i_X509_CRL(nullptr, &in, static_cast<long>(size)));
  Require(crl != nullptr || !clean, "OpenSSL reads what lints clean");
  if (crl != nullptr) Compare(*parts, crl.get());
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
