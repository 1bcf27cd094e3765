// IssueBundle: what a station without a network has signed, answered as if it had called.
#pragma once

#include <grpcpp/support/sync_stream.h>

#include <filesystem>
#include <functional>

#include "grpc/call.h"
#include "hallmark/v1/issuance.grpc.pb.h"

namespace hallmark {

using BundleStream = grpc::ServerReaderWriter<v1::IssueBundleResponse, v1::IssueBundleRequest>;

struct BundleParts {
  const Calls& calls;
  std::filesystem::path directory;                  // for what is received; made when it is needed
  std::function<void(std::function<void()>)> post;  // runs work on a thread of the pool
  std::function<StatusOr<v1::Certificate>(const Caller& station, const v1::IssueCertificateRequest&, Time deadline)>
      issue;
};

// Receives a bundle from `carrier`, who may carry it, and writes the answers in the order of the requests. At most 32
// are being worked on; what is not now (RetryInfo) is asked again for two minutes, then that is its answer. A bundle
// with one malformed line is refused whole before anything is issued; a signer who is put out meanwhile ends the call.
// kInvalidArgument (BUNDLE_INVALID, BUNDLE_TOO_LARGE), kPermissionDenied, kCancelled: the client is gone.
Status AnswerBundle(const BundleParts& parts, const Caller& carrier, grpc::ServerContext& context,
                    BundleStream& stream);

}  // namespace hallmark
