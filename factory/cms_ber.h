// BER (X.690) as a stream: headers one by one, contents copied or passed over, in definite and indefinite form.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <streambuf>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark::ber {

inline constexpr uint8_t kOctetString = 0x04;
inline constexpr uint8_t kObjectIdentifier = 0x06;
inline constexpr uint8_t kSequence = 0x30;
inline constexpr uint8_t kConstructed = 0x20;
inline constexpr uint8_t kExplicit0 = 0xA0;

struct Header {
  uint8_t tag = 0;                 // identifier octet; tags above 30 are refused
  std::optional<uint64_t> length;  // absent: indefinite
  Bytes octets;                    // as they stood
  bool constructed() const { return (tag & kConstructed) != 0; }
};

// Where an element's contents end. Absent: at end-of-contents octets.
using End = std::optional<uint64_t>;

// Borrows the input. Every error is a kInvalidArgument (MANIFEST_SIGNATURE_INVALID).
class Reader {
 public:
  explicit Reader(std::streambuf& in) : in_(in) {}

  // The next element's header, which must end, with its contents, before `end`.
  StatusOr<Header> Next(End end);
  // The next header, which must have this tag; `what` names it in the error.
  StatusOr<Header> Expect(uint8_t tag, End end, const char* what);
  End EndOf(const Header& header) const;
  // Whether the contents that end at `end` are at their end; takes end-of-contents octets.
  StatusOr<bool> AtEnd(End end);
  // Copies the rest of an element, its header too, so far as `out` stays within `limit`.
  Status Copy(const Header& header, Bytes& out, size_t limit, int depth = 0);
  // Writes the octets of an OCTET STRING, primitive or constructed of parts.
  Status WriteOctets(const Header& header, std::ostream& out, int depth = 0);
  // Nothing may follow.
  Status ExpectNothing();

 private:
  StatusOr<uint8_t> Octet();
  Status ReadLength(Header& header);

  std::streambuf& in_;
  uint64_t position_ = 0;
};

// Definite header of an element whose contents have `size` octets.
Bytes DefiniteHeader(uint8_t tag, size_t size);

Status Malformed(const std::string& why);

}  // namespace hallmark::ber
