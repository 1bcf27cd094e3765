#include "tools/hallmark/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace hallmark::cli {
namespace {

// The length of the well-formed UTF-8 sequence (RFC 3629 4) that `text` begins with, and its character; 0: none.
size_t Decode(std::string_view text, uint32_t& character) {
  const auto octet = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (octet(0) < 0x80) {
    character = octet(0);
    return 1;
  }
  const size_t length = octet(0) >= 0xf0 ? 4 : octet(0) >= 0xe0 ? 3 : 2;
  if (octet(0) < 0xc2 || octet(0) > 0xf4 || text.size() < length) return 0;
  character = octet(0) & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((octet(i) & 0xc0) != 0x80) return 0;
    character = character << 6 | (octet(i) & 0x3fU);
  }
  const bool overlong = (length == 3 && character < 0x800) || (length == 4 && character < 0x10000);
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  return overlong || surrogate || character > 0x10ffff ? 0 : length;
}

bool Harmless(uint32_t character) {
  const bool control = character < 0x20 || (character >= 0x7f && character < 0xa0);
  const bool reorders = (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
  return !control && !reorders;
}

size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

const char* Sequence(Color color) {
  switch (color) {
    case Color::kGreen: return "\x1b[32m";
    case Color::kYellow: return "\x1b[33m";
    case Color::kRed: return "\x1b[31m";
    case Color::kFaint: return "\x1b[2m";
    case Color::kPlain: break;
  }
  return "";
}

std::string Paint(const std::string& text, Color color, bool colored) {
  if (!colored || color == Color::kPlain) return text;
  return Sequence(color) + text + "\x1b[0m";
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  while (!text.empty()) {
    uint32_t character = 0;
    const size_t length = Decode(text, character);
    if (length > 0 && Harmless(character)) {
      printable += text.substr(0, length);
    } else {
      for (const char octet : text.substr(0, std::max<size_t>(length, 1))) {
        printable += fmt::format("\\x{:02x}", static_cast<uint8_t>(octet));
      }
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return printable;
}

std::string RenderTable(const std::vector<std::string>& header, const std::vector<std::vector<Cell>>& rows,
                        bool colored) {
  std::vector<std::vector<Cell>> lines(1);
  for (const std::string& name : header) lines[0].emplace_back(name, Color::kFaint);
  for (const auto& row : rows) {
    lines.emplace_back();
    for (const Cell& cell : row) lines.back().emplace_back(Printable(cell.text), cell.color);
  }
  std::vector<size_t> widths(header.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Width(line[i].text));
  }
  std::string table;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      table += Paint(line[i].text, line[i].color, colored);
      if (i + 1 < line.size()) table.append(widths[i] - Width(line[i].text) + 2, ' ');
    }
    table += '\n';
  }
  return table;
}

std::string RenderFields(const std::vector<Field>& fields, bool colored) {
  size_t width = 0;
  for (const Field& field : fields) width = std::max(width, field.value.text.empty() ? 0 : Width(field.name));
  std::string text;
  for (const Field& field : fields) {
    if (field.value.text.empty()) continue;
    text += Paint(field.name, Color::kFaint, colored) + std::string(width - Width(field.name) + 2, ' ') +
            Paint(Printable(field.value.text), field.value.color, colored) + '\n';
  }
  return text;
}

}  // namespace hallmark::cli
