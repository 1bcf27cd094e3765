// Extensions: which there are, whether they are critical, and those that say what the key is for (RFC 5280 4.2).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kTwice{"rfc5280_4_2_duplicate_extension", "RFC 5280 4.2", Severity::kError,
                          "an extension stands once"};
constexpr LintRule kCriticality{"rfc5280_4_2_criticality", "RFC 5280 4.2", Severity::kError,
                                "an extension is critical, or not, as its section says"};
constexpr LintRule kUnknownCritical{"rfc5280_4_2_unknown_critical_extension", "RFC 5280 4.2", Severity::kError,
                                    "a critical extension is one that relying parties know"};
constexpr LintRule kUnknown{"hallmark_known_extension", "RFC 5280 4.2", Severity::kNotice,
                            "an extension is one that lint knows"};
constexpr LintRule kConstraints{"rfc5280_4_2_1_9_basic_constraints", "RFC 5280 4.2.1.9", Severity::kError,
                                "basicConstraints is well-formed, and there in an authority's certificate"};
constexpr LintRule kNoConstraints{"hallmark_basic_constraints", "RFC 5280 4.2.1.9", Severity::kNotice,
                                  "an end entity's certificate has basicConstraints, too"};
constexpr LintRule kPathLength{"rfc5280_4_2_1_9_path_length_without_ca", "RFC 5280 4.2.1.9", Severity::kError,
                               "pathLenConstraint stands only with cA and keyCertSign"};
constexpr LintRule kUsage{"rfc5280_4_2_1_3_key_usage", "RFC 5280 4.2.1.3", Severity::kError,
                          "keyUsage is well-formed, not empty, and there in an authority's certificate"};
constexpr LintRule kNoUsage{"hallmark_key_usage", "RFC 5280 4.2.1.3", Severity::kWarning,
                            "an end entity's certificate has keyUsage, too"};
constexpr LintRule kCaUsage{"rfc5280_4_2_1_9_ca_key_usage", "RFC 5280 4.2.1.3, 4.2.1.9", Severity::kError,
                            "keyCertSign and cA go together"};
constexpr LintRule kPurposes{"rfc5280_4_2_1_12_extended_key_usage", "RFC 5280 4.2.1.12", Severity::kError,
                             "extKeyUsage is a list of at least one purpose, each once"};
constexpr LintRule kAnyPurpose{"rfc5280_4_2_1_12_any_purpose", "RFC 5280 4.2.1.12", Severity::kNotice,
                               "a purpose is said, not anyExtendedKeyUsage"};
constexpr LintRule kConsistent{"rfc5280_4_2_1_12_consistent_usage", "RFC 5280 4.2.1.12", Severity::kWarning,
                               "keyUsage allows what extKeyUsage names"};
constexpr LintRule kSubjectKey{"rfc5280_4_2_1_2_subject_key_identifier", "RFC 5280 4.2.1.2", Severity::kError,
                               "subjectKeyIdentifier is well-formed, and there in an authority's certificate"};
constexpr LintRule kNoSubjectKey{"rfc5280_4_2_1_2_no_subject_key_identifier", "RFC 5280 4.2.1.2", Severity::kNotice,
                                 "an end entity's certificate has subjectKeyIdentifier, too"};
constexpr LintRule kAuthorityKey{"rfc5280_4_2_1_1_authority_key_identifier_form", "RFC 5280 4.2.1.1", Severity::kError,
                                 "authorityKeyIdentifier is well-formed with a keyIdentifier, and there but in a root"};
constexpr LintRule kNoCheck{"rfc6960_4_2_2_2_1_nocheck", "RFC 6960 4.2.2.2.1", Severity::kError,
                            "id-pkix-ocsp-nocheck is NULL, and stands in a certificate of OCSPSigning"};

struct Known {
  std::string_view oid;
  const char* name;
  enum class Critical { kMust, kMustNot, kMay } critical;
};
using enum Known::Critical;
constexpr std::array<Known, 17> kKnown = {{{oids::kBasicConstraints, "basicConstraints", kMay},  // see below
                                           {oids::kKeyUsage, "keyUsage", kMay},
                                           {oids::kExtendedKeyUsage, "extKeyUsage", kMay},
                                           {oids::kSubjectKeyIdentifier, "subjectKeyIdentifier", kMustNot},
                                           {oids::kAuthorityKeyIdentifier, "authorityKeyIdentifier", kMustNot},
                                           {oids::kSubjectAltName, "subjectAltName", kMay},
                                           {oids::kIssuerAltName, "issuerAltName", kMay},
                                           {oids::kNameConstraints, "nameConstraints", kMust},
                                           {oids::kCrlDistributionPoints, "cRLDistributionPoints", kMay},
                                           {oids::kCertificatePolicies, "certificatePolicies", kMay},
                                           {oids::kPolicyMappings, "policyMappings", kMay},
                                           {oids::kPolicyConstraints, "policyConstraints", kMust},
                                           {oids::kFreshestCrl, "freshestCRL", kMustNot},
                                           {oids::kInhibitAnyPolicy, "inhibitAnyPolicy", kMust},
                                           {oids::kAuthorityInfoAccess, "authorityInfoAccess", kMustNot},
                                           {oids::kSubjectInfoAccess, "subjectInfoAccess", kMustNot},
                                           {oids::kOcspNoCheck, "id-pkix-ocsp-nocheck", kMay}}};
