// A token of SoftHSM behind the fault-injecting shim, with one EC P-256 key, for tests of how Hallmark heals.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "hsm/key.h"
#include "hsm/module.h"
#include "hsm/pkcs11_signer.h"
#include "hsm/token.h"
#include "tests/pkcs11_shim.h"
#include "tests/softhsm.h"
#include "tests/software_signer.h"
#include "tests/status_matchers.h"

namespace hallmark::testing {

class ShimmedToken : public ::testing::Test {
 protected:
  // A signer on a token that only it has, so that what it does there begins and ends with it.
  struct Client {
    std::shared_ptr<Token> token;
    std::unique_ptr<Signer> signer;
  };

  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as hallmarkd does
    module_ = Load(Pkcs11Shim::Path());
    ASSERT_NE(module_, nullptr);
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    label_ = Hex(Sha256(AsBytes(std::string(info->test_suite_name()) + info->name()))).substr(0, 16);
    ASSERT_THAT(InitializeToken(*module_, label_, MakeSecret(kSoPin), MakeSecret(kPin)), IsOk());
    key_ = GenerateKey(*MakeToken(), KeyType::kEcP256, "devices").value();
  }
  // When p11-kit finalises a module it closes again what could not be closed before: tests in which the module itself,
  // or its device, was gone do not look.
  void TearDown() override {
    if (!module_was_gone_) {
      EXPECT_EQ(shim_.UsesOfDeadSessions(), 0u);
    }
  }

  static std::shared_ptr<Module> Load(const std::string& path) {
    StatusOr<std::shared_ptr<Module>> module = Module::Load(path);
    EXPECT_THAT(module, IsOk());
    return module.ok() ? *module : nullptr;
  }
  KeyUri TokenUri() const { return KeyUri::Parse("pkcs11:token=" + label_).value(); }
  std::shared_ptr<Token> MakeToken(TokenOptions options = {.sessions = 4}, PinSource pin = PinOf(kPin)) const {
    return std::make_shared<Token>(module_, TokenUri(), std::move(pin), std::move(options));
  }
  Client MakeClient(TokenOptions options = {.sessions = 4}) const { return MakeClient(MakeToken(std::move(options))); }
  Client MakeClient(const std::shared_ptr<Token>& token) const {
    return {token, OpenSigner(token, key_, {.algorithm = SignatureAlgorithm::kEcdsaSha256}).value()};
  }

  static Status Sign(const Client& client, const std::string& tbs = "tbs") {
    const StatusOr<Bytes> signature = client.signer->Sign(AsBytes(tbs), absl::InfiniteFuture());
    if (signature.ok()) {
      EXPECT_TRUE(Verifies(*client.signer, AsBytes(tbs), *signature));
    }
    return signature.status();
  }
  // As many threads at once as the shim sees in C_Sign, and no more, when `threads` sign.
  void ExpectConcurrentSignatures(const Client& client, int threads, uint64_t concurrent) {
    const uint64_t calls = shim_.Calls(Function::kSign);
    shim_.Hang(Function::kSign);
    std::thread releaser([&] {
      while (shim_.Calls(Function::kSign) < calls + concurrent)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      shim_.Release();
    });
    InThreads(threads, [&](int) { EXPECT_THAT(Sign(client), IsOk()); });
    releaser.join();
    EXPECT_EQ(shim_.MaxConcurrent(Function::kSign), concurrent);
    EXPECT_EQ(client.token->health().open, concurrent);
  }
  // Whether it signs before a time that only a defect needs.
  static bool SignsSoon(const Client& client) {
    const Time deadline = absl::Now() + absl::Seconds(60);
    while (!Sign(client).ok()) {
      if (absl::Now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  void FinalizeBehindTheBack() {
    module_was_gone_ = true;
    shim_.FinalizeBehindTheBack();
  }
  // Runs `work(i)` in as many threads.
  template <class Work>
  static void InThreads(int count, const Work& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
    for (std::thread& thread : threads) thread.join();
  }

  Pkcs11Shim shim_;  // before the module is loaded
  std::shared_ptr<Module> module_;
  std::string label_;
  KeyUri key_;
  bool module_was_gone_ = false;
};

}  // namespace hallmark::testing
