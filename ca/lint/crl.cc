// Certificate revocation lists (RFC 5280 5).
#include "ca/crl.h"

#include <algorithm>

#include "ca/certificate.h"
#include "ca/lint/examined.h"

namespace hallmark {
namespace lint {
namespace {

constexpr LintRule kAlgorithm{"rfc5280_5_1_1_2_signature_algorithm", "RFC 5280 5.1.1.2", Severity::kError,
                              "the two signature algorithms of a CRL are the issuer's"};
constexpr LintRule kIssuer{"rfc5280_5_1_2_3_issuer", "RFC 5280 5.1.2.3", Severity::kError,
                           "a CRL's issuer is the issuer's subject, octet for octet"};
constexpr LintRule kNextUpdate{"rfc5280_5_1_2_5_next_update", "RFC 5280 5.1.2.5", Severity::kError,
                               "nextUpdate is after thisUpdate"};
constexpr LintRule kNumber{"rfc5280_5_2_3_crl_number", "RFC 5280 5.2.3", Severity::kError,
                           "cRLNumber is there, not critical, and of at most 20 octets"};
constexpr LintRule kKey{"rfc5280_5_2_1_authority_key_identifier", "RFC 5280 5.2.1", Severity::kError,
                        "a CRL's authorityKeyIdentifier is the issuer's key identifier"};
constexpr LintRule kRevoked{"rfc5280_5_1_2_6_revoked_certificates", "RFC 5280 5.1.2.6", Severity::kError,
                            "revokedCertificates is absent or not empty, well-formed, each serial number once"};

}  // namespace

std::vector<LintRule> CrlRules() { return {kAlgorithm, kIssuer, kNextUpdate, kNumber, kKey, kRevoked}; }

std::vector<Finding> CheckCrl(ByteView draft, const LintIssuer& issuer) {
  Findings findings;
  const StatusOr<CrlParts> parts = ReadCrl(draft);
  if (!parts.ok()) {
    findings.Add(kDer, "the CRL cannot be read: " + Message(parts.status()));
    return findings.Take();
  }
  findings.Require(Equal(parts->algorithm, parts->inner_algorithm) && Equal(parts->algorithm, issuer.algorithm),
                   kAlgorithm, "the two signature algorithms or the issuer's differ");
  findings.Require(Equal(parts->issuer, issuer.subject), kIssuer, "issuer is not the issuer's subject");
  findings.Require(parts->next_update > parts->this_update, kNextUpdate, "nextUpdate is not after thisUpdate");
  const Extension* number = FindExtension(parts->extensions, oid::kCrlNumber);
  const StatusOr<ByteView> content =
      number == nullptr ? StatusOr<ByteView>(ByteView()) : der::ReadWhole(number->value, der::kInteger);
  findings.Require(number != nullptr && !number->critical && content.ok() && der::UnsignedContent(*content).ok() &&
                       content->size() <= 20,
                   kNumber, "cRLNumber is missing, critical or malformed");
  const Extension* key = FindExtension(parts->extensions, oid::kAuthorityKeyIdentifier);
  findings.Require(
      key != nullptr && Equal(key->value, der::Sequence({der::Tlv(der::ContextPrimitive(0), issuer.key_identifier)})),
      kKey, "authorityKeyIdentifier is not the issuer's key identifier");
  findings.Require(parts->entries_well_formed, kRevoked,
                   "revokedCertificates is empty though present, or an entry is malformed, or a serial number stands "
                   "twice");
  return findings.Take();
}

}  // namespace lint

std::vector<Finding> LintCrl(ByteView draft, const LintIssuer& issuer) { return lint::CheckCrl(draft, issuer); }

}  // namespace hallmark
