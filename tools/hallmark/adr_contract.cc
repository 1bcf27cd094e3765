#include "tools/hallmark/adr_contract.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/openssl.h"

namespace hallmark::cli {
namespace {

constexpr std::array kCurves = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};
constexpr std::array kSignatures = {NID_ecdsa_with_SHA256, NID_ecdsa_with_SHA384, NID_ecdsa_with_SHA512};

using Violations = std::vector<FieldViolation>;

ssl::Certificate Decode(ByteView der) {
  const uint8_t* at = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr || at != der.data() + der.size()) {
    ssl::DrainErrors();
    return nullptr;
  }
  return certificate;
}

std::string NameOf(int nid) {
  const char* name = OBJ_nid2sn(nid);
  return name == nullptr ? "unknown" : name;
}

// Whether it is an EC key on a curve that is named, not spelt out (RFC 5480 2.1.1), and taken. `found`: what it is.
bool HasNamedCurve(const X509_PUBKEY* key, std::string& found) {
  ASN1_OBJECT* algorithm = nullptr;
  X509_ALGOR* identifier = nullptr;
  if (X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, &identifier, key) != 1) return false;
  found = NameOf(OBJ_obj2nid(algorithm));
  if (OBJ_obj2nid(algorithm) != NID_X9_62_id_ecPublicKey) return false;
  int type = V_ASN1_UNDEF;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, identifier);
  if (type != V_ASN1_OBJECT) {
    found = "an EC key with explicit parameters";
    return false;
  }
  const int curve = OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(value));
  found = NameOf(curve);
  return std::find(kCurves.begin(), kCurves.end(), curve) != kCurves.end();
}

bool IsEcdsaSha2(int signature) {
  return std::find(kSignatures.begin(), kSignatures.end(), signature) != kSignatures.end();
}

Time TimeOf(const ASN1_TIME* time) {
  std::tm calendar = {};
  if (ASN1_TIME_to_tm(time, &calendar) != 1) return absl::InfinitePast();
  return absl::FromTM(calendar, absl::UTCTimeZone());
}

Bytes NameOctets(const X509_NAME* name) {
  const StatusOr<Bytes> der = ssl::ToDer(i2d_X509_NAME, name);
  return der.value_or(Bytes());
}

void CheckKeyAndSignature(X509* certificate, const char* whose, Violations& violations) {
  std::string found;
  if (!HasNamedCurve(X509_get_X509_PUBKEY(certificate), found)) {
    violations.push_back(
        {fmt::format("{} key", whose),
         fmt::format(
             "is {}; Azure takes P-256, P-384 and P-521 as named curves and no RSA. Make a root with such a key: "
             "hallmark authority create NAME --root --profile root --key-type ec-p384",
             found)});
  }
  if (const int signature = X509_get_signature_nid(certificate); !IsEcdsaSha2(signature)) {
    violations.push_back({fmt::format("{} signature", whose),
                          fmt::format("is {}; Azure takes ECDSA with SHA-256, SHA-384 or SHA-512", NameOf(signature))});
  }
}

void CheckExtensions(X509* certificate, Violations& violations) {
  const int constraints = X509_get_ext_by_NID(certificate, NID_basic_constraints, -1);
  const bool critical = constraints >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate, constraints)) == 1;
  if (!critical || X509_check_ca(certificate) != 1) {
    violations.push_back({"basicConstraints", "is not critical with cA TRUE; correct the profile adr-byor"});
  }
  constexpr uint32_t kNeeded = KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN;
  const bool has_usage = X509_get_ext_by_NID(certificate, NID_key_usage, -1) >= 0;
  if (!has_usage || (X509_get_key_usage(certificate) & kNeeded) != kNeeded) {
    violations.push_back(
        {"keyUsage", "lacks digitalSignature, keyCertSign or cRLSign; correct key_usage in the profile adr-byor"});
  }
  const bool has_purposes = X509_get_ext_by_NID(certificate, NID_ext_key_usage, -1) >= 0;
  if (has_purposes && (X509_get_extended_key_usage(certificate) & XKU_SSL_CLIENT) == 0) {
    violations.push_back(
        {"extKeyUsage", "is there without clientAuth; add it in the profile adr-byor, or leave it out"});
  }
  if (X509_get0_subject_key_id(certificate) == nullptr) {
    violations.push_back({"subjectKeyIdentifier", "is missing; correct the profile adr-byor"});
  }
}

