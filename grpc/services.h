// The services of hallmark.v1, each a thin translator over ca/.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "ca/lifecycle.h"
#include "grpc/call.h"
#include "grpc/server.h"

namespace grpc {
class Service;
}

namespace hallmark {

class OpenStreams;
class Publications;

// `calls`, `streams`, `lifecycle` and `publications` outlive the services.
struct IssuanceOptions {
  size_t workers = 1;                      // threads that all streams and bundles share
  std::filesystem::path upload_directory;  // for bundles; made when it is needed
};
std::unique_ptr<grpc::Service> MakeIssuanceService(const Calls& calls, OpenStreams& streams, IssuanceOptions options);
std::unique_ptr<grpc::Service> MakeAuthoritiesService(const Calls& calls, Lifecycle& lifecycle);
std::unique_ptr<grpc::Service> MakeRevocationService(const Calls& calls, Lifecycle& lifecycle,
                                                     const RevocationParts& parts);
std::unique_ptr<grpc::Service> MakeProfilesService(const Calls& calls);
std::unique_ptr<grpc::Service> MakeStationsService(const Calls& calls);
std::unique_ptr<grpc::Service> MakePublicationService(const Calls& calls, Publications& publications);

struct LotOptions {
  std::filesystem::path upload_directory;  // for what is being imported; made when it is needed
  int64_t alert_after = 10;                // refused attempts under a lot
};
std::unique_ptr<grpc::Service> MakeLotsService(const Calls& calls, Publications& publications, LotOptions options);

}  // namespace hallmark
