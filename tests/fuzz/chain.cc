// What ReadChain accepts is read again from what EncodeCertsOnly writes of it; and of what CheckPath finds good,
// OpenSSL finds each signature good, too.
#include "ca/chain.h"

#include <openssl/err.h>

#include "base/openssl.h"
#include "ca/certificate.h"
#include "ca/path.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

const Time kNow = absl::FromUnixSeconds(1'795'600'000);

ssl::Certificate Parse(const Bytes& der) {
  const uint8_t* in = der.data();
  return ssl::Certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
}

void CheckGood(const std::vector<Bytes>& path) {
  for (size_t i = 0; i < path.size(); ++i) {
    const ssl::Certificate certificate = Parse(path[i]);
    const ssl::Certificate issuer = Parse(path[i + 1 == path.size() ? i : i + 1]);
    Require(certificate != nullptr && issuer != nullptr, "OpenSSL reads the certificates");
    Require(X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1, "OpenSSL verifies the signature");
    Require(X509_check_ca(certificate.get()) == 1, "OpenSSL takes it for an authority's");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<std::vector<Bytes>> chain = ReadChain({data, size});
  if (!Accepted(chain)) return 0;
  Require(ReadChain(EncodeCertsOnly(*chain)).value() == *chain, "what is written is read again");
  const StatusOr<CertificateParts> own = ReadCertificate(chain->front());
  if (!own.ok()) return 0;
  const StatusOr<std::vector<Bytes>> path = OrderPath(*chain, own->spki, {});
  if (!Accepted(path)) return 0;
  const Status good = CheckPath(*path, {.spki = own->spki, .subject = own->subject, .now = kNow});
  Require(good.ok() || good.code() == Code::kInvalidArgument, "a refusal is INVALID_ARGUMENT");
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (good.ok()) CheckGood(*path);
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
