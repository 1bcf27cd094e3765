// Keeps each authority's CRL fresh: a new one at once after a revocation, and half-way to next_update at the latest.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "ca/authority.h"

namespace hallmark {

// Works on a thread of its own from construction to destruction. Thread-safe.
class CrlPublisher {
 public:
  // `authority` outlives the publisher.
  explicit CrlPublisher(const CertificateAuthority& authority);
  ~CrlPublisher();
  CrlPublisher(const CrlPublisher&) = delete;  // its thread knows its address
  CrlPublisher& operator=(const CrlPublisher&) = delete;

  // An authority's revocations have changed.
  void Notify();

  // OK when every authority has a list that is still valid. kUnavailable otherwise; the message says which and why.
  Status Check() const;

 private:
  void Run();
  void RefreshAll();
  StatusOr<bool> NeedsRefresh(const Issuer& issuer) const;

  const CertificateAuthority& authority_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = true;  // look once at start
  bool looked_ = false;   // at all that there were at start
  std::atomic<bool> stopping_ = false;
  std::map<std::string, Status> failures_;
  std::thread thread_;
};

}  // namespace hallmark
