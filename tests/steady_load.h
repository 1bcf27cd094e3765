// Stations at work: clients that each ask for one certificate after the other, and keep what they were answered.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/service_client.h"

namespace hallmark::testing {

// Runs from its construction until Stop. A client that is refused asks again with the same request id after the delay
// that the answer names, until it has a certificate; the first client does not wait that long, so that the moment at
// which the service issues again does not hide behind its clients' patience.
class SteadyLoad {
 public:
  struct Issued {
    v1::IssueCertificateRequest request;
    v1::Certificate certificate;
  };
  struct Refusal {
    grpc::StatusCode code;
    std::string reason;
    std::string message;
    bool has_retry_delay;
    Duration took;
  };

  SteadyLoad(const Service& service, std::string name, int clients = 8) : name_(std::move(name)) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, i, channel = ConnectAs(service, "station")] { Work(channel, i); });
    }
  }
  SteadyLoad(const SteadyLoad&) = delete;  // its threads know its address
  SteadyLoad& operator=(const SteadyLoad&) = delete;
  ~SteadyLoad() { Stop(); }

  // Each client first gets what it has asked for; those that do not within half a minute count as unanswered.
  void Stop() {
    give_up_ = absl::ToUnixNanos(absl::Now() + absl::Seconds(30));
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  size_t answered() const { return answered_; }
  size_t unanswered() const { return unanswered_; }
  // Whether that many more certificates were answered before `limit` has passed.
  bool AwaitAnswers(size_t count, Duration limit = absl::Seconds(30)) const {
    const size_t wanted = answered_ + count;
    for (const Time end = absl::Now() + limit; answered_ < wanted;) {
      if (absl::Now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  std::vector<Issued> Certificates() const {
    const std::lock_guard lock(mutex_);
    return certificates_;
  }
  std::vector<Refusal> Refusals() const {
    const std::lock_guard lock(mutex_);
    return refusals_;
  }

 private:
  void Work(const std::shared_ptr<grpc::Channel>& channel, int client) {
    constexpr Duration kPause = absl::Milliseconds(5);
    for (int i = 0; !stopping_; ++i) {
      const std::string id = fmt::format("{}-{}-{}", name_, client, i);
      const auto request = DeviceRequest(id, [&](CsrBuilder& csr) { csr.subject = EncodeName({{"CN", id}}); });
      if (!IssueAtLast(channel, request, client == 0)) ++unanswered_;
      absl::SleepFor(kPause);
    }
  }
  bool IssueAtLast(const std::shared_ptr<grpc::Channel>& channel, const v1::IssueCertificateRequest& request,
                   bool impatient) {
    constexpr Duration kImpatience = absl::Milliseconds(20);
    constexpr Duration kRetryDelay = absl::Milliseconds(100);  // unless the answer has one
    while (!stopping_ || absl::ToUnixNanos(absl::Now()) < give_up_) {
      const Time begin = absl::Now();
      const Answer answer = Issue(channel, request);
      Keep(request, answer, absl::Now() - begin);
      if (answer.status.ok()) return true;
      absl::SleepFor(impatient ? kImpatience : answer.retry_delay.value_or(kRetryDelay));
    }
    return false;
  }

  void Keep(const v1::IssueCertificateRequest& request, const Answer& answer, Duration took) {
    const std::lock_guard lock(mutex_);
    if (answer.status.ok()) {
      certificates_.push_back({request, answer.certificate});
      ++answered_;
    } else {
      refusals_.push_back({answer.status.error_code(), answer.reason, answer.status.error_message(),
                           answer.retry_delay.has_value(), took});
    }
  }

  const std::string name_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> give_up_ = 0;  // nanoseconds of Unix time
  std::atomic<size_t> answered_ = 0;
  std::atomic<size_t> unanswered_ = 0;
  mutable std::mutex mutex_;
  std::vector<Issued> certificates_;  // guarded by mutex_, as the next
  std::vector<Refusal> refusals_;
  std::vector<std::thread> threads_;
};

}  // namespace hallmark::testing
