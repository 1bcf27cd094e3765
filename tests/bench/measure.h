// What the benchmarks of a running service share.
#pragma once

#include <memory>
#include <string>

#include "hsm/key.h"
#include "hsm/pkcs11_signer.h"
#include "tests/bench/cpu_seconds.h"
#include "tests/service_client.h"
#include "tools/instance.h"

namespace hallmark::bench {

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
