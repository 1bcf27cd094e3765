// Version, serial number, algorithms and validity (RFC 5280 4.1.1, 4.1.2).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kVersion{"rfc5280_4_1_2_1_version", "RFC 5280 4.1.2.1", Severity::kError,
                            "a certificate with extensions is of version 3, one with unique identifiers of 2 or 3"};
constexpr LintRule kOldVersion{"rfc5280_4_1_2_1_old_version", "RFC 5280 4.1.2.1", Severity::kWarning,
                               "a certificate is of version 3"};
constexpr LintRule kSerial{"rfc5280_4_1_2_2_serial_number", "RFC 5280 4.1.2.2", Severity::kError,
                           "serialNumber is positive and has at most 20 octets"};
constexpr LintRule kEntropy{"hallmark_serial_entropy", "CA/Browser Forum BR 7.1", Severity::kWarning,
                            "serialNumber has at least 64 bits, of a CSPRNG"};
constexpr LintRule kSameAlgorithm{"rfc5280_4_1_1_2_signature_algorithm", "RFC 5280 4.1.1.2", Severity::kError,
                                  "signatureAlgorithm and tbsCertificate.signature are the same"};
constexpr LintRule kBrokenAlgorithm{"hallmark_sound_signature_algorithm", "RFC 6194, RFC 6151", Severity::kError,
                                    "a signature is not by MD5 or SHA-1"};
constexpr LintRule kBrokenSelfSignature{"hallmark_sound_self_signature", "RFC 6194, RFC 6151", Severity::kWarning,
                                        "a root's signature of itself, on which nobody relies, is not by MD5 or SHA-1"};
constexpr LintRule kUnknownAlgorithm{"hallmark_known_signature_algorithm", "RFC 5280 4.1.1.2", Severity::kWarning,
                                     "a signature is of an algorithm that lint knows"};
constexpr LintRule kParameters{"rfc4055_rfc5758_parameters", "RFC 4055 5, RFC 5758 3.2", Severity::kError,
                               "a signature algorithm has NULL parameters for RSA PKCS#1, none for ECDSA"};
constexpr LintRule kTimeForm{"rfc5280_4_1_2_5_time_form", "RFC 5280 4.1.2.5", Severity::kError,
                             "a time is UTCTime through 2049 and GeneralizedTime from 2050 on, YYMMDDHHMMSSZ"};
constexpr LintRule kValidity{"rfc5280_4_1_2_5_validity", "RFC 5280 4.1.2.5", Severity::kError,
                             "notAfter is not before notBefore"};
constexpr LintRule kUnique{"rfc5280_4_1_2_8_unique_identifiers", "RFC 5280 4.1.2.8", Severity::kError,
                           "a certificate has no unique identifiers"};
constexpr LintRule kNoExtensions{"rfc5280_4_1_2_9_extensions", "RFC 5280 4.1.2.9", Severity::kError,
                                 "extensions, when there, are at least one"};

enum class Digest { kSound, kBroken };
struct Algorithm {
  std::string_view oid;
  Digest digest;
  bool null_parameters;  // else none
  bool own_parameters = false;
};
constexpr std::array<Algorithm, 17> kAlgorithms = {{
    {Oid("\x2a\x86\x48\xce\x3d\x04\x03\x02"), Digest::kSound, false},            // ecdsa-with-SHA256
    {Oid("\x2a\x86\x48\xce\x3d\x04\x03\x03"), Digest::kSound, false},            // ecdsa-with-SHA384
    {Oid("\x2a\x86\x48\xce\x3d\x04\x03\x04"), Digest::kSound, false},            // ecdsa-with-SHA512
    {Oid("\x2a\x86\x48\xce\x3d\x04\x03\x01"), Digest::kSound, false},            // ecdsa-with-SHA224
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), Digest::kSound, true},         // sha256WithRSAEncryption
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), Digest::kSound, true},         // sha384
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), Digest::kSound, true},         // sha512
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"), Digest::kSound, true},         // sha224
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), Digest::kSound, false, true},  // RSASSA-PSS
    {Oid("\x2b\x65\x70"), Digest::kSound, false},                                // Ed25519
    {Oid("\x2b\x65\x71"), Digest::kSound, false},                                // Ed448
    {Oid("\x2a\x86\x48\xce\x3d\x04\x01"), Digest::kBroken, false},               // ecdsa-with-SHA1
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"), Digest::kBroken, true},        // sha1WithRSAEncryption
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"), Digest::kBroken, true},        // md5WithRSAEncryption
    {Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02"), Digest::kBroken, true},        // md2WithRSAEncryption
    {Oid("\x2a\x86\x48\xce\x38\x04\x03"), Digest::kBroken, false},               // dsa-with-sha1
    {Oid("\x2b\x0e\x03\x02\x1d"), Digest::kBroken, true},                        // sha1WithRSASignature
}};

