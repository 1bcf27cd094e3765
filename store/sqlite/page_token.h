// Tokens of listings in the order of a text, which continue after the last one of a page. Private to store/sqlite.
#pragma once

#include <string>

#include "base/status.h"

namespace hallmark::sqlite {

// 1..1000, or kInvalidArgument (REQUEST_INVALID).
Status CheckPageSize(int page_size);

// `filter`: a text that differs where filters do; a token belongs to one.
std::string MakePageToken(const std::string& last, const std::string& filter);
// The text after which the page starts; empty: from the beginning. kInvalidArgument (REQUEST_INVALID).
StatusOr<std::string> ParsePageToken(const std::string& token, const std::string& filter);

}  // namespace hallmark::sqlite
