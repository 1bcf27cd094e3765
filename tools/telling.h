// What hallmarkd tells of its work: metrics, and lines of its log.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "ca/crl_publisher.h"
#include "ca/freshness.h"
#include "ca/ocsp_responder.h"
#include "http/metrics.h"
#include "publish/publications.h"
#include "tools/instance.h"

namespace hallmark {

// Which lots have more refused attempts than they should. Thread-safe, as are the two below; all outlived by `metrics`.
class LotAlerts {
 public:
  LotAlerts(Metrics& metrics, int64_t alert_after);
  void Note(const AttemptRecord& attempt, int64_t total);

 private:
  Metrics& metrics_;
  const int64_t alert_after_;
  std::mutex mutex_;
  std::set<std::string> alerted_;  // guarded by mutex_
};

// Looks for devices that should have been confirmed, and tells of lots whose number of them has changed. One thread.
class ConfirmationWatch {
 public:
  ConfirmationWatch(const CertificateAuthority& authority, Metrics& metrics)
      : authority_(authority), metrics_(metrics) {}
  void Look(const std::atomic<bool>& stopping);

 private:
  const CertificateAuthority& authority_;
  Metrics& metrics_;
  std::map<std::string, int64_t> told_;
};

// How long changes of revocation wait for a list that shows them.
class Visibility {
 public:
  explicit Visibility(Metrics& metrics) : metrics_(metrics) {}
  void Note(const CertificateRecord& changed);
  void Show(const CrlRecord& crl);

 private:
  struct Shard {
    uint64_t shown = 0;                // changes that a list shows
    std::map<uint64_t, Time> waiting;  // those that none does yet, by their number
  };
  Metrics& metrics_;
  std::mutex mutex_;
  std::map<std::pair<std::string, int64_t>, Shard> shards_;  // by authority and shard; guarded by mutex_
};

// What these are told of, and tell others of. All of them outlive the observers.
Observers MakeObservers(Metrics& metrics, LotAlerts& alerts, std::optional<CrlPublisher>& publisher,
                        OcspResponder& responder, Visibility& visibility);
// Of tokens and keys that go and come.
HsmObservers MakeHsmObservers(Metrics& metrics);
// What the observers do not tell of: how it is at start, and what is accepted of keys.
void ReportHsm(const Instance& instance, Metrics& metrics);
void ReportPolicies(const Instance& instance, const std::vector<PolicyRecord>& news, Metrics& metrics);

// Set what is only known by asking.
void CollectSessions(const Instance& instance, Metrics& metrics);
void CollectFreshness(const Freshness& freshness, Metrics& metrics);

// How the targets do, for metrics.
PublicationObservers MakePublicationObservers(Metrics& metrics);
void CollectTargets(const std::vector<TargetStatus>& targets, Time now, Metrics& metrics);

}  // namespace hallmark
