#include "store/sqlite/columns.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/reason.h"

namespace hallmark::sqlite {

std::string ToArray(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string ToArray(const std::vector<Bytes>& blobs) {
  std::vector<std::string> texts;
  for (const Bytes& blob : blobs) texts.push_back(Hex(blob));
  return ToArray(texts);
}

namespace {

Status Malformed(const std::string& array) {
  return Error(
      Code::kDataLoss, reason::kStoreCorrupt,
      fmt::format("a row holds \"{}\" instead of a JSON array; restore it from a backup", array.substr(0, 64)));
}

}  // namespace

Status ReadArray(const std::string& array, std::vector<std::string>& texts) {
  const nlohmann::json json = nlohmann::json::parse(array, nullptr, false);
  if (!json.is_array()) return Malformed(array);
  for (const nlohmann::json& element : json) {
    if (!element.is_string()) return Malformed(array);
    texts.push_back(element.get<std::string>());
  }
  return absl::OkStatus();
}

Status ReadArray(const std::string& array, std::vector<Bytes>& blobs) {
  std::vector<std::string> texts;
  RETURN_IF_ERROR(ReadArray(array, texts));
  for (const std::string& text : texts) {
    StatusOr<Bytes> blob = FromHex(text);
    if (!blob.ok()) return Malformed(array);
    blobs.push_back(std::move(*blob));
  }
  return absl::OkStatus();
}

std::optional<Digest> OptionalHash(const Rows& rows, int column) {
  if (rows.IsNull(column)) return std::nullopt;
  return rows.Hash(column);
}

std::optional<Time> OptionalInstant(const Rows& rows, int column) {
  if (rows.IsNull(column)) return std::nullopt;
  return rows.Instant(column);
}

}  // namespace hallmark::sqlite
