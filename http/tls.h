// The certificate and key that connections of HttpServer are offered TLS with. Seen by connections and server.cc only:
// it needs Boost.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <mutex>

#include "http/server.h"

namespace hallmark {

// Thread-safe. A connection keeps the context that it began with.
class TlsSettings {
 public:
  // TLS 1.2 and 1.3, no renegotiation, and whatever ciphers OpenSSL holds for secure. kInvalidArgument
  // (CONFIGURATION_INVALID): a certificate or key that does not load, or not together; then what was set before stays.
  Status Set(const HttpTls& tls);

  // Null: no TLS is spoken.
  std::shared_ptr<boost::asio::ssl::context> context() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace hallmark
