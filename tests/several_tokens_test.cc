// One authority whose key is on two tokens, through the configuration, the commands and the service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/service.h"

namespace hallmark {
namespace {

using ::testing::HasSubstr;
using testing::RunCommand;
using testing::Service;

class SeveralTokensTest : public ::testing::Test {
 protected:
  // The instance's SoftHSM gets a second token, both get a copy of one key that was made outside.
  SeveralTokensTest() {
    Shell("softhsm2-util --init-token --free --label spare --pin $(cat secrets/pin) --so-pin 271828");
    Shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plant.pem");
    for (const char* token : {"hallmark", "spare"}) {
      Shell(fmt::format("softhsm2-util --import plant.pem --token {} --label plant --id 0a --pin $(cat secrets/pin)",
                        token));
    }
    Shell("sed -i -e '/^  module:/d' -e '/^  token:/d' -e '/^  sessions:/d' hallmark.yaml");
  }

  // Runs in the instance's directory.
  std::string Shell(const std::string& command) {
    const auto result = RunCommand(
        fmt::format("set -e; cd {}; export SOFTHSM2_CONF=$PWD/softhsm2.conf; {}", service_->ca().string(), command));
    EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
    return result.output;
  }
  void Configure(const std::string& exceptions) {
    std::string hsm = "hsm:\n  key_watch: 1s\n" + exceptions + "  tokens:\n";
    for (const char* token : {"hallmark", "spare"}) {
      hsm += fmt::format(
          "    {0}: {{module: /usr/lib/softhsm/libsofthsm2.so, token: \"pkcs11:token={0}?pin-source=secrets/pin\", "
          "sessions: 4}}\n",
          token);
    }
    Shell("cat > tokens.yaml <<'EOF'\n" + hsm + "EOF\nsed -i -e '/^hsm:/{r tokens.yaml\nd}' hallmark.yaml");
  }
  static std::string Exceptions() {
    std::string text = "  key_exceptions:\n";
    for (const char* token : {"hallmark", "spare"}) {
      text += fmt::format(
          "    - {{key: \"pkcs11:token={};object=plant\", attributes: [not_always_sensitive, not_never_extractable, "
          "not_local], reason: cloned for the test}}\n",
          token);
    }
    return text;
  }
  testing::CommandResult Authority(const std::string& arguments) {
    return service_->Hallmark("operator", "authority " + arguments);
  }
  // Whether /metrics has `line` within some seconds.
  bool Shows(const std::string& line) const {
    for (int i = 0; i < 300; ++i) {
      const auto metrics = RunCommand(fmt::format("curl -sf {}/metrics", service_->base_url()));
      if (metrics.output.find(line + "\n") != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }
  static std::string KeyUp(const std::string& token, int up) {
    return fmt::format(
        "hallmark_hsm_key_up{{authority=\"plant\",key=\"pkcs11:token={};object=plant;type=private\"}} {}", token, up);
  }

  const std::unique_ptr<Service> service_ = Service::Stopped();
  const std::string create_ =
      "create plant --parent root --subject CN=Plant --issues device-dps --enable "
      "--key-uri 'pkcs11:token=hallmark;object=plant;type=private' --key-uri "
      "'pkcs11:token=spare;object=plant;type=private'";
};

TEST_F(SeveralTokensTest, TheLossOfOneCopyIsShownAndIsNoOutage) {
  Configure(Exceptions());
  service_->Start();
  const auto created = Authority(create_);
  ASSERT_EQ(created.exit_code, 0) << created.output;
  EXPECT_EQ(
      Shell("sqlite3 hallmark.db \"SELECT json_array_length(key_uris) FROM authorities WHERE authority='plant'\""),
      "2\n");
  ASSERT_EQ(service_->Stop(), 0);
  service_->Start();  // what is accepted is logged at each start
  EXPECT_THAT(service_->Log(), HasSubstr("\"reason\":\"cloned for the test\""));
  EXPECT_TRUE(Shows(KeyUp("hallmark", 1)));
  EXPECT_TRUE(Shows(KeyUp("spare", 1)));

  Shell(
      "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label spare --login --pin $(cat secrets/pin) "
      "--delete-object --type privkey --id 0a");
  EXPECT_TRUE(Shows(KeyUp("spare", 0))) << "the watch finds it, without a signature";
  EXPECT_TRUE(Shows(KeyUp("hallmark", 1)));
  EXPECT_THAT(service_->Log(), HasSubstr("key_lost"));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(
        RunCommand(fmt::format("{}/hallmark --context {}/contexts/operator.yaml authority csr plant | openssl req "
                               "-verify -noout",
                               testing::kPrograms, service_->ca().string()))
            .exit_code,
        0);
  }
  const auto ready =
      RunCommand(fmt::format("curl -s -o /dev/null -w '%{{http_code}}' {}/readyz", service_->base_url()));
  EXPECT_EQ(ready.output, "200");
  Shell(
      "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label spare --login --pin $(cat secrets/pin) "
      "--delete-object --type pubkey --id 0a");
  Shell("softhsm2-util --import plant.pem --token spare --label plant --id 0a --pin $(cat secrets/pin)");
  EXPECT_TRUE(Shows(KeyUp("spare", 1))) << "the watch finds it again";
  EXPECT_EQ(service_->Stop(), 0);
}

TEST_F(SeveralTokensTest, ACopyThatIsNotSafeIsRefusedUnlessTheConfigurationSaysWhy) {
  Configure("");
  service_->Start();
  const auto refused = Authority(create_);
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.output, HasSubstr("HSM_KEY_UNSAFE"));
  EXPECT_EQ(service_->Stop(), 0);
}

TEST_F(SeveralTokensTest, WrongConfigurationsAreRefusedWithTheirField) {
  const struct {
    const char* edit;
    const char* says;
  } kCases[] = {
      {"s/^    spare:/    Spare One:/", "hsm.tokens.Spare One"},
      {"s/token=spare/token=hallmark/", "may be the same one"},
      {"s/sessions: 4/sessions: 5000/", "must be 1 to 1024"},
      {"s/reason: cloned for the test/reason: \"\"/", "hsm.key_exceptions[0].key"},
      {"s/not_local/not_loved/", "hsm.key_exceptions[0].key"},
      {"s/^  key_watch: 1s/  key_watch: 1ms/", "hsm.key_watch"},
      {"s/^  key_watch: 1s/  module: x/", "unknown field"},
  };
  Configure(Exceptions());
  Shell("cp hallmark.yaml good.yaml");
  for (const auto& c : kCases) {
    Shell(fmt::format("sed '{}' good.yaml > hallmark.yaml", c.edit));
    EXPECT_EQ(service_->StartAndFail(), 1) << c.edit;
    EXPECT_THAT(service_->Log(), HasSubstr(c.says)) << c.edit;
  }
}

}  // namespace
}  // namespace hallmark
