#include "tools/http_listener.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "base/file.h"
#include "base/log.h"

namespace hallmark {
namespace {

constexpr int kThreads = 2;  // for CRLs that are to be read, health and metrics
// Some find responses in memory, or say tryLater, while others wait for a slow HSM.
constexpr int kOcspThreads = OcspResponder::kSigning + 2;
constexpr int kMostSocketThreads = 4;
constexpr rlim_t kFiles = 1 << 16;  // enough
constexpr size_t kMostConnections = 1 << 14;

size_t ConnectionsAllowed() {
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return HttpOptions().max_connections;
  if (files.rlim_cur < std::min(files.rlim_max, kFiles)) {
    files.rlim_cur = std::min(files.rlim_max, kFiles);
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
  }
  return std::min<size_t>(files.rlim_cur / 2, kMostConnections);
}

// Null: TLS is not configured.
StatusOr<std::shared_ptr<const HttpTls>> ReadTls(const Config& config) {
  if (config.http_tls_certificate.empty()) return nullptr;
  auto tls = std::make_shared<HttpTls>();
  ASSIGN_OR_RETURN(tls->certificate_chain, ReadFile(config.http_tls_certificate));
  ASSIGN_OR_RETURN(std::string key, ReadFile(config.http_tls_key));
  tls->private_key = Secret(std::move(key));
  return tls;
}

}  // namespace

StatusOr<std::unique_ptr<HttpServer>> StartHttp(const Config& config, Repository& repository, const OcspRoute& ocsp) {
  ASSIGN_OR_RETURN(std::shared_ptr<const HttpTls> tls, ReadTls(config));
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return HttpServer::Start(
      {.listen = config.http_listen,
       .threads = kThreads,
       .post_path = kOcspPath,
       .post_threads = kOcspThreads,
       .socket_threads = std::clamp(cores, 1, kMostSocketThreads),
       .tls = std::move(tls),
       .max_connections = ConnectionsAllowed()},
      [&](const HttpRequest& request) {
        return OcspRoute::Has(request.path) ? ocsp.Handle(request) : repository.Handle(request);
      },
      [&](const HttpRequest& request) {
        return OcspRoute::Has(request.path) ? ocsp.HandleAtOnce(request) : repository.HandleAtOnce(request);
      });
}

void ReloadHttpTls(const Config& config, HttpServer& server) {
  if (config.http_tls_certificate.empty()) return;
  const StatusOr<std::shared_ptr<const HttpTls>> tls = ReadTls(config);
  const Status status = tls.ok() ? server.UseTls(**tls) : tls.status();
  if (status.ok()) return log::Info("http_tls_loaded", {{"certificate", config.http_tls_certificate.string()}});
  log::Error("http_tls_refused", log::Describe(status));
}

}  // namespace hallmark
