// One open stream of IssueCertificates.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>

#include "base/clock.h"
#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"

namespace hallmark {

using IssueReactor = grpc::ServerBidiReactor<v1::IssueCertificateRequest, v1::IssueCertificatesResponse>;

// Starts a stream and returns its reactor, which deletes itself when gRPC is done with it; until then everything given
// here must live. `identify` is asked first, and what it refuses ends the stream. Each message is then answered by
// `answer` on a thread that `post` chooses.
//
// At most 32 messages are between read and written: further ones wait with the client. A client that stops reading or
// sending holds its stream's memory and no thread.
IssueReactor* NewIssueStream(const std::function<Status()>& identify, std::function<void(std::function<void()>)> post,
                             std::function<v1::IssueCertificatesResponse(const v1::IssueCertificateRequest&, Time deadline)> answer);

}  // namespace hallmark
