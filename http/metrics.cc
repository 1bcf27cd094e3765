#include "http/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <mutex>
#include <set>

namespace hallmark {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                          0.25,  0.5,    1,     2.5,  5,     10};

const prometheus::Histogram::BucketBoundaries kVisibleSeconds = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                                 1,    2.5,   5,    10,  30,   60};
const prometheus::Histogram::BucketBoundaries kDeniedSeconds = {1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600};
const std::array<std::string, 3> kCrlLabels = {"authority", "shard", "kind"};

// A family of `Metric` with Size labels. Keeps its children at hand, since prometheus::Family::Add builds a metric and
// a map of labels each time that it is asked for one.
template <class Metric, size_t Size>
class Children {
 public:
  using Values = std::array<std::string, Size>;

  Children(prometheus::Family<Metric>& family, const Values& labels) : family_(family), labels_(labels) {}

  // `arguments` make the metric when it is new.
  template <class... Arguments>
  Metric& Get(const Values& values, const Arguments&... arguments) {
    const std::lock_guard lock(mutex_);
    if (const auto found = children_.find(values); found != children_.end()) return *found->second;
    prometheus::Labels labels;
    for (size_t i = 0; i < Size; ++i) labels.emplace(labels_[i], values[i]);
    Metric& metric = family_.Add(labels, arguments...);
    children_.emplace(values, &metric);
    return metric;
  }
  // Ends the time series of all others.
  void Keep(const std::set<Values>& kept) {
    const std::lock_guard lock(mutex_);
    std::erase_if(children_, [&](const auto& child) {
      const bool ends = !kept.contains(child.first);
      if (ends) family_.Remove(child.second);
      return ends;
    });
  }

 private:
  prometheus::Family<Metric>& family_;
  const Values labels_;
  std::mutex mutex_;
  std::map<Values, Metric*> children_;  // owned by the family
};

template <size_t Size>
using Counters = Children<prometheus::Counter, Size>;
template <size_t Size>
using Gauges = Children<prometheus::Gauge, Size>;

