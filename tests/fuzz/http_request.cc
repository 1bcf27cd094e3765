// Whatever a client sends to the real server with the real repository behind it, each answer is one of those
// documented, the handler sees paths only, and the next client is served.
#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <set>

#include "base/openssl.h"
#include "http/repository.h"
#include "http/server.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

// Of http/server.h, and of the repository.
const std::set<int> kStatuses = {200, 304, 400, 404, 405, 413, 417, 431, 503, 505};

class Service {
 public:
  uint16_t port() const { return server_->port(); }

 private:
  HttpResponse Answer(const HttpRequest& request) {
    Require(request.method == "GET" || request.method == "HEAD", "the handler sees GET and HEAD only");
    Require(request.path.starts_with('/') && request.path.find('?') == std::string::npos, "the handler sees a path");
    return repository_.Handle(request);
  }

  SystemClock clock_;
  Metrics metrics_;
  Repository repository_{
      {.is_known = [](const std::string& authority) { return authority == "devices"; },
       .certificate = [](const std::string&) { return StatusOr<Bytes>(absl::UnavailableError("none")); },
       .crl =
           [this](const std::string&, const CrlScope&) {
             return StatusOr<CrlRecord>({.authority = "devices",
                                         .number = 1,
                                         .this_update = clock_.Now(),
                                         .next_update = clock_.Now(),
                                         .crl = {0x30, 0x00}});
           },
       .checks =
           [] {
             return std::vector<Check>{{"store", absl::OkStatus()}};
           }},
      clock_,
      metrics_};
  std::unique_ptr<HttpServer> server_ =
      HttpServer::Start({.listen = "127.0.0.1:0"}, [this](const HttpRequest& request) {
        return Answer(request);
      }).value();
};

// Sends `octets` and ends, and returns all that the server answers until it ends too.
std::string Exchange(uint16_t port, ByteView octets) {
  const ssl::Bio connection(BIO_new_connect(fmt::format("127.0.0.1:{}", port).c_str()));
  Require(BIO_do_connect(connection.get()) == 1, "the server takes connections");
  int socket = -1;
  BIO_get_fd(connection.get(), &socket);
  BIO_write(connection.get(), octets.data(), static_cast<int>(octets.size()));  // in vain if it has seen enough
  shutdown(socket, SHUT_WR);
  std::string answers;
  std::array<char, 4096> part;
  for (int size; (size = BIO_read(connection.get(), part.data(), part.size())) > 0;)
    answers.append(part.data(), static_cast<size_t>(size));
  return answers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Before the service, so that OpenSSL ends after the threads that use it.
  static const bool initialized = OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) == 1;
  static Service service;
  Require(initialized, "OpenSSL is there");
  signal(SIGPIPE, SIG_IGN);
  const std::string answers = Exchange(service.port(), {data, size});
  Require(answers.empty() || answers.starts_with("HTTP/1."), "answers are of HTTP/1");
  bool served = false;
  constexpr std::string_view kSecondLine = "\r\nServer: Hallmark\r\n";
  for (size_t at = answers.find(kSecondLine); at != answers.npos; at = answers.find(kSecondLine, at + 1)) {
    const size_t line = answers.rfind("HTTP/1.", at);
    const int status = std::atoi(answers.substr(line + 9, 3).c_str());
    Require(kStatuses.contains(status), "each answer is a documented one");
    served = served || status == 200;
  }
  accepted_inputs += served ? 1 : 0;
  return 0;
}

}  // namespace hallmark::fuzz
