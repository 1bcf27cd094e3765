// Text for people: aligned tables and lists of fields. Whatever comes from outside goes through Printable, so that no
// subject or message can steer a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hallmark::cli {

// `text` with each control character (C0, DEL, C1) and each octet that is not UTF-8 written as \xNN, and U+202A to
// U+202E and U+2066 to U+2069, which reorder a line, octet by octet likewise.
std::string Printable(std::string_view text);

enum class Color { kPlain, kGreen, kYellow, kRed, kFaint };

struct Cell {
  Cell(std::string text, Color color = Color::kPlain) : text(std::move(text)), color(color) {}
  Cell(const char* text) : text(text) {}
  std::string text;
  Color color = Color::kPlain;
};

// Columns as wide as their widest cell, counted in characters, two spaces apart. `colored`: with ANSI colours.
std::string RenderTable(const std::vector<std::string>& header, const std::vector<std::vector<Cell>>& rows,
                        bool colored);

// One "Name  value" a line, the values aligned. An empty value's line is left out.
struct Field {
  std::string name;
  Cell value;
};
std::string RenderFields(const std::vector<Field>& fields, bool colored);

}  // namespace hallmark::cli
