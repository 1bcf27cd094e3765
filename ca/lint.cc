#include "ca/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/crl.h"
#include "ca/der.h"
#include "ca/names.h"

namespace hallmark {
namespace {

// One certificate under the rules. Each rule is a function that appends a finding when it is broken.
struct Examined {
  const CertificateParts& parts;
  const LintIssuer& issuer;
  std::optional<BasicConstraintsValue> constraints;  // absent: no extension, or unreadable
  std::vector<KeyUsage> key_usage;
  std::vector<Finding>& findings;

  void Require(bool holds, const char* rule, const char* citation, const std::string& message) {
    if (!holds) findings.push_back({rule, citation, message});
  }
  bool Uses(KeyUsage usage) const { return std::find(key_usage.begin(), key_usage.end(), usage) != key_usage.end(); }
  bool ca() const { return constraints.has_value() && constraints->ca; }
};

void LintSerial(Examined& c) {
  const StatusOr<ByteView> magnitude = der::UnsignedContent(c.parts.serial);
  const bool positive =
      magnitude.ok() && std::any_of(magnitude->begin(), magnitude->end(), [](uint8_t octet) { return octet != 0; });
  c.Require(positive && c.parts.serial.size() <= 20, "rfc5280_4_1_2_2_serial_number", "RFC 5280 4.1.2.2",
            "the serial number is not positive or longer than 20 octets");
  c.Require(positive && magnitude->size() >= 8, "hallmark_serial_entropy", "CA/Browser Forum BR 7.1",
            "the serial number has less than 64 bits");
}

void LintAlgorithm(Examined& c) {
  c.Require(Equal(c.parts.algorithm, c.parts.inner_algorithm), "rfc5280_4_1_1_2_signature_algorithm",
            "RFC 5280 4.1.1.2", "signatureAlgorithm and tbsCertificate.signature differ");
  c.Require(Equal(c.parts.algorithm, c.issuer.algorithm), "hallmark_issuer_algorithm", "RFC 5280 4.1.1.2",
            "signatureAlgorithm is not the one that the issuer signs with");
}

void LintTime(Examined& c, Time time, uint8_t tag, const char* field) {
  const bool utc = time < absl::FromCivil(absl::CivilYear(2050), absl::UTCTimeZone());
  c.Require((tag == der::kUtcTime) == utc, "rfc5280_4_1_2_5_time_form", "RFC 5280 4.1.2.5",
            std::string(field) + " is not UTCTime through 2049 and GeneralizedTime from 2050 on");
}

void LintValidity(Examined& c) {
  LintTime(c, c.parts.not_before, c.parts.not_before_tag, "notBefore");
  LintTime(c, c.parts.not_after, c.parts.not_after_tag, "notAfter");
  c.Require(c.parts.not_before <= c.parts.not_after, "rfc5280_4_1_2_5_validity", "RFC 5280 4.1.2.5",
            "notAfter is before notBefore");
  c.Require(c.parts.not_after <= c.issuer.not_after, "hallmark_validity_within_issuer", "RFC 5280 6.1.3",
            "the certificate outlives its issuer");
}

void LintNames(Examined& c) {
  c.Require(Equal(c.parts.issuer, c.issuer.subject), "rfc5280_4_1_2_4_issuer", "RFC 5280 4.1.2.4",
            "issuer is not octet for octet the issuer's subject");
  c.Require(c.issuer.self == Equal(c.parts.issuer, c.parts.subject), "rfc5280_3_2_self_issued", "RFC 5280 3.2",
            "a certificate has its issuer's name though it is no root, or the reverse");
  const StatusOr<Subject> subject = ReadName(c.parts.subject);
  c.Require(subject.ok() && !subject->empty(), "rfc5280_4_1_2_6_subject", "RFC 5280 4.1.2.6",
            subject.ok() ? "subject is empty" : Message(subject.status()));
  if (!subject.ok()) return;
  // Upper bounds of RFC 5280 appendix A.1.
  constexpr std::array<std::pair<const char*, size_t>, 7> kBounds = {
      {{"CN", 64}, {"serialNumber", 64}, {"O", 64}, {"OU", 64}, {"C", 2}, {"L", 128}, {"ST", 128}}};
  for (const Attribute& attribute : *subject) {
    for (const auto& [type, bound] : kBounds) {
      const auto characters = static_cast<size_t>(std::count_if(attribute.value.begin(), attribute.value.end(),
                                                                [](char octet) { return (octet & 0xC0) != 0x80; }));
      c.Require(attribute.type != type || characters <= bound, "rfc5280_a_1_upper_bound", "RFC 5280 A.1",
                fmt::format("{} is longer than {} characters", type, bound));
    }
  }
}

void LintKey(Examined& c) {
  const StatusOr<PublicKey> key = PublicKey::FromSpki(c.parts.spki);
  c.Require(key.ok(), "rfc5280_4_1_2_7_public_key", "RFC 5280 4.1.2.7", key.ok() ? "" : Message(key.status()));
}

void LintExtensions(Examined& c) {
  struct Rule {
    const char* oid;
    bool critical;
    const char* name;
  };
  constexpr std::array<Rule, 8> kKnown = {{{oid::kBasicConstraints, true, "basicConstraints"},
                                           {oid::kKeyUsage, true, "keyUsage"},
                                           {oid::kExtendedKeyUsage, false, "extKeyUsage"},
                                           {oid::kSubjectKeyIdentifier, false, "subjectKeyIdentifier"},
                                           {oid::kAuthorityKeyIdentifier, false, "authorityKeyIdentifier"},
                                           {oid::kCrlDistributionPoints, false, "cRLDistributionPoints"},
                                           {oid::kAuthorityInfoAccess, false, "authorityInfoAccess"},
                                           {oid::kSubjectAltName, false, "subjectAltName"}}};
  for (const Extension& extension : c.parts.extensions) {
    const auto rule =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const Rule& known) { return extension.oid == known.oid; });
    c.Require(rule != kKnown.end(), "hallmark_known_extension", "RFC 5280 4.2",
              extension.oid + " is not one that Hallmark writes");
    if (rule == kKnown.end()) continue;
    c.Require(extension.critical == rule->critical, "rfc5280_4_2_criticality", "RFC 5280 4.2",
              fmt::format("{} must {}be critical", rule->name, rule->critical ? "" : "not "));
  }
}

