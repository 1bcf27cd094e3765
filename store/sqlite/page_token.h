// Pages of listings, and their tokens. Private to store/sqlite.
#pragma once

#include <string>

#include "base/status.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

namespace hallmark::sqlite {

// 1..1000, or kInvalidArgument (REQUEST_INVALID).
Status CheckPageSize(int page_size);

// Reads a page of rows, of which one more than fits was asked for: that tells whether there is a further page.
// `token_of`: of the page's last item.
template <class Read, class TokenOf>
auto ReadPage(Rows& rows, int page_size, const Read& read, const TokenOf& token_of)
    -> StatusOr<Page<decltype(read(rows))>> {
  Page<decltype(read(rows))> page;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return page;
    if (page.items.size() == static_cast<size_t>(page_size)) break;
    page.items.push_back(read(rows));
  }
  page.next_page_token = token_of(page.items.back());
  return page;
}

// kInvalidArgument (REQUEST_INVALID).
Status NoPageToken();
Status PageTokenOfAnotherFilter();

// Tokens of listings in the order of a text, which continue after the last one of a page.
// `filter`: a text that differs where filters do; a token belongs to one.
std::string MakePageToken(const std::string& last, const std::string& filter);
// The text after which the page starts; empty: from the beginning. kInvalidArgument (REQUEST_INVALID).
StatusOr<std::string> ParsePageToken(const std::string& token, const std::string& filter);

}  // namespace hallmark::sqlite
