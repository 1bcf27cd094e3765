// Keeps each authority's CRL fresh: a new one at once after a revocation, and half-way to next_update at the latest.
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

  // OK when every authority has a list that is still valid. kUnavailable otherwise; the message says which and why.
  Status Check() const;

 private:
  void RefreshAll(const std::atomic<bool>& stopping);
  StatusOr<bool> NeedsRefresh(const Issuer& issuer) const;

  const CertificateAuthority& authority_;
  mutable std::mutex mutex_;
  bool looked_ = false;  // at all that there were at start
  std::map<std::string, Status> failures_;
  Periodic refresh_;
};

}  // namespace hallmark
