#include <algorithm>
#include <array>
#include <string_view>

#include "tests/fuzz/mutation.h"

namespace hallmark::fuzz {
namespace {

constexpr size_t kLongestBlock = 64;

// What parsers of DER, PEM, URIs, YAML, HTTP and filters may stumble over.
constexpr std::array<std::string_view, 26> kFragments = {
    std::string_view("\0", 1),
    std::string_view("\x05\x00", 2),
    std::string_view("\x30\x80\x00\x00", 4),
    std::string_view("\x30\x84\xff\xff\xff\xff", 6),
    std::string_view("\x02\x01\xff", 3),
    std::string_view("\x02\x02\x00\x01", 4),
    std::string_view("\x01\x01\x01", 3),
    std::string_view("\x06\x02\x80\x01", 4),
    std::string_view("\x03\x01\x07", 3),
    std::string_view("\x17\x0d"
                     "991231235960Z",
                     15),
    "\xed\xa0\x80",
    "\xc0\xaf",
    "\xff",
    "%00",
    "%zz",
    "\\",
    "\"",
    "\r\n",
    "\r\n\r\n",
    "/../",
    "-1",
    "99999999999999999999",
    ": ",
    "- ",
    "&a [*a]",
    "=",
};

size_t Below(size_t limit, Random& random) { return limit == 0 ? 0 : random() % limit; }

void Insert(Bytes& octets, size_t at, ByteView block) {
  octets.insert(octets.begin() + static_cast<std::ptrdiff_t>(at), block.begin(), block.end());
}

void Erase(Bytes& octets, size_t at, size_t size) {
  const auto begin = octets.begin() + static_cast<std::ptrdiff_t>(at);
  octets.erase(begin, begin + static_cast<std::ptrdiff_t>(size));
}

Bytes Block(const Bytes& octets, Random& random) {
  const size_t at = Below(octets.size(), random);
  const size_t size = std::min(octets.size() - at, 1 + Below(kLongestBlock, random));
  return ToBytes(ByteView(octets).subspan(at, size));
}

// Sets an octet that says, or may say, how long something is.
void ChangeLength(Bytes& octets, Random& random) {
  constexpr std::array<uint8_t, 9> kLengths = {0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0xff};
  size_t at = Below(octets.size(), random);
  // Rather the octet after one that looks like an identifier: SEQUENCE, SET, a string, a context tag.
  for (size_t tries = 0; tries < octets.size(); ++tries, at = (at + 1) % octets.size()) {
    if (octets[at] == 0x30 || octets[at] == 0x31 || octets[at] <= 0x0c || octets[at] >> 5 == 0x5) break;
  }
  uint8_t& length = octets[(at + 1) % octets.size()];
  switch (random() % 3) {
    case 0: ++length; break;
    case 1: --length; break;
    default: length = kLengths[random() % kLengths.size()];
  }
}

void Splice(Bytes& octets, const std::vector<Bytes>& others, Random& random) {
  if (others.empty()) return;
  const Bytes& other = others[random() % others.size()];
  const size_t from = Below(other.size(), random);
  octets.resize(Below(octets.size() + 1, random));
  Append(octets, ByteView(other).subspan(from));
}

void ChangeOnce(Bytes& octets, const std::vector<Bytes>& others, Random& random) {
  const size_t at = Below(octets.size(), random);
  if (octets.empty() || random() % 10 == 0)
    return Insert(octets, at, AsBytes(kFragments[random() % kFragments.size()]));
  switch (random() % 9) {
    case 0: octets[at] ^= static_cast<uint8_t>(1u << random() % 8); break;
    case 1: octets[at] = static_cast<uint8_t>(random()); break;
    case 2: ChangeLength(octets, random); break;
    case 3: octets.resize(at); break;
    case 4: Erase(octets, at, std::min(octets.size() - at, 1 + Below(kLongestBlock, random))); break;
    case 5: Insert(octets, at, Block(octets, random)); break;
    case 6: Insert(octets, at, Bytes(1 + Below(kLongestBlock, random), static_cast<uint8_t>(random()))); break;
    case 7: {
      const Bytes block = Block(octets, random);
      std::copy_n(block.begin(), std::min(block.size(), octets.size() - at),
                  octets.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    }
    default: Splice(octets, others, random);
  }
}

}  // namespace

Bytes MutateOctets(ByteView octets, const std::vector<Bytes>& others, Random& random) {
  Bytes mutated = ToBytes(octets);
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) ChangeOnce(mutated, others, random);
  return mutated;
}

}  // namespace hallmark::fuzz
