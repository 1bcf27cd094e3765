// The gRPC server: TLS 1.3 with client certificates required, the services of hallmark.v1, grpc.health.v1 and
// reflection.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/secret.h"
#include "ca/freshness.h"
#include "ca/lifecycle.h"
#include "ca/mass_revocation.h"

namespace hallmark {

class Publications;

struct GrpcOptions {
  std::string listen;             // "address:port"; port 0 takes any
  std::string certificate_chain;  // PEM, the service's certificate first
  Secret private_key;             // PEM
  std::string client_roots;       // PEM: who may connect at all; who may call what is decided in each call
  std::string realm;
  std::filesystem::path upload_directory;  // for manifests and bundles that are being received
  int64_t alert_after = 10;                // refused attempts under a lot, from which on it is shown with an alert
  size_t workers = 64;                     // threads that all streams share
  // Told after each call.
  std::function<void(const std::string& method, const Status& status, Duration took)> observer;
};

// What revokes, besides the authority; all of it outlives the server.
struct RevocationParts {
  const MassRevocations& mass_revocations;
  std::function<StatusOr<Freshness>()> freshness;
};

// Serves from Start to its destruction. Messages over 64 KiB are refused.
class GrpcServer {
 public:
  // gRPC 1.51 has no option for a minimal TLS version; to be set as GRPC_SSL_CIPHER_SUITES in the process's
  // environment before its first use of gRPC. It names only suites that need a pre-shared key, which TLS 1.2 then has
  // not; TLS 1.3's suites are not affected.
  static constexpr char kTls13OnlyCipherSuites[] = "PSK-AES256-GCM-SHA384";

  // The parts outlive the server. kFailedPrecondition: the address cannot be listened on, or the TLS
  // files are no pair.
  static StatusOr<std::unique_ptr<GrpcServer>> Start(GrpcOptions options, const CertificateAuthority& authority,
                                                     Lifecycle& lifecycle, const RevocationParts& revocation,
                                                     Publications& publications);
  ~GrpcServer();

  int port() const;

  // Takes no new calls, tells the health service, and waits for those in flight until `deadline`; then cancels them.
  void Stop(Time deadline);

 private:
  struct Parts;
  explicit GrpcServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hallmark
