// Certificate revocation lists (RFC 5280 5). Others' lists are in no order, and need not have what ours have.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kVersion{"rfc5280_5_1_2_1_version", "RFC 5280 5.1.2.1", Severity::kError, "a CRL is of version 2"};
constexpr LintRule kAlgorithm{"rfc5280_5_1_1_2_signature_algorithm", "RFC 5280 5.1.1.2", Severity::kError,
                              "the two signature algorithms of a CRL are the same, and the issuer's"};
constexpr LintRule kIssuer{"rfc5280_5_1_2_3_issuer", "RFC 5280 5.1.2.3", Severity::kError,
                           "a CRL's issuer is not empty, and octet for octet the issuer's subject"};
constexpr LintRule kMaySign{"rfc5280_6_3_3_issuer_may_sign", "RFC 5280 6.3.3", Severity::kError,
                            "a CRL's issuer has cRLSign, when it has a keyUsage"};
constexpr LintRule kTimeForm{"rfc5280_5_1_2_4_time_form", "RFC 5280 5.1.2.4, 5.1.2.5, 5.1.2.6", Severity::kError,
                             "a time of a CRL is UTCTime through 2049 and GeneralizedTime from 2050 on"};
constexpr LintRule kNextUpdate{"rfc5280_5_1_2_5_next_update", "RFC 5280 5.1.2.5", Severity::kError,
                               "nextUpdate is there, and after thisUpdate"};
constexpr LintRule kRevoked{"rfc5280_5_1_2_6_revoked_certificates", "RFC 5280 5.1.2.6", Severity::kError,
                            "revokedCertificates is absent or not empty, well-formed, each serial number once"};
constexpr LintRule kTwice{"rfc5280_5_2_duplicate_extension", "RFC 5280 4.2, 5.2", Severity::kError,
                          "an extension of a CRL stands once"};
constexpr LintRule kCriticality{"rfc5280_5_2_criticality", "RFC 5280 5.2", Severity::kError,
                                "an extension of a CRL is critical, or not, as its section says; a critical one is one "
                                "that relying parties know"};
constexpr LintRule kKey{"rfc5280_5_2_1_authority_key_identifier", "RFC 5280 5.2.1", Severity::kError,
                        "a CRL has an authorityKeyIdentifier, with the issuer's key identifier"};
constexpr LintRule kNumber{"rfc5280_5_2_3_crl_number", "RFC 5280 5.2.3", Severity::kError,
                           "cRLNumber is there, not negative, and of at most 20 octets"};
constexpr LintRule kEntryExtensions{"rfc5280_5_3_entry_extensions", "RFC 5280 5.3", Severity::kError,
                                    "an entry's extensions are well-formed, each once, and only certificateIssuer is "
                                    "critical"};
constexpr LintRule kReason{"rfc5280_5_3_1_reason_code", "RFC 5280 5.3.1", Severity::kError,
                           "reasonCode is one of the reasons, and removeFromCRL only in a delta CRL"};
constexpr LintRule kUnspecified{"rfc5280_5_3_1_unspecified", "RFC 5280 5.3.1", Severity::kWarning,
                                "reasonCode is absent rather than unspecified"};

constexpr auto kCrlNumberOid = Oid("\x55\x1d\x14");
constexpr auto kReasonCodeOid = Oid("\x55\x1d\x15");
constexpr auto kDeltaIndicatorOid = Oid("\x55\x1d\x1b");
constexpr auto kIssuingPointOid = Oid("\x55\x1d\x1c");
constexpr auto kCertificateIssuerOid = Oid("\x55\x1d\x1d");

struct ExaminedCrl {
  int version = 1;
  ByteView algorithm;
  ByteView inner_algorithm;
  ByteView issuer;
  der::Element this_update;
  std::optional<der::Element> next_update;
  std::optional<ByteView> revoked;  // content
  std::vector<ExtensionView> extensions;

  const ExtensionView* Find(std::string_view oid) const { return FindView(extensions, oid); }
};

bool IsTime(uint8_t tag) { return tag == der::kUtcTime || tag == der::kGeneralizedTime; }

StatusOr<ExaminedCrl> ExamineCrl(ByteView crl) {
  ExaminedCrl c;
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(crl, der::kSequence));
  der::Reader outer(content);
  ASSIGN_OR_RETURN(const ByteView tbs, outer.Content(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView signature_bits, outer.Content(der::kBitString));
  RETURN_IF_ERROR(der::BitStringOctets(signature_bits).status());
  RETURN_IF_ERROR(outer.ExpectEnd());
  c.algorithm = algorithm.whole;

  der::Reader inner(tbs);
  ASSIGN_OR_RETURN(const std::optional<ByteView> version, inner.OptionalContent(der::kInteger));
  if (version.has_value()) c.version = version->size() == 1 && (*version)[0] < 0x7f ? (*version)[0] + 1 : 0;
  ASSIGN_OR_RETURN(const der::Element signature, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element issuer, inner.Next(der::kSequence));
  c.inner_algorithm = signature.whole;
  c.issuer = issuer.whole;
  ASSIGN_OR_RETURN(c.this_update, inner.Next());
  if (IsTime(inner.tag())) {
    ASSIGN_OR_RETURN(c.next_update, inner.Next());
  }
  ASSIGN_OR_RETURN(c.revoked, inner.OptionalContent(der::kSequence));
  ASSIGN_OR_RETURN(const std::optional<ByteView> extensions, inner.OptionalContent(der::ContextConstructed(0)));
  RETURN_IF_ERROR(inner.ExpectEnd());
  if (extensions.has_value()) {
    ASSIGN_OR_RETURN(c.extensions, ReadExtensionViews(*extensions));
  }
  return c;
}

