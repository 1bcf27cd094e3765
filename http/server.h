// HttpServer carries requests from sockets to a handler and its responses back (RFC 9112). It holds no rule of ours.
//
// It serves GET and HEAD, and POST where it is told to, over HTTP/1.0 and 1.1, with keep-alive and pipelining, and
// answers for itself:
//   400 what is not HTTP, a wrong Host or target    405 another method    413 a body over 64 KiB
//   417 Expect                                      431 a request line or fields over 8 KiB     505 another version
//   500 the handler threw
// A few threads serve all sockets and wait for nothing else; what a handler waits for is waited for on others, so that
// the slow, of whom there may be many, do not keep the quick from what is at hand. With TLS, both are spoken at the one
// port: a client that begins with a handshake gets TLS, since CRLs must be there over plain HTTP, too (RFC 5280 8).
//
// When `max_connections` are open and one more comes, the one that has waited longest for a request is closed for it:
// slow or idle connections, however many, do not keep an honest client out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"
#include "http/message.h"

namespace hallmark {

// PEM: the certificate first, what is above it after it; and its key.
struct HttpTls {
  std::string certificate_chain;
  Secret private_key;
};

struct HttpOptions {
  std::string listen;          // "address:port", "127.0.0.1:8080" or "[::]:8080"; port 0: any that is free
  int threads = 2;             // in the handler, at least 1
  std::string post_path = "";  // the one path of POST; empty: none. The handler refuses there what it does not serve
  int post_threads = 1;        // in the handler for that path and what is below it; at least 1
  int socket_threads = 2;      // at least 1
  std::shared_ptr<const HttpTls> tls = nullptr;  // null: plain HTTP only
  size_t max_connections = 512;
  Duration request_limit =
      absl::Seconds(10);                    // from a request's first octet (a connection's start, with TLS) to its last
  Duration idle_limit = absl::Seconds(60);  // between two requests; and for a response, with 1 s more for 8 KiB
  Duration stop_limit = absl::Seconds(5);   // for the requests in flight when the server is stopped
};

// Serves on threads of its own from Start to its destruction.
class HttpServer {
 public:
  // `at_once` is asked before `handler`; null: nothing is at hand.
  // kInvalidArgument: `listen` is not an address and a port, or `tls` does not load. kFailedPrecondition: it cannot be
  // listened on, e.g. since another program does. Reason CONFIGURATION_INVALID.
  static StatusOr<std::unique_ptr<HttpServer>> Start(const HttpOptions& options, HttpHandler handler,
                                                     HttpAtOnce at_once = nullptr);

  // Stops: accepts no more, closes idle connections, and gives requests in flight up to `stop_limit` to be answered.
  // Returns when no thread is in the handler any more.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;  // its threads know its address
  HttpServer& operator=(const HttpServer&) = delete;

  // From the next connection on. kInvalidArgument (CONFIGURATION_INVALID): it does not load; what was before stays.
  Status UseTls(const HttpTls& tls);

  uint16_t port() const;

 private:
  class Listener;
  explicit HttpServer(std::unique_ptr<Listener> listener);

  std::unique_ptr<Listener> listener_;
};

}  // namespace hallmark
