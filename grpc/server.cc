#include "grpc/server.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/service_type.h>

#include "base/log.h"
#include "base/reason.h"
#include "grpc/issue_stream.h"
#include "grpc/services.h"

namespace hallmark {
namespace {

constexpr int kMessageLimit = 64 * 1024;
constexpr int kMetadataLimit = 8 * 1024;
constexpr int kThreads = 256;
constexpr int kConcurrentStreams = 128;  // calls at once on one connection
constexpr int kKeepaliveMilliseconds = 60'000;

// What gRPC says by itself, such as a handshake that failed, in our own form: one JSON object a line.
void LogFromGrpc(gpr_log_func_args* message) {
  const log::Fields fields = {{"message", message->message},
                              {"source", fmt::format("{}:{}", message->file, message->line)}};
  if (message->severity == GPR_LOG_SEVERITY_ERROR) {
    log::Warning("grpc", fields);  // it calls a client's mistake an error
  } else {
    log::Info("grpc", fields);
  }
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const GrpcOptions& options) {
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = options.client_roots;
  tls.pem_key_cert_pairs.push_back({std::string(options.private_key.Reveal()), options.certificate_chain});
  return grpc::SslServerCredentials(tls);
}

}  // namespace

struct GrpcServer::Parts {
  Parts(const CertificateAuthority& authority, const GrpcOptions& options)
      : calls(authority, options.realm, options.observer) {}
  Calls calls;
  OpenStreams streams;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

GrpcServer::~GrpcServer() { Stop(absl::Now()); }

StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(GrpcOptions options, const CertificateAuthority& authority,
                                                        Lifecycle& lifecycle, const RevocationParts& revocation,
                                                        Publications& publications) {
  gpr_set_log_function(LogFromGrpc);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  auto parts = std::make_unique<Parts>(authority, options);
  parts->services.push_back(MakeIssuanceService(
      parts->calls, parts->streams, {.workers = options.workers, .upload_directory = options.upload_directory}));
  parts->services.push_back(MakeAuthoritiesService(parts->calls, lifecycle));
  parts->services.push_back(MakeRevocationService(parts->calls, lifecycle, revocation));
  parts->services.push_back(MakeProfilesService(parts->calls));
  parts->services.push_back(MakeStationsService(parts->calls));
  parts->services.push_back(MakePublicationService(parts->calls, publications));
  parts->services.push_back(MakeLotsService(
      parts->calls, publications, {.upload_directory = options.upload_directory, .alert_after = options.alert_after}));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, Credentials(options), &parts->port);
  builder.SetMaxReceiveMessageSize(kMessageLimit);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataLimit);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second service on the port is a mistake
  builder.SetResourceQuota(grpc::ResourceQuota("hallmark").SetMaxThreads(kThreads));
  for (const auto& service : parts->services) builder.RegisterService(service.get());
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || parts->port == 0) {
    return Error(
        Code::kFailedPrecondition, reason::kConfigurationInvalid,
        fmt::format("gRPC cannot listen on {}: the port is taken, or the TLS certificate and key are no pair; see "
                    "`hallmark doctor`",
                    options.listen));
  }
  parts->server->GetHealthCheckService()->SetServingStatus(true);
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(parts)));  // the constructor is private
}

int GrpcServer::port() const { return parts_->port; }

void GrpcServer::Stop(Time deadline) {
  if (parts_->server == nullptr) return;
  parts_->server->GetHealthCheckService()->Shutdown();
  parts_->streams.Stop();
  parts_->server->Shutdown(absl::ToChronoTime(deadline));
  parts_->server->Wait();
  parts_->server.reset();
}

}  // namespace hallmark
