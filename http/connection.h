// One client's connection, and the list of all that are open. Seen by server.cc only: it needs Boost.
#pragma once

// clang-format off
#include <utility>  // before Boost 1.74's awaitable.hpp, which forgets it
// clang-format on

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>

#include "http/server.h"

namespace hallmark {

class Connection;

// The open connections, the one that has been served least recently first. Thread-safe; outlives them.
class ConnectionList {
 private:
  struct Entry {
    std::weak_ptr<Connection> connection;
    bool closing = false;  // told to close, to make room
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

// Reads requests and writes responses, one after the other, on its socket's strand. Lives as long as Serve runs.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `options`, `handler` and `list` outlive the connection.
  static std::shared_ptr<Connection> Create(boost::asio::ip::tcp::socket socket, const HttpOptions& options,
                                            const HttpHandler& handler, ConnectionList& list);
  ~Connection();
  Connection(const Connection&) = delete;  // the list knows its address
  Connection& operator=(const Connection&) = delete;

  // Ends when the client or a limit says so. Spawned on the socket's executor.
  static boost::asio::awaitable<void> Serve(std::shared_ptr<Connection> connection);

  auto executor() { return stream_.get_executor(); }
  bool waiting() const { return waiting_; }
  // Closes the socket, soon; from any thread.
  void Close();
  void CloseIfWaiting();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  Connection(boost::asio::ip::tcp::socket socket, const HttpOptions& options, const HttpHandler& handler,
             ConnectionList& list);
  // Reads requests until one is the last.
  boost::asio::awaitable<void> ServeRequests();
  boost::asio::awaitable<boost::beast::error_code> Read(Parser& parser, bool first);
  HttpResponse Answer(const Parser::value_type& request, bool& keep_alive) const;
  boost::asio::awaitable<boost::beast::error_code> Write(const Parser::value_type& request, HttpResponse response,
                                                         bool keep_alive);
  // Ends our half and lets the client read the response before its unread octets reset the connection.
  boost::asio::awaitable<void> Linger();

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  const HttpOptions& options_;
  const HttpHandler& handler_;
  ConnectionList& list_;
  std::atomic<bool> waiting_ = true;  // for a request, rather than handling or answering one
  ConnectionList::Position position_;
};

}  // namespace hallmark
