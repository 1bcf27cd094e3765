#include "factory/manifest_signer.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>

#include "base/reason.h"
#include "base/text.h"

namespace hallmark::signer {
namespace {

constexpr int kLeastRsaBits = 2048;
constexpr int kMostRsaBits = 8192;
constexpr int kAuthLevel = 2;  // 112 bits: no SHA-1 in certificates and CRLs
constexpr int kPathLimit = 8;

using Store = ssl::Owner<X509_STORE, X509_STORE_free>;
using Context = ssl::Owner<X509_STORE_CTX, X509_STORE_CTX_free>;
using Usages = ssl::Owner<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

std::string Print(const X509_NAME* name, unsigned long flags) {
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, flags) < 0) {
    ssl::DrainErrors();
    return "";
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size <= 0 ? "" : std::string(text, static_cast<size_t>(size));
}

// What is missing for the end of the path is no fault: it is registered, and ends by being taken out of the register.
int OnPathError(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  const int last = sk_X509_num(X509_STORE_CTX_get0_chain(context)) - 1;
  if (X509_STORE_CTX_get_error_depth(context) != last) return 0;
  switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID: return 1;
    default: return 0;
  }
}

bool IsRegistered(X509* certificate, const ManufacturerRecord& manufacturer) {
  const StatusOr<Bytes> der = ssl::ToDer(i2d_X509, certificate);
  const auto& all = manufacturer.certificates;
  return der.ok() && std::find(all.begin(), all.end(), *der) != all.end();
}

Status Unreadable(const char* what, const ManufacturerRecord& manufacturer) {
  ssl::DrainErrors();
  return Error(Code::kDataLoss, reason::kStoreCorrupt,
               fmt::format("a {} on record of manufacturer {} cannot be read", what, manufacturer.manufacturer));
}

// The ends of paths and the CRLs on record. `only`: this certificate, which is registered itself, is the one end.
StatusOr<Store> Anchors(X509* only, const ManufacturerRecord& manufacturer) {
  Store store(X509_STORE_new());
  if (store == nullptr) return Error(Code::kInternal, reason::kInternal, ssl::DrainErrors());
  if (only != nullptr) {
    if (X509_STORE_add_cert(store.get(), only) != 1) return Unreadable("certificate", manufacturer);
    return store;
  }
  for (const Bytes& der : manufacturer.certificates) {
    const ssl::Certificate anchor = ReadCertificate(der);
    if (anchor == nullptr || X509_STORE_add_cert(store.get(), anchor.get()) != 1) {
      return Unreadable("certificate", manufacturer);
    }
  }
  for (const Bytes& der : manufacturer.crls) {
    const ssl::Crl crl = ReadCrl(der);
    if (crl == nullptr || X509_STORE_add_crl(store.get(), crl.get()) != 1) return Unreadable("CRL", manufacturer);
  }
  return store;
}

Status PathError(X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  X509* at = X509_STORE_CTX_get_current_cert(context);
  const std::string name = at == nullptr ? "the signer" : NameText(X509_get_subject_name(at));
  const char* advice = "";
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL: advice = "; register a CRL of its issuer, or put one into the signature"; break;
    case X509_V_ERR_CRL_HAS_EXPIRED: advice = "; register a current CRL of its issuer"; break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      advice = "; it leads to no certificate that is registered for the manufacturer";
      break;
    default: break;
  }
  return Refused(fmt::format("the certificate of {}: {}{}", name, X509_verify_cert_error_string(error), advice));
}

Status CheckKeys(X509_STORE_CTX* context) {
  const STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context);
  for (int i = 0; i < sk_X509_num(path); ++i) {
    X509* certificate = sk_X509_value(path, i);
    const std::string weakness = WeaknessOf(X509_get0_pubkey(certificate));
    if (!weakness.empty()) {
      return Refused(fmt::format("the certificate of {}: {}", NameText(X509_get_subject_name(certificate)), weakness));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Status Refused(const std::string& why) {
  return Error(Code::kPermissionDenied, reason::kManifestSignatureInvalid,
               fmt::format("the manifest's signature does not count: {}", why));
}

ssl::Certificate ReadCertificate(ByteView der) {
  const uint8_t* in = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  if (certificate == nullptr) ssl::DrainErrors();
  if (certificate != nullptr && in != der.data() + der.size()) certificate.reset();
  return certificate;
}

ssl::Crl ReadCrl(ByteView der) {
  const uint8_t* in = der.data();
  ssl::Crl crl(d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size())));
  if (crl == nullptr) ssl::DrainErrors();
  if (crl != nullptr && in != der.data() + der.size()) crl.reset();
  return crl;
}