auto& Counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
auto& Gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
auto& Histogram(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  Gauges<1> build_info{Gauge(registry, "hallmark_build_info", "Always 1; the version is a label."), {"version"}};
  Counters<2> calls{Counter(registry, "hallmark_grpc_calls_total", "gRPC calls that have ended."), {"method", "code"}};
  Children<prometheus::Histogram, 1> call_seconds{
      Histogram(registry, "hallmark_grpc_call_seconds", "How long gRPC calls took, in seconds."), {"method"}};
  Counters<2> http_requests{Counter(registry, "hallmark_http_requests_total", "HTTP requests answered."),
                            {"route", "code"}};
  Counters<1> ocsp_responses{
      Counter(registry, "hallmark_ocsp_responses_total", "OCSP responses, by OCSPResponseStatus."), {"status"}};
  Counters<2> issued{Counter(registry, "hallmark_certificates_issued_total", "Certificates issued."),
                     {"authority", "profile"}};
  Counters<2> revoked{Counter(registry, "hallmark_certificates_revoked_total", "Certificates revoked, by CRLReason."),
                      {"authority", "reason"}};
  Gauges<3> crl_number{Gauge(registry, "hallmark_crl_number", "CRLNumber of the latest CRL."), kCrlLabels};
  Gauges<3> crl_this_update{
      Gauge(registry, "hallmark_crl_this_update_seconds", "thisUpdate of the latest CRL, in seconds since 1970."),
      kCrlLabels};
  Gauges<3> crl_next_update{
      Gauge(registry, "hallmark_crl_next_update_seconds", "nextUpdate of the latest CRL, in seconds since 1970."),
      kCrlLabels};
  Gauges<3> crl_waiting{
      Gauge(registry, "hallmark_crl_waiting", "Changes of revocation that are not on the latest CRL."), kCrlLabels};
  Gauges<3> crl_size{Gauge(registry, "hallmark_crl_size_bytes", "Size of the latest CRL's DER."), kCrlLabels};
  Children<prometheus::Histogram, 0> visible_seconds{
      Histogram(registry, "hallmark_revocation_visible_seconds",
                "From the answer to a revocation or a release to the CRL that shows it, in seconds."),
      {}};
  Gauges<1> ocsp_responder{Gauge(registry, "hallmark_ocsp_responder_not_after_seconds",
                                 "When the OCSP responder's certificate ends, in seconds since 1970."),
                           {"authority"}};
  Gauges<0> ocsp_cached{Gauge(registry, "hallmark_ocsp_cached_responses", "OCSP responses that are kept."), {}};
  Gauges<2> target_work{Gauge(registry, "hallmark_target_work", "Changes that are not in a target yet."),
                        {"target", "state"}};
  Gauges<2> target_oldest{Gauge(registry, "hallmark_target_oldest_seconds", "Age of the oldest of these changes."),
                          {"target", "state"}};
  Children<prometheus::Histogram, 1> denied_seconds{
      Histogram(registry, "hallmark_time_to_denied_seconds",
                "From a revocation to the target that keeps the device out, in seconds."),
      {"target"}};
  Counters<2> target_failures{Counter(registry, "hallmark_target_failures_total", "Calls of targets that have failed."),
                              {"target", "reason"}};
  Gauges<0> mass_revocations{
      Gauge(registry, "hallmark_mass_revocations_running", "Revocations of many certificates that are under way."), {}};
  Gauges<0> policies_loaded{Gauge(registry, "hallmark_policies_loaded_timestamp_seconds",
                                  "When the policies in force were loaded, in seconds since 1970."),
                            {}};
  Counters<0> policies_refused{
      Counter(registry, "hallmark_policies_reload_failures_total", "How often policies were refused at a reload."), {}};
  Gauges<2> profile_info{Gauge(registry, "hallmark_profile_info", "Always 1; the version in force is a label."),
                         {"profile", "version"}};
  Counters<1> attempts{Counter(registry, "hallmark_refused_attempts_total",
                               "Attempts of stations beyond what their lot or its manifest covers."),
                       {"reason"}};
  Gauges<0> lots_alerted{
      Gauge(registry, "hallmark_lots_alerted", "Lots with more refused attempts than the configuration allows."), {}};
  Gauges<0> unconfirmed{
      Gauge(registry, "hallmark_devices_unconfirmed", "Devices whose installation should have been confirmed by now."),
      {}};
  Gauges<1> token_up{Gauge(registry, "hallmark_hsm_token_up", "1 while the HSM's token answers, else 0."), {"token"}};
  Counters<1> token_losses{Counter(registry, "hallmark_hsm_token_losses_total", "How often the HSM's token went away."),
                           {"token"}};
  Gauges<2> token_sessions{
      Gauge(registry, "hallmark_hsm_sessions", "Sessions of the HSM's token: busy, open, and their limit."),
      {"token", "state"}};
  Gauges<2> key_up{Gauge(registry, "hallmark_hsm_key_up", "1 while the authority may sign with this key, else 0."),
                   {"authority", "key"}};
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

void Metrics::SetBuildInfo(const std::string& version) { families_->build_info.Get({version}).Set(1); }

void Metrics::CountCall(const std::string& method, Code code) {
  families_->calls.Get({method, absl::StatusCodeToString(code)}).Increment();
}

void Metrics::ObserveCallSeconds(const std::string& method, double seconds) {
  families_->call_seconds.Get({method}, kSeconds).Observe(seconds);
}

void Metrics::CountHttpRequest(const std::string& route, int status) {
  families_->http_requests.Get({route, std::to_string(status)}).Increment();
}

void Metrics::CountOcsp(const std::string& status) { families_->ocsp_responses.Get({status}).Increment(); }

void Metrics::CountIssued(const std::string& authority, const std::string& profile) {
  families_->issued.Get({authority, profile}).Increment();
}

void Metrics::CountRevoked(const std::string& authority, const std::string& reason) {
  families_->revoked.Get({authority, reason}).Increment();
}

void Metrics::SetCrl(const CrlLabels& labels, const CrlValues& values) {
  const std::array<std::string, 3> key = {labels.authority, std::to_string(labels.shard), labels.kind};
  families_->crl_number.Get(key).Set(static_cast<double>(values.number));
  families_->crl_this_update.Get(key).Set(static_cast<double>(absl::ToUnixSeconds(values.this_update)));
  families_->crl_next_update.Get(key).Set(static_cast<double>(absl::ToUnixSeconds(values.next_update)));
  families_->crl_waiting.Get(key).Set(static_cast<double>(values.waiting));
}

void Metrics::SetCrlSize(const CrlLabels& labels, size_t octets) {
  families_->crl_size.Get({labels.authority, std::to_string(labels.shard), labels.kind})
      .Set(static_cast<double>(octets));
}

void Metrics::ObserveVisibleSeconds(double seconds) {
  families_->visible_seconds.Get({}, kVisibleSeconds).Observe(seconds);
}

void Metrics::SetOcspResponder(const std::string& authority, Time not_after) {
  families_->ocsp_responder.Get({authority}).Set(static_cast<double>(absl::ToUnixSeconds(not_after)));
}

void Metrics::SetOcspCached(size_t responses) { families_->ocsp_cached.Get({}).Set(static_cast<double>(responses)); }

void Metrics::SetTargetWork(const std::string& target, const char* state, int64_t count, Duration oldest) {
  families_->target_work.Get({target, state}).Set(static_cast<double>(count));
  families_->target_oldest.Get({target, state}).Set(absl::ToDoubleSeconds(oldest));
}

void Metrics::ObserveDeniedSeconds(const std::string& target, double seconds) {
  families_->denied_seconds.Get({target}, kDeniedSeconds).Observe(seconds);
}

void Metrics::CountTargetFailure(const std::string& target, const std::string& reason) {
  families_->target_failures.Get({target, reason}).Increment();
}

void Metrics::SetMassRevocations(size_t running) {
  families_->mass_revocations.Get({}).Set(static_cast<double>(running));
}

void Metrics::SetPolicies(const std::map<std::string, std::string>& versions, Time loaded) {
  std::set<std::array<std::string, 2>> current;
  for (const auto& [profile, version] : versions) {
    families_->profile_info.Get({profile, version}).Set(1);
    current.insert({profile, version});
  }
  families_->profile_info.Keep(current);
  families_->policies_loaded.Get({}).Set(static_cast<double>(absl::ToUnixSeconds(loaded)));
  families_->policies_refused.Get({});  // 0 until one is
}

void Metrics::CountPoliciesRefused() { families_->policies_refused.Get({}).Increment(); }

void Metrics::CountAttempt(const std::string& reason) { families_->attempts.Get({reason}).Increment(); }

void Metrics::SetLotsAlerted(size_t lots) { families_->lots_alerted.Get({}).Set(static_cast<double>(lots)); }

void Metrics::SetUnconfirmed(int64_t devices) { families_->unconfirmed.Get({}).Set(static_cast<double>(devices)); }

void Metrics::SetTokenUp(const std::string& token, bool up) {
  families_->token_up.Get({token}).Set(up ? 1 : 0);
  prometheus::Counter& losses = families_->token_losses.Get({token});
  if (!up) losses.Increment();
}

void Metrics::SetTokenSessions(const std::string& token, size_t busy, size_t open, size_t limit) {
  families_->token_sessions.Get({token, "busy"}).Set(static_cast<double>(busy));
  families_->token_sessions.Get({token, "open"}).Set(static_cast<double>(open));
  families_->token_sessions.Get({token, "limit"}).Set(static_cast<double>(limit));
}

void Metrics::SetKeyUp(const std::string& authority, const std::string& key_uri, bool up) {
  families_->key_up.Get({authority, key_uri}).Set(up ? 1 : 0);
}

void Metrics::SetCollector(std::function<void()> collector) { collector_ = std::move(collector); }

std::string Metrics::Text() const {
  if (collector_) collector_();
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace hallmark