void LintUsage(Examined& c) {
  c.Require(!c.key_usage.empty(), "rfc5280_4_2_1_3_key_usage", "RFC 5280 4.2.1.3", "keyUsage is missing or malformed");
  c.Require(c.constraints.has_value(), "rfc5280_4_2_1_9_basic_constraints", "RFC 5280 4.2.1.9",
            "basicConstraints is missing or malformed");
  c.Require(c.ca() == c.Uses(KeyUsage::kKeyCertSign), "rfc5280_4_2_1_9_key_cert_sign", "RFC 5280 4.2.1.9",
            "keyCertSign and CA:TRUE do not go together");
  c.Require(c.ca() || !c.Uses(KeyUsage::kCrlSign), "rfc5280_4_2_1_3_crl_sign", "RFC 5280 4.2.1.3",
            "cRLSign in a certificate that is no authority's");
  if (!c.ca()) return;
  const int64_t length = c.constraints->path_length.value_or(kNoPathLength);
  c.Require(c.issuer.self ||
                (c.issuer.path_length > 0 && (length < c.issuer.path_length || c.issuer.path_length == kNoPathLength)),
            "rfc5280_4_2_1_9_path_length", "RFC 5280 4.2.1.9",
            "an authority below an issuer whose pathLenConstraint does not allow it");
}

void LintIdentifiers(Examined& c) {
  const Extension* subject = FindExtension(c.parts.extensions, oid::kSubjectKeyIdentifier);
  c.Require(subject != nullptr && ReadSubjectKeyIdentifier(subject->value).ok(),
            "rfc5280_4_2_1_2_subject_key_identifier", "RFC 5280 4.2.1.2",
            "subjectKeyIdentifier is missing or malformed");
  const Extension* authority = FindExtension(c.parts.extensions, oid::kAuthorityKeyIdentifier);
  const Bytes expected = der::Sequence({der::Tlv(der::ContextPrimitive(0), c.issuer.key_identifier)});
  c.Require(authority != nullptr && Equal(authority->value, expected), "rfc5280_4_2_1_1_authority_key_identifier",
            "RFC 5280 4.2.1.1", "authorityKeyIdentifier is not the issuer's key identifier");
}

