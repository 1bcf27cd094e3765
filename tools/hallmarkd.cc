// hallmarkd: the service. Wiring only: opens the instance, recovers, serves gRPC and HTTP, and stops in order.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "base/openssl_exit.h"
#include "base/periodic.h"
#include "base/reason.h"
#include "ca/entries.h"
#include "ca/mass_revocation.h"
#include "grpc/server.h"
#include "tools/configured_credentials.h"
#include "tools/http_listener.h"
#include "tools/instance.h"
#include "tools/published.h"
#include "tools/telling.h"

namespace hallmark {
namespace {

constexpr Duration kRecoveryLimit = absl::Minutes(5);
constexpr Duration kRecoveryPeriod = absl::Minutes(5);
constexpr Duration kIntentAge = absl::Seconds(30);  // nobody waits for older ones
constexpr Duration kGrace = absl::Seconds(10);
constexpr Duration kMassRevocationPeriod = absl::Seconds(5);  // between two looks for what waits
constexpr Duration kOcspWatch = absl::Minutes(1);             // between two looks at the responders' certificates

// The signals that stop the service, and SIGHUP, blocked before the first thread so that only Wait sees them.
class Signals {
 public:
  Signals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGHUP);
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

std::filesystem::path UploadsOf(const Config& config) { return config.store_sqlite.parent_path() / "uploads"; }

StatusOr<GrpcOptions> MakeGrpcOptions(const Config& config, Metrics& metrics) {
  GrpcOptions options;
  options.listen = config.grpc_listen;
  ASSIGN_OR_RETURN(options.certificate_chain, ReadFile(config.tls_certificate));
  ASSIGN_OR_RETURN(std::string key, ReadFile(config.tls_key));
  options.private_key = Secret(std::move(key));
  ASSIGN_OR_RETURN(options.client_roots, ReadFile(config.tls_client_roots));
  options.realm = config.realm;
  options.upload_directory = UploadsOf(config);
  options.alert_after = config.lots_alert_after;
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

// Finishes what was intended and not signed, e.g. because the HSM was away and nobody asked again.
void FinishIntents(const CertificateAuthority& authority) {
  const StatusOr<size_t> finished = authority.Recover(absl::Now() - kIntentAge, absl::Now() + kRecoveryLimit);
  if (!finished.ok()) {
    log::Warning("recovery_failed", log::Describe(finished.status()));
  } else if (*finished > 0) {
    log::Info("recovered", {{"open_intents", *finished}});
  }
}

void Revoke(const MassRevocations& mass_revocations, const std::atomic<bool>& stopping) {
  const Status status = mass_revocations.Work(stopping);
  if (status.ok()) return;
  StopIfDamaged(status);
  log::Warning("mass_revocation_waits", log::Describe(status));
}

void ReloadPolicies(const Instance& instance, Metrics& metrics) {
  const StatusOr<std::vector<PolicyRecord>> news = instance.ReloadPolicies();
  if (news.ok()) return ReportPolicies(instance, *news, metrics);
  metrics.CountPoliciesRefused();
  StopIfDamaged(news.status());
  log::Error("policies_refused", log::Describe(news.status()));
}

Status Serve(const Config& config) {
  const Signals signals;
  Metrics metrics;
  metrics.SetBuildInfo(HALLMARK_VERSION);
  ASSIGN_OR_RETURN(const std::unique_ptr<Instance> instance,
                   Instance::Open(config, ReadPinEnvironment(), MakeHsmObservers(metrics)));
  ReportHsm(*instance, metrics);
  ReportPolicies(*instance, instance->news(), metrics);
  if (instance->issuers().Current()->records.empty()) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityUnknown,
                 "the database has no authority yet; run: hallmark init DIR");
  }
  const StatusOr<size_t> recovered =
      instance->authority().Recover(absl::InfiniteFuture(), absl::Now() + kRecoveryLimit);
  if (recovered.ok()) {
    log::Info("recovered", {{"open_intents", *recovered}});
  } else if (absl::IsUnavailable(recovered.status())) {  // goes on in the background
    log::Warning("recovery_failed", log::Describe(recovered.status()));
  } else {
    return recovered.status();
  }

