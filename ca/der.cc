#include "ca/der.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace hallmark::der {
namespace {

// More than anybody has been assigned; what is read stands in messages.
constexpr size_t kMaxOidOctets = 64;

Status Malformed(const std::string& what) { return absl::InvalidArgumentError("not DER: " + what); }

// The length octets after the identifier: how many octets they take, and what they say.
struct Length {
  size_t octets;
  size_t value;
};

StatusOr<Length> ReadLength(ByteView octets) {
  if (octets.empty()) return Malformed("an element ends after its identifier");
  if (octets[0] < 0x80) return Length{1, octets[0]};
  const size_t count = octets[0] & 0x7f;
  if (count == 0) return Malformed("an indefinite length");
  if (count > 4 || octets.size() <= count) return Malformed("a length beyond the end of the data");
  size_t value = 0;
  for (size_t i = 1; i <= count; ++i) value = value << 8 | octets[i];
  if (value < 0x80 || octets[1] == 0) return Malformed("a length not in its shortest form");
  return Length{1 + count, value};
}

void AppendLength(Bytes& to, size_t length) {
  if (length < 0x80) {
    to.push_back(static_cast<uint8_t>(length));
    return;
  }
  std::array<uint8_t, sizeof(size_t)> octets;
  size_t count = 0;
  for (; length > 0; length >>= 8) octets[count++] = static_cast<uint8_t>(length);
  to.push_back(static_cast<uint8_t>(0x80 | count));
  while (count > 0) to.push_back(octets[--count]);
}

// MMDDHHMMSSZ
std::string WithoutYear(const absl::CivilSecond& civil) {
  return fmt::format("{:02}{:02}{:02}{:02}{:02}Z", civil.month(), civil.day(), civil.hour(), civil.minute(),
                     civil.second());
}

Status CheckContents(ByteView octets, int depth) {
  constexpr int kMaxDepth = 32;
  constexpr uint8_t kConstructed = 0x20;
  if (depth > kMaxDepth) return Malformed(fmt::format("elements more than {} deep", kMaxDepth));
  for (Reader reader(octets); !reader.empty();) {
    ASSIGN_OR_RETURN(const Element element, reader.Next());
    if ((element.tag & kConstructed) != 0) RETURN_IF_ERROR(CheckContents(element.content, depth + 1));
  }
  return absl::OkStatus();
}

// Parses `digits` decimal digits at the front of `text` and removes them.
StatusOr<int> TakeDigits(std::string_view& text, size_t digits) {
  int value = 0;
  if (text.size() < digits) return Malformed("a time is too short");
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return Malformed("a time holds something else than digits");
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

}  // namespace

StatusOr<Element> Reader::Next() {
  if (rest_.empty()) return Malformed("an element is missing at the end");
  if ((rest_[0] & 0x1f) == 0x1f) return Malformed("a tag of more than one octet");
  ASSIGN_OR_RETURN(const Length length, ReadLength(rest_.subspan(1)));
  const size_t header = 1 + length.octets;
  if (rest_.size() - header < length.value) return Malformed("a length beyond the end of the data");
  const Element element{rest_[0], rest_.subspan(header, length.value), rest_.first(header + length.value)};
  rest_ = rest_.subspan(header + length.value);
  return element;
}

StatusOr<Element> Reader::Next(uint8_t tag) {
  if (this->tag() != tag || rest_.empty()) {
    return Malformed(rest_.empty() ? fmt::format("expected tag {:#04x}, found the end", tag)
                                   : fmt::format("expected tag {:#04x}, found {:#04x}", tag, rest_[0]));
  }
  return Next();
}

StatusOr<ByteView> Reader::Content(uint8_t tag) {
  ASSIGN_OR_RETURN(const Element element, Next(tag));
  return element.content;
}

StatusOr<std::optional<ByteView>> Reader::OptionalContent(uint8_t tag) {
  if (rest_.empty() || rest_[0] != tag) return std::optional<ByteView>();
  ASSIGN_OR_RETURN(const ByteView content, Content(tag));
  return std::optional<ByteView>(content);
}

Status Reader::ExpectEnd() const {
  return rest_.empty() ? absl::OkStatus() : Malformed(fmt::format("{} octets too many at the end", rest_.size()));
}

StatusOr<ByteView> ReadWhole(ByteView octets, uint8_t tag) {
  Reader reader(octets);
  ASSIGN_OR_RETURN(const ByteView content, reader.Content(tag));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return content;
}

StatusOr<ByteView> UnsignedContent(ByteView integer_content) {
  if (integer_content.empty()) return Malformed("an empty INTEGER");
  if (integer_content[0] >= 0x80) return Malformed("a negative INTEGER");
  if (integer_content.size() == 1 || integer_content[0] != 0) return integer_content;
  if (integer_content[1] < 0x80) return Malformed("an INTEGER not in its shortest form");
  return integer_content.subspan(1);
}

StatusOr<bool> BooleanContent(ByteView content) {
  if (content.size() != 1 || (content[0] != 0x00 && content[0] != 0xff))
    return Malformed("a BOOLEAN other than 00 or FF");
  return content[0] == 0xff;
}

StatusOr<ByteView> BitStringOctets(ByteView content) {
  if (content.empty() || content[0] != 0)
    return Malformed("a BIT STRING with unused bits where whole octets are expected");
  return content.subspan(1);
}

StatusOr<uint32_t> NamedBits(ByteView content) {
  if (content.empty() || content.size() > 5 || content[0] > 7)
    return Malformed("a BIT STRING of named bits is malformed");
  const uint8_t unused = content[0];
  if (content.size() == 1)
    return unused == 0 ? StatusOr<uint32_t>(0) : Malformed("an empty BIT STRING with unused bits");
  const uint8_t last = content.back();
  if ((last & ((1u << unused) - 1)) != 0 || (last & (1u << unused)) == 0) {
    return Malformed("a BIT STRING of named bits with trailing zero bits");
  }
  uint32_t bits = 0;
  for (size_t i = 1; i < content.size(); ++i) {
    for (size_t bit = 0; bit < 8; ++bit) {
      if ((content[i] & (0x80u >> bit)) != 0) bits |= 1u << ((i - 1) * 8 + bit);
    }
  }
  return bits;
}

StatusOr<std::string> OidText(ByteView content) {
  if (content.empty() || content.back() >= 0x80) return Malformed("an OBJECT IDENTIFIER is cut off");
  if (content.size() > kMaxOidOctets) {
    return Malformed(fmt::format("an OBJECT IDENTIFIER longer than {} octets", kMaxOidOctets));
  }
  std::string text;
  uint64_t arc = 0;
  bool start = true;
  for (uint8_t octet : content) {
    if (start && octet == 0x80) return Malformed("an arc of an OBJECT IDENTIFIER not in its shortest form");
    if (arc >> 57 != 0) return Malformed("an arc of an OBJECT IDENTIFIER beyond 64 bits");
    arc = arc << 7 | (octet & 0x7f);
    start = (octet & 0x80) == 0;
    if (!start) continue;
    if (text.empty()) {
      const uint64_t first = arc < 80 ? arc / 40 : 2;
      text = fmt::format("{}.{}", first, arc - first * 40);
    } else {
      text += fmt::format(".{}", arc);
    }
    arc = 0;
  }
  return text;
}

Status CheckElement(ByteView octets) {
  Reader reader(octets);
  RETURN_IF_ERROR(reader.Next().status());
  RETURN_IF_ERROR(reader.ExpectEnd());
  return CheckContents(octets, 0);
}

StatusOr<Time> ReadTime(const Element& element) {
  std::string_view text = AsText(element.content);
  const bool utc = element.tag == kUtcTime;
  if (!utc && element.tag != kGeneralizedTime) return Malformed("a Time is neither UTCTime nor GeneralizedTime");
  ASSIGN_OR_RETURN(int year, TakeDigits(text, utc ? 2 : 4));
  if (utc) year += year < 50 ? 2000 : 1900;
  std::array<int, 5> parts;  // month, day, hour, minute, second
  for (int& part : parts) {
    ASSIGN_OR_RETURN(part, TakeDigits(text, 2));
  }
  if (text != "Z") return Malformed("a Time does not end in Z");
  const absl::CivilSecond civil(year, parts[0], parts[1], parts[2], parts[3], parts[4]);
  // CivilSecond normalises what does not exist, such as 30 February.
  if (civil.year() != year || civil.month() != parts[0] || civil.day() != parts[1] || civil.hour() != parts[2] ||
      civil.minute() != parts[3] || civil.second() != parts[4]) {
    return Malformed("a Time that does not exist");
  }
  return absl::FromCivil(civil, absl::UTCTimeZone());
}

Bytes Tlv(uint8_t tag, ByteView content) { return Constructed(tag, {content}); }

Bytes Constructed(uint8_t tag, std::initializer_list<ByteView> parts) {
  size_t length = 0;
  for (ByteView part : parts) length += part.size();
  Bytes element;
  element.reserve(length + 6);
  element.push_back(tag);
  AppendLength(element, length);
  for (ByteView part : parts) Append(element, part);
  return element;
}

Bytes Unsigned(ByteView magnitude) {
  while (magnitude.size() > 1 && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  constexpr uint8_t kZero = 0;
  if (magnitude.empty() || magnitude[0] >= 0x80) return Constructed(kInteger, {ByteView(&kZero, 1), magnitude});
  return Tlv(kInteger, magnitude);
}

Bytes Unsigned(uint64_t value) {
  std::array<uint8_t, sizeof(value)> octets;
  for (size_t i = octets.size(); i-- > 0; value >>= 8) octets[i] = static_cast<uint8_t>(value);
  return Unsigned(octets);
}

Bytes Signed(int64_t value) {
  std::array<uint8_t, sizeof(value)> octets;
  auto bits = static_cast<uint64_t>(value);
  for (size_t i = octets.size(); i-- > 0; bits >>= 8) octets[i] = static_cast<uint8_t>(bits);
  // The shortest form keeps one bit of the sign (X.690 8.3.2).
  const uint8_t sign = value < 0 ? 0xff : 0x00;
  size_t first = 0;
  while (first + 1 < octets.size() && octets[first] == sign && (octets[first + 1] & 0x80) == (sign & 0x80)) ++first;
  return Tlv(kInteger, ByteView(octets).subspan(first));
}

Bytes BitString(ByteView octets) {
  constexpr uint8_t kUnused = 0;
  return Constructed(kBitString, {ByteView(&kUnused, 1), octets});
}

Bytes NamedBitString(uint32_t bits) {
  Bytes content = {0};
  for (int bit = 0; bit < 32; ++bit) {
    if ((bits & (1u << bit)) == 0) continue;
    content.resize(2 + static_cast<size_t>(bit) / 8, 0);
    content.back() |= static_cast<uint8_t>(0x80u >> (bit % 8));
    content[0] = static_cast<uint8_t>(7 - bit % 8);
  }
  return Tlv(kBitString, content);
}

Bytes Oid(std::string_view dotted) {
  Bytes content;
  uint64_t first = 0;
  for (size_t index = 0; !dotted.empty(); ++index) {
    uint64_t arc = 0;
    const char* end = std::from_chars(dotted.data(), dotted.data() + dotted.size(), arc).ptr;
    dotted.remove_prefix(static_cast<size_t>(end - dotted.data()) + (end < dotted.data() + dotted.size() ? 1 : 0));
    if (index == 0) {
      first = arc;
      continue;
    }
    if (index == 1) arc += first * 40;
    std::array<uint8_t, 10> groups;
    size_t count = 0;
    do {
      groups[count++] = arc & 0x7f;
      arc >>= 7;
    } while (arc > 0);
    while (count > 1) content.push_back(groups[--count] | 0x80);
    content.push_back(groups[0]);
  }
  return Tlv(kOid, content);
}

Bytes EncodeTime(Time time) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  if (civil.year() < 1950 || civil.year() >= 2050) return GeneralizedTime(time);
  return Tlv(kUtcTime, AsBytes(fmt::format("{:02}{}", civil.year() % 100, WithoutYear(civil))));
}

Bytes GeneralizedTime(Time time) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  return Tlv(kGeneralizedTime, AsBytes(fmt::format("{:04}{}", civil.year(), WithoutYear(civil))));
}

}  // namespace hallmark::der
