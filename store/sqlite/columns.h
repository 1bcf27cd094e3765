// How values that SQLite has no type for stand in a column. Private to store/sqlite.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "store/sqlite/sqlite.h"

namespace hallmark::sqlite {

// JSON arrays of texts, and of octets in hexadecimal. kDataLoss (STORE_CORRUPT) when it is none.
std::string ToArray(const std::vector<std::string>& texts);
std::string ToArray(const std::vector<Bytes>& blobs);
Status ReadArray(const std::string& array, std::vector<std::string>& texts);
Status ReadArray(const std::string& array, std::vector<Bytes>& blobs);

// NULL instead of what is empty; the Value borrows.
inline Value OrNull(const std::string& text) { return text.empty() ? Value(nullptr) : Value(std::string_view(text)); }
inline Value OrNull(const Bytes& octets) { return octets.empty() ? Value(nullptr) : Value(ByteView(octets)); }
inline Value OrNull(const std::optional<Digest>& digest) {
  return digest.has_value() ? Value(ByteView(*digest)) : Value(nullptr);
}
inline Value OrNull(const std::optional<Time>& time) {
  return time.has_value() ? Value(Seconds(*time)) : Value(nullptr);
}

std::optional<Digest> OptionalHash(const Rows& rows, int column);
std::optional<Time> OptionalInstant(const Rows& rows, int column);

}  // namespace hallmark::sqlite
