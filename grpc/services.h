// The four services of hallmark.v1, each a thin translator over ca/.
#pragma once

#include <memory>
#include <vector>

#include "ca/lifecycle.h"
#include "grpc/call.h"

namespace grpc {
class Service;
}

namespace hallmark {

class OpenStreams;

// `calls`, `streams` and `lifecycle` outlive the services. All streams share `workers` threads.
std::unique_ptr<grpc::Service> MakeIssuanceService(const Calls& calls, OpenStreams& streams, size_t workers);
std::unique_ptr<grpc::Service> MakeAuthoritiesService(const Calls& calls, Lifecycle& lifecycle);
std::unique_ptr<grpc::Service> MakeRevocationService(const Calls& calls);
std::unique_ptr<grpc::Service> MakeProfilesService(const Calls& calls);

}  // namespace hallmark
