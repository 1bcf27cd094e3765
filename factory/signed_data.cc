#include "factory/signed_data.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "factory/manifest_signature.h"
#include "factory/manifest_signer.h"

namespace hallmark::signed_data {
namespace {

bool IsGoodDigest(int nid) {
  return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 || nid == NID_sha3_256 || nid == NID_sha3_384 ||
         nid == NID_sha3_512;
}

std::string AlgorithmFault(CMS_SignerInfo* info) {
  X509_ALGOR* digest = nullptr;
  X509_ALGOR* signature = nullptr;
  CMS_SignerInfo_get0_algs(info, nullptr, nullptr, &digest, &signature);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, digest);
  const int digest_nid = OBJ_obj2nid(object);
  if (!IsGoodDigest(digest_nid)) {
    return fmt::format("it is over a {} digest; sign with SHA-256 or better", OBJ_nid2sn(digest_nid));
  }
  X509_ALGOR_get0(&object, nullptr, nullptr, signature);
  int hash = NID_undef;
  int key = NID_undef;
  const bool pair = OBJ_find_sigid_algs(OBJ_obj2nid(object), &hash, &key) == 1;
  if (pair && hash != NID_undef && !IsGoodDigest(hash)) {
    return fmt::format("it is by {}; sign with SHA-256 or better", OBJ_nid2sn(OBJ_obj2nid(object)));
  }
  return "";
}

// What is signed are the attributes: the content's type and digest, which OpenSSL compares. Without them, the octets of
// attributes that somebody signed elsewhere could be given out for a content.
std::string AttributeFault(CMS_SignerInfo* info) {
  if (CMS_signed_get_attr_count(info) <= 0) {
    return "it has no signed attributes; sign without -noattr";
  }
  const ASN1_OBJECT* type = static_cast<ASN1_OBJECT*>(
      CMS_signed_get0_data_by_OBJ(info, OBJ_nid2obj(NID_pkcs9_contentType), -3, V_ASN1_OBJECT));
  const void* digest = CMS_signed_get0_data_by_OBJ(info, OBJ_nid2obj(NID_pkcs9_messageDigest), -3, V_ASN1_OCTET_STRING);
  ssl::DrainErrors();
  if (type == nullptr || OBJ_obj2nid(type) != NID_pkcs7_data || digest == nullptr) {
    return "its signed attributes lack contentType data or messageDigest";
  }
  return "";
}

}  // namespace

StatusOr<ssl::Cms> Read(ByteView der) {
  const auto malformed = [](const char* why) {
    ssl::DrainErrors();
    return Error(Code::kInvalidArgument, reason::kManifestSignatureInvalid,
                 fmt::format("the signature is no detached CMS SignedData: {}", why));
  };
  if (der.size() > kSignatureLimit) return malformed("it is too large");
  const uint8_t* in = der.data();
  ssl::Cms cms(d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(der.size())));
  if (cms == nullptr) return malformed("OpenSSL cannot read it");
  if (in != der.data() + der.size()) return malformed("something follows after it");
  if (OBJ_obj2nid(CMS_get0_type(cms.get())) != NID_pkcs7_signed) return malformed("it is of another type");
  if (OBJ_obj2nid(CMS_get0_eContentType(cms.get())) != NID_pkcs7_data)
    return malformed("it signs another type than data");
  ASN1_OCTET_STRING** content = CMS_get0_content(cms.get());
  if (content == nullptr || *content != nullptr) return malformed("it has a content");
  return cms;
}

std::string FaultOf(CMS_SignerInfo* signer) {
  const std::string fault = AlgorithmFault(signer);
  return fault.empty() ? AttributeFault(signer) : fault;
}

Status VerifyContent(CMS_ContentInfo* cms, STACK_OF(X509) * certificates, const std::filesystem::path& file) {
  const ssl::Bio content(BIO_new_file(file.c_str(), "rb"));
  if (content == nullptr) {
    ssl::DrainErrors();
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("cannot read {}", file.string()));
  }
  constexpr unsigned kFlags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
  const bool good = CMS_verify(cms, certificates, nullptr, content.get(), nullptr, kFlags) == 1;
  const std::string detail = ssl::DrainErrors();
  if (good) return absl::OkStatus();
  return signer::Refused(
      fmt::format("it is of another content, or of another key ({}); a detached one must be made with "
                  "-binary",
                  detail));
}

}  // namespace hallmark::signed_data
