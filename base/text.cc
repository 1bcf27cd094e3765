#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace hallmark {

namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};
// Control and format characters, line and paragraph separators, variation selectors, private use, replacement
// characters, noncharacters below U+FFFE; in order.
constexpr std::array<Range, 20> kUnseen = {
    {{0x0, 0x1f},      {0x7f, 0x9f},     {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
     {0x6dd, 0x6dd},   {0x70f, 0x70f},   {0x180b, 0x180e},   {0x200b, 0x200f},   {0x2028, 0x202e},
     {0x2060, 0x206f}, {0xd800, 0xdfff}, {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},
     {0xfeff, 0xfeff}, {0xfff9, 0xfffd}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}}};

bool IsSeen(uint32_t point) {
  if ((point & 0xfffe) == 0xfffe) return false;  // the two noncharacters at the end of each plane
  return std::none_of(kUnseen.begin(), kUnseen.end(),
                      [point](const Range& range) { return range.first <= point && point <= range.last; });
}

}  // namespace

bool IsCleanUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead >> 5 == 0x6 ? 2 : lead >> 4 == 0xe ? 3 : lead >> 3 == 0x1e ? 4 : 0;
    if (length == 0 || i + length > text.size()) return false;
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t j = 1; j < length; ++j) {
      const auto next = static_cast<unsigned char>(text[i + j]);
      if (next >> 6 != 0x2) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[length] || point > 0x10ffff || !IsSeen(point)) return false;
    i += length;
  }
  return true;
}

bool IsPrintableString(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?";
  return text.find_first_not_of(kAllowed) == text.npos;
}

bool IsIa5String(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
}

size_t CountCharacters(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Shorten(const std::string& text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (text[limit] & 0xc0) == 0x80) --limit;
  return text.substr(0, limit) + "...";
}

std::string Between(std::string_view text, std::string_view prefix, std::string_view suffix) {
  if (text.size() < prefix.size() + suffix.size() || !text.starts_with(prefix) || !text.ends_with(suffix)) return "";
  return std::string(text.substr(prefix.size(), text.size() - prefix.size() - suffix.size()));
}

std::string InQuotes(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace hallmark
