// Keeps each authority's CRLs fresh: a new one at once after a revocation, and half-way to next_update at the latest,
// of each shard. With deltas a complete list is new at once for what is urgent only (a compromised key); everything
// else is on the delta at once, and on the complete list when that is renewed.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/periodic.h"
#include "ca/authority.h"

namespace hallmark {

// Works on a thread of its own from construction to destruction. Thread-safe.
class CrlPublisher {
 public:
  // `authority` outlives the publisher.
  explicit CrlPublisher(const CertificateAuthority& authority);
  CrlPublisher(const CrlPublisher&) = delete;  // its thread knows its address
  CrlPublisher& operator=(const CrlPublisher&) = delete;

  // An authority's revocations have changed.
  void Notify() { refresh_.Notify(); }

  // OK when every authority has lists that are valid, and for longer than a quarter of their window, by when they
  // should have been renewed. kUnavailable otherwise; the message says which and why.
  Status Check() const;

 private:
  void RefreshAll(const std::atomic<bool>& stopping);
  Status RefreshAuthority(const Issuer& issuer, const std::atomic<bool>& stopping) const;
  using Lists = std::map<CrlScope, CrlRecord>;
  Status RefreshShard(const Issuer& issuer, int64_t shard, uint64_t count, Lists& latest) const;
  // Whether the list of shard 0 is of before there were others: it would pass for one of all certificates.
  StatusOr<bool> IsOfAll(const CrlRecord& list) const;
  StatusOr<bool> NeedsComplete(const Issuer& issuer, int64_t shard, uint64_t count, const Lists& latest) const;
  bool NeedsDelta(const Issuer& issuer, int64_t shard, uint64_t count, const Lists& latest) const;
  bool IsDue(const CrlRecord& crl) const;
  StatusOr<std::string> FaultOf(const Issuer& issuer) const;

  const CertificateAuthority& authority_;
  mutable std::mutex mutex_;
  bool looked_ = false;  // at all that there were at start
  std::map<std::string, Status> failures_;
  // By authority, the number of the last list that was seen to say whose it is. Of the thread that refreshes.
  mutable std::map<std::string, uint64_t> scoped_;
  Periodic refresh_;
};

}  // namespace hallmark
