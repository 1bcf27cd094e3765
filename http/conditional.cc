#include "http/conditional.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/http_date.h"

namespace hallmark {
namespace {

// Whether a list of entity tags names `tag`, by the weak comparison of RFC 9110 8.8.3.2.
bool Lists(const std::string& list, const std::string& tag) {
  size_t start = 0;
  while (start <= list.size()) {
    const size_t comma = std::min(list.find(',', start), list.size());
    std::string item = list.substr(start, comma - start);
    item.erase(0, item.find_first_not_of(" \t"));
    item.erase(item.find_last_not_of(" \t") + 1);
    if (item.starts_with("W/")) item.erase(0, 2);
    if (item == tag || item == "*") return true;
    start = comma + 1;
  }
  return false;
}

}  // namespace

std::string EntityTag(const Digest& digest) { return fmt::format("\"{}\"", Hex(ByteView(digest).first<16>())); }

bool IsUnmodified(const HttpRequest& request, const std::string& entity_tag, Time modified) {
  if (!request.if_none_match.empty()) return Lists(request.if_none_match, entity_tag);
  const std::optional<Time> since = ParseHttpDate(request.if_modified_since);
  return since.has_value() && modified <= *since;
}

}  // namespace hallmark
