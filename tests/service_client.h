// Callers of a Service over gRPC with mutual TLS, and its answers as a program sees them.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ca/names.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "hallmark/v1/issuance.grpc.pb.h"
#include "tests/csr_builder.h"
#include "tests/service.h"

namespace hallmark::testing {

// A connection as whoever holds the two files, or as nobody.
inline std::shared_ptr<grpc::Channel> Connect(const Service& service, const std::string& certificate,
                                              const std::string& key) {
  const auto read = [](const std::string& path) { return path.empty() ? "" : ReadFile(path).value(); };
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = read(service.ca() / "tls/root.pem");
  tls.pem_cert_chain = read(certificate);
  tls.pem_private_key = read(key);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(service.endpoint(), grpc::SslCredentials(tls), arguments);
}
// As one of the roles that init made: operator, station, auditor.
inline std::shared_ptr<grpc::Channel> ConnectAs(const Service& service, const std::string& role) {
  const std::string base = (service.ca() / "contexts" / role).string();
  return Connect(service, base + ".pem", base + "-key.pem");
}

struct Answer {
  grpc::Status status;
  v1::Certificate certificate;
  std::string reason;
  std::vector<std::string> fields;
  std::optional<Duration> retry_delay;
};

inline Answer Decode(grpc::Status status, v1::Certificate certificate = {}) {
  Answer answer{std::move(status), std::move(certificate), "", {}, std::nullopt};
  google::rpc::Status rpc;
  if (!rpc.ParseFromString(answer.status.error_details())) return answer;
  for (const auto& detail : rpc.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) {
      EXPECT_EQ(info.domain(), "hallmark");
      answer.reason = info.reason();
    }
    if (detail.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) answer.fields.push_back(violation.field());
    }
    if (detail.UnpackTo(&retry)) {
      answer.retry_delay =
          absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
    }
  }
  return answer;
}

inline grpc::ClientContext& Within(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return context;
}

inline Answer Issue(const std::shared_ptr<grpc::Channel>& channel, const v1::IssueCertificateRequest& request) {
  const auto stub = v1::Issuance::NewStub(channel);
  grpc::ClientContext context;
  v1::Certificate certificate;
  grpc::Status status = stub->IssueCertificate(&Within(context), request, &certificate);
  return Decode(std::move(status), std::move(certificate));
}

// Sends the octets of one message to any method, and reads all that it answers.
struct RawAnswer {
  grpc::Status status;
  std::string first;  // the octets of the first message
};
inline RawAnswer CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                         const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&Within(context), method, &queue);
  call->StartCall(nullptr);
  RawAnswer answer;
  if (wait()) {
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer message;
    for (call->Read(&message, nullptr); wait(); call->Read(&message, nullptr)) {
      std::vector<grpc::Slice> slices;
      if (!answer.first.empty() || !message.Dump(&slices).ok()) continue;
      for (const grpc::Slice& part : slices)
        answer.first.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  call->Finish(&answer.status, nullptr);
  wait();
  return answer;
}

inline v1::IssueCertificateRequest DeviceRequest(
    const std::string& request_id, const std::function<void(CsrBuilder&)>& change = [](CsrBuilder&) {}) {
  CsrBuilder named(DeviceKeyOf({}));
  change(named);
  CsrBuilder csr(DeviceKeyOf(named.subject));
  change(csr);
  v1::IssueCertificateRequest request;
  request.set_request_id(request_id);
  request.set_parent("authorities/devices");
  request.set_profile("device-dps");
  request.set_csr(ToString(csr.Build()));
  return request;
}

}  // namespace hallmark::testing
