// Stations as operators and line PCs have them: credential, enrollment, renewal and suspension on the command line.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/service_client.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::kPrograms;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;

class StationsServiceTest : public ::testing::Test {
 protected:
  fs::path File(const std::string& name) const { return service_->directory() / name; }
  CommandResult Hallmark(const std::string& arguments) const {
    return RunCommand(kPrograms + "/hallmark " + arguments);
  }
  std::string MakeCredential(const std::string& station) const {
    const std::string file = File(station + ".enrollment").string();
    const auto made = service_->Hallmark("operator", fmt::format("station credential {} --out {}", station, file));
    EXPECT_EQ(made.exit_code, 0) << made.output;
    return file;
  }
  CommandResult Enroll(const std::string& credential, const fs::path& directory) const {
    return Hallmark(fmt::format("station enroll {} --out {}", credential, directory.string()));
  }
  CommandResult As(const fs::path& directory, const std::string& arguments) const {
    return Hallmark(fmt::format("--context {}/station.yaml {}", directory.string(), arguments));
  }
  fs::path Enrolled(const std::string& station) const {
    const fs::path directory = File(station);
    const auto enrolled = Enroll(MakeCredential(station), directory);
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.output;
    return directory;
  }
  // The files that the context names.
  static std::string Named(const fs::path& directory, const std::string& field) {
    const std::string text = ReadFile(directory / "station.yaml").value();
    const size_t begin = text.find("\n" + field + ": ") + field.size() + 3;
    return (directory / text.substr(begin, text.find('\n', begin) - begin)).string();
  }
  static std::string SerialIn(const fs::path& directory) {
    return RunCommand("openssl x509 -noout -serial -in " + Named(directory, "certificate")).output;
  }
  static size_t Count(const fs::path& directory) {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
  }

  const std::unique_ptr<Service> service_ = std::make_unique<Service>();
};

