// hallmarkd: the service. Wiring only: opens the instance, recovers, serves gRPC and HTTP, and stops in order.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "base/periodic.h"
#include "base/reason.h"
#include "ca/crl_publisher.h"
#include "ca/entries.h"
#include "ca/freshness.h"
#include "ca/mass_revocation.h"
#include "ca/ocsp_responder.h"
#include "grpc/server.h"
#include "http/metrics.h"
#include "tools/http_listener.h"
#include "tools/instance.h"

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

// Which lots have more refused attempts than they should.
class LotAlerts {
 public:
  LotAlerts(Metrics& metrics, int64_t alert_after) : metrics_(metrics), alert_after_(alert_after) {
    metrics_.SetLotsAlerted(0);
  }

  void Note(const AttemptRecord& attempt, int64_t total) {
    metrics_.CountAttempt(attempt.reason);
    const log::Fields fields = {{"lot", attempt.lot},       {"station", attempt.station},
                                {"reason", attempt.reason}, {"device", attempt.serial},
                                {"total", total},           {"request_id", attempt.request_id}};
    log::Warning("attempt_refused", fields);
    if (total < alert_after_) return;
    const std::lock_guard lock(mutex_);
    if (!alerted_.insert(attempt.lot).second) return;
    log::Error("lot_alert", fields);  // once: the metric stays
    metrics_.SetLotsAlerted(alerted_.size());
  }

 private:
  Metrics& metrics_;
  const int64_t alert_after_;
  std::mutex mutex_;
  std::set<std::string> alerted_;  // guarded by mutex_
};

// Looks for devices that should have been confirmed, and tells of lots whose number of them has changed.
class ConfirmationWatch {
 public:
  ConfirmationWatch(const CertificateAuthority& authority, Metrics& metrics)
      : authority_(authority), metrics_(metrics) {}

  void Look(const std::atomic<bool>& stopping) {
    const StatusOr<std::map<std::string, int64_t>> lots = authority_.SweepUnconfirmed(stopping);
    if (!lots.ok()) return log::Warning("confirmation_watch_failed", log::Describe(lots.status()));
    int64_t total = 0;
    for (const auto& [lot, unconfirmed] : *lots) {
      total += unconfirmed;
      int64_t& told = told_[lot];
      if (unconfirmed > told) log::Warning("devices_unconfirmed", {{"lot", lot}, {"devices", unconfirmed}});
      told = unconfirmed;
    }
    metrics_.SetUnconfirmed(total);
  }

 private:
  const CertificateAuthority& authority_;
  Metrics& metrics_;
  std::map<std::string, int64_t> told_;
};

const char* KindOf(const CrlScope& scope) { return scope.delta ? "delta" : "complete"; }

// How long changes of revocation wait for a list that shows them.
class Visibility {
 public:
  explicit Visibility(Metrics& metrics) : metrics_(metrics) {}

  void Note(const CertificateRecord& changed) {
    const std::lock_guard lock(mutex_);
    Shard& shard = shards_[{changed.authority, changed.crl_shard}];
    if (changed.revocation_change <= shard.shown) return metrics_.ObserveVisibleSeconds(0);
    shard.waiting.emplace(changed.revocation_change, absl::Now());
  }
  void Show(const CrlRecord& crl) {
    const Time now = absl::Now();
    const std::lock_guard lock(mutex_);
    Shard& shard = shards_[{crl.authority, crl.shard}];
    shard.shown = std::max(shard.shown, crl.revocation_count);
    const auto end = shard.waiting.upper_bound(shard.shown);
    for (auto change = shard.waiting.begin(); change != end; change = shard.waiting.erase(change)) {
      metrics_.ObserveVisibleSeconds(absl::ToDoubleSeconds(now - change->second));
    }
  }

 private:
  struct Shard {
    uint64_t shown = 0;                // changes that a list shows
    std::map<uint64_t, Time> waiting;  // those that none does yet, by their number
  };
  Metrics& metrics_;
  std::mutex mutex_;
  std::map<std::pair<std::string, int64_t>, Shard> shards_;  // by authority and shard; guarded by mutex_
};

