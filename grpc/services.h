// The three services of hallmark.v1, each a thin translator over ca/.
#pragma once

#include <memory>
#include <vector>

#include "grpc/call.h"

namespace grpc {
class Service;
}

namespace hallmark {

// Streams share `workers` threads. `calls` outlives the service.
std::unique_ptr<grpc::Service> MakeIssuanceService(const Calls& calls, size_t workers);
std::unique_ptr<grpc::Service> MakeAuthoritiesService(const Calls& calls, const std::string& base_url);
std::unique_ptr<grpc::Service> MakeRevocationService(const Calls& calls);

}  // namespace hallmark
