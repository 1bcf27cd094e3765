// kill -9 of the service after each step of a publication, and in the middle of a thousand revocations that a
// throttling, failing, forgetful provisioning service is told of: it goes on where it was, loses nothing and does
// nothing twice.
#include <gmock/gmock.h>

#include <random>

#include "tests/publishing_service.h"

namespace hallmark {
namespace {

using nlohmann::json;
using testing::DpsStandIn;
using ::testing::IsEmpty;
using testing::PublishingService;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kKills = 10;  // a service with sanitizers takes long to start
constexpr int kDevices = 200;
#else
constexpr int kKills = 50;
constexpr int kDevices = 1000;
#endif
constexpr int kMostOperations = 1000;  // a minute

class PublicationCrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (DpsStandIn::NodeModules().empty()) GTEST_SKIP() << "the npm registry cannot be reached";
    world_ = std::make_unique<PublishingService>();
    const std::string description = world_->Description(
        fmt::format("revocation: {{operations_per_minute: {}, hubs: [{}]}}\n", kMostOperations, DpsStandIn::kHub1));
    const auto added = world_->Hallmark("publish dps add " + description);
    ASSERT_EQ(added.exit_code, 0) << added.output;
  }
  DpsStandIn& cloud() { return world_->cloud; }

  // Whether such a request came, or was handled.
  bool Saw(const std::string& method, const std::string& part, bool handled) {
    for (const json& entry : cloud().Log()) {
      const std::string path = entry["path"];
      if (entry["method"] == method && path.find(part) != path.npos && (!handled || !entry["status"].is_null()))
        return true;
    }
    return false;
  }
  bool WaitFor(const std::string& method, const std::string& part, bool handled) {
    for (int i = 0; i < 600; ++i) {
      if (Saw(method, part, handled)) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return false;
  }

  std::unique_ptr<PublishingService> world_;
};

TEST_F(PublicationCrashTest, Case08APublicationThatIsKilledAfterEachStepIsFinishedOnce) {
  struct Step {
    const char* method;
    const char* part;
  };
  for (const Step& step : {Step{"PUT", "/certificates/"}, Step{"POST", "/generateVerificationCode"},
                           Step{"POST", "/verify"}, Step{"PUT", "/enrollmentGroups/"}}) {
    for (const bool handled : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {} {}", step.method, step.part, handled ? "handled" : "under way"));
      cloud().Control("POST", "reset");
      // Nothing is known of an earlier round.
      world_->Hallmark("publish dps remove contoso --force --yes");
      ASSERT_EQ(world_->Hallmark("publish dps add " + world_->Description()).exit_code, 0);
      const size_t proofs_before = world_->Json("certificate list --profile verification")["certificates"].size();
      // Its answer is lost in either case: the service dies before it could come.
      cloud().Fault({{"match", {{"method", step.method}, {"pathRegex", step.part}}},
                     {"times", 1},
                     {"action", handled ? json{{"loseReply", true}} : json{{"delayMs", 1000}}}});
      ASSERT_EQ(world_->Hallmark("publish dps apply contoso --yes --no-wait").exit_code, 0);
      ASSERT_TRUE(WaitFor(step.method, step.part, handled));
      world_->service().Kill();
      absl::SleepFor(absl::Milliseconds(handled ? 0 : 1100));
      world_->service().Start();
      ASSERT_TRUE(world_->Converges()) << world_->Hallmark("publish work contoso").output;
      const json state = cloud().State();
      ASSERT_EQ(state["certificates"].size(), 1u);
      EXPECT_EQ(state["certificates"][0]["isVerified"], true);
      ASSERT_EQ(state["enrollmentGroups"].size(), 1u);
      EXPECT_EQ(state["enrollmentGroups"][0]["provisioningStatus"], "enabled");
      // One signature for each code that was given, and by the authority's own key alone: it is verified.
      int codes = 0;
      for (const json& entry : cloud().Log()) {
        const std::string path = entry["path"];
        codes += path.ends_with("/generateVerificationCode") && entry["status"] == 200 ? 1 : 0;
      }
      const size_t proofs =
          world_->Json("certificate list --profile verification")["certificates"].size() - proofs_before;
      EXPECT_GE(codes, 1);
      EXPECT_LE(proofs, static_cast<size_t>(codes));
      EXPECT_THAT(cloud().Violations(), IsEmpty());
    }
  }
}

TEST_F(PublicationCrashTest, AThousandRevocationsArriveThroughKillsAndFaults) {
  ASSERT_EQ(world_->Hallmark("publish dps apply contoso --yes").exit_code, 0);
  const auto station = testing::ConnectAs(world_->service(), "station");
  for (int i = 0; i < kDevices; ++i) {
    const std::string device = fmt::format("device-{}", i);
    const testing::Answer issued = testing::Issue(station, testing::DeviceRequest(device, [&](auto& csr) {
                                                    csr.subject = EncodeName({{"CN", device}});
                                                  }));
    ASSERT_TRUE(issued.status.ok()) << issued.status.error_message();
  }
  std::mt19937 random(20261129);
  const std::vector<json> actions = {
      {{"status", 429}, {"headers", {{"retry-after", "1"}}}, {"body", {{"errorCode", 429001}, {"message", "slowly"}}}},
      {{"status", 429}},
      {{"status", 500}, {"body", {{"errorCode", 500001}}}},
      {{"status", 503}},
      {{"loseReply", true}},
      {{"drop", true}},
      {{"status", 412}, {"body", {{"errorCode", 412001}, {"message", "changed"}}}}};
  for (int i = 0; i < 40; ++i) {
    cloud().Fault({{"match", {{"pathRegex", "/enrollments"}, {"nth", 1 + static_cast<int>(random() % 150)}}},
                   {"times", 1},
                   {"action", actions[random() % actions.size()]}});
  }
  cloud().ClearLog();
  const auto revoked = world_->Hallmark("revoke --profile device-dps --reason superseded --yes");
  ASSERT_EQ(revoked.exit_code, 0) << revoked.output;
  for (int i = 0; i < kKills; ++i) {
    absl::SleepFor(absl::Milliseconds(20 + static_cast<int>(random() % 500)));
    world_->service().Kill();
    world_->service().Start();
  }
  ASSERT_TRUE(world_->Converges(absl::Minutes(6))) << world_->Hallmark("publish work contoso").output;
  std::map<std::string, std::string> states;
  const json state = cloud().State();
  for (const json& one : state["enrollments"]) states[one["registrationId"]] = one["provisioningStatus"];
  EXPECT_EQ(states.size(), static_cast<size_t>(kDevices));
  for (const auto& [device, status] : states) EXPECT_EQ(status, "disabled") << device;
  EXPECT_THAT(world_->Json("publish reconcile contoso")["drift"], IsEmpty());
  EXPECT_THAT(cloud().Violations(), IsEmpty());
  // In any minute no more than is allowed, whatever the kills.
  std::vector<int64_t> times;
  for (const json& entry : cloud().Log()) {
    const std::string path = entry["path"];
    if (path.starts_with("/enrollment") || path.starts_with("/registrations")) times.push_back(entry["timeMs"]);
  }
  size_t most = 0;
  for (size_t from = 0, to = 0; to < times.size(); ++to) {
    while (times[to] - times[from] >= 60'000) ++from;
    most = std::max(most, to - from + 1);
  }
  EXPECT_LE(most, static_cast<size_t>(kMostOperations));
  fmt::print("{} requests, {} in the busiest minute\n", times.size(), most);
}

}  // namespace
}  // namespace hallmark
