// An instance whose parts are wrong: hallmarkd refuses to start with one clear reason, `hallmark doctor` finds the same
// and says what to do, nothing is damaged, and with the part mended it starts.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/reason.h"
#include "tests/service.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::RunCommand;
using testing::Service;

struct Wrong {
  const char* name;
  std::string command;  // breaks the instance in {0}; its files were copied before
  const char* reason;   // that hallmarkd logs
  const char* part;     // that doctor calls bad
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class StartupTest : public ::testing::TestWithParam<Wrong> {
 protected:
  static int Count(const std::string& text, const std::string& word) {
    int count = 0;
    for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++count;
    return count;
  }
};

TEST_P(StartupTest, IsRefusedWithItsReasonAndHealsWhenMended) {
  const auto service = Service::WithLots();
  const std::string ca = service->ca().string();
  ASSERT_EQ(RunCommand(fmt::format("cp -a {0} {0}.good", ca)).exit_code, 0);
  const auto broken = RunCommand(fmt::format(fmt::runtime(GetParam().command), ca));
  ASSERT_EQ(broken.exit_code, 0) << broken.output;
  const std::string before = RunCommand(fmt::format("sha256sum {}/hallmark.db", ca)).output;

  EXPECT_EQ(service->StartAndFail(), 1);
  const std::string log = service->Log();
  const std::string last = log.substr(log.rfind("\n", log.size() - 2) + 1);
  EXPECT_EQ(Count(log, "\"event\":\"failed\""), 1) << log;
  EXPECT_EQ(Count(last, "\"event\":\"failed\""), 1) << log;
  EXPECT_EQ(Count(last, fmt::format("\"reason\":\"{}\"", GetParam().reason)), 1) << log;
  EXPECT_EQ(RunCommand(fmt::format("sha256sum {}/hallmark.db", ca)).output, before) << "the database was touched";

  const auto doctor =
      RunCommand(fmt::format("{}/hallmark doctor --config {}/hallmark.yaml --output json", testing::kPrograms, ca));
  EXPECT_EQ(doctor.exit_code, 1) << doctor.output;
  bool found = false;
  const nlohmann::json report = nlohmann::json::parse(doctor.output);
  for (const auto& part : report["parts"]) {
    if (part["verdict"] == "good") continue;
    EXPECT_FALSE(part["advice"].get<std::string>().empty()) << part;
    found = found || part["part"] == GetParam().part;
  }
  EXPECT_TRUE(found) << doctor.output;

  ASSERT_EQ(RunCommand(fmt::format("rm -rf {0} && mv {0}.good {0}", ca)).exit_code, 0);
  service->Start();
  EXPECT_EQ(service->Stop(), 0);
}

TEST(StartupWithoutTokenTest, ServesWhatNeedsNoKeyAndSignsOnceTheTokenIsThere) {
  const auto service = Service::WithLots();
  const std::string ca = service->ca().string();
  ASSERT_EQ(RunCommand(fmt::format("mv {0}/token {0}/away && mkdir {0}/token", ca)).exit_code, 0);
  service->Start();
  EXPECT_THAT(service->Log(), HasSubstr("token_away"));
  const std::string cli = fmt::format("{}/hallmark --context {}/contexts/operator.yaml ", testing::kPrograms, ca);
  const auto readiness = RunCommand(fmt::format("curl -s {}/readyz", service->base_url()));
  EXPECT_THAT(readiness.output, HasSubstr(reason::kHsmTokenNotFound));
  EXPECT_EQ(RunCommand(fmt::format("curl -sf {}/crl/devices.crl | openssl crl -inform DER -noout", service->base_url()))
                .exit_code,
            0);
  EXPECT_EQ(RunCommand(cli + "authority show devices").exit_code, 0);
  const auto refused = RunCommand(cli + "authority csr devices");
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.output, HasSubstr(reason::kHsmTokenNotFound));

