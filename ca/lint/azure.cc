// What Azure's Device Provisioning Service and Device Registry take.
#include <algorithm>
#include <array>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kRegistration{
    "azure_dps_registration_id", "Azure DPS, X.509 attestation", Severity::kError,
    "a device's one CN is its registration id: at most 64 of A-Z a-z 0-9 - . _ :, a letter, "
    "a digit or a dash at the end"};
constexpr LintRule kClient{"azure_dps_client_auth", "Azure DPS, X.509 attestation", Severity::kError,
                           "extKeyUsage has clientAuth"};
constexpr LintRule kDeviceUsage{"azure_dps_key_usage", "RFC 8446 4.4.2.2", Severity::kError,
                                "a device's keyUsage has digitalSignature"};

constexpr LintRule kAuthority{"azure_adr_authority", "Azure Device Registry, bring your own root", Severity::kError,
                              "basicConstraints is critical with cA"};
constexpr LintRule kAuthorityUsage{"azure_adr_key_usage", "Azure Device Registry, bring your own root",
                                   Severity::kError, "keyUsage has digitalSignature, keyCertSign and cRLSign"};
constexpr LintRule kAuthorityPurpose{"azure_adr_extended_key_usage", "Azure Device Registry, bring your own root",
                                     Severity::kError, "extKeyUsage is absent or has clientAuth"};
constexpr LintRule kAuthorityKeyId{"azure_adr_subject_key_identifier", "Azure Device Registry, bring your own root",
                                   Severity::kError, "there is a subjectKeyIdentifier"};
constexpr LintRule kYear{"azure_adr_validity", "Azure Device Registry, bring your own root", Severity::kError,
                         "at least 365 days are left"};
constexpr LintRule kEcdsa{"azure_adr_issuer_key", "Azure Device Registry, bring your own root", Severity::kError,
                          "the issuer signs with ECDSA and SHA-2, on P-256, P-384 or P-521"};

constexpr std::array kCurves = {oids::kPrime256v1, oids::kSecp384r1, oids::kSecp521r1};

bool IsRegistrationId(std::string_view text) {
  constexpr std::string_view kLast = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 64 && kLast.find(text.back()) != kLast.npos &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return kLast.find(c) != kLast.npos || c == '.' || c == '_' || c == ':'; });
}

bool IsEcdsaSha2(ByteView algorithm) {
  constexpr auto kPrefix = Oid("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03");
  return algorithm.size() == kPrefix.size() + 1 && AsText(algorithm).starts_with(kPrefix) && algorithm.back() >= 2 &&
         algorithm.back() <= 4;
}

}  // namespace

void CheckAzureDps(const Examined& c, Findings& findings) {
  const std::vector<std::string> names = ValuesOf(c.subject, oids::kCommonName);
  findings.Require(names.size() == 1 && IsRegistrationId(names[0]), kRegistration,
                   "there is no one CN that is a registration id");
  findings.Require(c.HasPurpose(oids::kClientAuth), kClient, "extKeyUsage lacks clientAuth");
  findings.Require(c.Uses(kDigitalSignature), kDeviceUsage, "keyUsage lacks digitalSignature");
}

void CheckAzureDeviceRegistry(const Examined& c, const Examined* issuer, Findings& findings) {
  const ExtensionView* constraints = c.Find(oids::kBasicConstraints);
  findings.Require(c.ca && constraints != nullptr && constraints->critical, kAuthority, "it is no authority's");
  constexpr uint32_t kNeeded = kDigitalSignature | kKeyCertSign | kCrlSign;
  findings.Require((c.key_usage.value_or(0) & kNeeded) == kNeeded, kAuthorityUsage, "keyUsage lacks one of them");
  findings.Require(c.Find(oids::kExtendedKeyUsage) == nullptr || c.HasPurpose(oids::kClientAuth), kAuthorityPurpose,
                   "extKeyUsage is there and lacks clientAuth");
  findings.Require(c.Find(oids::kSubjectKeyIdentifier) != nullptr, kAuthorityKeyId, "it is missing");
  if (c.not_before.has_value() && c.not_after.has_value()) {
    findings.Require(*c.not_after - *c.not_before >= absl::Hours(24 * 365), kYear,
                     "it is valid for less than 365 days");
  }
  const bool curve = issuer == nullptr || std::find(kCurves.begin(), kCurves.end(), issuer->key.curve) != kCurves.end();
  findings.Require(IsEcdsaSha2(c.algorithm) && curve, kEcdsa, "the issuer signs otherwise");
}

std::vector<LintRule> AzureRules() {
  return {kRegistration,     kClient,         kDeviceUsage, kAuthority, kAuthorityUsage,
          kAuthorityPurpose, kAuthorityKeyId, kYear,        kEcdsa};
}

}  // namespace hallmark::lint
