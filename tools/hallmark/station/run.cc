#include "tools/hallmark/station/run.h"

#include <algorithm>

#include "base/reason.h"
#include "tools/hallmark/station/answer.h"

namespace hallmark::cli::station {
namespace {

constexpr size_t kBatchLimit = 4096;  // requests that one stream carries, since a batch keeps them
constexpr size_t kGroup = 256;        // rows of the spool that are taken at once
constexpr size_t kFlushAt = 32;       // answers that become durable together, be more at hand or not
constexpr Duration kLongestWait = absl::Milliseconds(500);  // until it looks whether it was told to stop
constexpr Duration kHaltPause = absl::Seconds(15);

std::string ErrorOf(const Status& status) {
  return FailureJson(status).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

bool IsAboutCaller(const Status& status) {
  const std::string reason = Reason(status);
  return status.code() == Code::kUnauthenticated || status.code() == Code::kUnimplemented ||
         reason == reason::kPermissionDenied || reason == reason::kCallerUnauthenticated ||
         reason == reason::kCallerUnknown || reason == reason::kCallerRevoked || reason == reason::kCallerExpired ||
         reason == reason::kCallerSuspended;
}

Run::Run(Session& session, Client& client, Spool& spool, Intake& intake, OutFolder& out, Report& report,
         Settings settings)
    : session_(session),
      client_(client),
      spool_(spool),
      intake_(intake),
      out_(out),
      report_(report),
      settings_(std::move(settings)) {
  NewBatch();
}

void Run::NewBatch() {
  entries_.clear();
  batch_ = std::make_unique<Batch>(
      std::vector<v1::IssueCertificateRequest>(), settings_.patience,
      [this] { return std::uniform_real_distribution<>()(random_); }, session_.clock.Now());
}

Status Run::Go() {
  RETURN_IF_ERROR(spool_.Requeue());
  RETURN_IF_ERROR(DeliverLeftovers());
  RETURN_IF_ERROR(intake_.Begin(session_.clock.Now()));
  const Status end = Loop();
  const Status flushed = Flush();
  return end.ok() ? flushed : end;
}

Status Run::Loop() {
  while (!settings_.stopped()) {
    if (settings_.on_round != nullptr) settings_.on_round(client_);
    if (batch_->Done() && batch_->size() > 0) NewBatch();
    RETURN_IF_ERROR(Turn());
    const Time now = session_.clock.Now();
    if (batch_->Done()) {
      if (more_) continue;
      if (!settings_.watch && (ready_.empty() || settings_.offline)) return absl::OkStatus();
      intake_.Wait(ready_.empty() ? kLongestWait : absl::Milliseconds(20));
    } else if (batch_->Expired(now)) {
      const Status& last = batch_->last_failure();
      return last.ok() ? Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded, "no answer any more, gave up")
                       : Annotate(last, "no answer any more, gave up");
    } else if (now < batch_->Ready() && batch_->waiting() > 0) {
      intake_.Wait(std::min({batch_->Ready() - now, batch_->Expiry() - now, kLongestWait}));
    } else {
      RETURN_IF_ERROR(SendRound());
    }
  }
  return absl::OkStatus();
}

// One stream, for as long as there is something to send and it stands.
Status Run::SendRound() {
  const Status status = client_.IssueCertificates(
      *batch_, settings_.in_flight,
      [this](const std::vector<size_t>& indices, const StatusOr<v1::Certificate>& answer) {
        for (const size_t index : indices) TakeAnswer(index, answer);
      },
      [this] {
        if (failure_.ok()) failure_ = Turn();
        return failure_.ok() && halted_.ok() && !settings_.stopped();
      });
  RETURN_IF_ERROR(failure_);
  RETURN_IF_ERROR(Flush());
  if (!halted_.ok()) return Halt(halted_);
  if (status.ok() || settings_.stopped()) return absl::OkStatus();
  if (!Retryable(status)) return Halt(status);
  const Time now = session_.clock.Now();
  // What the service said last is worth more than that patience ended.
  if (!batch_->Expired(now) || batch_->last_failure().ok()) batch_->Interrupt(status, now);
  if (status.code() == Code::kDeadlineExceeded) client_.Reconnect();
  report_.Waiting(status);
  return absl::OkStatus();
}

// Asking goes on when the operator has done something about it; whoever does not watch the run is told at once.
Status Run::Halt(const Status& why) {
  if (!settings_.watch) return why;
  report_.Waiting(why);
  halted_ = absl::OkStatus();
  ready_.clear();
  NewBatch();
  for (const Time end = session_.clock.Now() + kHaltPause; session_.clock.Now() < end && !settings_.stopped();) {
    absl::SleepFor(std::min(kLongestWait, end - session_.clock.Now()));
  }
  return spool_.Requeue();
}

Status Run::Turn() {
  RETURN_IF_ERROR(Flush());
  const size_t problems = intake_.tally().problems;
  ASSIGN_OR_RETURN(more_, intake_.Take(session_.clock.Now()));
  if (intake_.tally().problems > problems) RETURN_IF_ERROR(DeliverLeftovers());
  if (settings_.offline) return absl::OkStatus();
  if (ready_.empty() && batch_->waiting() < settings_.in_flight) {
    ASSIGN_OR_RETURN(std::vector<Entry> queued, spool_.TakeQueued(kGroup, session_.clock.Now()));
    std::move(queued.begin(), queued.end(), std::back_inserter(ready_));
  }
  Refill();
  const bool pausing = batch_->under_way() == 0 && batch_->waiting() > 0 && session_.clock.Now() < batch_->Ready();
  if (pausing && !batch_->last_failure().ok()) report_.Waiting(batch_->last_failure());
  report_.Show(ready_.size() + batch_->waiting() + batch_->under_way());
  return absl::OkStatus();
}

void Run::Refill() {
  const Time now = session_.clock.Now();
  while (!ready_.empty() && batch_->size() < kBatchLimit) {
    if (settings_.rate.has_value() && rates_.Take("", *settings_.rate, now) > absl::ZeroDuration()) return;
    batch_->Add(ready_.front().request);
    entries_.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
}

void Run::TakeAnswer(size_t index, const StatusOr<v1::Certificate>& answer) {
  if (!answer.ok() && IsAboutCaller(answer.status())) {
    halted_ = answer.status();
    return;
  }
  Entry& entry = entries_[index];
  const Status status = answer.ok() ? CheckKey(entry.request, *answer) : answer.status();
  entry.state = status.ok() ? "answered" : "refused";
  if (status.ok()) {
    entry.certificate = *answer;
  } else {
    entry.error = ErrorOf(status);
  }
  answered_.push_back(std::move(entry));
  if (answered_.size() >= kFlushAt && failure_.ok()) failure_ = Flush();
}

// First the answers are durable here, then they are in OUT, then that is on record.
Status Run::Flush() {
  if (answered_.empty()) return absl::OkStatus();
  std::vector<Answer> answers;
  std::vector<int64_t> ids;
  for (const Entry& entry : answered_) {
    Answer& answer = answers.emplace_back();
    answer.id = entry.id;
    answer.error = entry.error;
    if (entry.state == "answered") answer.certificate = entry.certificate;
    ids.push_back(entry.id);
  }
  const Time now = session_.clock.Now();
  RETURN_IF_ERROR(spool_.Record(answers, now));
  RETURN_IF_ERROR(out_.Deliver(answered_));
  RETURN_IF_ERROR(spool_.MarkDelivered(ids, now));
  for (const Entry& entry : answered_) report_.Delivered(entry);
  answered_.clear();
  return absl::OkStatus();
}

// What an earlier run had no time to write, and the refusals of what could not be read.
Status Run::DeliverLeftovers() {
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<Entry> entries, spool_.Undelivered(kGroup));
    if (entries.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(out_.Deliver(entries));
    std::vector<int64_t> ids;
    for (const Entry& entry : entries) ids.push_back(entry.id);
    RETURN_IF_ERROR(spool_.MarkDelivered(ids, session_.clock.Now()));
    for (const Entry& entry : entries) report_.Delivered(entry);
  }
}

}  // namespace hallmark::cli::station
