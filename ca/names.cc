#include "ca/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/reason.h"
#include "base/text.h"

namespace hallmark {
namespace {

constexpr size_t kMaxAttributes = 16;
constexpr size_t kMaxNames = 64;

struct AttributeType {
  const char* name;
  const char* oid;
  StringType encoding;  // by default
};
// Those whose types are PrintableString or IA5String and nothing else (RFC 5280 appendix A.1, RFC 4519 2.4), and those
// that have a short name.
constexpr std::array<AttributeType, 10> kAttributeTypes = {
    {{"CN", "2.5.4.3", StringType::kUtf8},
     {"serialNumber", "2.5.4.5", StringType::kPrintable},
     {"O", "2.5.4.10", StringType::kUtf8},
     {"OU", "2.5.4.11", StringType::kUtf8},
     {"C", "2.5.4.6", StringType::kPrintable},
     {"L", "2.5.4.7", StringType::kUtf8},
     {"ST", "2.5.4.8", StringType::kUtf8},
     {"DC", "0.9.2342.19200300.100.1.25", StringType::kIa5},
     {"2.5.4.46", "2.5.4.46", StringType::kPrintable},                      // dnQualifier
     {"1.2.840.113549.1.9.1", "1.2.840.113549.1.9.1", StringType::kIa5}}};  // emailAddress

constexpr std::array<std::pair<StringType, uint8_t>, 3> kStringTags = {{{StringType::kUtf8, der::kUtf8String},
                                                                        {StringType::kPrintable, der::kPrintableString},
                                                                        {StringType::kIa5, der::kIa5String}}};

std::optional<StringType> StringTypeOf(uint8_t tag) {
  for (const auto& [type, known] : kStringTags) {
    if (tag == known) return type;
  }
  return std::nullopt;
}

uint8_t TagOf(StringType type) {
  for (const auto& [known, tag] : kStringTags) {
    if (type == known) return tag;
  }
  return der::kUtf8String;
}

Status Malformed(const std::string& what) { return FieldError(reason::kCsrMalformed, "csr.subject", what); }

StatusOr<Attribute> ReadAttribute(ByteView content) {
  der::Reader reader(content);
  ASSIGN_OR_RETURN(const ByteView oid_content, reader.Content(der::kOid));
  ASSIGN_OR_RETURN(const std::string oid, der::OidText(oid_content));
  ASSIGN_OR_RETURN(const der::Element value, reader.Next());
  RETURN_IF_ERROR(reader.ExpectEnd());
  const auto known =
      std::find_if(kAttributeTypes.begin(), kAttributeTypes.end(), [&](const auto& type) { return oid == type.oid; });
  const std::string type = known == kAttributeTypes.end() ? oid : known->name;
  const std::string_view text = AsText(value.content);
  const std::optional<StringType> string_type = StringTypeOf(value.tag);
  const bool valid = string_type.has_value() && IsCleanUtf8(text) &&
                     (string_type != StringType::kPrintable || IsPrintableString(text)) &&
                     (string_type != StringType::kIa5 || IsIa5String(text));
  if (!valid || text.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "{} must be a non-empty UTF8String, PrintableString or IA5String without characters that are not seen", type));
  }
  // X.500 compares without them (RFC 4518 2.6.1): one name would look like another.
  if (text.starts_with(' ') || text.ends_with(' ')) {
    return absl::InvalidArgumentError(type + " begins or ends with a blank; leave it out");
  }
  return Attribute{type, std::string(text), string_type};
}

StatusOr<Subject> ReadRdns(ByteView der) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader rdns(content);
  Subject subject;
  while (!rdns.empty()) {
    ASSIGN_OR_RETURN(const ByteView rdn, rdns.Content(der::kSet));
    der::Reader attributes(rdn);
    ASSIGN_OR_RETURN(const ByteView attribute, attributes.Content(der::kSequence));
    if (!attributes.empty()) return absl::InvalidArgumentError("an RDN has more than one attribute");
    if (subject.size() == kMaxAttributes)
      return absl::InvalidArgumentError(fmt::format("more than {} attributes", kMaxAttributes));
    ASSIGN_OR_RETURN(Attribute read, ReadAttribute(attribute));
    subject.push_back(std::move(read));
  }
  return subject;
}

constexpr char kHardwareModuleName[] = "1.3.6.1.5.5.7.8.4";  // RFC 4108 5

bool IsVisible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// otherName's content: HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }, whose
// serial number we take where it is a text.
StatusOr<std::string> ReadHardwareModuleName(ByteView content) {
  der::Reader other_name(content);
  ASSIGN_OR_RETURN(const der::Element type, other_name.Next(der::kOid));
  ASSIGN_OR_RETURN(const ByteView tagged, other_name.Content(der::ContextConstructed(0)));
  RETURN_IF_ERROR(other_name.ExpectEnd());
  if (!Equal(type.whole, der::Oid(kHardwareModuleName))) return absl::InvalidArgumentError("another otherName");
  ASSIGN_OR_RETURN(const ByteView sequence, der::ReadWhole(tagged, der::kSequence));
  der::Reader fields(sequence);
  ASSIGN_OR_RETURN(const ByteView hardware_type, fields.Content(der::kOid));
  ASSIGN_OR_RETURN(const std::string oid, der::OidText(hardware_type));
  ASSIGN_OR_RETURN(const ByteView serial, fields.Content(der::kOctetString));
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (!IsVisible(AsText(serial))) return absl::InvalidArgumentError("a hwSerialNum that is no visible ASCII");
  return fmt::format("{}:{}", oid, AsText(serial));
}