void CheckTimes(X509* certificate, Time now, Violations& violations) {
  const Time begins = TimeOf(X509_get0_notBefore(certificate));
  const Time ends = TimeOf(X509_get0_notAfter(certificate));
  if (begins > now) {
    violations.push_back({"notBefore", fmt::format("is {}, in the future; set the clocks right", Rfc3339(begins))});
  }
  if (ends - now < kAdrLeast) {
    violations.push_back({"notAfter", fmt::format("is {}, less than 365 days from now; ask for a longer --lifetime, "
                                                  "from an authority that lives that long",
                                                  Rfc3339(ends))});
  }
}

}  // namespace

Violations CheckSigner(const std::vector<Bytes>& chain, Time now, Duration validity) {
  Violations violations;
  const ssl::Certificate signer = chain.empty() ? nullptr : Decode(chain.front());
  const ssl::Certificate root = chain.empty() ? nullptr : Decode(chain.back());
  if (signer == nullptr || root == nullptr) return {{"signing CA's certificate", "is none that OpenSSL can read"}};
  CheckKeyAndSignature(signer.get(), "signing CA's", violations);
  if (chain.size() > 1) CheckKeyAndSignature(root.get(), "root's", violations);
  if (const long length = X509_get_pathlen(root.get()); length != -1 && length != 1) {
    violations.push_back(
        {"root's pathLenConstraint",
         fmt::format("is {}; Azure takes 1. Sign with a root that profile root made (--authority)", length)});
  }
  if (chain.size() > 1 && X509_get_pathlen(signer.get()) == 0) {
    violations.push_back({"signing CA's pathLenConstraint",
                          "is 0, so that no CA may stand below it; sign with the root (--authority root)"});
  }
  const Time ends = std::min(TimeOf(X509_get0_notAfter(signer.get())), now + validity);
  if (ends - now < kAdrLeast) {
    violations.push_back(
        {"validity", fmt::format("would end on {}, less than 365 days from now; ask for a longer --lifetime, from an "
                                 "authority that lives that long",
                                 Rfc3339(ends))});
  }
  return violations;
}

Violations CheckRequest(ByteView csr) {
  const uint8_t* at = csr.data();
  const ssl::CertificateRequest request(d2i_X509_REQ(nullptr, &at, static_cast<long>(csr.size())));
  if (request == nullptr) {
    ssl::DrainErrors();
    return {{"CSR",
             "is no PKCS#10 request in PEM or DER; save what Azure shows as certificateSigningRequest, with its "
             "BEGIN and END lines"}};
  }
  Violations violations;
  if (X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())) == 0) {
    violations.push_back({"CSR's subject", "is empty; Azure compares it with the certificate's. Fetch the CSR anew"});
  }
  std::string found;
  if (!HasNamedCurve(X509_REQ_get_X509_PUBKEY(request.get()), found)) {
    violations.push_back(
        {"CSR's key", fmt::format("is {}; Azure's issuing CAs have EC keys. Fetch the CSR anew", found)});
  }
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1) {
    ssl::DrainErrors();
    violations.push_back({"CSR's signature", "does not verify: the CSR is damaged. Fetch it anew"});
  }
  return violations;
}

Violations CheckCertificate(ByteView certificate, ByteView csr, Time now) {
  const ssl::Certificate decoded = Decode(certificate);
  const uint8_t* at = csr.data();
  const ssl::CertificateRequest request(d2i_X509_REQ(nullptr, &at, static_cast<long>(csr.size())));
  if (decoded == nullptr || request == nullptr) return {{"certificate", "is none that OpenSSL can read"}};
  Violations violations;
  if (NameOctets(X509_get_subject_name(decoded.get())) != NameOctets(X509_REQ_get_subject_name(request.get()))) {
    violations.push_back({"subject", "is not the CSR's, octet for octet; the profile needs subject_form: csr"});
  }
  if (X509_get_version(decoded.get()) != X509_VERSION_3) violations.push_back({"version", "is not 3"});
  if (const int signature = X509_get_signature_nid(decoded.get()); !IsEcdsaSha2(signature)) {
    violations.push_back({"signature", fmt::format("is {}, not ECDSA with SHA-2", NameOf(signature))});
  }
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || EVP_PKEY_eq(X509_get0_pubkey(decoded.get()), key) != 1) {
    violations.push_back({"subjectPublicKeyInfo", "is not the CSR's"});
  }
  CheckExtensions(decoded.get(), violations);
  CheckTimes(decoded.get(), now, violations);
  return violations;
}

}  // namespace hallmark::cli