  ASSERT_EQ(RunCommand(fmt::format("rmdir {0}/token && mv {0}/away {0}/token", ca)).exit_code, 0);
  EXPECT_EQ(RunCommand(cli + "authority csr devices | openssl req -verify -noout").exit_code, 0);
  EXPECT_THAT(service->Log(), HasSubstr("token_up"));
  EXPECT_EQ(service->Stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    EachPart, StartupTest,
    ::testing::Values(
        Wrong{"WrongPin", "printf 0000 > {0}/secrets/pin", reason::kHsmPinIncorrect, "login"},
        Wrong{"NoPin", "rm {0}/secrets/pin", reason::kFileUnreadable, "login"},
        Wrong{"PinThatOthersCanRead", "chmod 644 {0}/secrets/pin", reason::kFileUnreadable, "login"},
        Wrong{"NoModule", "sed -i 's/libsofthsm2/libnothing/' {0}/hallmark.yaml", reason::kConfigurationInvalid,
              "module"},
        Wrong{"AnEmptyTokenOfTheSameName",
              "rm -r {0}/token && mkdir {0}/token && SOFTHSM2_CONF={0}/softhsm2.conf softhsm2-util --init-token --free "
              "--label hallmark --pin $(cat {0}/secrets/pin) --so-pin 1234",
              reason::kHsmKeyNotFound, "keys"},
        Wrong{"OneKeyIsGone",
              "pkcs11() {{ SOFTHSM2_CONF={0}/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so "
              "--token-label hallmark --login --pin $(cat {0}/secrets/pin) \"$@\"; }}; "
              "pkcs11 --delete-object --type privkey --label devices",
              reason::kHsmKeyNotFound, "authority devices"},
        Wrong{"DatabaseOfANewerSchema", "sqlite3 {0}/hallmark.db 'PRAGMA user_version = 999'",
              reason::kStoreNewerSchema, "database"},
        Wrong{"CorruptDatabase",
              "dd if=/dev/urandom of={0}/hallmark.db bs=1 seek=4096 count=2000 conv=notrunc status=none",
              reason::kStoreCorrupt, "database"},
        Wrong{"NoDatabase", "rm {0}/hallmark.db*", reason::kFileUnreadable, "database"},
        Wrong{"UnknownField", "echo 'colour: red' >> {0}/hallmark.yaml", reason::kConfigurationInvalid,
              "configuration"},
        Wrong{"BadProfile", "echo 'colour: red' >> {0}/policies/profiles/device-dps.yaml",
              reason::kConfigurationInvalid, "profiles"},
        Wrong{"BadRoles", "echo 'colour: red' >> {0}/policies/roles.yaml", reason::kConfigurationInvalid, "roles"},
        Wrong{"TlsKeyOfAnother", "cp {0}/contexts/operator-key.pem {0}/tls/service-key.pem",
              reason::kConfigurationInvalid, "tls"}),
    [](const auto& info) { return info.param.name; });

TEST(OneServiceTest, ASecondOneOnTheSameInstanceIsRefused) {
  const Service service;
  const auto second =
      RunCommand(fmt::format("{}/hallmarkd --config {}/hallmark.yaml", testing::kPrograms, service.ca().string()));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.output, HasSubstr(reason::kStoreUnavailable));
  EXPECT_EQ(RunCommand(fmt::format("curl -sf {}/readyz", service.base_url())).exit_code, 0);
}

// gRPC's threads may outlive main. With OpenSSL taken down under them, LeakSanitizer now and then saw what they held.
TEST(EndTest, NoProgramTakesOpensslDownUnderItsThreads) {
  Service service;
  const std::string ca = service.ca().string();
  const std::string preload = fmt::format(
      "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD={0}/libhallmark_exit_probe.so {0}/", testing::kPrograms);
  const auto asked =
      RunCommand(preload + fmt::format("hallmark --context {}/contexts/operator.yaml authority list", ca));
  EXPECT_EQ(asked.exit_code, 0) << asked.output;
  EXPECT_EQ(service.Stop(), 0);
  const auto served = RunCommand(
      preload + fmt::format("hallmarkd --config {}/hallmark.yaml & service=$!; until curl -sfo /dev/null {}/readyz; do "
                            "kill -0 $service || break; sleep 0.05; done; kill $service; wait $service",
                            ca, service.base_url()));
  EXPECT_EQ(served.exit_code, 0) << served.output;
}

