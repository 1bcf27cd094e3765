#include "tools/hallmark/batch.h"

#include <algorithm>

namespace hallmark::cli {

bool Retryable(const Status& status) {
  switch (status.code()) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kAborted: return true;
    case Code::kResourceExhausted: return RetryDelay(status).has_value();
    default: return false;
  }
}

Duration BackOff(int failures, std::optional<Duration> asked, double jitter) {
  constexpr int kMaxDoublings = 5;
  const Duration longest =
      std::min(absl::Milliseconds(200) * (1 << std::clamp(failures - 1, 0, kMaxDoublings)), absl::Seconds(5));
  const Duration spread = longest / 2 * jitter;
  if (asked.has_value()) return std::clamp(*asked, absl::ZeroDuration(), absl::Seconds(30)) + spread;
  return longest / 2 + spread;
}

Batch::Batch(std::vector<v1::IssueCertificateRequest> requests, Duration patience, Jitter jitter, Time now)
    : requests_(std::move(requests)),
      patience_(patience),
      jitter_(std::move(jitter)),
      last_answer_(now),
      pause_until_(now) {
  for (size_t i = 0; i < requests_.size(); ++i) {
    std::vector<size_t>& same = indices_[requests_[i].request_id()];
    if (same.empty()) waiting_.push_back(requests_[i].request_id());
    same.push_back(i);
  }
}

size_t Batch::Add(v1::IssueCertificateRequest request) {
  const size_t index = requests_.size();
  indices_[request.request_id()] = {index};
  waiting_.push_back(request.request_id());
  requests_.push_back(std::move(request));
  return index;
}

const v1::IssueCertificateRequest* Batch::Take(Time now) {
  if (waiting_.empty() || now < pause_until_) return nullptr;
  const std::string request_id = std::move(waiting_.front());
  waiting_.pop_front();
  under_way_.insert(request_id);
  return &requests_[indices_[request_id].front()];
}

std::vector<size_t> Batch::Settle(const std::string& request_id, const Status& status, Time now) {
  if (under_way_.erase(request_id) == 0) return {};
  if (Retryable(status)) {
    waiting_.push_back(request_id);
    Pause(status, now);
    return {};
  }
  last_answer_ = now;
  failures_ = 0;
  return indices_[request_id];
}

void Batch::Interrupt(const Status& status, Time now) {
  waiting_.insert(waiting_.begin(), under_way_.begin(), under_way_.end());
  under_way_.clear();
  Pause(status, now);
}

void Batch::Pause(const Status& status, Time now) {
  last_failure_ = status;
  // Those that fail together, being under way at the same time, count as one failure.
  if (now < pause_until_) return;
  ++failures_;
  pause_until_ = now + BackOff(failures_, RetryDelay(status), jitter_());
}

}  // namespace hallmark::cli