void CheckTime(const der::Element& element, const std::optional<Time>& time, const char* field, Findings& findings) {
  if (!time.has_value()) {
    return findings.Add(kTimeForm, fmt::format("{} is no time in whole seconds with Z", field));
  }
  if (HasTimeForm(element)) return;
  findings.Add(kTimeForm, fmt::format("{} is not UTCTime through 2049 and GeneralizedTime from 2050 on", field));
}

}  // namespace

void CheckSignatureAlgorithm(ByteView algorithm, bool self_signed, Findings& findings) {
  const auto parts = ReadElements(algorithm);
  if (!parts.has_value() || parts->empty() || parts->size() > 2 || (*parts)[0].tag != der::kOid) {
    return findings.Add(kDer, "the signature's AlgorithmIdentifier is malformed");
  }
  const std::string_view oid = AsText((*parts)[0].content);
  const auto known =
      std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const Algorithm& row) { return row.oid == oid; });
  if (known == kAlgorithms.end()) {
    return findings.Add(kUnknownAlgorithm, fmt::format("signature algorithm {} is not known", Dotted(oid)));
  }
  if (known->digest == Digest::kBroken) {
    findings.Add(self_signed ? kBrokenSelfSignature : kBrokenAlgorithm, "the signature is by MD2, MD5 or SHA-1");
  }
  if (known->own_parameters) return;
  const bool none = parts->size() == 1;
  const bool null = parts->size() == 2 && (*parts)[1].tag == der::kNull && (*parts)[1].content.empty();
  findings.Require(known->null_parameters ? null : none, kParameters,
                   known->null_parameters ? "the parameters are not NULL" : "there are parameters where none belong");
}

void CheckDefaults(const Examined& c, Findings& findings);

void CheckStructure(const Examined& c, Findings& findings) {
  const bool known = c.version >= 1 && c.version <= 3;
  findings.Require(known && (!c.has_extensions || c.version == 3) && (!c.has_unique_identifiers || c.version >= 2),
                   kVersion, "the version does not go with what is there");
  findings.Require(!known || c.version == 3, kOldVersion, "the certificate is not of version 3");
  findings.Require(!c.has_unique_identifiers, kUnique, "there is a unique identifier");
  findings.Require(!c.has_extensions || !c.extensions.empty(), kNoExtensions, "extensions is empty though present");
  CheckDefaults(c, findings);

  const StatusOr<ByteView> magnitude = der::UnsignedContent(c.serial);
  const bool positive =
      magnitude.ok() && std::any_of(magnitude->begin(), magnitude->end(), [](uint8_t octet) { return octet != 0; });
  findings.Require(positive && c.serial.size() <= 20, kSerial,
                   "the serial number is not positive or longer than 20 octets");
  findings.Require(!positive || magnitude->size() >= 8, kEntropy, "the serial number has less than 64 bits");
  findings.Require(Equal(c.algorithm, c.inner_algorithm), kSameAlgorithm,
                   "signatureAlgorithm and tbsCertificate.signature differ");
  CheckSignatureAlgorithm(c.inner_algorithm, c.is_self_signed(), findings);
  CheckTime(c.not_before_element, c.not_before, "notBefore", findings);
  CheckTime(c.not_after_element, c.not_after, "notAfter", findings);
  if (c.not_before.has_value() && c.not_after.has_value()) {
    findings.Require(*c.not_before <= *c.not_after, kValidity, "notAfter is before notBefore");
  }
}

std::vector<LintRule> StructureRules() {
  return {kVersion,          kOldVersion, kSerial,   kEntropy,  kSameAlgorithm, kBrokenAlgorithm, kBrokenSelfSignature,
          kUnknownAlgorithm, kParameters, kTimeForm, kValidity, kUnique,        kNoExtensions};
}

}  // namespace hallmark::lint
