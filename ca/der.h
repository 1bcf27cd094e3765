// DER (X.690): a strict reader of what comes from outside, and the few encoders that X.509 needs.
//
// The reader takes definite lengths in their shortest form, single-octet tags, and nothing else; it copies nothing, so
// its views live no longer than the octets that they were read from. Errors are kInvalidArgument without a reason: the
// room that reads knows what was malformed (Annotate, or an Error of its own).
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"

namespace hallmark::der {

// Identifier octets (X.690 8.1.2), constructed bit included.
inline constexpr uint8_t kBoolean = 0x01;
inline constexpr uint8_t kInteger = 0x02;
inline constexpr uint8_t kBitString = 0x03;
inline constexpr uint8_t kOctetString = 0x04;
inline constexpr uint8_t kNull = 0x05;
inline constexpr uint8_t kOid = 0x06;
inline constexpr uint8_t kEnumerated = 0x0a;
inline constexpr uint8_t kUtf8String = 0x0c;
inline constexpr uint8_t kPrintableString = 0x13;
inline constexpr uint8_t kIa5String = 0x16;
inline constexpr uint8_t kUtcTime = 0x17;
inline constexpr uint8_t kGeneralizedTime = 0x18;
inline constexpr uint8_t kSequence = 0x30;
inline constexpr uint8_t kSet = 0x31;
constexpr uint8_t ContextPrimitive(uint8_t number) { return 0x80 | number; }
constexpr uint8_t ContextConstructed(uint8_t number) { return 0xa0 | number; }

struct Element {
  uint8_t tag = 0;
  ByteView content;
  ByteView whole;  // identifier, length and content
};

class Reader {
 public:
  explicit Reader(ByteView octets) : rest_(octets) {}

  bool empty() const { return rest_.empty(); }
  // The identifier octet of what comes next; 0 at the end.
  uint8_t tag() const { return rest_.empty() ? 0 : rest_[0]; }

  StatusOr<Element> Next();
  StatusOr<Element> Next(uint8_t tag);  // which must be next
  StatusOr<ByteView> Content(uint8_t tag);
  // Content of `tag` if it is next, else nullopt: an OPTIONAL field.
  StatusOr<std::optional<ByteView>> OptionalContent(uint8_t tag);
  Status ExpectEnd() const;

 private:
  ByteView rest_;
};

// Reads one element of `tag` that fills `octets`.
StatusOr<ByteView> ReadWhole(ByteView octets, uint8_t tag);

// The content octets of an INTEGER that is not negative, without leading zero octet. Refuses a longer form than needed.
StatusOr<ByteView> UnsignedContent(ByteView integer_content);
StatusOr<bool> BooleanContent(ByteView content);
// The octets of a BIT STRING without unused bits.
StatusOr<ByteView> BitStringOctets(ByteView content);
// The named bits of a BIT STRING, bit 0 first; trailing zero bits must be absent (X.690 11.2.2). At most 32.
StatusOr<uint32_t> NamedBits(ByteView content);
StatusOr<std::string> OidText(ByteView content);  // dotted
// Whether `octets` are one element, whatever it is, and so is everything in what is constructed, at most 32 deep.
Status CheckElement(ByteView octets);
// Reads a Time (RFC 5280 4.1.2.5): UTCTime or GeneralizedTime, in seconds, with Z.
StatusOr<Time> ReadTime(const Element& element);

Bytes Tlv(uint8_t tag, ByteView content);
// One constructed element around the concatenation of `parts`.
Bytes Constructed(uint8_t tag, std::initializer_list<ByteView> parts);
inline Bytes Sequence(std::initializer_list<ByteView> parts) { return Constructed(kSequence, parts); }
Bytes Unsigned(ByteView magnitude);  // INTEGER of a big-endian magnitude, leading zeros dropped
Bytes Unsigned(uint64_t value);
Bytes Signed(int64_t value);  // INTEGER
Bytes BitString(ByteView octets);
Bytes NamedBitString(uint32_t bits);  // bit 0 first, trailing zero bits dropped
// An OBJECT IDENTIFIER of a dotted text that is known to be well-formed (a constant or a validated profile).
Bytes Oid(std::string_view dotted);
// UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 4.1.2.5).
Bytes EncodeTime(Time time);
Bytes GeneralizedTime(Time time);

}  // namespace hallmark::der