void CheckTime(const der::Element& element, const char* field, Findings& findings) {
  if (HasTimeForm(element)) return;
  findings.Add(kTimeForm, fmt::format("{} is not UTCTime through 2049 and GeneralizedTime from 2050 on", field));
}

void CheckUpdates(const ExaminedCrl& c, Findings& findings) {
  CheckTime(c.this_update, "thisUpdate", findings);
  if (!c.next_update.has_value()) return findings.Add(kNextUpdate, "there is no nextUpdate");
  CheckTime(*c.next_update, "nextUpdate", findings);
  const StatusOr<Time> from = der::ReadTime(c.this_update);
  const StatusOr<Time> until = der::ReadTime(*c.next_update);
  findings.Require(!from.ok() || !until.ok() || *until > *from, kNextUpdate, "nextUpdate is not after thisUpdate");
}

// An entry's flaw is told once, since a list may have a million entries.
class EntryFindings {
 public:
  explicit EntryFindings(Findings& findings) : findings_(findings) {}
  void Require(bool holds, const LintRule& rule, const char* message, ByteView serial) {
    if (holds || std::find(said_.begin(), said_.end(), rule.name) != said_.end()) return;
    said_.push_back(rule.name);
    findings_.Add(rule, fmt::format("{}: the entry of serial number {}, and perhaps others", message, Hex(serial)));
  }

 private:
  Findings& findings_;
  std::vector<std::string_view> said_;
};

void CheckReason(ByteView value, bool delta, ByteView serial, EntryFindings& findings) {
  constexpr uint8_t kUnused = 7;
  constexpr uint8_t kRemoveFromCrl = 8;
  constexpr uint8_t kLast = 10;
  const StatusOr<ByteView> content = der::ReadWhole(value, der::kEnumerated);
  const bool one = content.ok() && content->size() == 1;
  const uint8_t reason = one ? (*content)[0] : kUnused;
  findings.Require(reason <= kLast && reason != kUnused && (reason != kRemoveFromCrl || delta), kReason,
                   "reasonCode is none that may stand here", serial);
  findings.Require(reason != 0, kUnspecified, "reasonCode is unspecified", serial);
}

// Reads one entry; what is left of `fields` are its extensions.
Status CheckEntry(der::Reader fields, bool delta, ByteView serial, EntryFindings& findings) {
  ASSIGN_OR_RETURN(const der::Element date, fields.Next());
  findings.Require(HasTimeForm(date), kTimeForm,
                   "revocationDate is not UTCTime through 2049 and GeneralizedTime from 2050 on", serial);
  if (fields.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const der::Element list, fields.Next(der::kSequence));
  RETURN_IF_ERROR(fields.ExpectEnd());
  const StatusOr<std::vector<ExtensionView>> extensions = ReadExtensionViews(list.whole);
  bool right = extensions.ok() && !extensions->empty();
  for (size_t i = 0; right && i < extensions->size(); ++i) {
    const ExtensionView& extension = (*extensions)[i];
    right = extension.critical == (extension.oid == kCertificateIssuerOid) &&
            std::none_of(extensions->begin(), extensions->begin() + static_cast<std::ptrdiff_t>(i),
                         [&](const ExtensionView& other) { return other.oid == extension.oid; });
    if (extension.oid == kReasonCodeOid) CheckReason(extension.value, delta, serial, findings);
  }
  findings.Require(right, kEntryExtensions, "extensions are malformed, empty, twice, or wrongly critical", serial);
  return absl::OkStatus();
}

void CheckEntries(const ExaminedCrl& c, Findings& findings) {
  if (!c.revoked.has_value()) return;
  if (c.revoked->empty()) return findings.Add(kRevoked, "revokedCertificates is empty though present");
  const bool delta = c.Find(kDeltaIndicatorOid) != nullptr;
  EntryFindings of_entries(findings);
  std::vector<std::string_view> serials;
  for (der::Reader list(*c.revoked); !list.empty();) {
    const StatusOr<ByteView> entry = list.Content(der::kSequence);
    der::Reader fields(entry.value_or(ByteView()));
    const StatusOr<ByteView> serial = fields.Content(der::kInteger);
    if (!entry.ok() || !serial.ok() || !CheckEntry(fields, delta, *serial, of_entries).ok()) {
      return findings.Add(kRevoked, fmt::format("entry {} of revokedCertificates is malformed", serials.size() + 1));
    }
    serials.push_back(AsText(*serial));
  }
  // An indirect CRL may revoke two certificates of one number, of different issuers.
  const ExtensionView* point = c.Find(kIssuingPointOid);
  if (point != nullptr) return;
  std::sort(serials.begin(), serials.end());
  const auto twice = std::adjacent_find(serials.begin(), serials.end());
  if (twice != serials.end()) {
    findings.Add(kRevoked, fmt::format("serial number {} stands twice", Hex(AsBytes(*twice))));
  }
}

