#include "http/connection.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "http/head.h"
#include "http/request.h"

namespace hallmark {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::redirect_error;
using asio::use_awaitable;
using SteadyClock = std::chrono::steady_clock;

constexpr uint32_t kHeaderLimit = 8 << 10;  // octets of the request line, and of the fields
constexpr uint64_t kBodyLimit = 64 << 10;
constexpr size_t kBufferLimit = 16 << 10;
constexpr size_t kFirstRead = 1 << 10;  // of a request; what a client that waits costs
constexpr size_t kNextRead = 8 << 10;
constexpr size_t kOctetsPerSecond = 8 << 10;  // of the slowest reader of a long response
constexpr size_t kLingerOctets = 256 << 10;
constexpr Duration kLingerLimit = absl::Seconds(2);
constexpr Duration kLastLingerLimit = absl::Milliseconds(200);  // when the server stops
constexpr uint8_t kTlsHandshake = 0x16;                         // the first octet of TLS (RFC 8446 5.1), never of HTTP
constexpr size_t kTlsRecord = 16 << 10;                         // octets of the longest

using Buffers = std::array<asio::const_buffer, 2>;
Buffers BuffersOf(const std::string& head, std::string_view body) {
  return {asio::buffer(head), asio::buffer(body.data(), body.size())};
}

// What a handler answers, whatever becomes of it.
template <class Answer, class Handler>
Answer Handle(const Handler& handler, const HttpRequest& request) {
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

asio::awaitable<HttpResponse> HandleHere(const HttpHandler& handler, const HttpRequest& request) {
  co_return Handle<HttpResponse>(handler, request);
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, const ConnectionContext& context)
    : socket_(std::move(socket)), buffer_(kBufferLimit), context_(context) {
  ExpireAfter(context_.options.request_limit);
}

Connection::~Connection() { context_.list.Remove(position_); }

std::shared_ptr<Connection> Connection::Create(asio::ip::tcp::socket socket, const ConnectionContext& context) {
  std::shared_ptr<Connection> connection(new Connection(std::move(socket), context));  // private
  connection->position_ = context.list.Add(connection);
  return connection;
}

void Connection::Close() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    ErrorCode ignored;
    self->socket_.close(ignored);
  });
}

void Connection::CloseIfWaiting() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    ErrorCode ignored;
    if (self->waiting_) self->socket_.close(ignored);
  });
}

void Connection::ExpireAfter(Duration limit) {
  deadline_ = (SteadyClock::now() + absl::ToChronoNanoseconds(limit)).time_since_epoch().count();
}

asio::awaitable<void> Connection::Serve(std::shared_ptr<Connection> connection) {
  const ErrorCode error = co_await connection->Begin();
  if (!error) co_await connection->ServeRequests();
  co_await connection->Linger();
}

asio::awaitable<beast::error_code> Connection::Begin() {
  ErrorCode error;
  socket_.non_blocking(true, error);
  if (!error) error = co_await ReadSome();
  if (error || *static_cast<const uint8_t*>(buffer_.data().data()) != kTlsHandshake) co_return error;
  tls_context_ = context_.tls.context();
  if (tls_context_ == nullptr) co_return error;
  tls_.emplace(socket_, *tls_context_);
  const size_t used = co_await tls_->async_handshake(asio::ssl::stream_base::server, buffer_.data(),
                                                     redirect_error(use_awaitable, error));
  buffer_.consume(used);
  co_return error;
}

asio::awaitable<void> Connection::ServeRequests() {
  bool keep_alive = true;
  for (bool first = true; keep_alive && !context_.list.stopping(); first = false) {
    Parser parser;
    parser.header_limit(kHeaderLimit);
    parser.body_limit(kBodyLimit);
    const ErrorCode read_error = co_await Read(parser, first);
    std::optional<HttpResponse> response = ReadFailure(read_error);
    if (read_error && !response) co_return;
    waiting_ = false;
    deadline_ = SteadyClock::time_point::max().time_since_epoch().count();
    if (!read_error) response = std::move(refusal_);
    keep_alive = !response && parser.get().keep_alive();
    if (!response) response = co_await Answer(parser.get());
    keep_alive = keep_alive && !context_.list.stopping();
    const ErrorCode write_error = co_await Write(parser.get(), *std::move(response), keep_alive);
    if (write_error) co_return;
    waiting_ = true;
    context_.list.Touch(position_);
  }
}