Observers MakeObservers(Metrics& metrics, LotAlerts& alerts, std::optional<CrlPublisher>& publisher,
                        OcspResponder& responder, Visibility& visibility) {
  return {
      .issued = [&metrics](const CertificateRecord& record) { metrics.CountIssued(record.authority, record.profile); },
      .revoked =
          [&metrics, &publisher, &responder, &visibility](const CertificateRecord& record) {
            metrics.CountRevoked(record.authority, Name(record.revocation->reason));
            visibility.Note(record);
            responder.RevocationChanged(record);
            publisher->Notify();
            log::Info("certificate_revoked", {{"authority", record.authority},
                                              {"serial", Hex(record.serial)},
                                              {"reason", Name(record.revocation->reason)},
                                              {"caller", record.revocation->revoked_by}});
          },
      .released =
          [&publisher, &responder, &visibility](const CertificateRecord& record) {
            visibility.Note(record);
            responder.RevocationChanged(record);
            publisher->Notify();
            log::Info("certificate_released", {{"authority", record.authority}, {"serial", Hex(record.serial)}});
          },
      .crl_issued =
          [&metrics, &visibility](const CrlRecord& crl) {
            metrics.SetCrlSize({crl.authority, crl.shard, KindOf(crl.scope())}, crl.crl.size());
            visibility.Show(crl);
            log::Info("crl_issued", {{"authority", crl.authority},
                                     {"shard", crl.shard},
                                     {"kind", KindOf(crl.scope())},
                                     {"number", crl.number},
                                     {"octets", crl.crl.size()}});
          },
      .attempt_refused = [&alerts](const AttemptRecord& attempt, int64_t total) { alerts.Note(attempt, total); }};
}

// OK when every responder that is in use can go on for longer than a quarter of its certificate's life.
Status CheckResponders(const Instance& instance, const OcspSigners& signers) {
  const Time now = instance.clock().Now();
  for (const ResponderFreshness& responder : signers.Current()) {
    if (!EndsSoon(responder.not_before, responder.not_after, now) || responder.failure.ok()) continue;
    return Error(Code::kUnavailable, reason::kHsmUnavailable,
                 fmt::format("the OCSP responder of authority '{}' ends on {}, and cannot be renewed: {}",
                             responder.authority, Rfc3339(responder.not_after), Message(responder.failure)));
  }
  return absl::OkStatus();
}

// Of authorities above ours. No replica of this service can make one, so that none is out of service for it.
Status CheckImported(Instance& instance) {
  const Time now = instance.clock().Now();
  ASSIGN_OR_RETURN(const std::vector<ImportedCrlRecord> imported, instance.store().ListImportedCrls());
  for (const ImportedCrlRecord& crl : imported) {
    if (!EndsSoon(crl.this_update, crl.next_update, now)) continue;
    return Error(Code::kUnavailable, reason::kCrlUnknown,
                 fmt::format("the imported CRL '{}' ends on {}; make a new one and run: hallmark crl import FILE",
                             crl.name, Rfc3339(crl.next_update)));
  }
  return absl::OkStatus();
}

std::vector<Check> CheckReadiness(Instance& instance, const CrlPublisher& publisher, const OcspSigners& signers) {
  const Status store = instance.store().Check();
  StopIfDamaged(store);
  std::vector<Check> checks = {{"store", store},
                               {"crl", publisher.Check()},
                               {"ocsp", CheckResponders(instance, signers)},
                               {"imported_crl", CheckImported(instance), false}};
  for (const ConfiguredTokens::Entry& entry : instance.tokens().all()) {
    checks.push_back({"token " + entry.name, entry.token->health().status, false});
  }
  for (const Instance::KeyHealth& key : instance.CheckKeys()) {
    checks.push_back({fmt::format("key {} {}", key.authority, key.copy.uri.token), key.copy.status, false});
  }
  return checks;
}

bool IsKnown(const Issuers::Snapshot& known, const std::string& authority) {
  return known.issuers.contains(authority) || known.elsewhere.contains(authority);
}

// What is served of an authority whose key is elsewhere.
StatusOr<CrlRecord> ImportedCrlOf(Store& store, const std::string& name, const CrlScope& scope) {
  if (scope != CrlScope()) return Error(Code::kNotFound, reason::kCrlUnknown, name + " has one list");
  ASSIGN_OR_RETURN(ImportedCrlRecord imported, store.GetImportedCrl(name));
  CrlRecord crl;
  crl.authority = name;
  crl.number = imported.number;
  crl.this_update = imported.this_update;
  crl.next_update = imported.next_update;
  crl.crl = std::move(imported.crl);
  return crl;
}