TEST_F(StationsServiceTest, OneFileIsCarriedAndTheKeyIsMadeThere) {
  const std::string credential = MakeCredential("line-3");
  EXPECT_EQ(fs::status(credential).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  const std::string carried = ReadFile(credential).value();
  EXPECT_THAT(carried, HasSubstr("\nendpoint: localhost:"));
  EXPECT_THAT(RunCommand("openssl x509 -noout -ext subjectAltName,extendedKeyUsage -in " + credential).output,
              HasSubstr("URI:hallmark://test/enrollment/line-3"));
  EXPECT_EQ(service_->Hallmark("operator", "station credential line-3 --out " + credential).exit_code, 2);  // not twice

  const fs::path directory = File("line-3");
  const auto enrolled = Enroll(credential, directory);
  ASSERT_EQ(enrolled.exit_code, 0) << enrolled.output;
  const std::string key = Named(directory, "key");
  EXPECT_EQ(fs::status(key).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_THAT(carried, Not(HasSubstr(ReadFile(key).value())));
  EXPECT_THAT(
      RunCommand("openssl x509 -noout -subject -ext subjectAltName -in " + Named(directory, "certificate")).output,
      AllOf(HasSubstr("CN = line-3"), HasSubstr("URI:hallmark://test/station/line-3")));
  EXPECT_EQ(Count(directory), 4U);  // context, key, certificate, roots

  service_->MakeCsrs(File("csrs"), "device", 1);
  const auto issued = As(directory, "certificate issue " + (File("csrs") / "device-1.csr").string());
  EXPECT_EQ(issued.exit_code, 0) << issued.output;
  EXPECT_THAT(Enroll(credential, directory).output, HasSubstr("a station is enrolled"));
  EXPECT_THAT(Enroll(credential, File("another")).output, HasSubstr("REQUEST_ID_REUSED"));
}

TEST_F(StationsServiceTest, AnEnrollmentThatLostItsAnswerGoesOn) {
  const fs::path directory = Enrolled("line-3");
  const std::string serial = SerialIn(directory);
  // As if the power had gone when only the key was there.
  fs::rename(Named(directory, "key"), directory / "station-next-key.pem");
  fs::remove(Named(directory, "certificate"));
  fs::remove(directory / "station.yaml");
  const auto again = Enroll(File("line-3.enrollment").string(), directory);
  ASSERT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(SerialIn(directory), serial);
  EXPECT_FALSE(fs::exists(directory / "station-next-key.pem"));
}

TEST_F(StationsServiceTest, WhatIsNoCredentialIsRefusedBeforeAnythingIsMade) {
  const std::string credential = MakeCredential("line-3");
  fs::permissions(credential, fs::perms::others_read, fs::perm_options::add);
  EXPECT_THAT(Enroll(credential, File("open")).output, HasSubstr("may be read by others"));
  EXPECT_THAT(Enroll((service_->ca() / "tls/root.pem").string(), File("root")).output, HasSubstr("others"));
  fs::permissions(credential, fs::perms::owner_read, fs::perm_options::replace);
  RunCommand(fmt::format("head -c 300 {0} > {0}.cut && chmod 600 {0}.cut", credential));
  EXPECT_THAT(Enroll(credential + ".cut", File("cut")).output, HasSubstr("is no enrollment credential"));
  for (const char* directory : {"open", "root", "cut"}) EXPECT_FALSE(fs::exists(File(directory)));
  EXPECT_EQ(service_->Hallmark("operator", "station credential Line_3 --out " + File("x").string()).exit_code, 2);
  EXPECT_EQ(service_->Hallmark("station", "station credential line-3 --out " + File("x").string()).exit_code, 6);
  EXPECT_FALSE(fs::exists(File("x")));
}

TEST_F(StationsServiceTest, ARenewalTakesANewKeyAndReplacesTheContextAtOnce) {
  const fs::path directory = Enrolled("line-3");
  const std::string first = SerialIn(directory);
  const std::string first_key = Named(directory, "key");
  EXPECT_THAT(As(directory, "station renew").output, HasSubstr("Not due yet"));
  EXPECT_EQ(SerialIn(directory), first);

  auto renewed = As(directory, "station renew --force");
  ASSERT_EQ(renewed.exit_code, 0) << renewed.output;
  EXPECT_NE(SerialIn(directory), first);
  EXPECT_NE(ReadFile(Named(directory, "key")).value(), ReadFile(first_key).value());
  EXPECT_EQ(As(directory, "certificate list").exit_code, 0);
  EXPECT_EQ(Count(directory), 6U);

  // As if the power had gone before the key that is certified now was tidied away: it is not certified again.
  fs::copy_file(Named(directory, "key"), directory / "station-next-key.pem");
  const std::string second_key = ReadFile(Named(directory, "key")).value();
  renewed = As(directory, "station renew --force");
  ASSERT_EQ(renewed.exit_code, 0) << renewed.output;
  EXPECT_NE(ReadFile(Named(directory, "key")).value(), second_key);
  EXPECT_EQ(Count(directory), 6U);  // the first pair is gone
  EXPECT_FALSE(fs::exists(first_key));

  // As if it had gone before the context was replaced: the same certificate again.
  const std::string context = ReadFile(directory / "station.yaml").value();
  renewed = As(directory, "station renew --force");
  ASSERT_EQ(renewed.exit_code, 0) << renewed.output;
  const std::string serial = SerialIn(directory);
  fs::rename(Named(directory, "key"), directory / "station-next-key.pem");
  ASSERT_THAT(WriteFile(directory / "station.yaml", AsBytes(context)), IsOk());
  ASSERT_EQ(As(directory, "station renew --force").exit_code, 0);
  EXPECT_EQ(SerialIn(directory), serial);
  EXPECT_EQ(As(directory, "certificate list").exit_code, 0);
}

TEST_F(StationsServiceTest, ARenewalThatIsDueNeedsNoForceAndAnOperatorsStationRenewsToo) {
  EXPECT_EQ(service_->Stop(), 0);
  RunCommand(fmt::format("sed -i 's/lifetime: 30d/lifetime: 20s/' {}/policies/profiles/station-enrolled.yaml",
                         service_->ca().string()));
  service_->Start();
  auto renewed = service_->Hallmark("station", "station renew --force");  // was init's
  ASSERT_EQ(renewed.exit_code, 0) << renewed.output;
  // Not while more than a third of its life is left.
  EXPECT_THAT(service_->Hallmark("station", "station renew").output, HasSubstr("Not due yet"));
  bool due = false;
  for (const Time end = absl::Now() + absl::Seconds(19); !due && absl::Now() < end;) {
    renewed = service_->Hallmark("station", "station renew --output json");
    due = nlohmann::json::parse(renewed.output, nullptr, false).value("renewed", false);
  }
  EXPECT_TRUE(due) << renewed.output;
  EXPECT_EQ(service_->Hallmark("station", "certificate list").exit_code, 0);
  EXPECT_EQ(service_->Hallmark("operator", "station renew --force").exit_code, 6);
}

TEST_F(StationsServiceTest, ASuspendedStationIsOutUntilItIsResumed) {
  const fs::path directory = Enrolled("line-3");
  const std::string uri = "hallmark://test/station/line-3";
  const auto suspended = service_->Hallmark("operator", fmt::format("caller suspend {} --reason 'stolen PC'", uri));
  ASSERT_EQ(suspended.exit_code, 0) << suspended.output;
  EXPECT_THAT(As(directory, "certificate list").output, HasSubstr("CALLER_SUSPENDED"));
  EXPECT_THAT(As(directory, "station renew --force").output, HasSubstr("CALLER_SUSPENDED"));
  EXPECT_THAT(service_->Hallmark("auditor", "caller list").output, AllOf(HasSubstr(uri), HasSubstr("stolen PC")));
  EXPECT_EQ(service_->Hallmark("auditor", "caller resume " + uri).exit_code, 6);
  EXPECT_THAT(service_->Hallmark("operator", "caller suspend hallmark://test/operator/admin --reason x").output,
              HasSubstr("nobody suspends himself"));
  ASSERT_EQ(service_->Hallmark("operator", "caller resume " + uri).exit_code, 0);
  EXPECT_EQ(As(directory, "certificate list").exit_code, 0);
}

}  // namespace
}  // namespace hallmark
