#include "grpc/issue_stream.h"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "base/reason.h"
#include "grpc/convert.h"

namespace hallmark {
namespace {

constexpr size_t kInFlight = 64;
constexpr Duration kWatchPeriod = absl::Milliseconds(400);
constexpr Duration kAnswerLimit = absl::Seconds(30);  // from a message's arrival

Status ShuttingDown() {
  return WithRetry(
      Error(Code::kUnavailable, reason::kShuttingDown, "the service is stopping; send again what has no answer"),
      absl::Seconds(1));
}

}  // namespace

// gRPC calls the On... methods, and the workers call Answered, from different threads. Whether a read and a write are
// under way, and what is still to be done, is guarded by the mutex; gRPC allows one read and one write at a time. The
// stream may be gone as soon as Finish was called, so that is done last and without the mutex.
class IssueStream final : public IssueReactor {
 public:
  explicit IssueStream(StreamParts parts) : parts_(std::move(parts)) {
    const Status status = parts_.identify();
    if (!status.ok()) {
      finished_ = true;
      Finish(ToGrpcStatus(status));
      return;
    }
    const std::lock_guard lock(mutex_);
    Read();
  }

  // Reads no more and ends with `status` once all that was read is answered.
  void Stop(const grpc::Status& status) {
    std::unique_lock lock(mutex_);
    if (!stopping_) end_ = status;
    stopping_ = true;
    FinishIfIdle(std::move(lock));
  }

  const Bytes& certificate() const { return parts_.certificate; }
  Status Identify() const { return parts_.identify(); }

  // Ends the stream of a caller who is none any more.
  void Heed(const Status& status) {
    if (!absl::IsUnauthenticated(status)) return;  // what else fails says nothing of the caller
    if (refused_) {
      const std::lock_guard lock(mutex_);
      if (!done_) parts_.cancel();
    }
    refused_ = true;
    Stop(ToGrpcStatus(status));
  }

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mutex_);
    reading_ = false;
    if (!ok || finished_) {
      ended_ = true;
      FinishIfIdle(std::move(lock));
      return;
    }
    ++in_flight_;
    // The deadline runs from here, not from when a worker has time.
    parts_.post([this, message = std::move(message_), deadline = absl::Now() + kAnswerLimit] {
      if (cancelled_) return Answered(nullptr);
      Answered(std::make_unique<v1::IssueCertificatesResponse>(parts_.answer(message, deadline)));
    });
    message_.Clear();
    Read();
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    answers_.pop_front();
    --in_flight_;
    if (!ok) cancelled_ = true;  // the client is gone; it will ask again
    writing_ = false;
    Write();
    Read();
    FinishIfIdle(std::move(lock));
  }

  void OnCancel() override { cancelled_ = true; }

  void OnDone() override {
    parts_.open.Remove(this);
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    self_.reset();
  }

  // The reactor owns itself from its start to OnDone, as gRPC's callback API asks for.
  static IssueReactor* Start(StreamParts parts) {
    const auto stream = std::make_shared<IssueStream>(std::move(parts));
    stream->self_ = stream;
    stream->parts_.open.Add(stream);
    return stream.get();
  }

 private:
  void Answered(std::unique_ptr<v1::IssueCertificatesResponse> answer) {
    std::unique_lock lock(mutex_);
    if (answer == nullptr) {
      --in_flight_;
    } else {
      if (!stopping_ && answer->error().code() == static_cast<int>(Code::kUnauthenticated)) {
        stopping_ = true;
        end_ = {grpc::StatusCode::UNAUTHENTICATED, answer->error().message(), answer->error().SerializeAsString()};
      }
      answers_.push_back(std::move(*answer));
      Write();
    }
    // Slots freed by a cancellation: only a read tells that the client is gone, and so ends the stream.
    Read();
    FinishIfIdle(std::move(lock));
  }

  void Read() {
    if (reading_ || ended_ || stopping_ || finished_ || in_flight_ >= kInFlight) return;
    reading_ = true;
    StartRead(&message_);
  }

  void Write() {
    if (cancelled_ && !writing_) {
      in_flight_ -= answers_.size();
      answers_.clear();
    }
    if (writing_ || answers_.empty() || finished_) return;
    writing_ = true;
    StartWrite(&answers_.front());
  }

  void FinishIfIdle(std::unique_lock<std::mutex> lock) {
    if (!(ended_ || stopping_) || writing_ || in_flight_ > 0 || finished_) return;
    finished_ = true;
    // A client that had sent all has lost nothing when the service stops.
    const bool refused = end_.error_code() == grpc::StatusCode::UNAUTHENTICATED;
    const grpc::Status status = refused || !ended_ ? end_ : grpc::Status::OK;
    lock.unlock();
    Finish(status);
  }

  const StreamParts parts_;
  std::atomic<bool> cancelled_ = false;

  std::mutex mutex_;
  v1::IssueCertificateRequest message_;  // gRPC writes to it while reading_
  std::deque<v1::IssueCertificatesResponse> answers_;
  size_t in_flight_ = 0;  // read and not yet written
  bool reading_ = false;
  bool writing_ = false;
  bool ended_ = false;  // the client sends no more
  bool stopping_ = false;
  grpc::Status end_;  // of a stream that is stopping
  bool finished_ = false;
  bool done_ = false;     // gRPC's context of the call is gone
  bool refused_ = false;  // by an earlier Heed, which one thread calls
  std::shared_ptr<IssueStream> self_;
};

OpenStreams::OpenStreams()
    : watch_(
          kWatchPeriod, [this](const std::atomic<bool>&) { Watch(); }, Periodic::Start::kAfterPeriod) {}

void OpenStreams::Stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& [stream, unused] : streams_) stream->Stop(ToGrpcStatus(ShuttingDown()));
}

void OpenStreams::Watch() {
  std::vector<std::shared_ptr<IssueStream>> streams;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [unused, stream] : streams_) streams.push_back(stream.lock());
  }
  std::map<Bytes, Status> callers;  // one may have many streams open
  for (const std::shared_ptr<IssueStream>& stream : streams) {
    if (stream == nullptr) continue;
    const auto [caller, is_new] = callers.try_emplace(stream->certificate());
    if (is_new) caller->second = stream->Identify();
    stream->Heed(caller->second);
  }
}

void OpenStreams::Add(const std::shared_ptr<IssueStream>& stream) {
  const std::lock_guard lock(mutex_);
  streams_.emplace(stream.get(), stream);
  if (stopping_) stream->Stop(ToGrpcStatus(ShuttingDown()));
}

void OpenStreams::Remove(IssueStream* stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase(stream);
}

IssueReactor* NewIssueStream(StreamParts parts) { return IssueStream::Start(std::move(parts)); }

}  // namespace hallmark
