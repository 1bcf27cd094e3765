#include "http/request.h"

namespace hallmark {
namespace {

namespace http = boost::beast::http;

// The values of a field, joined as RFC 9110 5.3 has it.
std::string Joined(const ParsedRequest& fields, http::field name) {
  std::string joined;
  const auto [begin, end] = fields.equal_range(name);
  for (auto field = begin; field != end; ++field) {
    if (!joined.empty()) joined += ", ";
    joined.append(field->value().data(), field->value().size());
  }
  return joined;
}

// The path and query of a request-target in origin-form or absolute-form (RFC 9112 3.2); empty for the other forms.
std::string PathAndQuery(std::string target) {
  if (target.starts_with('/')) return target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const size_t end_of_authority = target.find_first_of("/?", scheme.size());
    target = end_of_authority == std::string::npos ? "" : target.substr(end_of_authority);
    if (!target.starts_with('/')) target.insert(0, "/");
  }
  return target.starts_with('/') ? target : "";
}

}  // namespace

std::optional<HttpResponse> ReadFailure(boost::beast::error_code error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return TextResponse(431, "the request line or the header fields exceed 8 KiB\n");
  }
  if (error == http::error::body_limit) return TextResponse(413, "the body exceeds 64 KiB\n");
  if (error == http::error::bad_version) return TextResponse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here\n");
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return TextResponse(400, "this is not a request of HTTP/1.1 (RFC 9112)\n");
  }
  return std::nullopt;  // the socket's own errors, and time-outs
}

bool IsFor(std::string_view target, std::string_view path, bool below) {
  if (path.empty() || !target.starts_with(path)) return false;
  return target.size() == path.size() || target[path.size()] == '?' || (below && target[path.size()] == '/');
}

std::optional<HttpResponse> Refusal(const ParsedRequest& request, const std::string& post_path) {
  const std::string target = PathAndQuery(std::string(request.target()));
  const bool posts = IsFor(target, post_path, /*below=*/false);
  const http::verb method = request.method();
  if (method != http::verb::get && method != http::verb::head && !(posts && method == http::verb::post)) {
    HttpResponse response =
        TextResponse(405, posts ? "only POST is served here\n" : "only GET and HEAD are served here\n");
    response.headers.emplace_back("Allow", posts ? "POST" : "GET, HEAD");
    return response;
  }
  if (request.find(http::field::expect) != request.end()) return TextResponse(417, "Expect is not supported here\n");
  if (request.version() == 11 && request.count(http::field::host) != 1) {
    return TextResponse(400, "a request of HTTP/1.1 has one Host field (RFC 9112 3.2)\n");
  }
  if (target.empty()) {
    return TextResponse(400, "the request-target is neither a path nor a URL (RFC 9112 3.2)\n");
  }
  return std::nullopt;
}

HttpRequest Translate(const ParsedRequest& request) {
  const std::string target = PathAndQuery(std::string(request.target()));
  const size_t question_mark = target.find('?');
  return {.method = std::string(request.method_string()),
          .path = target.substr(0, question_mark),
          .query = question_mark == std::string::npos ? "" : target.substr(question_mark + 1),
          .if_none_match = Joined(request, http::field::if_none_match),
          .if_modified_since = Joined(request, http::field::if_modified_since),
          .accept_encoding = Joined(request, http::field::accept_encoding),
          .content_type = Joined(request, http::field::content_type),
          .body = request.method() == http::verb::post ? request.body() : std::string()};
}

}  // namespace hallmark
