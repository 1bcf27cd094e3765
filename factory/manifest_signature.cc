#include "factory/manifest_signature.h"

#include <fmt/format.h>
#include <openssl/cms.h>

#include <algorithm>

#include "base/reason.h"
#include "factory/manifest_signer.h"

namespace hallmark {
namespace {

using signer::Refused;

using ssl::Cms;

constexpr int kSignersLimit = 8;

StatusOr<Cms> ReadSignature(ByteView der) {
  const auto malformed = [](const char* why) {
    ssl::DrainErrors();
    return Error(Code::kInvalidArgument, reason::kManifestSignatureInvalid,
                 fmt::format("the signature is no detached CMS SignedData: {}", why));
  };
  if (der.size() > kSignatureLimit) return malformed("it is too large");
  const uint8_t* in = der.data();
  Cms cms(d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(der.size())));
  if (cms == nullptr) return malformed("OpenSSL cannot read it");
  if (in != der.data() + der.size()) return malformed("something follows after it");
  if (OBJ_obj2nid(CMS_get0_type(cms.get())) != NID_pkcs7_signed) return malformed("it is of another type");
  if (OBJ_obj2nid(CMS_get0_eContentType(cms.get())) != NID_pkcs7_data)
    return malformed("it signs another type than data");
  ASN1_OCTET_STRING** content = CMS_get0_content(cms.get());
  if (content == nullptr || *content != nullptr) return malformed("it has a content");
  return cms;
}

bool IsGoodDigest(int nid) {
  return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 || nid == NID_sha3_256 || nid == NID_sha3_384 ||
         nid == NID_sha3_512;
}

Status CheckAlgorithms(CMS_SignerInfo* info) {
  X509_ALGOR* digest = nullptr;
  X509_ALGOR* signature = nullptr;
  CMS_SignerInfo_get0_algs(info, nullptr, nullptr, &digest, &signature);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, digest);
  const int digest_nid = OBJ_obj2nid(object);
  if (!IsGoodDigest(digest_nid)) {
    return Refused(fmt::format("it is over a {} digest; sign with SHA-256 or better", OBJ_nid2sn(digest_nid)));
  }
  X509_ALGOR_get0(&object, nullptr, nullptr, signature);
  int hash = NID_undef;
  int key = NID_undef;
  const bool pair = OBJ_find_sigid_algs(OBJ_obj2nid(object), &hash, &key) == 1;
  if (pair && hash != NID_undef && !IsGoodDigest(hash)) {
    return Refused(fmt::format("it is by {}; sign with SHA-256 or better", OBJ_nid2sn(OBJ_obj2nid(object))));
  }
  return absl::OkStatus();
}

// What is signed are the attributes: the content's type and digest, which OpenSSL compares. Without them, the octets of
// attributes that somebody signed elsewhere could be given out for a content.
Status CheckAttributes(CMS_SignerInfo* info) {
  if (CMS_signed_get_attr_count(info) <= 0) {
    return Refused("it has no signed attributes; sign without -noattr");
  }
  const ASN1_OBJECT* type = static_cast<ASN1_OBJECT*>(
      CMS_signed_get0_data_by_OBJ(info, OBJ_nid2obj(NID_pkcs9_contentType), -3, V_ASN1_OBJECT));
  const void* digest = CMS_signed_get0_data_by_OBJ(info, OBJ_nid2obj(NID_pkcs9_messageDigest), -3, V_ASN1_OCTET_STRING);
  ssl::DrainErrors();
  if (type == nullptr || OBJ_obj2nid(type) != NID_pkcs7_data || digest == nullptr) {
    return Refused("its signed attributes lack contentType data or messageDigest");
  }
  return absl::OkStatus();
}

std::optional<Time> SigningTime(CMS_SignerInfo* info) {
  X509_ATTRIBUTE* attribute = CMS_signed_get_attr(info, CMS_signed_get_attr_by_NID(info, NID_pkcs9_signingTime, -1));
  const ASN1_TYPE* value = attribute == nullptr ? nullptr : X509_ATTRIBUTE_get0_type(attribute, 0);
  if (value == nullptr || (value->type != V_ASN1_UTCTIME && value->type != V_ASN1_GENERALIZEDTIME)) return std::nullopt;
  std::tm tm = {};
  if (ASN1_TIME_to_tm(value->value.asn1_string, &tm) != 1) {
    ssl::DrainErrors();
    return std::nullopt;
  }
  return absl::FromTM(tm, absl::UTCTimeZone());
}

StatusOr<VerifiedSignature> Describe(CMS_SignerInfo* info, X509* certificate) {
  VerifiedSignature verified;
  ASSIGN_OR_RETURN(verified.signer, ssl::ToDer(i2d_X509, certificate));
  verified.sha256 = Hex(Sha256(verified.signer));
  verified.subject = signer::NameText(X509_get_subject_name(certificate));
  verified.time = SigningTime(info);
  return verified;
}

