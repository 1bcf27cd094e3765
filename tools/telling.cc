#include "tools/telling.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "ca/entries.h"

namespace hallmark {
namespace {

const char* KindOf(const CrlScope& scope) { return scope.delta ? "delta" : "complete"; }

}  // namespace

LotAlerts::LotAlerts(Metrics& metrics, int64_t alert_after) : metrics_(metrics), alert_after_(alert_after) {
  metrics_.SetLotsAlerted(0);
}

void LotAlerts::Note(const AttemptRecord& attempt, int64_t total) {
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

void ConfirmationWatch::Look(const std::atomic<bool>& stopping) {
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

void Visibility::Note(const CertificateRecord& changed) {
  const std::lock_guard lock(mutex_);
  Shard& shard = shards_[{changed.authority, changed.crl_shard}];
  if (changed.revocation_change <= shard.shown) return metrics_.ObserveVisibleSeconds(0);
  shard.waiting.emplace(changed.revocation_change, absl::Now());
}

void Visibility::Show(const CrlRecord& crl) {
  const Time now = absl::Now();
  const std::lock_guard lock(mutex_);
  Shard& shard = shards_[{crl.authority, crl.shard}];
  shard.shown = std::max(shard.shown, crl.revocation_count);
  const auto end = shard.waiting.upper_bound(shard.shown);
  for (auto change = shard.waiting.begin(); change != end; change = shard.waiting.erase(change)) {
    metrics_.ObserveVisibleSeconds(absl::ToDoubleSeconds(now - change->second));
  }
}

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
  const PolicyPointer policies = instance.policies().Current();
  for (const auto& [name, profile] : policies->profiles) versions[name] = profile->version;
  log::Fields changed = log::Fields::array();
  for (const PolicyRecord& policy : news) {
    changed.push_back(
        {{"file", policy.profile.empty() ? "roles.yaml" : fmt::format("profiles/{}.yaml", policy.profile)},
         {"version", policy.version}});
  }
  metrics.SetPolicies(versions, instance.clock().Now());
  log::Info("policies_loaded", {{"profiles", versions.size()}, {"changed", std::move(changed)}});
}

PublicationObservers MakePublicationObservers(Metrics& metrics) {
  return {.admitted =
              [&metrics](const std::string& target, bool denied, Duration took) {
                if (denied) metrics.ObserveDeniedSeconds(target, absl::ToDoubleSeconds(took));
              },
          .failed = [&metrics](const std::string& target,
                               const Status& failure) { metrics.CountTargetFailure(target, Reason(failure)); }};
}

void CollectTargets(const std::vector<TargetStatus>& targets, Time now, Metrics& metrics) {
  const auto age = [now](const std::optional<Time>& oldest) { return oldest.has_value() ? now - *oldest : Duration(); };
  for (const TargetStatus& one : targets) {
    metrics.SetTargetWork(one.record.target, "waiting", one.work.waiting, age(one.work.oldest_waiting));
    metrics.SetTargetWork(one.record.target, "parked", one.work.parked, age(one.work.oldest_parked));
  }
}

}  // namespace hallmark
