// What a station signed, whatever it is: a header and lines, or a refusal.
#include "factory/request_bundle.h"

#include <openssl/cms.h>

#include "base/openssl.h"
#include "tests/fuzz/scratch_file.h"

namespace hallmark::fuzz {
namespace {

struct Signer {
  ssl::EvpKey key{EVP_EC_gen("P-256")};
  ssl::Certificate certificate{X509_new()};
  Signer() {
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
  }
};

Bytes Sign(ByteView content) {
  static const Signer signer;
  const ssl::Bio in(BIO_new_mem_buf(content.empty() ? "" : reinterpret_cast<const char*>(content.data()),
                                    static_cast<int>(content.size())));
  const ssl::Cms cms(CMS_sign(signer.certificate.get(), signer.key.get(), nullptr, in.get(), CMS_BINARY));
  Require(cms != nullptr, "OpenSSL signs");
  return ssl::ToDer(i2d_CMS_ContentInfo, cms.get()).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ScratchFile file("bundle.cms", Sign({data, size}));
  StatusOr<RequestBundle> bundle = RequestBundle::Open(file.path(), file.directory() / "content");
  if (!Accepted(bundle)) return 0;
  Require(bundle->sha256() == Hex(Sha256({data, size})), "the digest is that of what was signed");
  Require(!bundle->name().empty() && bundle->name().size() <= 64, "the bundle has a name");
  std::vector<std::string> checked;
  const Status status = bundle->CheckAll([&checked](const std::string& request) {
    checked.push_back(request);
    return absl::OkStatus();
  });
  if (!Accepted(status.ok() ? StatusOr<bool>(true) : StatusOr<bool>(status))) return 0;
  for (const std::string& request : checked) {
    const auto next = bundle->Next();
    Require(next.ok() && next->has_value() && **next == request, "what was checked is what comes");
  }
  Require(!bundle->Next()->has_value(), "and nothing more");
  return 0;
}

}  // namespace hallmark::fuzz