asio::awaitable<beast::error_code> Connection::ReadSome() {
  const size_t size = std::min(buffer_.size() == 0 ? kFirstRead : kNextRead, buffer_.max_size() - buffer_.size());
  if (size == 0) co_return make_error_code(http::error::buffer_overflow);
  const auto space = buffer_.prepare(size);
  ErrorCode error;
  size_t read = 0;
  if (tls_) {
    read = co_await tls_->async_read_some(space, redirect_error(use_awaitable, error));
  } else {
    read = co_await socket_.async_read_some(space, redirect_error(use_awaitable, error));
  }
  buffer_.commit(read);
  co_return error;
}

asio::awaitable<beast::error_code> Connection::Read(Parser& parser, bool first) {
  if (!first && buffer_.size() == 0) {
    ExpireAfter(context_.options.idle_limit);
    const ErrorCode error = co_await ReadSome();
    if (error) co_return error;
  }
  if (!first) ExpireAfter(context_.options.request_limit);
  co_return co_await ReadRequest(parser);
}

asio::awaitable<beast::error_code> Connection::ReadRequest(Parser& parser) {
  refusal_.reset();
  for (bool judged = false;;) {
    ErrorCode error;
    if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), error));
    if (error && error != http::error::need_more) co_return error;
    if (parser.is_header_done() && !judged) {
      judged = true;
      refusal_ = Refusal(parser.get(), context_.options.post_path);
      if (refusal_.has_value()) co_return ErrorCode();  // without its body
    }
    if (parser.is_done()) co_return ErrorCode();
    if (!error && buffer_.size() > 0) continue;  // the body follows the head
    error = co_await ReadSome();
    if (error == asio::error::eof && parser.got_some()) error = http::error::partial_message;
    if (error) co_return error;
  }
}

asio::awaitable<HttpResponse> Connection::Answer(const Parser::value_type& parsed) {
  const HttpRequest request = Translate(parsed);
  if (context_.at_once) {
    std::optional<HttpResponse> response = Handle<std::optional<HttpResponse>>(context_.at_once, request);
    if (response.has_value()) co_return *std::move(response);
  }
  const bool posts = IsFor(request.path, context_.options.post_path, /*below=*/true);
  asio::thread_pool& workers = posts ? context_.post_workers : context_.workers;
  co_return co_await asio::co_spawn(workers.get_executor(), HandleHere(context_.handler, request), use_awaitable);
}

asio::awaitable<beast::error_code> Connection::Write(const Parser::value_type& request, HttpResponse response,
                                                     bool keep_alive) {
  ComposeHead(response, {.http_1_0 = request.version() == 10, .keep_alive = keep_alive}, head_);
  std::string_view body;
  if (response.body && response.status != 304 && request.method() != http::verb::head) body = *response.body;
  ExpireAfter(context_.options.idle_limit + absl::Seconds(body.size() / kOctetsPerSecond));
  co_return co_await Send(body);
}

asio::awaitable<beast::error_code> Connection::Send(std::string_view body) {
  ErrorCode error;
  if (tls_) {
    if (body.size() <= kTlsRecord) head_ += std::exchange(body, {});  // one record
    co_await asio::async_write(*tls_, BuffersOf(head_, body), redirect_error(use_awaitable, error));
    co_return error;
  }
  // Nearly always the socket takes all of it at once.
  size_t sent = socket_.write_some(BuffersOf(head_, body), error);
  if (error == asio::error::would_block) error = {};
  if (error || sent == head_.size() + body.size()) co_return error;
  const size_t of_head = std::min(sent, head_.size());
  Buffers rest = BuffersOf(head_, body);
  rest[0] += of_head;
  rest[1] += sent - of_head;
  co_await asio::async_write(socket_, rest, redirect_error(use_awaitable, error));
  co_return error;
}

asio::awaitable<void> Connection::Linger() {
  ErrorCode error;
  ExpireAfter(context_.list.stopping() ? kLastLingerLimit : kLingerLimit);
  waiting_ = true;
  if (tls_) co_await tls_->async_shutdown(redirect_error(use_awaitable, error));
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  size_t total = 0;
  while (!error && total < kLingerOctets) {
    buffer_.clear();
    total += co_await socket_.async_read_some(buffer_.prepare(kNextRead), redirect_error(use_awaitable, error));
  }
  socket_.close(error);
}

}  // namespace hallmark