// What is only a SHOULD, or of authorities alone.
constexpr LintRule kShouldBeCritical{"rfc5280_4_2_should_be_critical", "RFC 5280 4.2.1.3, 4.2.1.9", Severity::kWarning,
                                     "keyUsage, and an end entity's basicConstraints, are critical"};
constexpr LintRule kShouldNotBeCritical{"rfc5280_4_2_should_not_be_critical", "RFC 5280 4.2", Severity::kWarning,
                                        "cRLDistributionPoints, issuerAltName and subjectAltName beside a subject are "
                                        "not critical"};

void CheckCriticality(const Examined& c, const ExtensionView& extension, Findings& findings) {
  const auto known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& row) { return row.oid == extension.oid; });
  if (known == kKnown.end()) {
    const std::string oid = Dotted(extension.oid);
    if (extension.critical) return findings.Add(kUnknownCritical, fmt::format("{} is critical, and few know it", oid));
    return findings.Add(kUnknown, fmt::format("{} is not an extension that lint knows", oid));
  }
  using enum Known::Critical;
  if (known->critical == kMust && !extension.critical) {
    findings.Add(kCriticality, fmt::format("{} must be critical", known->name));
  } else if (known->critical == kMustNot && extension.critical) {
    findings.Add(kCriticality, fmt::format("{} must not be critical", known->name));
  }
  if (extension.oid == oids::kBasicConstraints && !extension.critical && c.ca && c.Uses(kKeyCertSign)) {
    findings.Add(kCriticality, "basicConstraints of an authority must be critical");
  } else if ((extension.oid == oids::kBasicConstraints || extension.oid == oids::kKeyUsage) && !extension.critical) {
    findings.Add(kShouldBeCritical, fmt::format("{} is not critical", known->name));
  }
  const bool named_otherwise = extension.oid == oids::kSubjectAltName && !c.subject.empty();
  if (extension.critical &&
      (extension.oid == oids::kCrlDistributionPoints || extension.oid == oids::kIssuerAltName || named_otherwise)) {
    findings.Add(kShouldNotBeCritical, fmt::format("{} is critical", known->name));
  }
}

void CheckConstraints(const Examined& c, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kBasicConstraints);
  if (extension == nullptr) {
    findings.Require(!c.Uses(kKeyCertSign), kConstraints, "keyCertSign without basicConstraints");
    if (!c.Uses(kKeyCertSign) && c.version == 3) findings.Add(kNoConstraints, "there are no basicConstraints");
    return;
  }
  const StatusOr<ByteView> content = der::ReadWhole(extension->value, der::kSequence);
  bool right = content.ok();
  if (right) {
    der::Reader reader(*content);
    const auto ca = reader.OptionalContent(der::kBoolean);
    const auto length = reader.OptionalContent(der::kInteger);
    // cA is DEFAULT FALSE, hence absent when false (X.690 11.5).
    right = ca.ok() && length.ok() && reader.empty() && (!ca->has_value() || c.ca) &&
            (!length->has_value() || der::UnsignedContent(**length).ok());
  }
  findings.Require(right, kConstraints, "basicConstraints is malformed, or says FALSE where nothing says it");
  findings.Require(!c.path_length.has_value() || (c.ca && (!c.key_usage.has_value() || c.Uses(kKeyCertSign))),
                   kPathLength, "pathLenConstraint without cA or keyCertSign");
}

void CheckKeyUsage(const Examined& c, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kKeyUsage);
  if (extension == nullptr) {
    findings.Require(!c.ca, kUsage, "an authority's certificate without keyUsage");
    findings.Require(c.ca, kNoUsage, "there is no keyUsage");
    return;
  }
  const StatusOr<ByteView> content = der::ReadWhole(extension->value, der::kBitString);
  constexpr uint32_t kAll = (kDecipherOnly << 1) - 1;
  const bool right = content.ok() && der::NamedBits(*content).ok() && c.key_usage.value_or(0) != 0 &&
                     (c.key_usage.value_or(0) & ~kAll) == 0;
  findings.Require(right, kUsage, "keyUsage is malformed, empty, or has bits that have no name");
  findings.Require(c.ca == c.Uses(kKeyCertSign), kCaUsage,
                   c.ca ? "an authority without keyCertSign" : "keyCertSign without cA");
}

