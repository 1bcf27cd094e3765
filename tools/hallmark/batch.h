// Many requests for certificates until each has its answer: what is still to send, what is under way, and when to try
// again. Knows nothing of the network, hence of threads: one thread at a time.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"

namespace hallmark::cli {

// Whether the same request may succeed later. Asking again is always safe: it has the same request_id.
bool Retryable(const Status& status);

// How long to wait after the `failures`th failure in a row (the first is 1): 200 ms doubled each time up to 5 s, of
// which half is spread by `jitter` in [0, 1); after `asked` (RetryInfo, at most 30 s) if the service asked for that.
Duration BackOff(int failures, std::optional<Duration> asked, double jitter);

class Batch {
 public:
  using Jitter = std::function<double()>;  // in [0, 1)

  // `patience`: how long without an answer, from `now` on, until Expired. Requests with the same request_id are sent
  // once and settled together.
  Batch(std::vector<v1::IssueCertificateRequest> requests, Duration patience, Jitter jitter, Time now);

  // A further request, to be sent after those that wait; returns its index. Its request_id is not in the batch yet.
  size_t Add(v1::IssueCertificateRequest request);

  // The next request to send, from then on under way; null when there is none, or not yet. Lives until the next Add.
  const v1::IssueCertificateRequest* Take(Time now);

  // The service answered a request with `status`. Returns the indices of the requests that are settled by it: none if
  // it is to be tried again, or was not under way.
  std::vector<size_t> Settle(const std::string& request_id, const Status& status, Time now);

  // The connection broke: whatever is under way is to be sent again.
  void Interrupt(const Status& status, Time now);

  bool Done() const { return waiting_.empty() && under_way_.empty(); }
  bool Expired(Time now) const { return now >= Expiry(); }
  Time Expiry() const { return last_answer_ + patience_; }
  // When Take may succeed again, if anything waits: InfiniteFuture otherwise.
  Time Ready() const { return waiting_.empty() ? absl::InfiniteFuture() : pause_until_; }

  size_t size() const { return requests_.size(); }
  size_t waiting() const { return waiting_.size(); }
  size_t under_way() const { return under_way_.size(); }
  // The latest failure that is to be tried again; OK if there was none.
  const Status& last_failure() const { return last_failure_; }

 private:
  void Pause(const Status& status, Time now);

  std::vector<v1::IssueCertificateRequest> requests_;
  std::map<std::string, std::vector<size_t>> indices_;  // of each request_id
  std::deque<std::string> waiting_;                     // request_ids, as is under_way_
  std::set<std::string> under_way_;
  Duration patience_;
  Jitter jitter_;
  Time last_answer_;
  Time pause_until_;
  int failures_ = 0;
  Status last_failure_;
};

}  // namespace hallmark::cli
