#include "ca/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/reason.h"
#include "base/text.h"
#include "ca/der.h"

namespace hallmark {
namespace {

constexpr size_t kMaxAttributes = 16;
constexpr size_t kMaxNames = 64;

struct AttributeType {
  const char* name;
  const char* oid;
  uint8_t encoding;
};
constexpr std::array<AttributeType, 7> kAttributeTypes = {{{"CN", "2.5.4.3", der::kUtf8String},
                                                           {"serialNumber", "2.5.4.5", der::kPrintableString},
                                                           {"O", "2.5.4.10", der::kUtf8String},
                                                           {"OU", "2.5.4.11", der::kUtf8String},
                                                           {"C", "2.5.4.6", der::kPrintableString},
                                                           {"L", "2.5.4.7", der::kUtf8String},
                                                           {"ST", "2.5.4.8", der::kUtf8String}}};

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
  const bool valid = (value.tag == der::kUtf8String && IsCleanUtf8(text)) ||
                     (value.tag == der::kPrintableString && IsPrintableString(text)) ||
                     (value.tag == der::kIa5String && IsCleanUtf8(text) && IsIa5String(text));
  if (!valid || text.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "{} must be a non-empty UTF8String, PrintableString or IA5String without characters that are not seen", type));
  }
  // X.500 compares without them (RFC 4518 2.6.1): one name would look like another.
  if (text.starts_with(' ') || text.ends_with(' ')) {
    return absl::InvalidArgumentError(type + " begins or ends with a blank; leave it out");
  }
  return Attribute{type, std::string(text)};
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

// The address of RFC 5280 4.2.1.6: 4 or 16 octets.
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

// GeneralName's context tags (RFC 5280 4.2.1.6).
constexpr uint8_t kEmailTag = der::ContextPrimitive(1);
constexpr uint8_t kDnsTag = der::ContextPrimitive(2);
constexpr uint8_t kUriTag = der::ContextPrimitive(6);
constexpr uint8_t kIpTag = der::ContextPrimitive(7);

GeneralName ToGeneralName(const der::Element& element) {
  using Kind = GeneralName::Kind;
  const std::string text = ToString(element.content);
  const bool ascii =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (element.tag == kEmailTag && ascii) return {Kind::kEmail, text};
  if (element.tag == kDnsTag && ascii) return {Kind::kDns, text};
  if (element.tag == kUriTag && ascii) return {Kind::kUri, text};
  if (element.tag == kIpTag && !AddressText(element.content).empty()) return {Kind::kIp, AddressText(element.content)};
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
    Append(rdns, der::Constructed(der::kSet, {der::Sequence({der::Oid(found ? known->oid : attribute.type),
                                                             der::Tlv(found ? known->encoding : der::kUtf8String,
                                                                      AsBytes(attribute.value))})}));
  }
  return der::Tlv(der::kSequence, rdns);
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
      case GeneralName::Kind::kEmail: Append(content, der::Tlv(kEmailTag, AsBytes(name.value))); break;
      case GeneralName::Kind::kDns: Append(content, der::Tlv(kDnsTag, AsBytes(name.value))); break;
      case GeneralName::Kind::kUri: Append(content, der::Tlv(kUriTag, AsBytes(name.value))); break;
      case GeneralName::Kind::kIp: {
        ASSIGN_OR_RETURN(const Bytes octets, AddressOctets(name.value));
        Append(content, der::Tlv(kIpTag, octets));
        break;
      }
      case GeneralName::Kind::kHardwareModuleName:
      case GeneralName::Kind::kOther:
        return FieldError(reason::kExtensionNotAllowed, "csr.subject_alt_name", name.value + " cannot be granted");
    }
  }
  return der::Tlv(der::kSequence, content);
}

}  // namespace hallmark
