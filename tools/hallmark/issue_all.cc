#include "tools/hallmark/issue_all.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/reason.h"

namespace hallmark::cli {
namespace {

constexpr Duration kAttempt = absl::Seconds(15);
constexpr Duration kPatience = absl::Minutes(1);

// One unary call. OK when it was settled, also by a refusal.
Status IssueUnary(Client& client, Batch& batch, const Clock& clock, const Client::OnAnswer& on_answer) {
  const v1::IssueCertificateRequest* request = batch.Take(clock.Now());
  if (request == nullptr) return absl::OkStatus();
  const Time deadline = std::min(batch.Expiry(), clock.Now() + kAttempt);
  const StatusOr<v1::Certificate> answer = client.IssueCertificate(*request, deadline);
  const std::vector<size_t> settled = batch.Settle(request->request_id(), answer.status(), clock.Now());
  if (!settled.empty()) on_answer(settled, answer);
  return settled.empty() ? answer.status() : absl::OkStatus();
}

}  // namespace

Status IssueAll(Client& client, Batch& batch, size_t in_flight, const Clock& clock, const Client::OnAnswer& on_answer,
                const std::function<void(const Status&)>& on_wait) {
  while (!batch.Done()) {
    const Time now = clock.Now();
    if (batch.Expired(now)) {
      const Status& last = batch.last_failure();
      const std::string context = "no answer any more, gave up";
      return last.ok() ? Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded, context) : Annotate(last, context);
    }
    if (now < batch.Ready()) {
      absl::SleepFor(std::min(batch.Ready(), batch.Expiry()) - now);
      continue;
    }
    const Status status = batch.size() == 1 ? IssueUnary(client, batch, clock, on_answer)
                                            : client.IssueCertificates(batch, in_flight, on_answer);
    if (status.ok()) continue;
    if (!Retryable(status)) return status;
    // What the service said last is worth more than that patience ended.
    if (!batch.Expired(clock.Now()) || batch.last_failure().ok()) batch.Interrupt(status, clock.Now());
    if (status.code() == Code::kDeadlineExceeded) client.Reconnect();
    on_wait(status);
  }
  return absl::OkStatus();
}

StatusOr<v1::Certificate> IssueOne(Client& client, const v1::IssueCertificateRequest& request, const Clock& clock) {
  std::minstd_rand random(std::random_device{}());
  Batch batch(
      {request}, kPatience, [&] { return std::uniform_real_distribution<>()(random); }, clock.Now());
  StatusOr<v1::Certificate> certificate = absl::UnknownError("no answer");
  RETURN_IF_ERROR(IssueAll(
      client, batch, 1, clock,
      [&](const std::vector<size_t>&, const StatusOr<v1::Certificate>& answer) { certificate = answer; },
      [](const Status&) {}));
  return certificate;
}

}  // namespace hallmark::cli
