#include "store/sqlite/page_token.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/reason.h"

namespace hallmark::sqlite {
namespace {

constexpr int kLargestPage = 1000;
constexpr size_t kHash = 8;  // octets

std::string HashOf(const std::string& filter) { return Hex(ByteView(Sha256(AsBytes(filter))).first(kHash)); }

}  // namespace

Status CheckPageSize(int page_size) {
  if (page_size >= 1 && page_size <= kLargestPage) return absl::OkStatus();
  return FieldError(reason::kRequestInvalid, "page_size", fmt::format("{} is not in 1..{}", page_size, kLargestPage));
}

Status NoPageToken() {
  return FieldError(reason::kRequestInvalid, "page_token",
                    "not a token that a listing returned; start again without a token");
}

Status PageTokenOfAnotherFilter() {
  return FieldError(reason::kRequestInvalid, "page_token",
                    "belongs to a listing with another filter; repeat that filter or start again without a token");
}

std::string MakePageToken(const std::string& last, const std::string& filter) {
  return HashOf(filter) + Hex(AsBytes(last));
}

StatusOr<std::string> ParsePageToken(const std::string& token, const std::string& filter) {
  if (token.empty()) return std::string();
  const StatusOr<Bytes> octets = FromHex(token);
  if (!octets.ok() || octets->size() <= kHash) {
    return NoPageToken();
  }
  if (Hex(ByteView(*octets).first(kHash)) != HashOf(filter)) {
    return PageTokenOfAnotherFilter();
  }
  return ToString(ByteView(*octets).subspan(kHash));
}

}  // namespace hallmark::sqlite
