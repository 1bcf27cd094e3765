// One client's connection, and the list of all that are open. Seen by server.cc only: it needs Boost.
#pragma once

// clang-format off
#include <utility>  // before Boost 1.74's awaitable.hpp, which forgets it
// clang-format on

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include "http/server.h"
#include "http/tls.h"

namespace hallmark {

class Connection;

// The open connections, the one that has been served least recently first. Thread-safe; outlives them.
class ConnectionList {
 private:
  struct Entry {
    std::weak_ptr<Connection> connection;
    const Connection* address;  // to be looked at under the lock, under which it does not die
    bool closing = false;       // told to close, to make room
  };

 public:
  using Position = std::list<Entry>::iterator;

  explicit ConnectionList(size_t max) : max_(max) {}

  Position Add(const std::shared_ptr<Connection>& connection);
  void Remove(Position position);
  // The connection has been served: it is the last now to be closed for another.
  void Touch(Position position);
  // Closes a connection, rather one that waits for a request, if there is no room for one more.
  void MakeRoom();
  // Closes those whose time is up.
  void CloseOverdue();

  bool stopping() const { return stopping_; }
  // Closes those that wait for a request and gives the others until `limit` to finish theirs.
  void Stop(Duration limit);

 private:
  const size_t max_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable removed_;
  std::list<Entry> entries_;
  size_t closing_ = 0;  // of them
};

// What the connections of a server share.
struct ConnectionContext {
  const HttpOptions& options;
  const HttpHandler& handler;
  const HttpAtOnce& at_once;
  const TlsSettings& tls;
  ConnectionList& list;
  boost::asio::thread_pool& workers;
  boost::asio::thread_pool& post_workers;  // of the requests for options.post_path
};

// Reads requests and writes responses, one after the other, on its socket's thread. Lives as long as Serve runs.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `context` and what it refers to outlive the connection.
  static std::shared_ptr<Connection> Create(boost::asio::ip::tcp::socket socket, const ConnectionContext& context);
  ~Connection();
  Connection(const Connection&) = delete;  // the list knows its address
  Connection& operator=(const Connection&) = delete;

  // Ends when the client or a limit says so. Spawned on the socket's executor.
  static boost::asio::awaitable<void> Serve(std::shared_ptr<Connection> connection);

  auto executor() { return socket_.get_executor(); }
  bool waiting() const { return waiting_; }
  bool IsOverdue(std::chrono::steady_clock::time_point now) const { return now.time_since_epoch().count() > deadline_; }
  // Closes the socket, soon; from any thread.
  void Close();
  void CloseIfWaiting();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using ErrorCode = boost::beast::error_code;
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  Connection(boost::asio::ip::tcp::socket socket, const ConnectionContext& context);
  // Gives what follows that long; the list closes the connection then.
  void ExpireAfter(Duration limit);
  // Waits for the client's first octets, and for its handshake if they are of one.
  Awaitable<ErrorCode> Begin();
  // Reads requests until one is the last.
  Awaitable<void> ServeRequests();
  Awaitable<ErrorCode> ReadSome();
  Awaitable<ErrorCode> Read(Parser& parser, bool first);
  Awaitable<ErrorCode> ReadRequest(Parser& parser);
  Awaitable<HttpResponse> Answer(const Parser::value_type& request);
  Awaitable<ErrorCode> Write(const Parser::value_type& request, HttpResponse response, bool keep_alive);
  Awaitable<ErrorCode> Send(std::string_view body);
  // Ends our half and lets the client read the response before its unread octets reset the connection.
  Awaitable<void> Linger();

  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<boost::asio::ssl::context> tls_context_;                      // of tls_
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;  // nullopt: it speaks plain HTTP
  boost::beast::flat_buffer buffer_;
  std::string head_;                     // of the response that is written
  std::optional<HttpResponse> refusal_;  // of the request that was read
  const ConnectionContext& context_;
  std::atomic<bool> waiting_ = true;  // for a request, rather than handling or answering one
  std::atomic<std::chrono::steady_clock::rep> deadline_;
  ConnectionList::Position position_;
};

}  // namespace hallmark
