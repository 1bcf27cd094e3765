// An HTTP request and its response as Hallmark's routes see them (RFC 9110), free of the library that carries them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hallmark {

// Octets as they came: nothing is percent-decoded.
struct HttpRequest {
  std::string method;         // GET or HEAD, or POST where HttpOptions allow it: the server refuses the others
  std::string path;           // of the target, from its first slash up to the question mark
  std::string query;          // what follows the question mark
  std::string if_none_match;  // field values, joined by commas when a field came more than once; empty: absent
  std::string if_modified_since;
  std::string accept_encoding = "";
  std::string content_type = "";  // of the body
  std::string body = "";          // of a POST
};

// The server adds Server, Date, Connection and Content-Length, and leaves the body out of answers to HEAD and of 304.
struct HttpResponse {
  int status = 200;
  std::string content_type;                 // of the body
  std::shared_ptr<const std::string> body;  // shared, so that slow readers of a long CRL cost no copies
  std::vector<std::pair<std::string, std::string>> headers;  // from our own code, never from a request
};

// Answers a request. Called by several threads at once, and may wait: while it runs, one of the server's threads for
// handlers does nothing else.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;
// Answers from memory what it can; nothing: the handler is to be asked. It waits for nothing, since all clients of the
// thread that calls it wait meanwhile.
using HttpAtOnce = std::function<std::optional<HttpResponse>(const HttpRequest&)>;

// `text` as text/plain.
HttpResponse TextResponse(int status, std::string text);

}  // namespace hallmark