  std::optional<CrlPublisher> publisher;
  LotAlerts alerts(metrics, config.lots_alert_after);
  OcspSigners ocsp_signers(instance->authority(), instance->MakeResponderTokens(), config.realm);
  OcspResponder responder(instance->authority(), ocsp_signers, {.validity = config.ocsp_validity});
  Visibility visibility(metrics);
  instance->authority().SetObservers(MakeObservers(metrics, alerts, publisher, responder, visibility));
  publisher.emplace(instance->authority());
  MassRevocations mass_revocations(instance->authority());
  Periodic mass_revocation_work(kMassRevocationPeriod,
                                [&](const std::atomic<bool>& stopping) { Revoke(mass_revocations, stopping); });
  mass_revocations.SetNotify([&mass_revocation_work] { mass_revocation_work.Notify(); });
  instance->lifecycle().SetObserver([&publisher, &mass_revocation_work](const AuthorityRecord& record) {
    publisher->Notify();
    mass_revocation_work.Notify();
    log::Info("authority_changed", {{"authority", record.authority}, {"state", Name(record.state)}});
  });
  ASSIGN_OR_RETURN(const std::unique_ptr<ConfiguredCredentials> credentials,
                   ConfiguredCredentials::Open(config.publish, ReadSecretEnvironment(config.publish),
                                               instance->tokens(), instance->clock()));
  Publications publications(
      {.authority = instance->authority(),
       .find_credential = [&credentials](const std::string& name) { return credentials->Find(name); },
       .azure = config.publish.azure,
       .realm = config.realm,
       .directory = config.publish.directory,
       .observers = MakePublicationObservers(metrics)});
  const auto look_at_freshness = [&]() -> StatusOr<Freshness> {
    ASSIGN_OR_RETURN(Freshness freshness, LookAtFreshness(instance->authority(), ocsp_signers));
    for (ResponderFreshness& one : freshness.responders) one.validity = config.ocsp_validity;
    freshness.cached_responses = responder.cached();
    return freshness;
  };
  metrics.SetCollector([&] {
    CollectSessions(*instance, metrics);
    if (const StatusOr<Freshness> freshness = look_at_freshness(); freshness.ok())
      CollectFreshness(*freshness, metrics);
    if (const StatusOr<std::vector<TargetStatus>> targets = publications.Look(); targets.ok())
      CollectTargets(*targets, instance->clock().Now(), metrics);
  });
  Repository repository(MakeContent(*instance, *publisher, ocsp_signers, StopIfDamaged), instance->clock(), metrics);
  const OcspRoute ocsp([&responder](ByteView request) { return responder.Answer(request); },
                       [&responder](ByteView request) { return responder.AnswerAtOnce(request); }, instance->clock(),
                       metrics);
  std::error_code ignored;
  std::filesystem::remove_all(UploadsOf(config), ignored);  // of imports and bundles that a crash cut off
  // gRPC first: who asks HTTP whether the service is ready must find it so.
  ASSIGN_OR_RETURN(GrpcOptions options, MakeGrpcOptions(config, metrics));
  // A slow token is driven by as many sessions as it allows: each needs a thread that waits for it.
  size_t sessions = 0;
  for (const TokenConfig& token : config.hsm_tokens) {
    sessions += token.sessions == 0 ? kMostSessions : static_cast<size_t>(token.sessions);
  }
  options.workers = std::max(options.workers, sessions);
  ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> grpc,
      GrpcServer::Start(std::move(options), instance->authority(), instance->lifecycle(),
                        {.mass_revocations = mass_revocations, .freshness = look_at_freshness}, publications));
  publications.Start();
  ASSIGN_OR_RETURN(const std::unique_ptr<HttpServer> http, StartHttp(config, repository, ocsp));
  // Both were done when the service started.
  const Periodic recovery(
      kRecoveryPeriod, [&](const std::atomic<bool>&) { FinishIntents(instance->authority()); },
      Periodic::Start::kAfterPeriod);
  const Periodic key_watch(
      config.hsm_key_watch, [&](const std::atomic<bool>& stopping) { instance->ExamineKeys(stopping); },
      Periodic::Start::kAfterPeriod);
  const Periodic ocsp_watch(
      kOcspWatch,
      [&](const std::atomic<bool>& stopping) {
        ocsp_signers.Refresh(stopping);
        responder.Renew(kOcspWatch, stopping);
      },
      Periodic::Start::kAfterPeriod);
  ConfirmationWatch confirmations(instance->authority(), metrics);
  const Periodic confirmation_watch(
      config.lots_confirmation_watch, [&](const std::atomic<bool>& stopping) { confirmations.Look(stopping); },
      Periodic::Start::kAfterPeriod);
  log::Info("serving", {{"grpc_port", grpc->port()}, {"http_port", http->port()}, {"version", HALLMARK_VERSION}});

  int received = signals.Wait();
  while (received == SIGHUP) {
    ReloadPolicies(*instance, metrics);
    ReloadHttpTls(config, *http);
    received = signals.Wait();
  }
  log::Info("stopping", {{"signal", received}});
  credentials->client().Stop();  // work that waits for a target is in the store
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
  hallmark::ssl::KeepUntilProcessEnds();
  CLI::App app(
      "hallmarkd serves one Hallmark instance: gRPC with mutual TLS for stations and operators, HTTP for CRLs, "
      "OCSP,\n"
      "authority certificates, health and metrics. It logs one JSON object a line on standard error and stops on "
      "SIGTERM.\n"
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
