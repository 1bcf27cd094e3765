// Whatever a client sends to the real server with the real repository behind it, each answer is one of those
// documented, the handler sees paths only, and the next client is served.
#include <set>

#include "http/repository.h"
#include "http/server.h"
#include "tests/fuzz/property.h"
#include "tests/http_client.h"

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
      {"devices"},
      {.certificate = [](const std::string&) { return StatusOr<Bytes>(absl::UnavailableError("none")); },
       .crl =
           [this](const std::string&) {
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Service service;
  testing::HttpClient client(service.port());
  Require(client.connected(), "the server takes connections");
  if (!client.Send(ToString({data, size}))) return 0;  // it has seen enough, and answered
  client.EndSending();
  for (int status = client.Receive().status; status != 0; status = client.Receive().status) {
    Require(kStatuses.contains(status), "each answer is a documented one");
    if (status == 200) ++accepted_inputs;
  }
  return 0;
}

}  // namespace hallmark::fuzz
