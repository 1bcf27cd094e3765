#include "factory/cms_ber.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/reason.h"

namespace hallmark::ber {
namespace {

constexpr int kEof = std::char_traits<char>::eof();
constexpr int kDepthLimit = 32;
constexpr uint8_t kIndefinite = 0x80;
constexpr uint8_t kHighTag = 0x1F;
constexpr size_t kLengthOctetsLimit = 6;  // 256 TiB

Status TooDeep() { return Malformed(fmt::format("it is nested more than {} deep", kDepthLimit)); }

}  // namespace

Status Malformed(const std::string& why) {
  return Error(Code::kInvalidArgument, reason::kManifestSignatureInvalid,
               fmt::format("the file is no CMS SignedData: {}", why));
}

StatusOr<uint8_t> Reader::Octet() {
  const int c = in_.sbumpc();
  if (c == kEof) return Malformed(fmt::format("it is cut off after {} octets", position_));
  ++position_;
  return static_cast<uint8_t>(c);
}

Status Reader::ReadLength(Header& header) {
  ASSIGN_OR_RETURN(const uint8_t first, Octet());
  header.octets.push_back(first);
  if (first == kIndefinite) {
    if (header.constructed()) return absl::OkStatus();
    return Malformed("a primitive value has an indefinite length");
  }
  uint64_t length = first;
  if (first > kIndefinite) {
    const size_t octets = first & 0x7F;
    if (octets > kLengthOctetsLimit) return Malformed("a length is out of all bounds");
    length = 0;
    for (size_t i = 0; i < octets; ++i) {
      ASSIGN_OR_RETURN(const uint8_t octet, Octet());
      header.octets.push_back(octet);
      length = length << 8 | octet;
    }
  }
  header.length = length;
  return absl::OkStatus();
}

StatusOr<Header> Reader::Next(End end) {
  Header header;
  ASSIGN_OR_RETURN(header.tag, Octet());
  header.octets.push_back(header.tag);
  if ((header.tag & kHighTag) == kHighTag) return Malformed("it has a tag that no SignedData has");
  RETURN_IF_ERROR(ReadLength(header));
  if (end.has_value() && (position_ > *end || header.length.value_or(0) > *end - position_)) {
    return Malformed("an element is longer than the one around it");
  }
  return header;
}

StatusOr<Header> Reader::Expect(uint8_t tag, End end, const char* what) {
  ASSIGN_OR_RETURN(const bool ends, AtEnd(end));
  if (ends) return Malformed(fmt::format("it has no {}", what));
  ASSIGN_OR_RETURN(Header header, Next(end));
  if (header.tag == tag) return header;
  return Malformed(fmt::format("there is tag {:02X} where {} should be", header.tag, what));
}

End Reader::EndOf(const Header& header) const {
  return header.length.has_value() ? End(position_ + *header.length) : std::nullopt;
}

StatusOr<bool> Reader::AtEnd(End end) {
  if (end.has_value()) {
    if (position_ > *end) return Malformed("an element is longer than the one around it");
    return position_ == *end;
  }
  if (in_.sgetc() != 0) return false;
  for (int i = 0; i < 2; ++i) {
    ASSIGN_OR_RETURN(const uint8_t octet, Octet());
    if (octet != 0) return Malformed("end-of-contents octets are broken");
  }
  return true;
}

Status Reader::Copy(const Header& header, Bytes& out, size_t limit, int depth) {
  if (depth > kDepthLimit) return TooDeep();
  const uint64_t room = limit - std::min(limit, out.size());
  if (header.octets.size() > room || header.length.value_or(0) > room - header.octets.size()) {
    return Malformed(fmt::format("it has more than {} octets beside its content", limit));
  }
  Append(out, header.octets);
  if (header.length.has_value()) {
    for (uint64_t i = 0; i < *header.length; ++i) {
      ASSIGN_OR_RETURN(const uint8_t octet, Octet());
      out.push_back(octet);
    }
    return absl::OkStatus();
  }
  while (true) {
    ASSIGN_OR_RETURN(const bool ends, AtEnd(std::nullopt));
    if (ends) break;
    ASSIGN_OR_RETURN(const Header inner, Next(std::nullopt));
    RETURN_IF_ERROR(Copy(inner, out, limit, depth + 1));
  }
  out.insert(out.end(), {0, 0});
  return absl::OkStatus();
}

Status Reader::WriteOctets(const Header& header, std::ostream& out, int depth) {
  if (depth > kDepthLimit) return TooDeep();
  if (!header.constructed()) {
    std::array<char, 16384> block;
    for (uint64_t left = *header.length; left > 0;) {
      const auto wanted = static_cast<std::streamsize>(std::min<uint64_t>(left, block.size()));
      const std::streamsize size = in_.sgetn(block.data(), wanted);
      position_ += static_cast<uint64_t>(size);
      if (size < wanted) return Malformed(fmt::format("it is cut off after {} octets", position_));
      out.write(block.data(), size);
      left -= static_cast<uint64_t>(size);
    }
    return absl::OkStatus();
  }
  const End end = EndOf(header);
  while (true) {
    ASSIGN_OR_RETURN(const bool ends, AtEnd(end));
    if (ends) return absl::OkStatus();
    ASSIGN_OR_RETURN(const Header part, Next(end));
    if ((part.tag & ~kConstructed) != kOctetString) return Malformed("its content has a part that is no OCTET STRING");
    RETURN_IF_ERROR(WriteOctets(part, out, depth + 1));
  }
}

Status Reader::ExpectNothing() {
  if (in_.sgetc() == kEof) return absl::OkStatus();
  return Malformed(fmt::format("something follows after its {} octets", position_));
}

Bytes DefiniteHeader(uint8_t tag, size_t size) {
  Bytes header = {tag};
  if (size < 0x80) {
    header.push_back(static_cast<uint8_t>(size));
    return header;
  }
  Bytes octets;
  for (; size > 0; size >>= 8) octets.insert(octets.begin(), static_cast<uint8_t>(size));
  header.push_back(static_cast<uint8_t>(0x80 | octets.size()));
  Append(header, octets);
  return header;
}

}  // namespace hallmark::ber