RepositoryContent MakeContent(Instance& instance, const CrlPublisher& publisher, const OcspSigners& signers) {
  return {.is_known =
              [&instance](const std::string& authority) {
                Issuers& issuers = instance.issuers();
                return IsKnown(*issuers.Current(), authority) || IsKnown(*issuers.Recent(), authority);
              },
          .certificate = [&instance](const std::string& authority) -> StatusOr<Bytes> {
            const std::shared_ptr<const Issuers::Snapshot> known = instance.issuers().Current();
            const auto elsewhere = known->elsewhere.find(authority);
            if (elsewhere != known->elsewhere.end()) return elsewhere->second;
            return known->issuers.at(authority)->record().certificate;
          },
          .crl = [&instance](const std::string& authority, const CrlScope& scope) -> StatusOr<CrlRecord> {
            if (instance.issuers().Current()->elsewhere.contains(authority)) {
              return ImportedCrlOf(instance.store(), authority, scope);
            }
            return instance.store().LatestCrl(authority, scope);
          },
          .checks = [&instance, &publisher, &signers] { return CheckReadiness(instance, publisher, signers); }};
}

// Metrics and log lines of tokens and keys that go and come.
HsmObservers MakeHsmObservers(Metrics& metrics) {
  return {.token =
              [&metrics](const std::string& token, const Health& health) {
                metrics.SetTokenUp(token, health.status.ok());
                log::Fields fields = {{"token", token}};
                if (health.status.ok()) return log::Info("token_up", fields);
                fields.update(log::Describe(health.status));
                log::Error("token_away", fields);
              },
          .key =
              [&metrics](const std::string& authority, const ReplicaHealth& copy) {
                const std::string uri = copy.uri.ToString();
                metrics.SetKeyUp(authority, uri, copy.status.ok());
                log::Fields fields = {{"authority", authority}, {"key", uri}};
                if (copy.status.ok()) return log::Info("key_up", fields);
                fields.update(log::Describe(copy.status));
                log::Error("key_lost", fields);
              }};
}

// What the observers do not tell of: how it is at start, and what is accepted of keys.
void ReportHsm(const Instance& instance, Metrics& metrics) {
  for (const ConfiguredTokens::Entry& entry : instance.tokens().all()) {
    if (entry.token->health().status.ok()) metrics.SetTokenUp(entry.name, true);
  }
  for (const Instance::KeyHealth& key : instance.CheckKeys()) {
    const std::string uri = key.copy.uri.ToString();
    metrics.SetKeyUp(key.authority, uri, key.copy.status.ok());
    for (const AcceptedWeakness& accepted : key.copy.accepted) {
      log::Warning(
          "key_exception",
          {{"authority", key.authority}, {"key", uri}, {"attribute", accepted.attribute}, {"reason", accepted.reason}});
    }
  }
}

void CollectSessions(const Instance& instance, Metrics& metrics) {
  for (const ConfiguredTokens::Entry& entry : instance.tokens().all()) {
    const Health health = entry.token->health();
    metrics.SetTokenSessions(entry.name, health.busy, health.open, health.limit);
  }
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

void CollectFreshness(const Freshness& freshness, Metrics& metrics) {
  for (const ListFreshness& list : freshness.lists) {
    if (list.number == 0) continue;
    metrics.SetCrl({list.name, list.scope.shard, list.imported ? "imported" : KindOf(list.scope)},
                   {list.number, list.this_update, list.next_update, list.waiting});
  }
  for (const ResponderFreshness& responder : freshness.responders) {
    metrics.SetOcspResponder(responder.authority, responder.not_after);
  }
  metrics.SetOcspCached(freshness.cached_responses);
  metrics.SetMassRevocations(freshness.running.size());
}

void ReportPolicies(const Instance& instance, const std::vector<PolicyRecord>& news, Metrics& metrics) {
  std::map<std::string, std::string> versions;
  for (const auto& [name, profile] : instance.policies().Current()->profiles) versions[name] = profile->version;
  log::Fields changed = log::Fields::array();
  for (const PolicyRecord& policy : news) {
    changed.push_back(
        {{"file", policy.profile.empty() ? "roles.yaml" : fmt::format("profiles/{}.yaml", policy.profile)},
         {"version", policy.version}});
  }
  metrics.SetPolicies(versions, instance.clock().Now());
  log::Info("policies_loaded", {{"profiles", versions.size()}, {"changed", std::move(changed)}});
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
  });
  Repository repository(MakeContent(*instance, *publisher, ocsp_signers), instance->clock(), metrics);
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
  ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> grpc,
                   GrpcServer::Start(std::move(options), instance->authority(), instance->lifecycle(),
                                     {.mass_revocations = mass_revocations, .freshness = look_at_freshness}));
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
