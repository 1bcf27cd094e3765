// hallmarkd: the service. Wiring only: opens the instance, recovers, serves gRPC and HTTP, and stops in order.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdlib>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "ca/crl_publisher.h"
#include "ca/entries.h"
#include "grpc/server.h"
#include "http/metrics.h"
#include "http/repository.h"
#include "http/server.h"
#include "tools/instance.h"

namespace hallmark {
namespace {

constexpr Duration kRecoveryLimit = absl::Minutes(5);
constexpr Duration kGrace = absl::Seconds(10);

// The signals that stop the service, blocked before the first thread so that only Wait sees them.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }
  int Wait() const {
    int received = 0;
    sigwait(&signals_, &received);
    return received;
  }

 private:
  sigset_t signals_ = {};
};

// Set once the store says that it is damaged: going on could only answer wrongly.
std::atomic<bool> store_is_damaged = false;

void StopIfDamaged(const Status& status) {
  if (status.code() != Code::kDataLoss || store_is_damaged.exchange(true)) return;
  kill(getpid(), SIGTERM);
}

StatusOr<GrpcOptions> MakeGrpcOptions(const Config& config, Metrics& metrics) {
  GrpcOptions options;
  options.listen = config.grpc_listen;
  ASSIGN_OR_RETURN(options.certificate_chain, ReadFile(config.tls_certificate));
  ASSIGN_OR_RETURN(std::string key, ReadFile(config.tls_key));
  options.private_key = Secret(std::move(key));
  ASSIGN_OR_RETURN(options.client_roots, ReadFile(config.tls_client_roots));
  options.realm = config.realm;
  options.observer = [&metrics](const std::string& method, const Status& status, Duration took) {
    metrics.CountCall(method, status.code());
    metrics.ObserveCallSeconds(method, absl::ToDoubleSeconds(took));
    if (status.ok()) return;
    StopIfDamaged(status);
    log::Fields fields = log::Describe(status);
    fields["method"] = method;
    log::Warning("call_failed", fields);
  };
  return options;
}

Observers MakeObservers(Metrics& metrics, std::optional<CrlPublisher>& publisher) {
  return {
      .issued = [&metrics](const CertificateRecord& record) { metrics.CountIssued(record.authority, record.profile); },
      .revoked =
          [&metrics, &publisher](const CertificateRecord& record) {
            metrics.CountRevoked(record.authority, Name(record.revocation->reason));
            publisher->Notify();
            log::Info("certificate_revoked", {{"authority", record.authority},
                                              {"serial", Hex(record.serial)},
                                              {"reason", Name(record.revocation->reason)},
                                              {"caller", record.revocation->revoked_by}});
          },
      .crl_issued =
          [&metrics](const CrlRecord& crl) {
            metrics.SetCrl(crl.authority, crl.number, crl.this_update, crl.next_update, crl.crl.size());
            log::Info("crl_issued", {{"authority", crl.authority}, {"number", crl.number}, {"octets", crl.crl.size()}});
          }};
}

std::vector<Check> CheckReadiness(Instance& instance, const CrlPublisher& publisher) {
  const Status store = instance.store().Check();
  StopIfDamaged(store);
  return {{"store", store}, {"crl", publisher.Check()}};
}

RepositoryContent MakeContent(Instance& instance, const CrlPublisher& publisher) {
  return {.is_known =
              [&instance](const std::string& authority) {
                Issuers& issuers = instance.issuers();
                return issuers.Current()->issuers.contains(authority) || issuers.Recent()->issuers.contains(authority);
              },
          .certificate = [&instance](const std::string& authority) -> StatusOr<Bytes> {
            const std::shared_ptr<const Issuers::Snapshot> known = instance.issuers().Current();
            return known->issuers.at(authority)->record().certificate;
          },
          .crl = [&instance](const std::string& authority) { return instance.store().LatestCrl(authority); },
          .checks = [&instance, &publisher] { return CheckReadiness(instance, publisher); }};
}

Status Serve(const Config& config) {
  const StopSignals stop;
  ASSIGN_OR_RETURN(const std::unique_ptr<Instance> instance, Instance::Open(config, ReadPinEnvironment()));
  if (instance->issuers().Current()->records.empty()) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityUnknown,
                 "the database has no authority yet; run: hallmark init DIR");
  }
  ASSIGN_OR_RETURN(const size_t recovered, instance->authority().Recover(absl::Now() + kRecoveryLimit));
  log::Info("recovered", {{"open_intents", recovered}});

  Metrics metrics;
  metrics.SetBuildInfo(HALLMARK_VERSION);
  std::optional<CrlPublisher> publisher;
  instance->authority().SetObservers(MakeObservers(metrics, publisher));
  publisher.emplace(instance->authority());
  instance->lifecycle().SetObserver([&publisher](const AuthorityRecord& record) {
    publisher->Notify();
    log::Info("authority_changed", {{"authority", record.authority}, {"state", Name(record.state)}});
  });
  Repository repository(MakeContent(*instance, *publisher), instance->clock(), metrics);
  // gRPC first: who asks HTTP whether the service is ready must find it so.
  ASSIGN_OR_RETURN(GrpcOptions options, MakeGrpcOptions(config, metrics));
  ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> grpc,
                   GrpcServer::Start(std::move(options), instance->authority(), instance->lifecycle()));
  ASSIGN_OR_RETURN(const std::unique_ptr<HttpServer> http,
                   HttpServer::Start({.listen = config.http_listen},
                                     [&](const HttpRequest& request) { return repository.Handle(request); }));
  log::Info("serving", {{"grpc_port", grpc->port()}, {"http_port", http->port()}, {"version", HALLMARK_VERSION}});

  const int received = stop.Wait();
  log::Info("stopping", {{"signal", received}});
  grpc->Stop(absl::Now() + kGrace);
  if (store_is_damaged) {
    return Error(Code::kDataLoss, reason::kStoreCorrupt,
                 "the database is damaged or its disk lost a write; stopped. See docs/operations.md");
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace hallmark

int main(int argc, char** argv) {
  CLI::App app(
      "hallmarkd serves one Hallmark instance: gRPC with mutual TLS for stations and operators, HTTP for CRLs, "
      "authority\n"
      "certificates, health and metrics. It logs one JSON object a line on standard error and stops on SIGTERM.\n"
      "Make an instance with `hallmark init DIR`.");
  std::string file;
  app.add_option("--config", file, "The instance's hallmark.yaml")->required();
  app.set_version_flag("--version", HALLMARK_VERSION);
  app.footer("Example:\n  hallmarkd --config /var/lib/hallmark/hallmark.yaml");
  CLI11_PARSE(app, argc, argv);

  setenv("GRPC_SSL_CIPHER_SUITES", hallmark::GrpcServer::kTls13OnlyCipherSuites, 1);
  const hallmark::StatusOr<hallmark::Config> config = hallmark::LoadConfig(file);
  hallmark::Status status = config.status();
  if (config.ok()) {
    hallmark::ApplyEnvironment(*config);
    status = hallmark::Serve(*config);
  }
  if (status.ok()) return 0;
  hallmark::log::Error("failed", hallmark::log::Describe(status));
  return 1;
}
