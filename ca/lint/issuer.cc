// A certificate against its issuer (RFC 5280 6.1.3, 6.1.4).
#include <fmt/format.h>

#include <algorithm>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kName{"rfc5280_4_1_2_4_issuer", "RFC 5280 4.1.2.4", Severity::kError,
                         "issuer is the issuer's subject, octet for octet"};
constexpr LintRule kSelfIssued{"rfc5280_3_2_self_issued", "RFC 5280 3.2", Severity::kError,
                               "only what an authority makes for itself has its issuer's name"};
constexpr LintRule kAlgorithm{"hallmark_issuer_algorithm", "RFC 5280 4.1.1.2", Severity::kError,
                              "signatureAlgorithm is the one that the issuer signs with"};
constexpr LintRule kWithin{"hallmark_validity_within_issuer", "RFC 5280 6.1.3", Severity::kError,
                           "a certificate does not outlive its issuer"};
constexpr LintRule kPathLength{"rfc5280_4_2_1_9_path_length", "RFC 5280 4.2.1.9", Severity::kError,
                               "an authority stands where its issuer's pathLenConstraint allows one"};
constexpr LintRule kKeyIdentifier{"rfc5280_4_2_1_1_authority_key_identifier", "RFC 5280 4.2.1.1", Severity::kError,
                                  "authorityKeyIdentifier is the issuer's subjectKeyIdentifier"};
constexpr LintRule kMaySign{"rfc5280_6_1_4_issuer_may_sign", "RFC 5280 6.1.4", Severity::kError,
                            "the issuer is an authority with keyCertSign"};
constexpr LintRule kNested{"hallmark_nested_purposes", "Mozilla Root Store Policy 5.3", Severity::kWarning,
                           "a purpose is one of the issuer's, when the issuer names any"};

bool NamesKey(const Examined& c, ByteView key_identifier) {
  const ExtensionView* extension = c.Find(oids::kAuthorityKeyIdentifier);
  if (extension == nullptr) return false;
  const auto fields = ReadElements(extension->value).value_or(std::vector<der::Element>());
  const std::optional<ByteView> named = KeyIdentifierAmong(fields);
  return named.has_value() && Equal(*named, key_identifier);
}

void CheckCertificateOfIssuer(const Examined& c, const Examined& issuer, Findings& findings) {
  findings.Require(issuer.ca && (!issuer.key_usage.has_value() || issuer.Uses(kKeyCertSign)), kMaySign,
                   "the issuer's certificate is no authority's");
  const bool any = issuer.HasPurpose(Oid("\x55\x1d\x25\x00"));
  // Whom an authority names to answer for it needs no purpose of its own (RFC 6960 4.2.2.2).
  for (std::string_view purpose : c.purposes) {
    if (issuer.purposes.empty() || any || issuer.HasPurpose(purpose) || purpose == oids::kOcspSigning) continue;
    findings.Add(kNested, fmt::format("purpose {} is none of the issuer's", Dotted(purpose)));
  }
  CheckNameConstraints(c, issuer, findings);
}

}  // namespace

void CheckIssuer(const Examined& c, const LintIssuer& issuer, const Examined* certificate, Findings& findings) {
  findings.Require(Equal(c.issuer_octets, issuer.subject), kName, "issuer is not octet for octet the issuer's subject");
  findings.Require(issuer.self == c.is_self_issued(), kSelfIssued,
                   "a certificate has its issuer's name though it is no root, or the reverse");
  if (!issuer.algorithm.empty()) {
    findings.Require(Equal(c.algorithm, issuer.algorithm), kAlgorithm,
                     "signatureAlgorithm is not the one that the issuer signs with");
  }
  findings.Require(!c.not_after.has_value() || *c.not_after <= issuer.not_after, kWithin,
                   "the certificate outlives its issuer");
  const int64_t length = c.path_length.value_or(kNoPathLength);
  findings.Require(!c.ca || issuer.self ||
                       (issuer.path_length > 0 && (length < issuer.path_length || issuer.path_length == kNoPathLength)),
                   kPathLength, "an authority below an issuer whose pathLenConstraint does not allow it");
  // A root need not say it of itself.
  const bool unsaid = issuer.self && c.Find(oids::kAuthorityKeyIdentifier) == nullptr;
  if (!issuer.key_identifier.empty() && !unsaid) {
    findings.Require(NamesKey(c, issuer.key_identifier), kKeyIdentifier,
                     "authorityKeyIdentifier is not the issuer's key identifier");
  }
  if (certificate != nullptr && !issuer.self) CheckCertificateOfIssuer(c, *certificate, findings);
}

std::vector<LintRule> IssuerRules() {
  return {kName, kSelfIssued, kAlgorithm, kWithin, kPathLength, kKeyIdentifier, kMaySign, kNested};
}

}  // namespace hallmark::lint
