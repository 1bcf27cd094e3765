#include "http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>

#include "base/log.h"

namespace hallmark {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::redirect_error;
using asio::use_awaitable;

constexpr uint32_t kHeaderLimit = 8 << 10;  // octets of the request line, and of the fields
constexpr uint64_t kBodyLimit = 64 << 10;
constexpr size_t kBufferLimit = 16 << 10;
constexpr size_t kOctetsPerSecond = 8 << 10;  // of the slowest reader of a long response
constexpr size_t kLingerOctets = 256 << 10;
constexpr Duration kLingerLimit = absl::Seconds(2);
constexpr Duration kLastLingerLimit = absl::Milliseconds(200);  // when the server stops

std::chrono::milliseconds Milliseconds(Duration duration) { return absl::ToChronoMilliseconds(duration); }

// What a request that could not be read is answered; nothing when nobody is there to read it.
std::optional<HttpResponse> ReadFailure(beast::error_code error) {
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

// The values of a field, joined as RFC 9110 5.3 has it.
template <class Fields>
std::string Joined(const Fields& fields, http::field name) {
  std::string joined;
  const auto [begin, end] = fields.equal_range(name);
  for (auto field = begin; field != end; ++field) {
    joined += (joined.empty() ? "" : ", ") + std::string(field->value());
  }
  return joined;
}

// The path and query of a request-target in origin-form or absolute-form (RFC 9112 3.2); empty for the other forms.
std::string PathAndQuery(std::string target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const size_t end_of_authority = target.find_first_of("/?", scheme.size());
    target = end_of_authority == std::string::npos ? "" : target.substr(end_of_authority);
    if (!target.starts_with('/')) target.insert(0, "/");
  }
  return target.starts_with('/') ? target : "";
}

// What is wrong with a well-formed request before any route sees it.
template <class Request>
std::optional<HttpResponse> Refusal(const Request& request, const std::string& post_path) {
  const std::string target = PathAndQuery(std::string(request.target()));
  const bool posts = !post_path.empty() && target.substr(0, target.find('?')) == post_path;
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

HttpResponse Handle(const HttpHandler& handler, const HttpRequest& request) {
  std::string what = "an unknown exception";
  try {
    return handler(request);
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {  // whatever it is, it ends here
  }
  log::Error("http_handler_failed", {{"path", request.path}, {"message", what}});
  return TextResponse(500, "the server failed to answer this request\n");
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, const HttpOptions& options, const HttpHandler& handler,
                       ConnectionList& list)
    : stream_(std::move(socket)), buffer_(kBufferLimit), options_(options), handler_(handler), list_(list) {}

Connection::~Connection() { list_.Remove(position_); }

std::shared_ptr<Connection> Connection::Create(asio::ip::tcp::socket socket, const HttpOptions& options,
                                               const HttpHandler& handler, ConnectionList& list) {
  std::shared_ptr<Connection> connection(new Connection(std::move(socket), options, handler, list));  // private
  connection->position_ = list.Add(connection);
  return connection;
}

void Connection::Close() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->stream_.close(); });
}

void Connection::CloseIfWaiting() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] {
    if (self->waiting_) self->stream_.close();
  });
}

asio::awaitable<void> Connection::Serve(std::shared_ptr<Connection> connection) {
  co_await connection->ServeRequests();
  co_await connection->Linger();
}

asio::awaitable<void> Connection::ServeRequests() {
  bool keep_alive = true;
  for (bool first = true; keep_alive && !list_.stopping(); first = false) {
    Parser parser;
    parser.header_limit(kHeaderLimit);
    parser.body_limit(kBodyLimit);
    const beast::error_code read_error = co_await Read(parser, first);
    std::optional<HttpResponse> response = ReadFailure(read_error);
    if (read_error && !response) co_return;
    waiting_ = false;
    keep_alive = !read_error && parser.get().keep_alive();
    if (!response) response = Answer(parser.get(), keep_alive);
    keep_alive = keep_alive && !list_.stopping();
    const beast::error_code write_error = co_await Write(parser.get(), *std::move(response), keep_alive);
    if (write_error) co_return;
    waiting_ = true;
    list_.Touch(position_);
  }
}

asio::awaitable<beast::error_code> Connection::Read(Parser& parser, bool first) {
  beast::error_code error;
  if (!first && buffer_.size() == 0) {
    stream_.expires_after(Milliseconds(options_.idle_limit));
    const size_t size =
        co_await stream_.async_read_some(buffer_.prepare(kHeaderLimit), redirect_error(use_awaitable, error));
    buffer_.commit(size);
    if (error) co_return error;
  }
  stream_.expires_after(Milliseconds(options_.request_limit));
  co_await http::async_read_header(stream_, buffer_, parser, redirect_error(use_awaitable, error));
  // What will be refused is refused without its body.
  if (error || Refusal(parser.get(), options_.post_path)) co_return error;
  if (!parser.is_done()) co_await http::async_read(stream_, buffer_, parser, redirect_error(use_awaitable, error));
  co_return error;
}

HttpResponse Connection::Answer(const Parser::value_type& request, bool& keep_alive) const {
  if (std::optional<HttpResponse> refusal = Refusal(request, options_.post_path)) {
    keep_alive = false;
    return *std::move(refusal);
  }
  const std::string target = PathAndQuery(std::string(request.target()));
  const size_t question_mark = target.find('?');
  return Handle(handler_, {.method = std::string(request.method_string()),
                           .path = target.substr(0, question_mark),
                           .query = question_mark == std::string::npos ? "" : target.substr(question_mark + 1),
                           .if_none_match = Joined(request, http::field::if_none_match),
                           .if_modified_since = Joined(request, http::field::if_modified_since),
                           .content_type = Joined(request, http::field::content_type),
                           .body = request.method() == http::verb::post ? request.body() : std::string()});
}

asio::awaitable<beast::error_code> Connection::Write(const Parser::value_type& request, HttpResponse response,
                                                     bool keep_alive) {
  const std::string_view body = response.body ? std::string_view(*response.body) : std::string_view();
  const bool not_modified = response.status == 304;
  http::response<http::span_body<const char>> message(static_cast<http::status>(response.status), request.version());
  message.set(http::field::server, "Hallmark");
  message.set(http::field::date, HttpDate(SystemClock().Now()));
  for (const auto& [name, value] : response.headers) message.set(name, value);
  if (!not_modified) {
    message.set(http::field::content_type, response.content_type);
    message.content_length(body.size());
    if (request.method() != http::verb::head) message.body() = {body.data(), body.size()};
  }
  message.keep_alive(keep_alive);
  stream_.expires_after(Milliseconds(options_.idle_limit) + std::chrono::seconds(body.size() / kOctetsPerSecond));
  beast::error_code error;
  co_await http::async_write(stream_, message, redirect_error(use_awaitable, error));
  co_return error;
}

asio::awaitable<void> Connection::Linger() {
  beast::error_code error;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  stream_.expires_after(Milliseconds(list_.stopping() ? kLastLingerLimit : kLingerLimit));
  size_t total = 0;
  while (!error && total < kLingerOctets) {
    buffer_.clear();
    total += co_await stream_.async_read_some(buffer_.prepare(kHeaderLimit), redirect_error(use_awaitable, error));
  }
  stream_.close();
}

}  // namespace hallmark
