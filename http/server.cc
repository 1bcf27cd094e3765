#include "http/server.h"

#include <fmt/format.h>

// clang-format off
#include <utility>  // before Boost 1.74's awaitable.hpp, which forgets it
// clang-format on
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/reason.h"
#include "http/connection.h"

namespace hallmark {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry(100);
constexpr Duration kShortestRound = absl::Milliseconds(5);  // between two looks for connections whose time is up
constexpr Duration kLongestRound = absl::Milliseconds(200);

// A thread that serves sockets, some of all connections, and never waits for anything else. So they need no locks.
class SocketThread {
 public:
  SocketThread() = default;
  SocketThread(const SocketThread&) = delete;  // its thread knows its address
  SocketThread& operator=(const SocketThread&) = delete;

  asio::io_context& context() { return context_; }
  void Run() {
    thread_ = std::thread([this] { Work(); });
  }
  void Stop() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Work();

  // Owns coroutines and with them connections: dies before what they refer to.
  asio::io_context context_{1};
  const asio::executor_work_guard<asio::io_context::executor_type> busy_{context_.get_executor()};
  std::thread thread_;
};

void SocketThread::Work() {
  for (;;) {
    try {
      context_.run();
      return;
    } catch (const std::exception& exception) {
      log::Error("http_thread_failed", {{"message", exception.what()}});
    }
  }
}

StatusOr<tcp::endpoint> ParseEndpoint(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  const std::string digits = colon == std::string::npos ? "" : listen.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint16_t port = 0;
  const auto [end, wrong_port] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  error_code wrong_host;
  const asio::ip::address address = asio::ip::make_address(host, wrong_host);
  if (digits.empty() || wrong_port != std::errc() || end != digits.data() + digits.size() || wrong_host) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                 fmt::format("cannot serve HTTP at '{}': it is not an IP address and a port; write it like "
                             "127.0.0.1:8080 or [::]:8080",
                             listen));
  }
  return tcp::endpoint(address, port);
}

Status ListenFailure(const std::string& listen, const error_code& error) {
  std::string advice = "use an address of this machine";
  if (error == asio::error::address_in_use) {
    advice = "stop the program that listens there (ss -ltnp names it) or choose another port";
  } else if (error == asio::error::access_denied) {
    advice = "choose a port from 1024 on, or give the service CAP_NET_BIND_SERVICE";
  }
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
               fmt::format("cannot serve HTTP at '{}': {}; {}", listen, error.message(), advice));
}

// Where an exception of a coroutine ends.
void LogFailure(std::exception_ptr failure) {
  if (failure == nullptr) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& exception) {
    log::Error("http_connection_failed", {{"message", exception.what()}});
  }
}

}  // namespace

// The listening socket, the threads and, by way of their contexts, all connections.
class HttpServer::Listener {
 public:
  Listener(const HttpOptions& options, HttpHandler handler, HttpAtOnce at_once)
      : options_(options),
        handler_(std::move(handler)),
        at_once_(std::move(at_once)),
        connections_(options_.max_connections),
        sockets_(static_cast<size_t>(std::max(1, options_.socket_threads))),
        acceptor_(sockets_[0].context()),
        workers_(static_cast<size_t>(options_.threads)),
        post_workers_(static_cast<size_t>(options_.post_threads)) {}
  Listener(const Listener&) = delete;  // its threads know its address
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  Status Open();
  void Run();
  uint16_t port() const { return port_; }
  Status UseTls(const HttpTls& tls) { return tls_.Set(tls); }

 private:
  void SpawnAccept();
  asio::awaitable<void> Accept();
  asio::awaitable<void> CloseOverdue();

  const HttpOptions options_;
  const HttpHandler handler_;
  const HttpAtOnce at_once_;
  TlsSettings tls_;
  ConnectionList connections_;
  std::vector<SocketThread> sockets_;  // never empty
  tcp::acceptor acceptor_;             // of the first
  asio::thread_pool workers_;
  asio::thread_pool post_workers_;
  const ConnectionContext context_{options_, handler_, at_once_, tls_, connections_, workers_, post_workers_};
  uint16_t port_ = 0;
};

Status HttpServer::Listener::Open() {
  if (options_.tls != nullptr) RETURN_IF_ERROR(tls_.Set(*options_.tls));
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseEndpoint(options_.listen));
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) port_ = acceptor_.local_endpoint(error).port();
  return error ? ListenFailure(options_.listen, error) : absl::OkStatus();
}

void HttpServer::Listener::Run() {
  SpawnAccept();
  asio::co_spawn(sockets_[0].context(), CloseOverdue(), LogFailure);
  for (SocketThread& thread : sockets_) thread.Run();
}

void HttpServer::Listener::SpawnAccept() {
  asio::co_spawn(acceptor_.get_executor(), Accept(), [this](std::exception_ptr failure) {
    LogFailure(failure);
    if (failure != nullptr) SpawnAccept();  // e.g. no memory was left for one connection: others follow
  });
}

asio::awaitable<void> HttpServer::Listener::Accept() {
  size_t next = 0;
  while (acceptor_.is_open()) {
    error_code error;
    tcp::socket socket(sockets_[next].context());
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open()) co_return;
    connections_.MakeRoom();
    if (error) {  // e.g. no file descriptor is left
      log::Warning("http_accept_failed", {{"message", error.message()}});
      asio::steady_timer timer(acceptor_.get_executor(), kAcceptRetry);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    next = (next + 1) % sockets_.size();
    socket.set_option(tcp::no_delay(true), error);  // fails on a connection that is gone already, as reading will
    const std::shared_ptr<Connection> connection = Connection::Create(std::move(socket), context_);
    asio::co_spawn(connection->executor(), Connection::Serve(connection), LogFailure);
  }
}

// One look at all connections now and then costs less than a timer that is set anew with each request.
asio::awaitable<void> HttpServer::Listener::CloseOverdue() {
  const Duration shortest = std::min(options_.request_limit, options_.idle_limit);
  const Duration round = std::clamp(shortest / 10, kShortestRound, kLongestRound);
  asio::steady_timer timer(sockets_[0].context());
  for (;;) {
    error_code ignored;
    timer.expires_after(absl::ToChronoNanoseconds(round));
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    connections_.CloseOverdue();
  }
}

HttpServer::Listener::~Listener() {
  asio::post(acceptor_.get_executor(), [this] {
    error_code ignored;
    acceptor_.close(ignored);
  });
  connections_.Stop(options_.stop_limit);
  for (SocketThread& thread : sockets_) thread.Stop();
  for (asio::thread_pool* pool : {&workers_, &post_workers_}) {
    pool->stop();
    pool->join();
  }
}

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, HttpHandler handler,
                                                        HttpAtOnce at_once) {
  auto listener = std::make_unique<Listener>(options, std::move(handler), std::move(at_once));
  RETURN_IF_ERROR(listener->Open());
  listener->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(listener)));  // the constructor is private
}

HttpServer::HttpServer(std::unique_ptr<Listener> listener) : listener_(std::move(listener)) {}
HttpServer::~HttpServer() = default;

Status HttpServer::UseTls(const HttpTls& tls) { return listener_->UseTls(tls); }

uint16_t HttpServer::port() const { return listener_->port(); }

}  // namespace hallmark
