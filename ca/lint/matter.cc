// Device attestation of Matter: CSA Matter Core Specification 6.2.2.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kKey{"matter_6_2_2_p256", "Matter Core 6.2.2", Severity::kError,
                        "the key is on prime256v1, and the signature ecdsa-with-SHA256"};
constexpr LintRule kVendor{"matter_6_2_2_vendor_id", "Matter Core 6.2.2", Severity::kError,
                           "the subject has one vendor id, of four capital hexadecimal digits"};
constexpr LintRule kProduct{
    "matter_6_2_2_product_id", "Matter Core 6.2.2", Severity::kError,
    "a DAC's subject has one product id, a PAI's at most one, of four capital hexadecimal digits"};
constexpr LintRule kUsage{"matter_6_2_2_key_usage", "Matter Core 6.2.2", Severity::kError,
                          "keyUsage is critical; of a DAC digitalSignature alone, of a PAI keyCertSign and cRLSign"};
constexpr LintRule kConstraints{"matter_6_2_2_basic_constraints", "Matter Core 6.2.2", Severity::kError,
                                "basicConstraints is critical; of a DAC FALSE, of a PAI TRUE with pathLenConstraint 0"};
constexpr LintRule kIdentifiers{"matter_6_2_2_key_identifiers", "Matter Core 6.2.2", Severity::kError,
                                "there are subjectKeyIdentifier and authorityKeyIdentifier"};
constexpr LintRule kOthers{"matter_6_2_2_other_extensions", "Matter Core 6.2.2", Severity::kError,
                           "there are no extensions but the four that must be, extKeyUsage, authorityInfoAccess, "
                           "subjectAltName and cRLDistributionPoints"};
constexpr LintRule kIssuer{"matter_6_2_3_issuer", "Matter Core 6.2.3", Severity::kError,
                           "vendor id and product id are the issuer's, as far as it has them"};
constexpr LintRule kSize{"matter_6_1_3_size", "Matter Core 6.1.3", Severity::kError,
                         "a certificate has at most 600 octets"};

constexpr size_t kSizeLimit = 600;

bool IsFourDigits(std::string_view text) {
  return text.size() == 4 && text.find_first_not_of("0123456789ABCDEF") == text.npos;
}

// Of the attribute, or of a common name that says it as "Mvid:FFF1" (6.2.2.2, for authorities that cannot do
// otherwise).
std::vector<std::string> IdsOf(const NameView& name, std::string_view oid, std::string_view prefix) {
  std::vector<std::string> ids = ValuesOf(name, oid);
  if (!ids.empty()) return ids;
  for (const std::string& text : ValuesOf(name, oids::kCommonName)) {
    for (size_t at = text.find(prefix); at != text.npos; at = text.find(prefix, at + 1)) {
      ids.push_back(text.substr(at + prefix.size(), 4));
    }
  }
  return ids;
}
std::vector<std::string> Vendors(const NameView& name) { return IdsOf(name, oids::kMatterVendorId, "Mvid:"); }
std::vector<std::string> Products(const NameView& name) { return IdsOf(name, oids::kMatterProductId, "Mpid:"); }

void CheckIds(bool dac, const Examined& c, Findings& findings) {
  const std::vector<std::string> vendors = Vendors(c.subject);
  const std::vector<std::string> products = Products(c.subject);
  findings.Require(vendors.size() == 1 && IsFourDigits(vendors[0]), kVendor, "there is no one well-formed vendor id");
  const bool right = products.empty() ? !dac : products.size() == 1 && IsFourDigits(products[0]);
  findings.Require(right, kProduct, "there is no one well-formed product id");
}

bool IsCritical(const Examined& c, std::string_view oid) {
  const ExtensionView* extension = c.Find(oid);
  return extension != nullptr && extension->critical;
}

void CheckExtensions(bool dac, const Examined& c, Findings& findings) {
  const bool usage =
      dac ? c.key_usage == kDigitalSignature
          : (c.key_usage.value_or(0) | kDigitalSignature) == (kKeyCertSign | kCrlSign | kDigitalSignature);
  findings.Require(IsCritical(c, oids::kKeyUsage) && usage, kUsage, "keyUsage is another");
  const bool constraints = dac ? !c.ca && !c.path_length.has_value() : c.ca && c.path_length == 0;
  findings.Require(IsCritical(c, oids::kBasicConstraints) && constraints, kConstraints, "basicConstraints are others");
  findings.Require(c.Find(oids::kSubjectKeyIdentifier) != nullptr && c.Find(oids::kAuthorityKeyIdentifier) != nullptr,
                   kIdentifiers, "a key identifier is missing");
  constexpr std::array kAllowed = {oids::kKeyUsage,         oids::kBasicConstraints,     oids::kSubjectKeyIdentifier,
                                   oids::kExtendedKeyUsage, oids::kAuthorityInfoAccess,  oids::kAuthorityKeyIdentifier,
                                   oids::kSubjectAltName,   oids::kCrlDistributionPoints};
  for (const ExtensionView& extension : c.extensions) {
    if (std::find(kAllowed.begin(), kAllowed.end(), extension.oid) != kAllowed.end()) continue;
    findings.Add(kOthers, fmt::format("extension {} is none of those", Dotted(extension.oid)));
  }
}

}  // namespace

void CheckMatter(bool dac, const Examined& c, const Examined* issuer, Findings& findings) {
  constexpr auto kEcdsaWithSha256 = Oid("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
  findings.Require(c.key.curve == oids::kPrime256v1 && AsText(c.algorithm) == kEcdsaWithSha256, kKey,
                   "the key is not on prime256v1, or the signature not ecdsa-with-SHA256");
  CheckIds(dac, c, findings);
  CheckExtensions(dac, c, findings);
  findings.Require(c.whole.size() <= kSizeLimit, kSize, "it has more than 600 octets");
  if (issuer == nullptr) return;
  const auto agrees = [](const std::vector<std::string>& ours, const std::vector<std::string>& theirs) {
    return theirs.empty() || ours == theirs;
  };
  findings.Require(agrees(Vendors(c.subject), Vendors(issuer->subject)) &&
                       (!dac || agrees(Products(c.subject), Products(issuer->subject))),
                   kIssuer, "vendor id or product id is not the issuer's");
}

std::vector<LintRule> MatterRules() {
  return {kKey, kVendor, kProduct, kUsage, kConstraints, kIdentifiers, kOthers, kIssuer, kSize};
}

}  // namespace hallmark::lint
