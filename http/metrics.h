// What Hallmark counts and measures, for Prometheus: https://prometheus.io/docs/practices/naming/.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

// Thread-safe and cheap: a call costs a look-up in a small table. Each label value makes a time series for the life of
// the process, so they come from lists of our own (methods, codes, authorities, profiles), never from a request.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;  // there is one for the process
  Metrics& operator=(const Metrics&) = delete;

  // hallmark_build_info, always 1.
  void SetBuildInfo(const std::string& version);
  // hallmark_grpc_calls_total; `method` as in "hallmark.v1.Issuance/IssueCertificate", the label code as in
  // "NOT_FOUND".
  void CountCall(const std::string& method, Code code);
  // hallmark_grpc_call_seconds, a histogram from 1 ms to 10 s.
  void ObserveCallSeconds(const std::string& method, double seconds);
  // hallmark_http_requests_total; `route` as in "crl", `status` the response's.
  void CountHttpRequest(const std::string& route, int status);
  // hallmark_ocsp_responses_total; `status` by its name of RFC 6960 4.2.1, "successful".
  void CountOcsp(const std::string& status);
  // hallmark_certificates_issued_total.
  void CountIssued(const std::string& authority, const std::string& profile);
  // hallmark_certificates_revoked_total; `reason` by its name of RFC 5280 5.3.1, "keyCompromise".
  void CountRevoked(const std::string& authority, const std::string& reason);
  // hallmark_crl_number, _this_update_seconds and _next_update_seconds (since 1970), and _waiting (changes of
  // revocation that are not on it), of the latest list of each scope, with the labels authority, shard, and kind:
  // "complete", "delta", or "imported", of an authority whose key is elsewhere.
  struct CrlLabels {
    std::string authority;
    int64_t shard = 0;
    const char* kind = "complete";
  };
  struct CrlValues {
    uint64_t number = 0;
    Time this_update;
    Time next_update;
    int64_t waiting = 0;
  };
  void SetCrl(const CrlLabels& labels, const CrlValues& values);
  // hallmark_crl_size_bytes.
  void SetCrlSize(const CrlLabels& labels, size_t octets);
  // hallmark_revocation_visible_seconds, a histogram from 10 ms to 60 s: from the answer to a revocation or a release
  // to the list that shows it.
  void ObserveVisibleSeconds(double seconds);
  // hallmark_ocsp_responder_not_after_seconds (since 1970), when the certificate of an authority's responder ends, and
  // hallmark_ocsp_cached_responses.
  void SetOcspResponder(const std::string& authority, Time not_after);
  void SetOcspCached(size_t responses);
  // hallmark_target_work, what waits for a target with the label state: "waiting" or "parked"; and
  // hallmark_target_oldest_seconds, since when the oldest does (an age; 0: nothing waits).
  void SetTargetWork(const std::string& target, const char* state, int64_t count, Duration oldest);
  // hallmark_time_to_denied_seconds, a histogram from 1 s to an hour: from a revocation to the target that keeps the
  // device out.
  void ObserveDeniedSeconds(const std::string& target, double seconds);
  // hallmark_target_failures_total; `reason` as in "TARGET_THROTTLED".
  void CountTargetFailure(const std::string& target, const std::string& reason);
  // hallmark_mass_revocations_running.
  void SetMassRevocations(size_t running);

  // hallmark_policies_loaded_timestamp_seconds (since 1970), and hallmark_profile_info{profile, version}, 1 of each of
  // `versions`, by the profile's name, and of no other.
  void SetPolicies(const std::map<std::string, std::string>& versions, Time loaded);
  // hallmark_policies_reload_failures_total.
  void CountPoliciesRefused();

  // hallmark_refused_attempts_total: a station tried what its lot or the manifest does not cover; `reason` as in
  // "DEVICE_UNKNOWN".
  void CountAttempt(const std::string& reason);
  // hallmark_lots_alerted: lots with more refused attempts than the configuration allows, since the process began.
  void SetLotsAlerted(size_t lots);
  // hallmark_devices_unconfirmed: devices of all lots that should have been confirmed by now.
  void SetUnconfirmed(int64_t devices);

  // hallmark_hsm_token_up, 1 while the token answers, else 0, and hallmark_hsm_token_losses_total, how often it went
  // away; `token` by its name in the configuration.
  void SetTokenUp(const std::string& token, bool up);
  // hallmark_hsm_sessions with the label state: "busy" with a call, "open", and the "limit" of both.
  void SetTokenSessions(const std::string& token, size_t busy, size_t open, size_t limit);
  // hallmark_hsm_key_up, 1 while the authority may sign with this copy of its key, else 0.
  void SetKeyUp(const std::string& authority, const std::string& key_uri, bool up);

  // To be called before each Text: sets what is only known by asking. To be set before the first Text.
  void SetCollector(std::function<void()> collector);
  // All of them in Prometheus's text format 0.0.4.
  std::string Text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
  std::function<void()> collector_;
};

}  // namespace hallmark
