// One open stream of IssueCertificates.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <mutex>
#include <set>

#include "base/clock.h"
#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"

namespace hallmark {

using IssueReactor = grpc::ServerBidiReactor<v1::IssueCertificateRequest, v1::IssueCertificatesResponse>;

class IssueStream;

// The streams that are open, so that they can be ended when the service stops. Thread-safe.
class OpenStreams {
 public:
  // Every stream, also one that is opened later, ends with kUnavailable (SHUTTING_DOWN) as soon as all that was read
  // from it is answered.
  void Stop();

 private:
  friend class IssueStream;
  void Add(IssueStream* stream);
  void Remove(IssueStream* stream);

  std::mutex mutex_;
  bool stopping_ = false;
  std::set<IssueStream*> streams_;  // each removes itself before it is gone
};

// What a stream needs; all of it lives until gRPC is done with the stream.
struct StreamParts {
  OpenStreams& open;
  std::function<Status()> identify;                 // asked first: what it refuses ends the stream
  std::function<void(std::function<void()>)> post;  // runs work on a thread of the pool
  std::function<v1::IssueCertificatesResponse(const v1::IssueCertificateRequest&, Time deadline)> answer;
};

// Starts a stream and returns its reactor, which deletes itself when gRPC is done with it.
//
// At most 32 messages are between read and written: further ones wait with the client. A client that stops reading or
// sending holds its stream's memory and no thread.
IssueReactor* NewIssueStream(StreamParts parts);

}  // namespace hallmark
