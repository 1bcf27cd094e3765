// Names: issuer and subject (RFC 5280 4.1.2.4, 4.1.2.6; X.520).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kIssuer{"rfc5280_4_1_2_4_issuer_not_empty", "RFC 5280 4.1.2.4", Severity::kError,
                           "issuer is not empty"};
constexpr LintRule kSubject{"rfc5280_4_1_2_6_subject", "RFC 5280 4.1.2.6", Severity::kError,
                            "subject is well-formed; an authority's is not empty, another's only beside a critical "
                            "subjectAltName"};
constexpr LintRule kWellFormed{"rfc5280_4_1_2_4_name", "RFC 5280 4.1.2.4", Severity::kError,
                               "a name is a sequence of RDNs, each a set of attributes with a type and a value"};
constexpr LintRule kStringType{"rfc5280_4_1_2_4_string_type", "RFC 5280 4.1.2.4, A.1", Severity::kError,
                               "a value is a UTF8String or PrintableString; C and serialNumber are PrintableString, DC "
                               "and emailAddress IA5String"};
constexpr LintRule kOldString{"rfc5280_4_1_2_4_old_string", "RFC 5280 4.1.2.4", Severity::kWarning,
                              "TeletexString, BMPString and UniversalString are not used in new names"};
constexpr LintRule kCharacters{"x690_8_23_string_characters", "X.690 8.23, RFC 3629", Severity::kError,
                               "a value has only characters of its string type, and no control characters"};
constexpr LintRule kBound{"rfc5280_a_1_upper_bound", "RFC 5280 A.1", Severity::kError,
                          "an attribute is not empty and not longer than its upper bound"};
constexpr LintRule kCountry{"x520_6_3_1_country", "X.520 6.3.1", Severity::kError,
                            "countryName is a code of two letters"};
constexpr LintRule kBlanks{"x520_6_1_blanks", "X.520 6.1", Severity::kNotice, "a value has no blanks at its ends"};
constexpr LintRule kTwice{"x520_duplicate_attribute", "X.520 6", Severity::kNotice,
                          "an attribute type but OU and DC stands once"};
constexpr LintRule kMultiValued{"rfc5280_4_1_2_4_multi_valued_rdn", "RFC 5280 4.1.2.4", Severity::kNotice,
                                "an RDN has one attribute"};

struct Type {
  std::string_view oid;
  const char* name;
  size_t bound;
  enum class Form { kDirectory, kPrintable, kIa5 } form = Form::kDirectory;
};
constexpr std::array<Type, 16> kTypes = {{{oids::kCommonName, "CN", 64},
                                          {oids::kSerialNumber, "serialNumber", 64, Type::Form::kPrintable},
                                          {Oid("\x55\x04\x06"), "C", 2, Type::Form::kPrintable},
                                          {Oid("\x55\x04\x07"), "L", 128},
                                          {Oid("\x55\x04\x08"), "ST", 128},
                                          {Oid("\x55\x04\x09"), "street", 128},
                                          {Oid("\x55\x04\x0a"), "O", 64},
                                          {Oid("\x55\x04\x0b"), "OU", 64},
                                          {Oid("\x55\x04\x0c"), "title", 64},
                                          {Oid("\x55\x04\x04"), "surname", 40},
                                          {Oid("\x55\x04\x2a"), "givenName", 16},
                                          {Oid("\x55\x04\x2e"), "dnQualifier", 64, Type::Form::kPrintable},
                                          {Oid("\x55\x04\x41"), "pseudonym", 128},
                                          {Oid("\x55\x04\x61"), "organizationIdentifier", 64},
                                          {Oid("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC", 63, Type::Form::kIa5},
                                          {oids::kEmailAddress, "emailAddress", 255, Type::Form::kIa5}}};

constexpr uint8_t kTeletex = 0x14;
constexpr uint8_t kUniversal = 0x1c;
constexpr uint8_t kBmp = 0x1e;

bool IsPrintable(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?";
  return text.find_first_not_of(kAllowed) == text.npos;
}

// One of Unicode's, and no control character.
bool IsCharacter(uint32_t point) {
  return point >= 0x20 && !(point >= 0x7f && point < 0xa0) && !(point >= 0xd800 && point < 0xe000) && point <= 0x10ffff;
}

// The code points of a BMPString or UniversalString, which have `width` octets each.
std::optional<size_t> CountWide(ByteView text, size_t width) {
  if (text.size() % width != 0) return std::nullopt;
  for (size_t i = 0; i < text.size(); i += width) {
    uint32_t point = 0;
    for (size_t j = 0; j < width; ++j) point = point << 8 | text[i + j];
    if (!IsCharacter(point)) return std::nullopt;
  }
  return text.size() / width;
}

// The code points of UTF-8 (RFC 3629); nullopt when malformed or one is a control character.
std::optional<size_t> CountUtf8(ByteView text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    const uint8_t lead = text[i];
    const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || text.size() - i < length) return std::nullopt;
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t j = 1; j < length; ++j) {
      if ((text[i + j] & 0xc0) != 0x80) return std::nullopt;
      point = point << 6 | (text[i + j] & 0x3fu);
    }
    if ((length == 3 && point < 0x800) || (length == 4 && point < 0x10000)) return std::nullopt;
    if (!IsCharacter(point)) return std::nullopt;
    i += length;
  }
  return count;
}

