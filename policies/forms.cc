#include "policies/forms.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace hallmark {
namespace {

struct AttributeType {
  const char* name;
  const char* oid;
  size_t upper_bound;
};
// X.520; DC is RFC 4519 2.4, of which a label of the DNS is what there is.
constexpr std::array<AttributeType, 8> kAttributeTypes = {{{"CN", "2.5.4.3", 64},
                                                           {"serialNumber", "2.5.4.5", 64},
                                                           {"O", "2.5.4.10", 64},
                                                           {"OU", "2.5.4.11", 64},
                                                           {"C", "2.5.4.6", 2},
                                                           {"L", "2.5.4.7", 128},
                                                           {"ST", "2.5.4.8", 128},
                                                           {"DC", "0.9.2342.19200300.100.1.25", 63}}};
// RFC 1035 2.3.4, RFC 5321 4.5.3.1.3, the longest IPv6 address; what is sensible of the others.
constexpr std::array<std::pair<const char*, size_t>, 5> kNameBounds = {
    {{"dns", 253}, {"email", 254}, {"ip", 45}, {"uri", 2048}, {"hardwareModuleName", 255}}};
constexpr size_t kUbName = 32768;  // X.520's, of whatever else

Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

Status Expect(bool right, const std::string& what) { return right ? absl::OkStatus() : Wrong(what); }

bool IsIpAddress(const std::string& text) {
  std::array<unsigned char, 16> octets = {};
  return inet_pton(AF_INET, text.c_str(), octets.data()) == 1 || inet_pton(AF_INET6, text.c_str(), octets.data()) == 1;
}

bool IsEmail(const std::string& text) {
  static const RE2 kEmail("[!-?A-~]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*");  // RFC 5280 4.2.1.6: addr-spec, ASCII
  return RE2::FullMatch(text, kEmail);
}

// RFC 1123 2.1, with the underscores that are in use.
bool IsHostName(const std::string& text) {
  static const RE2 kLabels(
      "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*");
  return text.size() <= 253 && RE2::FullMatch(text, kLabels);
}

// One element of DER by its outer tag and length: what it holds is its author's affair.
bool IsOneElement(const Bytes& der) {
  if (der.size() < 2 || (der[0] & 0x1f) == 0x1f) return false;
  if (der[1] < 0x80) return der.size() == 2u + der[1];
  const size_t count = der[1] & 0x7fu;
  if (count == 0 || count > 4 || der.size() < 2 + count || der[2] == 0) return false;
  size_t length = 0;
  for (size_t i = 0; i < count; ++i) length = length << 8 | der[2 + i];
  return length >= 0x80 && der.size() == 2 + count + length;
}

Status CheckTime(const std::string& text) {
  static const RE2 kTime("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z");
  Time time;
  std::string error;
  return Expect(RE2::FullMatch(text, kTime) && absl::ParseTime(absl::RFC3339_full, text, &time, &error),
                "is not a time of RFC 3339 in UTC with whole seconds, e.g. 2030-01-31T00:00:00Z");
}

Status CheckNetwork(const std::string& value) {
  const Status wrong = Wrong("is not a network in CIDR notation, e.g. 192.0.2.0/24");
  const size_t slash = value.find('/');
  if (slash == value.npos) return wrong;
  const std::string address = value.substr(0, slash);
  std::array<unsigned char, 16> octets = {};
  const bool v4 = inet_pton(AF_INET, address.c_str(), octets.data()) == 1;
  if (!v4 && inet_pton(AF_INET6, address.c_str(), octets.data()) != 1) return wrong;
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(value.data() + slash + 1, value.data() + value.size(), prefix);
  if (error != std::errc() || end != value.data() + value.size() || prefix > (v4 ? 32u : 128u)) return wrong;
  for (unsigned bit = prefix; bit < (v4 ? 32u : 128u); ++bit) {
    if ((octets[bit / 8] >> (7 - bit % 8) & 1) != 0) return Wrong("has bits beyond its prefix; make them 0");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsObjectIdentifier(const std::string& text) {
  // The second arc is at most 39 below 0 and 1.
  static const RE2 kOid("([01]\\.([0-9]|[1-3][0-9])|2\\.(0|[1-9][0-9]{0,9}))(\\.(0|[1-9][0-9]{0,9})){1,20}");
  return RE2::FullMatch(text, kOid);
}

bool IsUri(const std::string& text) {
  static const RE2 kUri("[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z\\[\\]_a-z~]+");
  return RE2::FullMatch(text, kUri);
}

bool IsAttributeName(const std::string& type) {
  return std::any_of(kAttributeTypes.begin(), kAttributeTypes.end(), [&](const auto& row) { return type == row.name; });
}

std::string AttributeNameOf(const std::string& oid) {
  for (const AttributeType& row : kAttributeTypes) {
    if (oid == row.oid) return row.name;
  }
  return "";
}

size_t UpperBound(const std::string& type) {
  for (const AttributeType& row : kAttributeTypes) {
    if (type == row.name) return row.upper_bound;
  }
  for (const auto& [name, bound] : kNameBounds) {
    if (type == name) return bound;
  }
  return kUbName;
}

Status CheckNameForm(const std::string& type, const std::string& value) {
  if (value.empty()) return Wrong("is empty");
  if (!IsCleanUtf8(value)) return Wrong("is not UTF-8 of characters that are seen");
  if (CountCharacters(value) > UpperBound(type)) {
    return Wrong(
        fmt::format("has {} characters; its standard's limit is {}", CountCharacters(value), UpperBound(type)));
  }
  if (type == "C") return Expect(value.size() == 2 && IsPrintableString(value), "is not a code of two letters (X.520)");
  if (type == "serialNumber") {
    return Expect(IsPrintableString(value),
                  "has characters that a PrintableString has not: it is made of A-Z a-z 0-9 "
                  "blanks and '()+,-./:=? (X.520)");
  }
  if (type == "DC") return Expect(IsIa5String(value), "is not ASCII (RFC 4519 2.4)");
  if (type == "dns") {
    return Expect(IsHostName(value.starts_with("*.") ? value.substr(2) : value), "is not a name of the DNS");
  }
  if (type == "ip") return Expect(IsIpAddress(value), "is not an IP address");
  if (type == "uri") return Expect(IsUri(value), "is not an absolute URI in ASCII");
  if (type == "email") return Expect(IsEmail(value), "is not an e-mail address in ASCII");
  if (type != "hardwareModuleName") return absl::OkStatus();
  const size_t colon = value.find(':');
  const bool right = colon != value.npos && IsObjectIdentifier(value.substr(0, colon)) && colon + 1 < value.size() &&
                     IsIa5String(value);
  return Expect(right, "is not the OID of a hardware type, a colon and a serial number in ASCII (RFC 4108 5)");
}

Status CheckStringType(const std::string& type, StringType string_type) {
  if (type == "C" || type == "serialNumber" || type == "2.5.4.46") {  // dnQualifier
    return Expect(string_type == StringType::kPrintable, "must be a PrintableString");
  }
  if (type == "DC" || type == "1.2.840.113549.1.9.1") {  // emailAddress
    return Expect(string_type == StringType::kIa5, "must be an IA5String");
  }
  const bool directory_string = IsAttributeName(type) || type.starts_with("2.5.4.");
  return Expect(!directory_string || string_type != StringType::kIa5, "must be a UTF8String or a PrintableString");
}

Status CheckEncoding(ExtensionRule::Encoding encoding, const std::string& text) {
  using Encoding = ExtensionRule::Encoding;
  int64_t number = 0;
  const StatusOr<Bytes> octets = FromHex(text);
  switch (encoding) {
    case Encoding::kUtf8: return Expect(IsCleanUtf8(text), "is not UTF-8 of characters that are seen");
    case Encoding::kPrintable: return Expect(IsPrintableString(text), "has characters that a PrintableString has not");
    case Encoding::kIa5: return Expect(IsCleanUtf8(text) && IsIa5String(text), "is not ASCII");
    case Encoding::kBoolean: return Expect(text == "true" || text == "false", "is neither true nor false");
    case Encoding::kInteger:
      return Expect(std::from_chars(text.data(), text.data() + text.size(), number).ptr == text.data() + text.size() &&
                        text == std::to_string(number),
                    "is not a decimal number of 64 bits");
    case Encoding::kOid: return Expect(IsObjectIdentifier(text), "is not a dotted OID");
    case Encoding::kTime: return CheckTime(text);
    case Encoding::kOctets: return Expect(octets.ok(), "is not hexadecimal, two digits an octet");
    case Encoding::kNull: return Expect(text.empty(), "has a value, where null has none");
    case Encoding::kDer:
      return Expect(octets.ok() && IsOneElement(*octets), "is not one element of DER, in hexadecimal");
  }
  return absl::OkStatus();
}

Status CheckSubtree(Subtree::Kind kind, const std::string& value) {
  const bool below = value.starts_with('.') && IsHostName(value.substr(1));
  switch (kind) {
    case Subtree::Kind::kDns:
      return Expect(value.empty() || IsHostName(value), "is not a name of the DNS, without a dot before it");
    case Subtree::Kind::kUri:
      return Expect(value.empty() || below || IsHostName(value), "is neither a host nor .domain");
    case Subtree::Kind::kEmail:
      return Expect(value.empty() || below || IsHostName(value) || IsEmail(value),
                    "is not an e-mail address, a host or .domain");
    case Subtree::Kind::kIp: return CheckNetwork(value);
    case Subtree::Kind::kDirectory: return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace hallmark
