// One open stream of IssueCertificates.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/periodic.h"
#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"

namespace hallmark {

using IssueReactor = grpc::ServerBidiReactor<v1::IssueCertificateRequest, v1::IssueCertificatesResponse>;

class IssueStream;

// The streams that are open, so that they can be ended when the service stops. Thread-safe.
//
// Twice a second it identifies the caller of each again: a stream of one that was revoked or suspended or whose
// certificate has expired ends with that status although nothing is sent, once what was read from it is answered; at
// the second time the call is cancelled if it still stands, since its client may not be reading.
class OpenStreams {
 public:
  OpenStreams();

  // Every stream, also one that is opened later, ends with kUnavailable (SHUTTING_DOWN) as soon as all that was read
  // from it is answered.
  void Stop();

 private:
  friend class IssueStream;
  void Add(const std::shared_ptr<IssueStream>& stream);
  void Remove(IssueStream* stream);
  void Watch();

  std::mutex mutex_;
  bool stopping_ = false;
  std::map<IssueStream*, std::weak_ptr<IssueStream>> streams_;  // each removes itself before it is gone
  Periodic watch_;                                              // stops before the others are gone
};

// What a stream needs; all of it lives until gRPC is done with the stream.
struct StreamParts {
  OpenStreams& open;
  Bytes certificate;  // the caller's
  // Asked first, and again from any thread while the stream is open: what it refuses as kUnauthenticated ends it.
  std::function<Status()> identify;
  std::function<void()> cancel;                     // ends the call at once
  std::function<void(std::function<void()>)> post;  // runs work on a thread of the pool
  std::function<v1::IssueCertificatesResponse(const v1::IssueCertificateRequest&, Time deadline)> answer;
};

// Starts a stream and returns its reactor, which deletes itself when gRPC is done with it.
//
// At most 64 messages are between read and written: further ones wait with the client. A client that stops reading or
// sending holds its stream's memory and no thread.
IssueReactor* NewIssueStream(StreamParts parts);

}  // namespace hallmark
