// Secure device identifiers: IEEE 802.1AR-2018 8.
#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kSerialNumber{"ieee8021ar_8_6_serial_number", "IEEE 802.1AR-2018 8.6", Severity::kError,
                                 "a DevID's subject has one serialNumber, the device's"};
constexpr LintRule kSignature{"ieee8021ar_8_10_key_usage", "IEEE 802.1AR-2018 8.10", Severity::kError,
                              "a DevID's keyUsage has digitalSignature, and nothing but keyEncipherment beside it"};
constexpr LintRule kEndEntity{"ieee8021ar_8_10_end_entity", "IEEE 802.1AR-2018 8.10", Severity::kError,
                              "a DevID is no authority's, and has authorityKeyIdentifier"};
constexpr LintRule kHardwareSerial{"ieee8021ar_8_10_hardware_serial", "IEEE 802.1AR-2018 8.10", Severity::kError,
                                   "the hwSerialNum of a hardwareModuleName is the subject's serialNumber"};
constexpr LintRule kNoExpiry{"ieee8021ar_8_7_no_expiry", "IEEE 802.1AR-2018 8.7", Severity::kNotice,
                             "an IDevID does not expire: notAfter is 99991231235959Z"};

}  // namespace

void CheckIeee8021Ar(const Examined& c, Findings& findings) {
  const std::vector<std::string> serials = ValuesOf(c.subject, oids::kSerialNumber);
  findings.Require(serials.size() == 1 && !serials[0].empty(), kSerialNumber, "the subject has no one serialNumber");
  findings.Require(c.Uses(kDigitalSignature) && (*c.key_usage & ~(kDigitalSignature | kKeyEncipherment)) == 0,
                   kSignature, "keyUsage lacks digitalSignature, or has more than keyEncipherment beside it");
  findings.Require(!c.ca && c.Find(oids::kAuthorityKeyIdentifier) != nullptr, kEndEntity,
                   "it is an authority's, or has no authorityKeyIdentifier");
  for (const der::Element& name : c.alternative_names) {
    const std::optional<HardwareModule> module = ReadHardwareModule(name);
    if (!module.has_value()) continue;
    findings.Require(serials.size() == 1 && serials[0] == AsText(module->serial), kHardwareSerial,
                     "hwSerialNum and the subject's serialNumber differ");
  }
  findings.Require(!c.not_after.has_value() || *c.not_after == NeverExpires(), kNoExpiry, "it expires");
}

std::vector<LintRule> Ieee8021ArRules() { return {kSerialNumber, kSignature, kEndEntity, kHardwareSerial, kNoExpiry}; }

}  // namespace hallmark::lint