void CheckCriticality(const ExaminedCrl& c, Findings& findings) {
  struct Known {
    std::string_view oid;
    bool critical;
  };
  constexpr std::array<Known, 7> kKnown = {{{oids::kAuthorityKeyIdentifier, false},
                                            {oids::kIssuerAltName, false},
                                            {kCrlNumberOid, false},
                                            {kDeltaIndicatorOid, true},
                                            {kIssuingPointOid, true},
                                            {oids::kFreshestCrl, false},
                                            {oids::kAuthorityInfoAccess, false}}};
  for (size_t i = 0; i < c.extensions.size(); ++i) {
    const ExtensionView& extension = c.extensions[i];
    const auto known =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.oid == extension.oid; });
    if (extension.critical != (known != kKnown.end() && known->critical)) {
      findings.Add(kCriticality,
                   fmt::format("extension {} is {}critical", Dotted(extension.oid), extension.critical ? "" : "not "));
    }
    if (c.Find(extension.oid) != &extension) {
      findings.Add(kTwice, fmt::format("extension {} stands twice", Dotted(extension.oid)));
    }
  }
}

// `key_identifier`: the issuer's; empty: not known.
void CheckKeyIdentifier(const ExaminedCrl& c, ByteView key_identifier, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kAuthorityKeyIdentifier);
  if (extension == nullptr) return findings.Add(kKey, "there is no authorityKeyIdentifier");
  const auto fields = ReadElements(extension->value);
  if (!fields.has_value()) return findings.Add(kKey, "authorityKeyIdentifier is malformed");
  const std::optional<ByteView> named = KeyIdentifierAmong(*fields);
  if (!named.has_value()) return findings.Add(kKey, "authorityKeyIdentifier has no keyIdentifier");
  findings.Require(key_identifier.empty() || Equal(*named, key_identifier), kKey,
                   "authorityKeyIdentifier is not the issuer's key identifier");
}

void CheckNumber(const ExaminedCrl& c, Findings& findings) {
  const ExtensionView* extension = c.Find(kCrlNumberOid);
  if (extension == nullptr) return findings.Add(kNumber, "there is no cRLNumber");
  const StatusOr<ByteView> number = der::ReadWhole(extension->value, der::kInteger);
  findings.Require(number.ok() && der::UnsignedContent(*number).ok() && number->size() <= 20, kNumber,
                   "cRLNumber is malformed, negative, or longer than 20 octets");
}

}  // namespace

void CheckCrl(ByteView crl, const LintIssuer& issuer, const Examined* certificate, Findings& findings) {
  CheckDer(crl, findings);
  const StatusOr<ExaminedCrl> c = ExamineCrl(crl);
  if (!c.ok()) return findings.Add(kDer, fmt::format("the CRL cannot be read: {}", Message(c.status())));
  findings.Require(c->version == 2, kVersion, "the CRL is not of version 2");
  findings.Require(Equal(c->algorithm, c->inner_algorithm), kAlgorithm, "the two signature algorithms differ");
  CheckSignatureAlgorithm(c->inner_algorithm, false, findings);
  findings.Require(issuer.algorithm.empty() || Equal(c->algorithm, issuer.algorithm), kAlgorithm,
                   "the signature algorithm is not the one that the issuer signs with");
  const auto rdns = ReadElements(c->issuer);
  findings.Require(rdns.has_value() && !rdns->empty(), kIssuer, "issuer is malformed or empty");
  findings.Require(issuer.subject.empty() || Equal(c->issuer, issuer.subject), kIssuer,
                   "issuer is not octet for octet the issuer's subject");
  findings.Require(certificate == nullptr || !certificate->key_usage.has_value() || certificate->Uses(kCrlSign),
                   kMaySign, "the issuer's keyUsage has no cRLSign");
  CheckUpdates(*c, findings);
  CheckEntries(*c, findings);
  CheckCriticality(*c, findings);
  CheckKeyIdentifier(*c, issuer.key_identifier, findings);
  CheckNumber(*c, findings);
}

std::vector<LintRule> CrlRules() {
  return {kVersion, kAlgorithm,   kIssuer, kMaySign, kTimeForm,        kNextUpdate, kRevoked,
          kTwice,   kCriticality, kKey,    kNumber,  kEntryExtensions, kReason,     kUnspecified};
}

}  // namespace hallmark::lint