// Characters of a value, as far as its octets are those of its type.
std::optional<size_t> CountCharacters(const AttributeView& attribute) {
  const ByteView value = attribute.value;
  switch (attribute.tag) {
    case der::kUtf8String: return CountUtf8(value);
    case der::kPrintableString: return IsPrintable(AsText(value)) ? std::optional(value.size()) : std::nullopt;
    case der::kIa5String:
      return std::all_of(value.begin(), value.end(), [](uint8_t c) { return c >= 0x20 && c < 0x7f; })
                 ? std::optional(value.size())
                 : std::nullopt;
    case kTeletex: return value.size();
    case kBmp: return CountWide(value, 2);
    case kUniversal: return CountWide(value, 4);
    default: return std::nullopt;
  }
}

class NameCheck {
 public:
  NameCheck(std::string field, Findings& findings) : field_(std::move(field)), findings_(findings) {}

  void Check(ByteView octets, const NameView& name) {
    if (!IsWellFormed(octets)) return findings_.Add(kWellFormed, fmt::format("{} is malformed", field_));
    for (size_t i = 0; i < name.size(); ++i) {
      CheckAttribute(name[i]);
      if (i > 0 && name[i].rdn == name[i - 1].rdn) {
        findings_.Add(kMultiValued, fmt::format("{} has an RDN of several attributes", field_));
      }
      CheckTwice(name, i);
    }
  }

 private:
  static bool IsWellFormed(ByteView octets) {
    const auto rdns = ReadElements(octets);
    if (!rdns.has_value()) return false;
    for (const der::Element& rdn : *rdns) {
      const auto attributes = ReadElements(rdn.whole, der::kSet);
      if (!attributes.has_value() || attributes->empty()) return false;
      for (const der::Element& attribute : *attributes) {
        const auto fields = ReadElements(attribute.whole);
        if (!fields.has_value() || fields->size() != 2 || (*fields)[0].tag != der::kOid) return false;
      }
    }
    return true;
  }

  void CheckTwice(const NameView& name, size_t index) {
    constexpr auto kOu = Oid("\x55\x04\x0b");
    constexpr auto kDc = Oid("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19");
    const std::string_view oid = name[index].oid;
    if (oid == kOu || oid == kDc) return;
    for (size_t i = 0; i < index; ++i) {
      if (name[i].oid == oid) return findings_.Add(kTwice, fmt::format("{} has {} twice", field_, NameOf(oid)));
    }
  }

  static const Type* Find(std::string_view oid) {
    const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& type) { return type.oid == oid; });
    return found == kTypes.end() ? nullptr : &*found;
  }
  static std::string NameOf(std::string_view oid) {
    const Type* type = Find(oid);
    return type == nullptr ? Dotted(oid) : type->name;
  }

  void CheckAttribute(const AttributeView& attribute) {
    const Type* type = Find(attribute.oid);
    const std::string what = fmt::format("{} of {}", NameOf(attribute.oid), field_);
    CheckStringType(attribute, type, what);
    const std::optional<size_t> characters = CountCharacters(attribute);
    if (!characters.has_value()) {
      return findings_.Add(kCharacters, what + " has characters that its string type has not, or control characters");
    }
    if (*characters == 0) findings_.Add(kBound, what + " is empty");
    if (type != nullptr && *characters > type->bound) {
      findings_.Add(kBound, fmt::format("{} is longer than {} characters", what, type->bound));
    }
    const std::string_view text = AsText(attribute.value);
    if (attribute.tag != kBmp && attribute.tag != kUniversal && !text.empty() &&
        (text.front() == ' ' || text.back() == ' ')) {
      findings_.Add(kBlanks, what + " begins or ends with a blank");
    }
    if (type != nullptr && type->bound == 2 &&
        !(text.size() == 2 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))) {
      findings_.Add(kCountry, what + " is no code of two capital letters");
    }
  }

  void CheckStringType(const AttributeView& attribute, const Type* type, const std::string& what) {
    const uint8_t tag = attribute.tag;
    if (tag == kTeletex || tag == kBmp || tag == kUniversal) {
      return findings_.Add(kOldString, what + " is a TeletexString, BMPString or UniversalString");
    }
    const bool directory = tag == der::kUtf8String || tag == der::kPrintableString;
    const Type::Form form = type == nullptr ? Type::Form::kDirectory : type->form;
    const bool right = form == Type::Form::kPrintable ? tag == der::kPrintableString
                       : form == Type::Form::kIa5     ? tag == der::kIa5String
                       : type == nullptr              ? directory || tag == der::kIa5String
                                                      : directory;
    if (!right)
      findings_.Add(kStringType, fmt::format("{} has a string type ({:#04x}) that it may not have", what, tag));
  }

  std::string field_;
  Findings& findings_;
};

}  // namespace

void CheckName(const std::string& what, ByteView octets, Findings& findings) {
  NameCheck(what, findings).Check(octets, ReadNameView(octets));
}

void CheckNames(const Examined& c, Findings& findings) {
  NameCheck("issuer", findings).Check(c.issuer_octets, c.issuer);
  if (!c.is_self_issued()) NameCheck("subject", findings).Check(c.subject_octets, c.subject);
  findings.Require(!c.issuer.empty(), kIssuer, "issuer is empty");
  const ExtensionView* names = c.Find(oids::kSubjectAltName);
  findings.Require(!c.subject.empty() || (!c.ca && names != nullptr && names->critical), kSubject,
                   "subject is empty, and no critical subjectAltName names an end entity instead");
}

std::vector<LintRule> NameRules() {
  return {kIssuer, kSubject, kWellFormed, kStringType, kOldString,  kCharacters,
          kBound,  kCountry, kBlanks,     kTwice,      kMultiValued};
}

}  // namespace hallmark::lint
