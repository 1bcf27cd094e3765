// What the benchmarks of a running service share.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "hsm/key.h"
#include "hsm/pkcs11_signer.h"
#include "tests/service_client.h"
#include "tools/instance.h"

namespace hallmark::bench {

// The CPU time that a process has used, user and system.
inline double CpuSeconds(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));  // the name before may hold blanks
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// The key of authority `devices` on the token of a service's instance, with nothing around C_SignInit and C_Sign but a
// session pool.
class RawKey {
 public:
  explicit RawKey(const testing::Service& service) : config_(LoadConfig(service.ca() / "hallmark.yaml").value()) {
    ApplyEnvironment(config_);
    tokens_ = ConfiguredTokens::Open(config_, PinEnvironment(), nullptr).value();
    const std::shared_ptr<Token> token = tokens_->FindNamed("").value();
    KeyUri uri = token->uri();
    uri.object = "devices";
    uri.type = "private";
    const SignatureAlgorithm algorithm = DefaultAlgorithm(ReadKeyAttributes(*token, uri).value().type.value());
    signer_ = OpenSigner(token, uri, {.algorithm = algorithm}).value();
  }

  void Sign() const {
    static const Bytes tbs(600, 0x30);
    if (!signer_->Sign(tbs, absl::InfiniteFuture()).ok()) throw std::runtime_error("C_Sign failed");
  }

 private:
  const Config config_;
  std::unique_ptr<ConfiguredTokens> tokens_;
  std::unique_ptr<Signer> signer_;
};

}  // namespace hallmark::bench
