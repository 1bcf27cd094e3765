// Requests as Beast has read them: refused before any route sees them, or translated for the routes. Seen by
// connections only: it needs Boost.
#pragma once

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace hallmark {

using ParsedRequest = boost::beast::http::request<boost::beast::http::string_body>;

// What a request that could not be read is answered; nothing when nobody is there to read it.
std::optional<HttpResponse> ReadFailure(boost::beast::error_code error);

// What is wrong with a well-formed request before any route sees it.
std::optional<HttpResponse> Refusal(const ParsedRequest& request, const std::string& post_path);

HttpRequest Translate(const ParsedRequest& request);

// Whether a target is for `path`, or with `below` for what is below it.
bool IsFor(std::string_view target, std::string_view path, bool below);

}  // namespace hallmark