// One signer: its algorithms and attributes, its certificate and the path of that; not yet its signature.
StatusOr<VerifiedSignature> CheckSigner(CMS_ContentInfo* cms, CMS_SignerInfo* info,
                                        const ManufacturerRecord& manufacturer, Time now) {
  X509* certificate = nullptr;
  CMS_SignerInfo_get0_algs(info, nullptr, &certificate, nullptr, nullptr);
  if (certificate == nullptr) return Refused("its signer's certificate is neither in it nor registered");
  RETURN_IF_ERROR(CheckAlgorithms(info));
  RETURN_IF_ERROR(CheckAttributes(info));
  ASSIGN_OR_RETURN(VerifiedSignature verified, Describe(info, certificate));
  const auto& registered = manufacturer.certificates;
  if (signer::IsCa(certificate) &&
      std::find(registered.begin(), registered.end(), verified.signer) == registered.end()) {
    return Refused(fmt::format("{} is a CA, and not registered as a signer", verified.subject));
  }
  if (const std::string fault = signer::UsageFault(certificate); !fault.empty()) {
    return Refused(fmt::format("the certificate of {}: {}", verified.subject, fault));
  }
  const signer::Certificates intermediates(CMS_get1_certs(cms));
  const signer::Crls crls(CMS_get1_crls(cms));
  RETURN_IF_ERROR(signer::VerifyPath(certificate, manufacturer, intermediates.get(), crls.get(), now));
  return verified;
}

StatusOr<signer::Certificates> Registered(const ManufacturerRecord& manufacturer) {
  signer::Certificates all(sk_X509_new_null());
  for (const Bytes& der : manufacturer.certificates) {
    ssl::Certificate certificate = signer::ReadCertificate(der);
    if (certificate == nullptr || all == nullptr || sk_X509_push(all.get(), certificate.get()) <= 0) {
      return Error(Code::kDataLoss, reason::kStoreCorrupt,
                   fmt::format("a certificate on record of manufacturer {} cannot be read", manufacturer.manufacturer));
    }
    static_cast<void>(certificate.release());  // the stack owns it
  }
  return all;
}

Status VerifyContent(CMS_ContentInfo* cms, STACK_OF(X509) * registered, const std::filesystem::path& file) {
  const ssl::Bio content(BIO_new_file(file.c_str(), "rb"));
  if (content == nullptr) {
    ssl::DrainErrors();
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("cannot read {}", file.string()));
  }
  constexpr unsigned kFlags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
  const bool good = CMS_verify(cms, registered, nullptr, content.get(), nullptr, kFlags) == 1;
  const std::string detail = ssl::DrainErrors();
  if (good) return absl::OkStatus();
  return Refused(
      fmt::format("it is of another content, or of another key ({}); a detached one must be made with "
                  "-binary",
                  detail));
}

StatusOr<VerifiedSignature> Verify(const std::filesystem::path& content_file, ByteView signature,
                                   const ManufacturerRecord& manufacturer, Time now) {
  if (manufacturer.suspended) {
    return Error(Code::kPermissionDenied, reason::kManufacturerSuspended,
                 fmt::format("manufacturer {} is suspended and announces no devices", manufacturer.manufacturer));
  }
  ASSIGN_OR_RETURN(const Cms cms, ReadSignature(signature));
  ASSIGN_OR_RETURN(const signer::Certificates registered, Registered(manufacturer));
  CMS_set1_signers_certs(cms.get(), registered.get(), 0);
  ssl::DrainErrors();
  STACK_OF(CMS_SignerInfo)* infos = CMS_get0_SignerInfos(cms.get());
  const int count = infos == nullptr ? 0 : sk_CMS_SignerInfo_num(infos);
  if (count < 1 || count > kSignersLimit) {
    return Refused(fmt::format("it has {} signers; 1 to {} are taken", count, kSignersLimit));
  }
  std::optional<VerifiedSignature> first;
  for (int i = 0; i < count; ++i) {
    CMS_SignerInfo* info = sk_CMS_SignerInfo_value(infos, i);
    ASSIGN_OR_RETURN(VerifiedSignature verified, CheckSigner(cms.get(), info, manufacturer, now));
    if (!first.has_value()) first = std::move(verified);
  }
  RETURN_IF_ERROR(VerifyContent(cms.get(), registered.get(), content_file));
  return *std::move(first);
}

}  // namespace

StatusOr<VerifiedSignature> VerifyManifest(const std::filesystem::path& content_file, ByteView signature,
                                           const ManufacturerRecord& manufacturer, Time now) {
  StatusOr<VerifiedSignature> verified = Verify(content_file, signature, manufacturer, now);
  ssl::DrainErrors();  // of what was tried on a broken structure
  return verified;
}

}  // namespace hallmark
