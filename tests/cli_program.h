// `hallmark` in a test's own process, and things as its service would answer them.
#pragma once

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>

#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/status_matchers.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/revocation_commands.h"
#include "tools/hallmark/session.h"

namespace hallmark::testing {

inline void Write(const std::filesystem::path& path, const std::string& text, unsigned mode = 0644) {
  ASSERT_THAT(WriteFile(path, AsBytes(text), mode), IsOk());
}

class StoppedClock : public Clock {
 public:
  Time Now() const override { return absl::FromUnixSeconds(1'800'000'000); }
};

// `hallmark` with everything but init and doctor, in this process.
class Program {
 public:
  explicit Program(cli::Environment environment = {}, const std::string& input = "")
      : in_(input), session_{std::move(environment), in_, out_, err_, clock_} {
    cli::AddGlobalOptions(app_, session_);
    cli::AddCertificate(app_, session_);
    cli::AddAuthority(app_, session_);
    cli::AddRevokeMany(app_, session_);
    cli::AddRevocation(app_, session_);
    cli::AddStatus(app_, session_);
    cli::AddCrl(app_, session_);
    cli::AddPublish(app_, session_);
    cli::AddCompletion(app_, session_);
  }
  cli::ExitCode Run(const std::vector<std::string>& arguments) { return cli::Run(app_, session_, arguments); }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }
  const CLI::App& app() const { return app_; }
  cli::Session& session() { return session_; }

 private:
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  StoppedClock clock_;
  cli::Session session_;
  CLI::App app_;
};

inline v1::Certificate SomeCertificate(Time not_before, Time not_after) {
  v1::Certificate certificate;
  certificate.set_name("authorities/devices/certificates/4a01");
  certificate.set_serial("4a01");
  certificate.set_subject("CN=device-1");
  certificate.mutable_not_before()->set_seconds(absl::ToUnixSeconds(not_before));
  certificate.mutable_not_after()->set_seconds(absl::ToUnixSeconds(not_after));
  return certificate;
}

// A refusal with all of the details that the tool reads.
inline google::rpc::Status RpcError() {
  google::rpc::Status rpc;
  rpc.set_code(3);
  rpc.set_message("the CSR is refused");
  google::rpc::ErrorInfo info;
  info.set_reason("SUBJECT_NOT_ALLOWED");
  info.set_domain("hallmark");
  rpc.add_details()->PackFrom(info);
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("csr.subject.CN");
  violation->set_description("is longer than 64 characters");
  rpc.add_details()->PackFrom(bad_request);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  rpc.add_details()->PackFrom(retry);
  return rpc;
}

}  // namespace hallmark::testing
