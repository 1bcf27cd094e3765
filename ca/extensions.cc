#include "ca/extensions.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

#include "base/reason.h"
#include "ca/der.h"
#include "ca/names.h"

namespace hallmark {
namespace {

constexpr size_t kKeyIdentifierOctets = 20;
// More than anybody needs; each that is refused has its line in the answer.
constexpr size_t kMaxExtensions = 32;
constexpr size_t kMaxPurposes = 16;

constexpr uint8_t kTrue = 0xff;

Bytes UriName(const std::string& url) { return der::Tlv(general_name::kUri, AsBytes(url)); }

// DistributionPoint and IssuingDistributionPoint, of which only distributionPoint [0] fullName [0] is there.
Bytes DistributionPoint(const std::string& url) {
  const Bytes full_name = der::Tlv(der::ContextConstructed(0), UriName(url));
  return der::Sequence({der::Tlv(der::ContextConstructed(0), full_name)});
}

StatusOr<Bytes> EncodeInteger(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no decimal number of 64 bits", text));
  }
  return der::Signed(value);
}

StatusOr<Bytes> EncodeMoment(const std::string& text) {
  Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no time of RFC 3339: {}", text, error));
  }
  return der::GeneralizedTime(time);
}

// The octets of extnValue, not yet known to be DER where the text gives them.
StatusOr<Bytes> EncodeText(ExtensionRule::Encoding encoding, const std::string& text) {
  using Encoding = ExtensionRule::Encoding;
  switch (encoding) {
    case Encoding::kUtf8: return der::Tlv(der::kUtf8String, AsBytes(text));
    case Encoding::kPrintable: return der::Tlv(der::kPrintableString, AsBytes(text));
    case Encoding::kIa5: return der::Tlv(der::kIa5String, AsBytes(text));
    case Encoding::kBoolean: return der::Tlv(der::kBoolean, Bytes{text == "true" ? kTrue : uint8_t{0}});
    case Encoding::kInteger: return EncodeInteger(text);
    case Encoding::kOid: return der::Oid(text);
    case Encoding::kTime: return EncodeMoment(text);
    case Encoding::kOctets: {
      ASSIGN_OR_RETURN(const Bytes octets, FromHex(text));
      return der::Tlv(der::kOctetString, octets);
    }
    case Encoding::kNull: return der::Tlv(der::kNull, {});
    case Encoding::kDer: break;
  }
  return FromHex(text);
}

}  // namespace

Bytes EncodeExtension(std::string_view oid, bool critical, ByteView value) {
  const Bytes flag = critical ? der::Tlv(der::kBoolean, ByteView(&kTrue, 1)) : Bytes();
  return der::Sequence({der::Oid(oid), flag, der::Tlv(der::kOctetString, value)});
}

StatusOr<Bytes> EncodeExtension(const PlannedExtension& planned) {
  StatusOr<Bytes> value =
      planned.passed.has_value() ? StatusOr<Bytes>(*planned.passed) : EncodeText(planned.encoding, planned.text);
  const Status status = value.ok() ? der::CheckElement(*value) : value.status();
  if (status.ok()) return EncodeExtension(planned.oid, planned.critical, *value);
  return FieldError(reason::kExtensionNotAllowed, "csr.extensions." + planned.oid,
                    "cannot be written as an extension: " + Message(status));
}

Bytes KeyIdentifier(ByteView key_octets, Profile::KeyIdentifierMethod method) {
  if (method == Profile::KeyIdentifierMethod::kSha1) {
    Bytes digest(SHA_DIGEST_LENGTH);
    SHA1(key_octets.data(), key_octets.size(), digest.data());
    return digest;
  }
  const Digest digest = Sha256(key_octets);
  return Bytes(digest.begin(), digest.begin() + kKeyIdentifierOctets);
}

Bytes SubjectKeyIdentifier(ByteView key_identifier) {
  return EncodeExtension(oid::kSubjectKeyIdentifier, false, der::Tlv(der::kOctetString, key_identifier));
}

