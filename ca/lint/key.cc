#include "ca/lint/key.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/public_key.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kWellFormed{"rfc5280_4_1_2_7_public_key", "RFC 5280 4.1.2.7", Severity::kError,
                               "the public key is well-formed, with the parameters of its algorithm"};
constexpr LintRule kSound{
    "hallmark_sound_public_key", "FIPS 186-5 A.1.1, NIST SP 800-131A 3", Severity::kError,
    "an RSA key has 2048 bits at least, an odd modulus and an odd exponent above 2^16; an EC key is "
    "a point of its curve"};
constexpr LintRule kUnknownAlgorithm{"hallmark_known_key_algorithm", "RFC 5280 4.1.2.7", Severity::kWarning,
                                     "the public key is of an algorithm that lint knows"};
constexpr LintRule kRsaUsage{"rfc3279_2_3_1_key_usage", "RFC 3279 2.3.1", Severity::kError,
                             "an RSA key is not for keyAgreement, encipherOnly or decipherOnly"};
constexpr LintRule kEcUsage{"rfc5480_3_key_usage", "RFC 5480 3, RFC 8813 3", Severity::kError,
                            "an EC key is not for keyEncipherment or dataEncipherment"};
constexpr LintRule kOnlyUsage{"rfc5280_4_2_1_3_encipher_only", "RFC 5280 4.2.1.3", Severity::kError,
                              "encipherOnly and decipherOnly need keyAgreement"};

constexpr auto kRsaEncryption = Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
constexpr auto kEcPublicKey = Oid("\x2a\x86\x48\xce\x3d\x02\x01");

// AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
bool IsAlgorithm(const std::vector<der::Element>& fields) {
  return !fields.empty() && fields.size() <= 2 && fields[0].tag == der::kOid;
}

size_t ModulusBits(ByteView key) {
  const auto numbers = ReadElements(key);
  if (!numbers.has_value() || numbers->empty() || (*numbers)[0].tag != der::kInteger) return 0;
  const StatusOr<ByteView> modulus = der::UnsignedContent((*numbers)[0].content);
  if (!modulus.ok() || modulus->empty()) return 0;
  size_t bits = modulus->size() * 8;
  for (uint8_t top = (*modulus)[0]; bits > 0 && (top & 0x80) == 0; top = static_cast<uint8_t>(top << 1)) --bits;
  return bits;
}

// A size or a curve that others use and that may be sound: RSA between or above ours, P-521.
bool IsOnlyElsewhere(const KeyView& key) {
  if (key.kind == KeyView::Kind::kRsa) return key.bits > 2048 && key.bits != 3072 && key.bits != 4096;
  return !key.curve.empty() && key.bits >= 224 && key.curve != oids::kPrime256v1 && key.curve != oids::kSecp384r1;
}

}  // namespace

KeyView ReadKeyView(ByteView spki) {
  KeyView key;
  const auto parts = ReadElements(spki);
  if (!parts.has_value() || parts->size() != 2 || (*parts)[1].tag != der::kBitString) return key;
  const auto algorithm = ReadElements((*parts)[0].whole);
  const StatusOr<ByteView> octets = der::BitStringOctets((*parts)[1].content);
  if (!algorithm.has_value() || !IsAlgorithm(*algorithm) || !octets.ok()) return key;
  const std::string_view oid = AsText((*algorithm)[0].content);
  if (oid == kRsaEncryption) {
    key = {KeyView::Kind::kRsa, ModulusBits(*octets), ""};
  } else if (oid == kEcPublicKey) {
    key = {KeyView::Kind::kEc, octets->size() / 2 * 8, ""};
    if (algorithm->size() == 2 && (*algorithm)[1].tag == der::kOid) key.curve = AsText((*algorithm)[1].content);
  } else {
    key.kind = KeyView::Kind::kOther;
  }
  return key;
}

void CheckKey(const Examined& c, Findings& findings) {
  if (c.key.kind == KeyView::Kind::kOther) {
    findings.Add(kUnknownAlgorithm, "the public key is neither RSA nor EC");
  } else if (IsOnlyElsewhere(c.key)) {
    findings.Add(kUnknownAlgorithm,
                 fmt::format("the public key has {} bits, which Hallmark does not issue", c.key.bits));
  } else if (const StatusOr<PublicKey> key = PublicKey::FromSpki(c.spki); !key.ok()) {
    const std::vector<FieldViolation> fields = Fields(key.status());
    findings.Add(Reason(key.status()) == reason::kKeyWeak ? kSound : kWellFormed,
                 fields.empty() ? Message(key.status()) : fields[0].description);
  }
  if (!c.key_usage.has_value()) return;
  const bool only = c.Uses(kEncipherOnly | kDecipherOnly);
  if (c.key.kind == KeyView::Kind::kRsa) {
    findings.Require(!c.Uses(kKeyAgreement) && !only, kRsaUsage, "keyUsage grants what no RSA key can do");
  } else {
    findings.Require(!only || c.Uses(kKeyAgreement), kOnlyUsage, "encipherOnly or decipherOnly without keyAgreement");
  }
  if (c.key.kind == KeyView::Kind::kEc) {
    findings.Require(!c.Uses(kKeyEncipherment | kDataEncipherment), kEcUsage, "keyUsage grants what no EC key can do");
  }
}

std::vector<LintRule> KeyRules() { return {kWellFormed, kSound, kUnknownAlgorithm, kRsaUsage, kEcUsage, kOnlyUsage}; }

}  // namespace hallmark::lint