std::string NameText(const X509_NAME* name) {
  const std::string text = Print(name, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return IsCleanUtf8(text) ? text : Print(name, XN_FLAG_RFC2253);
}

std::string WeaknessOf(EVP_PKEY* key) {
  if (key == nullptr) {
    ssl::DrainErrors();
    return "its key cannot be read";
  }
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      const int bits = EVP_PKEY_get_bits(key);
      if (bits >= kLeastRsaBits && bits <= kMostRsaBits) return "";
      return fmt::format("its RSA key has {} bits; {} to {} are taken", bits, kLeastRsaBits, kMostRsaBits);
    }
    case EVP_PKEY_EC: {
      std::array<char, 80> name = {};
      const bool named = EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) == 1;
      const std::string_view curve(name.data());
      if (named && (curve == "prime256v1" || curve == "secp384r1" || curve == "secp521r1")) return "";
      ssl::DrainErrors();
      return "its EC key is on another curve than P-256, P-384 and P-521";
    }
    case EVP_PKEY_ED25519: return "";
    default: return "its key is neither RSA nor EC nor Ed25519";
  }
}

bool IsCa(X509* certificate) { return X509_check_ca(certificate) != 0; }

std::string UsageFault(X509* certificate) {
  if ((X509_get_key_usage(certificate) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) {
    return "its keyUsage has neither digitalSignature nor nonRepudiation";
  }
  int critical = -1;
  const Usages usages(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, &critical, nullptr)));
  if (critical == -1) return "";
  const ssl::Owner<ASN1_OBJECT, ASN1_OBJECT_free> document_signing(OBJ_txt2obj("1.3.6.1.5.5.7.3.36", 1));
  for (int i = 0; usages != nullptr && i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    const ASN1_OBJECT* usage = sk_ASN1_OBJECT_value(usages.get(), i);
    const int nid = OBJ_obj2nid(usage);
    if (nid == NID_email_protect || nid == NID_anyExtendedKeyUsage) return "";
    if (OBJ_cmp(usage, document_signing.get()) == 0) return "";
  }
  ssl::DrainErrors();
  return "its extendedKeyUsage has neither documentSigning nor emailProtection";
}

Status VerifyPath(X509* certificate, const ManufacturerRecord& manufacturer, STACK_OF(X509) * intermediates,
                  STACK_OF(X509_CRL) * crls, Time now) {
  // Nothing above a certificate that is registered itself is asked for, so nothing above it is given.
  const bool registered = IsRegistered(certificate, manufacturer);
  ASSIGN_OR_RETURN(const Store store, Anchors(registered ? certificate : nullptr, manufacturer));
  if (registered) {
    intermediates = nullptr;
    crls = nullptr;
  }
  const Context context(X509_STORE_CTX_new());
  if (context == nullptr || X509_STORE_CTX_init(context.get(), store.get(), certificate, intermediates) != 1) {
    return Error(Code::kInternal, reason::kInternal, ssl::DrainErrors());
  }
  X509_STORE_CTX_set0_crls(context.get(), crls);
  X509_STORE_CTX_set_verify_cb(context.get(), OnPathError);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(
      param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT | X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  X509_VERIFY_PARAM_set_auth_level(param, kAuthLevel);
  X509_VERIFY_PARAM_set_depth(param, kPathLimit);
  X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now));
  const bool good = X509_verify_cert(context.get()) == 1;
  ssl::DrainErrors();
  return good ? CheckKeys(context.get()) : PathError(context.get());
}

}  // namespace hallmark::signer
