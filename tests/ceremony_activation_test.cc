// An authority of the service that an offline root certifies in a ceremony: the root's key is never on the service's
// token, nor is the service asked anything by the ceremony.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/service.h"

namespace hallmark {
namespace {

using ::testing::HasSubstr;
using testing::RunCommand;
using testing::Service;

TEST(CeremonyActivationTest, AnOfflineRootCertifiesAnAuthorityThatTheServiceThenIssuesUnder) {
  Service service;
  const std::string directory = service.directory().path().string();
  // Runs in the test's directory, with the offline root's token.
  const auto run = [&](const std::string& command) {
    return RunCommand(fmt::format("cd {0}; export PATH={1}:$PATH SOFTHSM2_CONF={0}/offline.conf; {2}", directory,
                                  testing::kPrograms, command));
  };
  const auto must = [&](const std::string& command) {
    const auto result = run(command);
    EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
    return result.output;
  };
  const auto hold = [&](const std::string& name) {
    const nlohmann::json plan = nlohmann::json::parse(must("hallmark --output json ceremony plan " + name + ".yaml"));
    const std::string code = plan.at("code");
    must(fmt::format("hallmark ceremony run {0}.yaml --approve 'Alice Archer={1}' --approve 'Bob Baker={1}'", name,
                     code));
  };
  must(
      "mkdir offline; printf 'directories.tokendir = %s/offline\\n' $PWD > offline.conf; printf 123456 > pin; "
      "chmod 600 pin; softhsm2-util --init-token --free --label offline-root --pin 123456 --so-pin 654321");
  must(
      "for type in root sign-intermediate; do hallmark ceremony example $type | sed "
      "'s#token=offline-root#token=offline-root?pin-source=pin#' > $type.yaml; done");
  hold("root");

  const std::string operator_context = "hallmark --context ca/contexts/operator.yaml ";
  must(operator_context + "authority create plant --external --subject 'O=Example, CN=Plant' --issues device-dps");
  must(operator_context + "authority csr plant --out devices.csr");
  hold("sign-intermediate");
  must("hallmark ceremony verify devices.transcript.json --trust root.pem");
  EXPECT_THAT(must(operator_context + "authority activate plant devices.pem root.pem"), HasSubstr("STAGED"));
  must(operator_context + "authority enable plant");

  service.MakeCsrs((service.directory() / "csrs").string(), "device", 1);
  must(operator_context + "certificate issue --authority plant --out issued csrs/device-1.csr");
  EXPECT_THAT(must("openssl verify -x509_strict -CAfile root.pem -untrusted devices.pem issued/device-1.pem"),
              HasSubstr("OK"));
  EXPECT_THAT(must("SOFTHSM2_CONF=ca/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label "
                   "hallmark -O --type pubkey"),
              ::testing::Not(HasSubstr("example-root-g1")));
  EXPECT_NE(run("openssl verify -CAfile ca/tls/root.pem -untrusted devices.pem issued/device-1.pem").exit_code, 0)
      << "the service's own root has nothing to do with it";
}

}  // namespace
}  // namespace hallmark