void LintPurposes(Examined& c) {
  const Extension* purposes = FindExtension(c.parts.extensions, oid::kExtendedKeyUsage);
  c.Require(purposes == nullptr || ReadExtendedKeyUsage(purposes->value).ok(), "rfc5280_4_2_1_12_extended_key_usage",
            "RFC 5280 4.2.1.12", "extKeyUsage is malformed");
  const Extension* names = FindExtension(c.parts.extensions, oid::kSubjectAltName);
  if (names == nullptr) return;
  const StatusOr<std::vector<GeneralName>> read = ReadGeneralNames(names->value);
  c.Require(read.ok() && std::none_of(read->begin(), read->end(),
                                      [](const GeneralName& name) { return name.kind == GeneralName::Kind::kOther; }),
            "rfc5280_4_2_1_6_subject_alt_name", "RFC 5280 4.2.1.6",
            "subjectAltName is malformed or has an unknown kind of name");
}

Finding Unreadable(const char* what, const Status& status) {
  return {"x690_der", "X.690 10", fmt::format("the {} cannot be read: {}", what, Message(status))};
}

}  // namespace

const char* Name(Severity severity) {
  return severity == Severity::kError ? "error" : severity == Severity::kWarning ? "warning" : "notice";
}

std::vector<Finding> LintCertificate(ByteView draft, const LintIssuer& issuer, const std::vector<Standard>&) {
  const StatusOr<CertificateParts> parts = ReadCertificate(draft);
  if (!parts.ok()) return {Unreadable("certificate", parts.status())};
  std::vector<Finding> findings;
  Examined examined{*parts, issuer, std::nullopt, {}, findings};
  if (const Extension* extension = FindExtension(parts->extensions, oid::kBasicConstraints)) {
    if (const auto value = ReadBasicConstraints(extension->value); value.ok()) examined.constraints = *value;
  }
  if (const Extension* extension = FindExtension(parts->extensions, oid::kKeyUsage)) {
    if (const auto value = ReadKeyUsage(extension->value); value.ok()) examined.key_usage = *value;
  }
  for (const auto rule : {LintSerial, LintAlgorithm, LintValidity, LintNames, LintKey, LintExtensions, LintUsage,
                          LintIdentifiers, LintPurposes}) {
    rule(examined);
  }
  return findings;
}

std::vector<Finding> LintCrl(ByteView draft, const LintIssuer& issuer) {
  const StatusOr<CrlParts> parts = ReadCrl(draft);
  if (!parts.ok()) return {Unreadable("CRL", parts.status())};
  std::vector<Finding> findings;
  const auto require = [&findings](bool holds, const char* rule, const char* citation, const char* message) {
    if (!holds) findings.push_back({rule, citation, message});
  };
  require(Equal(parts->algorithm, parts->inner_algorithm) && Equal(parts->algorithm, issuer.algorithm),
          "rfc5280_5_1_1_2_signature_algorithm", "RFC 5280 5.1.1.2",
          "the two signature algorithms or the issuer's differ");
  require(Equal(parts->issuer, issuer.subject), "rfc5280_5_1_2_3_issuer", "RFC 5280 5.1.2.3",
          "issuer is not the issuer's subject");
  require(parts->next_update > parts->this_update, "rfc5280_5_1_2_5_next_update", "RFC 5280 5.1.2.5",
          "nextUpdate is not after thisUpdate");
  const Extension* number = FindExtension(parts->extensions, oid::kCrlNumber);
  const StatusOr<ByteView> content =
      number == nullptr ? StatusOr<ByteView>(ByteView()) : der::ReadWhole(number->value, der::kInteger);
  require(number != nullptr && !number->critical && content.ok() && der::UnsignedContent(*content).ok() &&
              content->size() <= 20,
          "rfc5280_5_2_3_crl_number", "RFC 5280 5.2.3", "cRLNumber is missing, critical or malformed");
  const Extension* key = FindExtension(parts->extensions, oid::kAuthorityKeyIdentifier);
  require(
      key != nullptr && Equal(key->value, der::Sequence({der::Tlv(der::ContextPrimitive(0), issuer.key_identifier)})),
      "rfc5280_5_2_1_authority_key_identifier", "RFC 5280 5.2.1",
      "authorityKeyIdentifier is not the issuer's key identifier");
  require(parts->entries_well_formed, "rfc5280_5_1_2_6_revoked_certificates", "RFC 5280 5.1.2.6",
          "revokedCertificates is empty though present, or an entry is malformed, or a serial number stands twice");
  return findings;
}

Status Verdict(const std::vector<Finding>& findings) {
  std::string errors;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::kError) continue;
    errors += fmt::format("; {} ({}): {}", finding.rule, finding.citation, finding.message);
  }
  if (errors.empty()) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kLintFailed, "lint refuses what would be signed" + errors);
}

}  // namespace hallmark