TEST(DoctorTest, FindsAHealthyInstanceHealthyRunningOrNot) {
  const auto service = Service::WithLots();
  const std::string doctor =
      fmt::format("{}/hallmark doctor --config {}/hallmark.yaml", testing::kPrograms, service->ca().string());
  const auto stopped = RunCommand(doctor);
  EXPECT_EQ(stopped.exit_code, 0) << stopped.output;
  EXPECT_THAT(stopped.output, HasSubstr("is free"));
  service->Start();
  const auto running = RunCommand(doctor);
  EXPECT_EQ(running.exit_code, 0) << running.output;
  EXPECT_THAT(running.output, HasSubstr("answers"));
}

TEST(InitTest, RefusesOptionsThatWouldFailHalfWay) {
  const testing::TemporaryDirectory directory;
  const fs::path ca = directory / "ca";
  for (const char* options :
       {"--realm Factory", "--realm ''", "--realm a/b", "--host CA.Example.com", "--host 'a b'", "--organization ''",
        "--listen nowhere", "--organization 012345678901234567890123456789012345678901234567890", "--key-type rsa-1024",
        "--grpc-port 99999"}) {
    EXPECT_NE(RunCommand(fmt::format("{}/hallmark init {} {}", testing::kPrograms, ca.string(), options)).exit_code, 0)
        << options;
    EXPECT_FALSE(fs::exists(ca)) << options;
  }
}

TEST(InitTest, MakesNamesAndPortsThatWork) {
  const Service service("--host 127.0.0.1 --realm factory-7 --grpc-port 0");
  EXPECT_EQ(service.Hallmark("operator", "authority list").exit_code, 0);
  EXPECT_THAT(
      RunCommand(fmt::format("openssl x509 -noout -ext subjectAltName -in {}/tls/service.pem", service.ca().string()))
          .output,
      HasSubstr("IP Address:127.0.0.1"));
  const testing::TemporaryDirectory directory;
  const auto same = RunCommand(fmt::format("{}/hallmark init {} --grpc-port 19555 --http-port 19555 --output json",
                                           testing::kPrograms, (directory / "ca").string()));
  ASSERT_EQ(same.exit_code, 0) << same.output;
  EXPECT_THAT(same.output, ::testing::Not(HasSubstr("http://localhost:19555")));
}

TEST(InitTest, RefusesADirectoryThatHoldsSomething) {
  const auto service = Service::WithLots();
  const auto init = [](const fs::path& directory) {
    return RunCommand(fmt::format("{}/hallmark init {}", testing::kPrograms, directory.string()));
  };
  EXPECT_THAT(init(service->ca()).output, HasSubstr("holds an instance already"));
  const fs::path other = service->directory() / "other";
  fs::create_directory(other);
  std::ofstream(other / "file") << "mine";
  const auto refused = init(other);
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.output, HasSubstr("not empty"));
}

class InitKeyTypeTest : public ::testing::TestWithParam<const char*> {};

TEST_P(InitKeyTypeTest, MakesAnInstanceWhoseCertificatesOpensslVerifies) {
  const Service service(std::string("--organization 'Example, Ltd' --key-type ") + GetParam());
  const std::string directory = service.directory().path().string();
  service.MakeCsrs(directory + "/csrs", "device", 2);
  const auto issued = service.Hallmark("station", fmt::format("certificate issue --out {0}/out {0}/csrs", directory));
  ASSERT_EQ(issued.exit_code, 0) << issued.output;
  EXPECT_THAT(RunCommand(fmt::format("openssl verify -x509_strict -CAfile {0}/ca/tls/root.pem -untrusted "
                                     "{0}/out/device-1-chain.pem {0}/out/device-1.pem",
                                     directory))
                  .output,
              HasSubstr("device-1.pem: OK"));
}

INSTANTIATE_TEST_SUITE_P(EachKeyType, InitKeyTypeTest, ::testing::Values("ec-p256", "ec-p384", "rsa-3072", "rsa-4096"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace hallmark
