// A real instance whose HSM can be taken away.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>

#include "tests/pkcs11_server.h"
#include "tests/service.h"

namespace hallmark::testing {

// A service whose token is served by a process of its own.
class ServedInstance {
 public:
  explicit ServedInstance(const std::string& provider)
      : service_(Service::Stopped()),
        server_(provider, "pkcs11:token=hallmark", {"SOFTHSM2_CONF=" + (service_->ca() / "softhsm2.conf").string()}) {
    const auto edited = RunCommand(
        fmt::format("sed -i -e 's#^  module: .*#  module: {}#' -e 's#^  environment:#&\\n    P11_KIT_SERVER_ADDRESS: "
                    "\"{}\"#' {}/hallmark.yaml",
                    Pkcs11Server::kClient, server_.address(), service_->ca().string()));
    EXPECT_EQ(edited.exit_code, 0) << edited.output;
    service_->Start();
  }

  Service& service() { return *service_; }
  Pkcs11Server& server() { return server_; }

  // Runs a shell command in the instance's directory, with its SoftHSM and the PIN in $pin, while nothing is served.
  void ChangeToken(const std::string& command) {
    server_.Kill();
    const auto changed =
        RunCommand(fmt::format("set -e; cd {}; export SOFTHSM2_CONF=$PWD/softhsm2.conf; pin=$(cat secrets/pin); {}",
                               service_->ca().string(), command));
    ASSERT_EQ(changed.exit_code, 0) << changed.output;
    server_.Start();
  }

 private:
  const std::unique_ptr<Service> service_;
  Pkcs11Server server_;
};

}  // namespace hallmark::testing