Bytes AuthorityKeyIdentifier(ByteView key_identifier) {
  return EncodeExtension(oid::kAuthorityKeyIdentifier, false,
                         der::Sequence({der::Tlv(der::ContextPrimitive(0), key_identifier)}));
}

Bytes BasicConstraints(bool ca, std::optional<int64_t> path_length) {
  // cA is DEFAULT FALSE: absent when false.
  const Bytes flag = ca ? der::Tlv(der::kBoolean, ByteView(&kTrue, 1)) : Bytes();
  const Bytes length = path_length.has_value() ? der::Unsigned(static_cast<uint64_t>(*path_length)) : Bytes();
  return EncodeExtension(oid::kBasicConstraints, true, der::Sequence({flag, length}));
}

Bytes KeyUsageExtension(const std::vector<KeyUsage>& usages) {
  uint32_t bits = 0;
  for (KeyUsage usage : usages) bits |= 1u << static_cast<unsigned>(usage);
  return EncodeExtension(oid::kKeyUsage, true, der::NamedBitString(bits));
}

Bytes ExtendedKeyUsage(const std::vector<std::string>& purposes) {
  Bytes content;
  for (const std::string& purpose : purposes) Append(content, der::Oid(purpose));
  return EncodeExtension(oid::kExtendedKeyUsage, false, der::Tlv(der::kSequence, content));
}

Bytes SubjectAltName(ByteView general_names, bool critical) {
  return EncodeExtension(oid::kSubjectAltName, critical, general_names);
}

Bytes CrlDistributionPoints(const std::string& url) {
  return EncodeExtension(oid::kCrlDistributionPoints, false, der::Sequence({DistributionPoint(url)}));
}

Bytes FreshestCrl(const std::string& url) {
  return EncodeExtension(oid::kFreshestCrl, false, der::Sequence({DistributionPoint(url)}));
}

Bytes IssuingDistributionPoint(const std::string& url) {
  return EncodeExtension(oid::kIssuingDistributionPoint, true, DistributionPoint(url));
}

Bytes DeltaCrlIndicator(uint64_t base) { return EncodeExtension(oid::kDeltaCrlIndicator, true, der::Unsigned(base)); }

Bytes AuthorityInfoAccess(const std::string& ca_issuers_url, const std::string& ocsp_url) {
  Bytes descriptions;
  if (!ocsp_url.empty()) Append(descriptions, der::Sequence({der::Oid(oid::kOcsp), UriName(ocsp_url)}));
  if (!ca_issuers_url.empty())
    Append(descriptions, der::Sequence({der::Oid(oid::kCaIssuers), UriName(ca_issuers_url)}));
  return EncodeExtension(oid::kAuthorityInfoAccess, false, der::Tlv(der::kSequence, descriptions));
}

Bytes CertificatePolicies(const std::vector<CertificatePolicy>& policies) {
  Bytes content;
  for (const CertificatePolicy& policy : policies) {
    Bytes qualifiers;
    if (!policy.cps.empty()) {
      const Bytes cps = der::Sequence({der::Oid(oid::kCpsQualifier), der::Tlv(der::kIa5String, AsBytes(policy.cps))});
      qualifiers = der::Sequence({cps});
    }
    Append(content, der::Sequence({der::Oid(policy.oid), qualifiers}));
  }
  return EncodeExtension(oid::kCertificatePolicies, false, der::Tlv(der::kSequence, content));
}

Bytes CrlNumber(uint64_t number) { return EncodeExtension(oid::kCrlNumber, false, der::Unsigned(number)); }

Bytes ReasonCode(RevocationReason reason) {
  const auto code = static_cast<uint8_t>(reason);
  return EncodeExtension(oid::kReasonCode, false, der::Tlv(der::kEnumerated, ByteView(&code, 1)));
}

Bytes InvalidityDate(Time time) { return EncodeExtension(oid::kInvalidityDate, false, der::GeneralizedTime(time)); }

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
