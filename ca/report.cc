#include "ca/report.h"

#include <fmt/format.h>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/certification_request.h"
#include "ca/names.h"

namespace hallmark {
namespace {

constexpr char kProfile[] = "report-signer";

Status Failed(const char* what) {
  return Error(Code::kInternal, reason::kInternal, fmt::format("OpenSSL cannot {}: {}", what, ssl::DrainErrors()));
}

// A key that dies with it.
class OneTimeSigner : public Signer {
 public:
  static StatusOr<std::shared_ptr<OneTimeSigner>> Generate() {
    ssl::EvpKey key(EVP_EC_gen("P-256"));
    if (key == nullptr) return Failed("generate a key");
    ASSIGN_OR_RETURN(Bytes spki, ssl::ToDer(i2d_PUBKEY, key.get()));
    return std::make_shared<OneTimeSigner>(std::move(key), std::move(spki));
  }
  OneTimeSigner(ssl::EvpKey key, Bytes spki) : key_(std::move(key)), spki_(std::move(spki)) {}

  EVP_PKEY* key() const { return key_.get(); }
  ByteView public_key() const override { return spki_; }
  SignatureAlgorithm algorithm() const override { return SignatureAlgorithm::kEcdsaSha256; }
  StatusOr<Bytes> Sign(ByteView tbs, Time) const override {
    const ssl::EvpDigestContext context(EVP_MD_CTX_new());
    Bytes signature(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
    size_t size = signature.size();
    if (context == nullptr || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, tbs.data(), tbs.size()) != 1) {
      return Failed("sign");
    }
    signature.resize(size);
    return signature;
  }

 private:
  ssl::EvpKey key_;
  Bytes spki_;
};

StatusOr<ssl::Certificate> Decode(ByteView der) {
  const unsigned char* at = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr) return Failed("read a certificate of ours");
  return certificate;
}

StatusOr<Issued> Certify(const CertificateAuthority& authority, const Caller& caller, const std::string& issuer,
                         const Report& report, const std::shared_ptr<OneTimeSigner>& signer, const char* permission,
                         Time deadline) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SigningKey> key, SigningKey::Create(signer));
  Draft draft = ComposeCertificationRequest(EncodeName({{"OU", report.about}, {"CN", report.kind}}), key->public_key(),
                                            signer->algorithm());
  Request request;
  request.request_id = fmt::format("report:{}", Hex(Sha256(signer->public_key())).substr(0, 32));
  request.authority = issuer;
  request.profile = kProfile;
  ASSIGN_OR_RETURN(request.csr, Seal(std::move(draft), *key, deadline));
  return authority.Issue(caller, request, deadline, permission);
}

}  // namespace

StatusOr<Bytes> SignReport(const CertificateAuthority& authority, const Caller& caller, const std::string& issuer,
                           const Report& report, const char* permission, Time deadline) {
  ASSIGN_OR_RETURN(const std::shared_ptr<OneTimeSigner> signer, OneTimeSigner::Generate());
  ASSIGN_OR_RETURN(const Issued issued, Certify(authority, caller, issuer, report, signer, permission, deadline));
  ASSIGN_OR_RETURN(const ssl::Certificate certificate, Decode(issued.record.certificate));
  const ssl::Bio in(BIO_new_mem_buf(report.content.data(), static_cast<int>(report.content.size())));
  const unsigned flags = CMS_BINARY | CMS_PARTIAL | (report.detached ? CMS_DETACHED : 0);
  const ssl::Cms cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags));
  if (in == nullptr || cms == nullptr) return Failed("begin a report");
  for (const Bytes& above : issued.issuer->chain()) {
    ASSIGN_OR_RETURN(const ssl::Certificate chain, Decode(above));
    if (CMS_add1_cert(cms.get(), chain.get()) != 1) return Failed("add a certificate to a report");
  }
  if (CMS_add1_signer(cms.get(), certificate.get(), signer->key(), EVP_sha256(), CMS_BINARY) == nullptr ||
      CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) != 1) {
    return Failed("sign a report");
  }
  return ssl::ToDer(i2d_CMS_ContentInfo, cms.get());
}

}  // namespace hallmark
