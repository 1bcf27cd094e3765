#include "ca/extensions.h"

#include <fmt/format.h>

#include <algorithm>

#include "ca/der.h"

namespace hallmark {
namespace {

constexpr size_t kKeyIdentifierOctets = 20;
// More than anybody needs; each that is refused has its line in the answer.
constexpr size_t kMaxExtensions = 32;
constexpr size_t kMaxPurposes = 16;

Bytes Encode(const char* type, bool critical, ByteView value) {
  constexpr uint8_t kTrue = 0xff;
  const Bytes flag = critical ? der::Tlv(der::kBoolean, ByteView(&kTrue, 1)) : Bytes();
  return der::Sequence({der::Oid(type), flag, der::Tlv(der::kOctetString, value)});
}

Bytes UriName(const std::string& url) { return der::Tlv(der::ContextPrimitive(6), AsBytes(url)); }

}  // namespace

Bytes KeyIdentifier(ByteView key_octets) {
  const Digest digest = Sha256(key_octets);
  return Bytes(digest.begin(), digest.begin() + kKeyIdentifierOctets);
}

Bytes SubjectKeyIdentifier(ByteView key_identifier) {
  return Encode(oid::kSubjectKeyIdentifier, false, der::Tlv(der::kOctetString, key_identifier));
}

Bytes AuthorityKeyIdentifier(ByteView key_identifier) {
  return Encode(oid::kAuthorityKeyIdentifier, false,
                der::Sequence({der::Tlv(der::ContextPrimitive(0), key_identifier)}));
}

Bytes BasicConstraints(bool ca, std::optional<int64_t> path_length) {
  // cA is DEFAULT FALSE: absent when false.
  constexpr uint8_t kTrue = 0xff;
  const Bytes flag = ca ? der::Tlv(der::kBoolean, ByteView(&kTrue, 1)) : Bytes();
  const Bytes length = path_length.has_value() ? der::Unsigned(static_cast<uint64_t>(*path_length)) : Bytes();
  return Encode(oid::kBasicConstraints, true, der::Sequence({flag, length}));
}

Bytes KeyUsageExtension(const std::vector<KeyUsage>& usages) {
  uint32_t bits = 0;
  for (KeyUsage usage : usages) bits |= 1u << static_cast<unsigned>(usage);
  return Encode(oid::kKeyUsage, true, der::NamedBitString(bits));
}

Bytes ExtendedKeyUsage(const std::vector<std::string>& purposes) {
  Bytes content;
  for (const std::string& purpose : purposes) Append(content, der::Oid(purpose));
  return Encode(oid::kExtendedKeyUsage, false, der::Tlv(der::kSequence, content));
}

Bytes SubjectAltName(ByteView general_names, bool critical) {
  return Encode(oid::kSubjectAltName, critical, general_names);
}

Bytes CrlDistributionPoints(const std::string& url) {
  const Bytes full_name = der::Tlv(der::ContextConstructed(0), UriName(url));
  const Bytes point = der::Sequence({der::Tlv(der::ContextConstructed(0), full_name)});
  return Encode(oid::kCrlDistributionPoints, false, der::Sequence({point}));
}

Bytes AuthorityInfoAccess(const std::string& ca_issuers_url) {
  const Bytes description = der::Sequence({der::Oid("1.3.6.1.5.5.7.48.2"), UriName(ca_issuers_url)});
  return Encode(oid::kAuthorityInfoAccess, false, der::Sequence({description}));
}

Bytes CrlNumber(uint64_t number) { return Encode(oid::kCrlNumber, false, der::Unsigned(number)); }

Bytes ReasonCode(RevocationReason reason) {
  const auto code = static_cast<uint8_t>(reason);
  return Encode(oid::kReasonCode, false, der::Tlv(der::kEnumerated, ByteView(&code, 1)));
}

StatusOr<std::vector<Extension>> ReadExtensions(ByteView der) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader reader(content);
  std::vector<Extension> extensions;
  do {
    if (extensions.size() == kMaxExtensions) {
      return absl::InvalidArgumentError(fmt::format("more than {} extensions", kMaxExtensions));
    }
    ASSIGN_OR_RETURN(const ByteView element, reader.Content(der::kSequence));
    der::Reader fields(element);
    Extension extension;
    ASSIGN_OR_RETURN(const ByteView type, fields.Content(der::kOid));
    ASSIGN_OR_RETURN(extension.oid, der::OidText(type));
    ASSIGN_OR_RETURN(const std::optional<ByteView> critical, fields.OptionalContent(der::kBoolean));
    if (critical.has_value()) {
      ASSIGN_OR_RETURN(extension.critical, der::BooleanContent(*critical));
      if (!extension.critical)
        return absl::InvalidArgumentError("not DER: critical FALSE is the default and must be absent");
    }
    ASSIGN_OR_RETURN(extension.value, fields.Content(der::kOctetString));
    RETURN_IF_ERROR(fields.ExpectEnd());
    if (std::any_of(extensions.begin(), extensions.end(),
                    [&](const Extension& other) { return other.oid == extension.oid; })) {
      return absl::InvalidArgumentError("extension " + extension.oid + " stands twice");
    }
    extensions.push_back(std::move(extension));
  } while (!reader.empty());
  return extensions;
}

StatusOr<BasicConstraintsValue> ReadBasicConstraints(ByteView value) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  der::Reader reader(content);
  BasicConstraintsValue constraints;
  ASSIGN_OR_RETURN(const std::optional<ByteView> ca, reader.OptionalContent(der::kBoolean));
  if (ca.has_value()) {
    ASSIGN_OR_RETURN(constraints.ca, der::BooleanContent(*ca));
  }
  ASSIGN_OR_RETURN(const std::optional<ByteView> length, reader.OptionalContent(der::kInteger));
  if (length.has_value()) {
    ASSIGN_OR_RETURN(const ByteView magnitude, der::UnsignedContent(*length));
    if (magnitude.size() > 1) return absl::InvalidArgumentError("a pathLenConstraint beyond 255");
    constraints.path_length = magnitude[0];
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  return constraints;
}

StatusOr<std::vector<KeyUsage>> ReadKeyUsage(ByteView value) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kBitString));
  ASSIGN_OR_RETURN(const uint32_t bits, der::NamedBits(content));
  constexpr unsigned kLast = static_cast<unsigned>(KeyUsage::kCrlSign);
  if (bits == 0 || bits >> (kLast + 1) != 0)
    return absl::InvalidArgumentError("a keyUsage of no bits, or of bits that nobody grants");
  std::vector<KeyUsage> usages;
  for (unsigned bit = 0; bit <= kLast; ++bit) {
    if ((bits & (1u << bit)) != 0) usages.push_back(static_cast<KeyUsage>(bit));
  }
  return usages;
}

StatusOr<std::vector<std::string>> ReadExtendedKeyUsage(ByteView value) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  der::Reader reader(content);
  std::vector<std::string> purposes;
  do {
    if (purposes.size() == kMaxPurposes) {
      return absl::InvalidArgumentError(fmt::format("more than {} purposes in extKeyUsage", kMaxPurposes));
    }
    ASSIGN_OR_RETURN(const ByteView type, reader.Content(der::kOid));
    ASSIGN_OR_RETURN(std::string purpose, der::OidText(type));
    purposes.push_back(std::move(purpose));
  } while (!reader.empty());
  return purposes;
}

StatusOr<ByteView> ReadSubjectKeyIdentifier(ByteView value) { return der::ReadWhole(value, der::kOctetString); }

}  // namespace hallmark
