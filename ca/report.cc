#include "ca/report.h"

#include <fmt/format.h>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/one_time_signer.h"

namespace hallmark {
namespace {

constexpr char kProfile[] = "report-signer";

Status Failed(const char* what) {
  return Error(Code::kInternal, reason::kInternal, fmt::format("OpenSSL cannot {}: {}", what, ssl::DrainErrors()));
}

StatusOr<ssl::Certificate> Decode(ByteView der) {
  const unsigned char* at = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr) return Failed("read a certificate of ours");
  return certificate;
}

StatusOr<Issued> Certify(const CertificateAuthority& authority, const Caller& caller, const std::string& issuer,
                         const Report& report, const std::shared_ptr<OneTimeSigner>& signer, const char* permission,
                         Time deadline) {
  Request request;
  request.request_id = fmt::format("report:{}", Hex(Sha256(signer->public_key())).substr(0, 32));
  request.authority = issuer;
  request.profile = kProfile;
  ASSIGN_OR_RETURN(request.csr, MakeCsr(signer, {{"OU", report.about}, {"CN", report.kind}}, deadline));
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