void CheckPurposes(const Examined& c, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kExtendedKeyUsage);
  if (extension == nullptr) return;
  const auto elements = ReadElements(extension->value);
  bool right = elements.has_value() && !elements->empty() && c.purposes.size() == elements->size();
  for (size_t i = 0; right && i < c.purposes.size(); ++i) {
    right = std::find(c.purposes.begin(), c.purposes.begin() + static_cast<std::ptrdiff_t>(i), c.purposes[i]) ==
            c.purposes.begin() + static_cast<std::ptrdiff_t>(i);
  }
  findings.Require(right, kPurposes, "extKeyUsage is malformed, empty, or names a purpose twice");
  findings.Require(!c.HasPurpose(Oid("\x55\x1d\x25\x00")), kAnyPurpose, "anyExtendedKeyUsage allows everything");
  if (!c.key_usage.has_value() || c.ca) return;
  struct Needs {
    std::string_view purpose;
    uint32_t usage;
    const char* message;
  };
  constexpr uint32_t kAgreement = kDigitalSignature | kKeyAgreement;
  static constexpr std::array<Needs, 3> kNeeds = {
      {{oids::kServerAuth, kAgreement | kKeyEncipherment,
        "serverAuth needs digitalSignature, keyEncipherment or "
        "keyAgreement"},
       {oids::kClientAuth, kAgreement, "clientAuth needs digitalSignature or keyAgreement"},
       {oids::kOcspSigning, kDigitalSignature | kNonRepudiation, "OCSPSigning needs digitalSignature"}}};
  for (const Needs& needs : kNeeds) {
    findings.Require(!c.HasPurpose(needs.purpose) || c.Uses(needs.usage), kConsistent, needs.message);
  }
}

void CheckKeyIdentifiers(const Examined& c, Findings& findings) {
  if (const ExtensionView* subject = c.Find(oids::kSubjectKeyIdentifier)) {
    const StatusOr<ByteView> octets = der::ReadWhole(subject->value, der::kOctetString);
    findings.Require(octets.ok() && !octets->empty(), kSubjectKey, "subjectKeyIdentifier is malformed");
  } else {
    findings.Require(!c.ca, kSubjectKey, "an authority's certificate without subjectKeyIdentifier");
    if (!c.ca && c.version == 3) findings.Add(kNoSubjectKey, "there is no subjectKeyIdentifier");
  }
  const ExtensionView* authority = c.Find(oids::kAuthorityKeyIdentifier);
  if (authority == nullptr) {
    findings.Require(c.is_self_issued() || c.version != 3, kAuthorityKey, "there is no authorityKeyIdentifier");
    return;
  }
  const auto fields = ReadElements(authority->value);
  bool right = fields.has_value();
  bool key_identifier = false;
  bool issuer = false;
  bool serial = false;
  int before = -1;
  for (const der::Element& field : fields.value_or(std::vector<der::Element>())) {
    right &= (field.tag & 0x1f) > before;
    before = field.tag & 0x1f;
    if (field.tag == der::ContextPrimitive(0)) {
      key_identifier = !field.content.empty();
    } else if (field.tag == der::ContextConstructed(1)) {
      issuer = CheckGeneralNames(field, "authorityCertIssuer", findings);
    } else if (field.tag == der::ContextPrimitive(2)) {
      serial = der::UnsignedContent(field.content).ok();
    } else {
      right = false;
    }
  }
  findings.Require(right && issuer == serial && (key_identifier || c.is_self_issued()), kAuthorityKey,
                   "authorityKeyIdentifier is malformed, has no keyIdentifier, or only one of issuer and serial");
}

void CheckNoCheck(const Examined& c, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kOcspNoCheck);
  if (extension == nullptr) return;
  const bool null = extension->value.size() == 2 && extension->value[0] == der::kNull && extension->value[1] == 0;
  findings.Require(null && c.HasPurpose(oids::kOcspSigning), kNoCheck,
                   "id-pkix-ocsp-nocheck is not NULL, or not beside OCSPSigning");
}

}  // namespace

void CheckExtensions(const Examined& c, Findings& findings) {
  for (size_t i = 0; i < c.extensions.size(); ++i) {
    CheckCriticality(c, c.extensions[i], findings);
    const auto same = [&](const ExtensionView& other) { return other.oid == c.extensions[i].oid; };
    const auto end = c.extensions.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(c.extensions.begin(), end, same)) {
      findings.Add(kTwice, fmt::format("extension {} stands twice", Dotted(c.extensions[i].oid)));
    }
  }
  CheckConstraints(c, findings);
  CheckKeyUsage(c, findings);
  CheckPurposes(c, findings);
  CheckKeyIdentifiers(c, findings);
  CheckNoCheck(c, findings);
}

std::vector<LintRule> ExtensionRules() {
  return {kTwice,       kCriticality,      kUnknownCritical,    kUnknown,
          kConstraints, kNoConstraints,    kPathLength,         kUsage,
          kNoUsage,     kCaUsage,          kPurposes,           kAnyPurpose,
          kConsistent,  kSubjectKey,       kNoSubjectKey,       kAuthorityKey,
          kNoCheck,     kShouldBeCritical, kShouldNotBeCritical};
}

}  // namespace hallmark::lint
