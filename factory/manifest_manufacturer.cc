// What is registered of a manufacturer.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "base/text.h"
#include "factory/manifest_fields.h"
#include "factory/manifest_signature.h"
#include "factory/manifest_signer.h"

namespace hallmark {
namespace {

constexpr size_t kCertificatesLimit = 16;
constexpr size_t kCrlsLimit = 16;
constexpr size_t kDisplayNameLimit = 128;
constexpr size_t kCertificateLimit = 64 * 1024;
constexpr size_t kCrlLimit = size_t{4} << 20;

Status Fault(const std::string& field, const std::string& why) {
  return FieldError(reason::kRequestInvalid, field, why);
}

// Whether ASN.1 time `a` is after `now`: 1, before or at it: -1, or unreadable: 0.
int Compare(const ASN1_TIME* a, Time now) {
  std::time_t seconds = absl::ToTimeT(now);
  const int order = a == nullptr ? 0 : X509_cmp_time(a, &seconds);
  ssl::DrainErrors();
  return order;
}

std::string FaultOf(X509* certificate, Time now) {
  if (const std::string weakness = signer::WeaknessOf(X509_get0_pubkey(certificate)); !weakness.empty())
    return weakness;
  if (Compare(X509_get0_notBefore(certificate), now) != -1) return "it is not yet valid";
  if (Compare(X509_get0_notAfter(certificate), now) != 1) return "it has expired";
  if (signer::IsCa(certificate) && (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) != 0) return "";
  return signer::UsageFault(certificate);
}

// By a registered CA; what a CA below has signed is verified with its certificate, when a signature has that.
std::string FaultOf(X509_CRL* crl, const std::vector<ssl::Certificate>& registered, Time now) {
  if (Compare(X509_CRL_get0_lastUpdate(crl), now) != -1) return "it is not yet valid";
  if (Compare(X509_CRL_get0_nextUpdate(crl), now) != 1) return "it is no longer current, or does not say until when";
  bool named = false;
  bool ca = false;
  for (const ssl::Certificate& certificate : registered) {
    ca = ca || signer::IsCa(certificate.get());
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(certificate.get())) != 0) continue;
    named = true;
    const bool good = X509_CRL_verify(crl, X509_get0_pubkey(certificate.get())) == 1;
    ssl::DrainErrors();
    if (good) return "";
  }
  if (named) return "its signature is not of the registered certificate that has its issuer's name";
  return ca ? "" : "no registered certificate is a CA's, so that no CRL is ever asked for";
}

StatusOr<ssl::Certificate> CheckCertificate(const std::string& field, const Bytes& der, Time now) {
  ssl::Certificate certificate = der.size() > kCertificateLimit ? nullptr : signer::ReadCertificate(der);
  if (certificate == nullptr) return Fault(field, "is no certificate in DER");
  const std::string fault = FaultOf(certificate.get(), now);
  if (fault.empty()) return certificate;
  return Fault(field, fmt::format("{}: {}", signer::NameText(X509_get_subject_name(certificate.get())), fault));
}

bool IsManufacturer(std::string_view name) { return IsManifestName(name) && name[0] >= 'a' && name[0] <= 'z'; }

}  // namespace

Status CheckManufacturer(const ManufacturerRecord& manufacturer, Time now) {
  if (!IsManufacturer(manufacturer.manufacturer)) {
    return Fault("manufacturer", "is no name: 1 to 63 of a-z, 0-9 and -, the first a letter");
  }
  if (manufacturer.display_name.size() > kDisplayNameLimit || !IsCleanUtf8(manufacturer.display_name)) {
    return Fault("display_name", fmt::format("is no printable text of at most {} octets", kDisplayNameLimit));
  }
  const auto& all = manufacturer.certificates;
  if (all.empty() || all.size() > kCertificatesLimit) {
    return Fault("certificates", fmt::format("has {}; 1 to {} are taken", all.size(), kCertificatesLimit));
  }
  std::vector<ssl::Certificate> registered;
  for (auto der = all.begin(); der != all.end(); ++der) {
    const std::string field = fmt::format("certificates[{}]", der - all.begin());
    if (std::find(all.begin(), der, *der) != der) return Fault(field, "stands in the list twice");
    ASSIGN_OR_RETURN(ssl::Certificate certificate, CheckCertificate(field, *der, now));
    registered.push_back(std::move(certificate));
  }
  if (manufacturer.crls.size() > kCrlsLimit) return Fault("crls", fmt::format("has more than {}", kCrlsLimit));
  for (size_t i = 0; i < manufacturer.crls.size(); ++i) {
    const std::string field = fmt::format("crls[{}]", i);
    const Bytes& der = manufacturer.crls[i];
    const ssl::Crl crl = der.size() > kCrlLimit ? nullptr : signer::ReadCrl(der);
    if (crl == nullptr) return Fault(field, "is no CRL in DER");
    const std::string fault = FaultOf(crl.get(), registered, now);
    if (!fault.empty()) {
      return Fault(field, fmt::format("of {}: {}", signer::NameText(X509_CRL_get_issuer(crl.get())), fault));
    }
  }
  return absl::OkStatus();
}

}  // namespace hallmark
