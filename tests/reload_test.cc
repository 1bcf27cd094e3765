// Policies that change while hallmarkd runs: SIGHUP, as an operator sends it.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <regex>

#include "base/reason.h"
#include "tests/service_client.h"
#include "tests/steady_load.h"

namespace hallmark {
namespace {

using testing::Answer;
using testing::ConnectAs;
using testing::DeviceRequest;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::SteadyLoad;

constexpr int64_t kDay = 86400;

class ReloadTest : public ::testing::Test {
 protected:
  std::filesystem::path Profile(const std::string& name) const {
    return service_.ca() / "policies/profiles" / (name + ".yaml");
  }
  void Write(const std::filesystem::path& file, const std::string& text) const {
    // As editors do it: a reader finds the old file or the new one.
    const std::filesystem::path beside = file.string() + ".new";
    std::ofstream(beside) << text;
    std::filesystem::rename(beside, file);
  }
  // The profile of devices with another lifetime.
  std::string WithLifetime(int years) const {
    static const std::regex kLifetime(R"((\{| )lifetime: \w+)");
    return std::regex_replace(shipped_, kLifetime, fmt::format("$1lifetime: {}y", years));
  }
  static std::string VersionOf(const std::string& text) { return Hex(Sha256(AsBytes(text))); }

  size_t CountInLog(const std::string& event) const {
    const std::string log = service_.Log();
    const std::string wanted = fmt::format("\"event\":\"{}\"", event);
    size_t count = 0;
    for (size_t at = log.find(wanted); at != log.npos; at = log.find(wanted, at + 1)) ++count;
    return count;
  }
  // Sends SIGHUP and waits for what hallmarkd logs of it.
  void Reload(const std::string& event) const {
    const size_t before = CountInLog(event);
    ASSERT_EQ(kill(service_.process(), SIGHUP), 0);
    for (int i = 0; i < 600 && CountInLog(event) == before; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_EQ(CountInLog(event), before + 1) << service_.Log();
  }
  std::string Metrics() const { return RunCommand(fmt::format("curl -sf {}/metrics", service_.base_url())).output; }
  std::string Ledger(const std::string& type) const {
    return RunCommand(
               fmt::format("sqlite3 -readonly {}/hallmark.db \"SELECT json_extract(entry, '$.profile') || ' ' || "
                           "json_extract(entry, '$.version') FROM ledger WHERE "
                           "json_extract(entry, '$.type') = '{}' ORDER BY leaf_index\"",
                           service_.ca().string(), type))
        .output;
  }
  static int64_t YearsOf(const v1::Certificate& certificate) {
    return (certificate.not_after().seconds() - certificate.not_before().seconds() + kDay) / (365 * kDay);
  }

  const Service service_;
  const std::string shipped_ = ReadFile(Profile("device-dps")).value();
};

TEST_F(ReloadTest, TheNextCertificateFollowsTheProfileThatWasEdited) {
  const auto station = ConnectAs(service_, "station");
  const v1::IssueCertificateRequest first = DeviceRequest("before");
  const Answer before = testing::Issue(station, first);
  ASSERT_TRUE(before.status.ok()) << before.status.error_message();
  EXPECT_EQ(before.certificate.profile_version(), VersionOf(shipped_));
  EXPECT_THAT(Metrics(), HasSubstr(fmt::format("hallmark_profile_info{{profile=\"device-dps\",version=\"{}\"}} 1",
                                               VersionOf(shipped_))));
  EXPECT_THAT(Ledger("profile_loaded"), HasSubstr("device-dps " + VersionOf(shipped_)));

  const std::string edited = WithLifetime(3);
  ASSERT_NE(edited, shipped_);
  Write(Profile("device-dps"), edited);
  EXPECT_EQ(testing::Issue(station, DeviceRequest("unread")).certificate.profile_version(), VersionOf(shipped_))
      << "an edit counts from the reload on";
  const std::string ledger = Ledger("profile_loaded");
  Reload("policies_loaded");
  const Answer after = testing::Issue(station, DeviceRequest("after"));
  ASSERT_TRUE(after.status.ok()) << after.status.error_message();
  EXPECT_EQ(after.certificate.profile_version(), VersionOf(edited));
  EXPECT_EQ(YearsOf(after.certificate), 3);
  EXPECT_EQ(testing::Issue(station, first).certificate.certificate(), before.certificate.certificate())
      << "what was answered stays";
  EXPECT_EQ(Ledger("profile_loaded"), ledger + fmt::format("device-dps {}\n", VersionOf(edited)));
  const std::string metrics = Metrics();
  EXPECT_THAT(metrics, HasSubstr(VersionOf(edited)));
  EXPECT_THAT(metrics, Not(HasSubstr(VersionOf(shipped_))));
  EXPECT_THAT(metrics, HasSubstr("hallmark_policies_loaded_timestamp_seconds"));
  EXPECT_THAT(metrics, HasSubstr("hallmark_policies_reload_failures_total 0"));
}

TEST_F(ReloadTest, AProfileThatIsAddedOrRemovedAndARoleThatChangesCountToo) {
  const auto station = ConnectAs(service_, "station");
  v1::IssueCertificateRequest request = DeviceRequest("sensor");
  request.set_profile("sensor");
  EXPECT_EQ(testing::Issue(station, request).reason, reason::kPermissionDenied);

  Write(Profile("sensor"), WithLifetime(2));
  const std::filesystem::path roles = service_.ca() / "policies/roles.yaml";
  const std::string shipped_roles = ReadFile(roles).value();
  Write(roles,
        std::regex_replace(shipped_roles, std::regex("profiles: \\[device-dps\\]"), "profiles: [device-dps, sensor]"));
  Reload("policies_loaded");
  const Answer answer = testing::Issue(station, request);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(YearsOf(answer.certificate), 2);
  EXPECT_THAT(service_.Log(), HasSubstr("roles.yaml"));
  EXPECT_EQ(
      RunCommand(fmt::format("sqlite3 -readonly {}/hallmark.db \"SELECT count(*) FROM policies WHERE profile = ''\"",
                             service_.ca().string()))
          .output,
      "2\n");

  std::filesystem::remove(Profile("sensor"));
  Reload("policies_loaded");
  request.set_request_id("another");
  EXPECT_EQ(testing::Issue(station, request).reason, reason::kProfileUnknown);
}

TEST_F(ReloadTest, ABadFileLeavesWhatIsInForce) {
  const auto station = ConnectAs(service_, "station");
  const struct {
    const char* name;
    std::filesystem::path file;
    std::string text;
    const char* says;
  } cases[] = {
      {"an unknown field", Profile("device-dps"), WithLifetime(3) + "\ncolour: red\n", "colour"},
      {"no YAML", Profile("device-dps"), "description: [", "device-dps.yaml"},
      {"a bad profile beside a good change", Profile("new"), "description: new\n", "new.yaml"},
      {"bad roles", service_.ca() / "policies/roles.yaml", "roles: {station: {grants: [{permissions: [fly]}]}}\n",
       "roles.yaml"},
  };
  int refused = 0;
  for (const auto& c : cases) {
    const std::string before = std::filesystem::exists(c.file) ? ReadFile(c.file).value() : std::string();
    Write(c.file, c.text);
    const size_t length = service_.Log().size();
    Reload("policies_refused");
    const std::string said = service_.Log().substr(length);
    EXPECT_THAT(said, HasSubstr(c.file.string())) << c.name;
    EXPECT_THAT(said, HasSubstr(c.says)) << c.name;
    const Answer answer = testing::Issue(station, DeviceRequest(fmt::format("after {}", refused).replace(5, 1, "-")));
    ASSERT_TRUE(answer.status.ok()) << c.name << ": " << answer.status.error_message();
    EXPECT_EQ(answer.certificate.profile_version(), VersionOf(shipped_)) << c.name;
    EXPECT_THAT(Metrics(), HasSubstr(fmt::format("hallmark_policies_reload_failures_total {}", ++refused))) << c.name;
    if (before.empty()) {
      std::filesystem::remove(c.file);
    } else {
      Write(c.file, before);
    }
  }
  Reload("policies_loaded");
  EXPECT_THAT(service_.Log(), Not(HasSubstr("\"event\":\"failed\"")));
}

TEST_F(ReloadTest, UnderLoadNoRequestFailsAndEachKeepsToOneVersion) {
  const std::map<std::string, int> years = {{VersionOf(WithLifetime(2)), 2}, {VersionOf(WithLifetime(3)), 3}};
  Write(Profile("device-dps"), WithLifetime(2));
  Reload("policies_loaded");
  SteadyLoad load(service_, "reload");
  for (const int next : {3, 2, 3, 2, 3, 2}) {
    ASSERT_TRUE(load.AwaitAnswers(50)) << service_.Log();
    Write(Profile("device-dps"), WithLifetime(next));
    Reload("policies_loaded");
  }
  ASSERT_TRUE(load.AwaitAnswers(50));
  load.Stop();
  EXPECT_EQ(load.unanswered(), 0u);
  EXPECT_TRUE(load.Refusals().empty()) << load.Refusals().front().message;
  std::map<std::string, int> seen;
  for (const SteadyLoad::Issued& issued : load.Certificates()) {
    const std::string& version = issued.certificate.profile_version();
    ASSERT_TRUE(years.contains(version)) << version;
    EXPECT_EQ(YearsOf(issued.certificate), years.at(version));
    ++seen[version];
  }
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace hallmark
