// What Hallmark asks of its own certificates beyond the standards: a draft that lacks it is a defect of Hallmark or of
// a profile.
#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kExtensions{"hallmark_house_extensions", "RFC 5280 4.2.1.2, 4.2.1.3, 4.2.1.9", Severity::kError,
                               "what Hallmark signs is of version 3, with critical basicConstraints and keyUsage, and "
                               "subjectKeyIdentifier"};
constexpr LintRule kSerial{"hallmark_house_serial_number", "CA/Browser Forum BR 7.1", Severity::kError,
                           "what Hallmark signs has a serialNumber of at least 64 bits"};
constexpr LintRule kKey{"hallmark_house_public_key", "NIST SP 800-57 part 1, 5.6", Severity::kError,
                        "what Hallmark signs has a key on P-256 or P-384, or an RSA key of 2048, 3072 or 4096 bits"};
constexpr LintRule kSignsLists{"hallmark_house_crl_sign", "RFC 5280 4.2.1.3", Severity::kError,
                               "what Hallmark signs has cRLSign only as an authority"};

bool HasCritical(const Examined& c, std::string_view oid) {
  const ExtensionView* extension = c.Find(oid);
  return extension != nullptr && extension->critical;
}

}  // namespace

void CheckHouse(const Examined& c, Findings& findings) {
  findings.Require(c.version == 3 && HasCritical(c, oids::kBasicConstraints) && HasCritical(c, oids::kKeyUsage) &&
                       c.Find(oids::kSubjectKeyIdentifier) != nullptr,
                   kExtensions, "one of them is missing or not critical");
  const StatusOr<ByteView> magnitude = der::UnsignedContent(c.serial);
  findings.Require(magnitude.ok() && magnitude->size() >= 8, kSerial, "the serial number has less than 64 bits");
  const bool rsa =
      c.key.kind == KeyView::Kind::kRsa && (c.key.bits == 2048 || c.key.bits == 3072 || c.key.bits == 4096);
  const bool ec = c.key.curve == oids::kPrime256v1 || c.key.curve == oids::kSecp384r1;
  findings.Require(rsa || ec, kKey, "the key is another");
  findings.Require(c.ca || !c.Uses(kCrlSign), kSignsLists, "cRLSign without cA");
}

std::vector<LintRule> HouseRules() { return {kExtensions, kSerial, kKey, kSignsLists}; }

}  // namespace hallmark::lint
