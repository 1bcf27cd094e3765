// Which texts may stand in a certificate, and how long they are.
#pragma once

#include <string>
#include <string_view>

namespace hallmark {

// Well-formed UTF-8 (RFC 3629) of characters that are seen: without C0, C1 or DEL, which logs would trip over, and
// without those that X.500 drops or prohibits when it compares names (RFC 4518 2.2, 2.4), such as zero width space and
// right-to-left override, with which one name looks like another.
bool IsCleanUtf8(std::string_view text);

// The characters of a PrintableString (X.680 41.4).
bool IsPrintableString(std::string_view text);

// ASCII, the characters of an IA5String.
bool IsIa5String(std::string_view text);

// Characters of well-formed UTF-8, which is what X.520's upper bounds count.
size_t CountCharacters(std::string_view utf8);

// The text of UTF-8, or its first `limit` octets, no character cut in two, and "..." after them.
std::string Shorten(const std::string& text, size_t limit);

// What stands between `prefix` and `suffix`; empty when `text` is not of that form.
std::string Between(std::string_view text, std::string_view prefix, std::string_view suffix);

// In double quotes, with a backslash before each quote and backslash within.
std::string InQuotes(std::string_view text);

}  // namespace hallmark
