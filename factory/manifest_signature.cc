#include "factory/manifest_signature.h"

#include <fmt/format.h>
#include <openssl/cms.h>

#include <algorithm>

#include "base/reason.h"
#include "factory/manifest_signer.h"
#include "factory/signed_data.h"

namespace hallmark {
namespace {

using signer::Refused;

constexpr int kSignersLimit = 8;

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
  if (const std::string fault = signed_data::FaultOf(info); !fault.empty()) return Refused(fault);
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

StatusOr<VerifiedSignature> Verify(const std::filesystem::path& content_file, ByteView signature,
                                   const ManufacturerRecord& manufacturer, Time now) {
  if (manufacturer.suspended) {
    return Error(Code::kPermissionDenied, reason::kManufacturerSuspended,
                 fmt::format("manufacturer {} is suspended and announces no devices", manufacturer.manufacturer));
  }
  ASSIGN_OR_RETURN(const ssl::Cms cms, signed_data::Read(signature));
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
  RETURN_IF_ERROR(signed_data::VerifyContent(cms.get(), registered.get(), content_file));
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