StatusOr<Bytes> EncodeHardwareModuleName(const std::string& value) {
  const size_t colon = value.find(':');
  if (colon == value.npos || colon == 0 || !IsVisible(value.substr(colon + 1))) {
    return FieldError(reason::kExtensionNotAllowed, "csr.subject_alt_name.hardwareModuleName",
                      fmt::format("'{}' is not the OID of a hardware type, a colon and a serial number", value));
  }
  const Bytes name = der::Sequence({der::Oid(value.substr(0, colon)),
                                    der::Tlv(der::kOctetString, AsBytes(std::string_view(value).substr(colon + 1)))});
  return der::Constructed(general_name::kOther,
                          {der::Oid(kHardwareModuleName), der::Tlv(der::ContextConstructed(0), name)});
}

GeneralName ToGeneralName(const der::Element& element) {
  using Kind = GeneralName::Kind;
  const std::string text = ToString(element.content);
  const bool ascii = IsVisible(text);
  if (element.tag == general_name::kEmail && ascii) return {Kind::kEmail, text};
  if (element.tag == general_name::kDns && ascii) return {Kind::kDns, text};
  if (element.tag == general_name::kUri && ascii) return {Kind::kUri, text};
  if (element.tag == general_name::kIp && !AddressText(element.content).empty())
    return {Kind::kIp, AddressText(element.content)};
  if (element.tag == general_name::kOther) {
    const StatusOr<std::string> name = ReadHardwareModuleName(element.content);
    if (name.ok()) return {Kind::kHardwareModuleName, *name};
  }
  return {Kind::kOther, fmt::format("a GeneralName of tag {:#04x}", element.tag)};
}

}  // namespace

StatusOr<Subject> ReadName(ByteView der) {
  StatusOr<Subject> subject = ReadRdns(der);
  if (!subject.ok()) return Malformed(Message(subject.status()));
  return subject;
}

Bytes EncodeName(const Subject& subject) {
  Bytes rdns;
  for (const Attribute& attribute : subject) {
    const auto known = std::find_if(kAttributeTypes.begin(), kAttributeTypes.end(),
                                    [&](const auto& type) { return attribute.type == type.name; });
    const bool found = known != kAttributeTypes.end();
    const StringType type = attribute.string_type.value_or(found ? known->encoding : StringType::kUtf8);
    const Bytes value =
        der::Sequence({der::Oid(found ? known->oid : attribute.type), der::Tlv(TagOf(type), AsBytes(attribute.value))});
    Append(rdns, der::Tlv(der::kSet, value));
  }
  return der::Tlv(der::kSequence, rdns);
}

StatusOr<Bytes> AddressOctets(const std::string& text) {
  Bytes octets(16);
  if (inet_pton(AF_INET6, text.c_str(), octets.data()) == 1) return octets;
  octets.resize(4);
  if (inet_pton(AF_INET, text.c_str(), octets.data()) == 1) return octets;
  return FieldError(reason::kExtensionNotAllowed, "csr.subject_alt_name.ip",
                    fmt::format("'{}' is not an IP address", text));
}

std::string AddressText(ByteView octets) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (octets.size() != 4 && octets.size() != 16) return "";
  inet_ntop(octets.size() == 4 ? AF_INET : AF_INET6, octets.data(), text.data(), text.size());
  return text.data();
}

StatusOr<std::vector<GeneralName>> ReadGeneralNames(ByteView der) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader reader(content);
  std::vector<GeneralName> names;
  while (!reader.empty()) {
    if (names.size() == kMaxNames) return absl::InvalidArgumentError(fmt::format("more than {} names", kMaxNames));
    ASSIGN_OR_RETURN(const der::Element element, reader.Next());
    names.push_back(ToGeneralName(element));
  }
  if (names.empty()) return absl::InvalidArgumentError("an empty subjectAltName");
  return names;
}

StatusOr<Bytes> EncodeGeneralNames(const std::vector<GeneralName>& names) {
  Bytes content;
  for (const GeneralName& name : names) {
    switch (name.kind) {
      case GeneralName::Kind::kEmail: Append(content, der::Tlv(general_name::kEmail, AsBytes(name.value))); break;
      case GeneralName::Kind::kDns: Append(content, der::Tlv(general_name::kDns, AsBytes(name.value))); break;
      case GeneralName::Kind::kUri: Append(content, der::Tlv(general_name::kUri, AsBytes(name.value))); break;
      case GeneralName::Kind::kIp: {
        ASSIGN_OR_RETURN(const Bytes octets, AddressOctets(name.value));
        Append(content, der::Tlv(general_name::kIp, octets));
        break;
      }
      case GeneralName::Kind::kHardwareModuleName: {
        ASSIGN_OR_RETURN(const Bytes other_name, EncodeHardwareModuleName(name.value));
        Append(content, other_name);
        break;
      }
      case GeneralName::Kind::kOther:
        return FieldError(reason::kExtensionNotAllowed, "csr.subject_alt_name", name.value + " cannot be granted");
    }
  }
  return der::Tlv(der::kSequence, content);
}

}  // namespace hallmark
