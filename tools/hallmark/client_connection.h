// What Client's calls share: one connection with its stubs. For client*.cc only.
#pragma once

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "hallmark/v1/authorities.grpc.pb.h"
#include "hallmark/v1/issuance.grpc.pb.h"
#include "hallmark/v1/lots.grpc.pb.h"
#include "hallmark/v1/profiles.grpc.pb.h"
#include "hallmark/v1/publication.grpc.pb.h"
#include "hallmark/v1/revocation.grpc.pb.h"
#include "hallmark/v1/stations.grpc.pb.h"
#include "tools/hallmark/client.h"

namespace hallmark::cli {

// The outcome of a call: what the service says, or what gRPC says of the way there.
Status FromGrpc(const grpc::Status& status, const std::string& endpoint);

struct Client::Connection {
  Connection(std::string endpoint, const Clock& clock) : endpoint(std::move(endpoint)), clock(clock) {}

  const std::string endpoint;
  const Clock& clock;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::unique_ptr<v1::Issuance::Stub> issuance;
  std::unique_ptr<v1::Authorities::Stub> authorities;
  std::unique_ptr<v1::Revocation::Stub> revocation;
  std::unique_ptr<v1::Profiles::Stub> profiles;
  std::unique_ptr<v1::Lots::Stub> lots;
  std::unique_ptr<v1::Stations::Stub> stations;
  std::unique_ptr<v1::Publication::Stub> publication;

  void Open();  // a new connection

  template <class Response, class Stub, class Request>
  StatusOr<Response> Call(const std::unique_ptr<Stub>& stub,
                          grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                          const Request& request, Time deadline) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    Response response;
    RETURN_IF_ERROR(FromGrpc((stub.get()->*method)(&context, request, &response), endpoint));
    return response;
  }
  Time Deadline() const { return clock.Now() + absl::Seconds(30); }
};

}  // namespace hallmark::cli
