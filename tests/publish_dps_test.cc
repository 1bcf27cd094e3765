// What is published to Azure's provisioning service, as Microsoft's own SDKs see it: the acceptance cases of the
// contract, but for those that need a service that is killed (publication_crash_test).
#include <gmock/gmock.h>

#include "base/reason.h"
#include "base/text.h"
#include "tests/certificate_builder.h"
#include "tests/dps_house.h"

namespace hallmark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using testing::DpsHouse;
using testing::DpsStandIn;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using ::testing::SizeIs;
using testing::SoftwareSigner;
using Reason = RevocationReason;

class DpsAcceptanceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (DpsStandIn::NodeModules().empty()) GTEST_SKIP() << "the npm registry cannot be reached";
    world_ = std::make_unique<DpsHouse>();
  }
  void TearDown() override {
    if (world_ == nullptr) return;
    EXPECT_THAT(cloud().Violations(), IsEmpty()) << "requests that the contract does not have";
  }
  DpsStandIn& cloud() { return world_->cloud; }
  json States(const char* kind) { return cloud().State()[kind]; }
  json Certificate(const std::string& authority = "devices") {
    for (const json& one : States("certificates")) {
      if (one["name"].get<std::string>().starts_with(authority + "-")) return one;
    }
    return nullptr;
  }
  json Group(const std::string& id = "line-devices") {
    for (const json& one : States("enrollmentGroups")) {
      if (one["enrollmentGroupId"] == id) return one;
    }
    return nullptr;
  }
  json GroupLike(const std::string& prefix) {
    for (const json& one : States("enrollmentGroups")) {
      if (one["enrollmentGroupId"].get<std::string>().starts_with(prefix)) return one;
    }
    return nullptr;
  }
  json Enrollment(const std::string& id) {
    for (const json& one : States("enrollments")) {
      if (one["registrationId"] == id) return one;
    }
    return nullptr;
  }
  // Certificates of possession.
  std::vector<CertificateRecord> Proofs() {
    CertificateFilter filter;
    filter.profile = "verification";
    return world_->house.store().ListCertificates(filter, 10, "")->items;
  }
  void ExpectAssigned(const std::string& device, const CertificateRecord& record) {
    const json answer = world_->Register(device, record);
    EXPECT_EQ(answer.value("status", ""), "assigned") << answer;
  }
  void ExpectRefused(const std::string& device, const CertificateRecord& record) {
    const json answer = world_->Register(device, record);
    EXPECT_NE(answer.value("status", json()), "assigned") << answer;
    EXPECT_NE(answer.dump().find("401"), std::string::npos) << answer;
  }
  // The requests to a certificate of the control plane, in their order: "PUT", "generateVerificationCode", "verify".
  std::vector<std::string> Steps() {
    std::vector<std::string> steps;
    for (const json& entry : cloud().Log()) {
      const std::string path = entry["path"];
      if (path.find("/certificates/") == path.npos || entry["method"] == "GET") continue;
      const std::string last = path.substr(path.rfind('/') + 1);
      steps.push_back(entry["method"] == "POST" ? last : entry["method"].get<std::string>());
    }
    return steps;
  }

  void MakePlant() {
    NewAuthority plant;
    plant.authority = "plant-b";
    plant.parent = "root";
    plant.profile = "issuing-authority";
    plant.subject = {{"O", "Test"}, {"CN", "Plant B"}};
    plant.request_id = "plant-b";
    plant.profiles = {"device-dps"};
    ASSERT_THAT(world_->house.lifecycle().Create(operator_, plant, absl::InfiniteFuture()), IsOk());
  }
  void RollOver() {
    Rollover rollover;
    rollover.request_id = "roll";
    rollover.successor = "devices-2";
    ASSERT_THAT(world_->house.lifecycle().RollOver(operator_, "devices", rollover, absl::InfiniteFuture()), IsOk());
  }
  void RevokeAuthority(const std::string& authority) {
    AuthorityRevocation revocation;
    revocation.request_id = "gone-" + authority;
    revocation.reason = Reason::kCaCompromise;
    ASSERT_THAT(world_->house.lifecycle().Revoke(operator_, authority, revocation), IsOk());
  }
  void Release(const CertificateRecord& record) {
    ASSERT_THAT(world_->house.authority().Release(operator_, record.authority, record.serial), IsOk());
  }
  // What a person enrolls, by that very certificate.
  void Enroll(const std::string& id, const CertificateRecord& record, const json& more) {
    json set = {
        {"attestation",
         {{"type", "x509"},
          {"x509",
           {{"clientCertificates", {{"primary", {{"certificate", PemEncode("CERTIFICATE", record.certificate)}}}}}}}}}};
    set.update(more);
    cloud().Change({{"kind", "enrollment"}, {"id", id}, {"set", set}});
  }
  std::optional<EnrollmentNote> EnrollmentNoteOf(const std::string& id) {
    const auto record = world_->house.store().FindPublished(DpsHouse::kTarget, PublishedKind::kEnrollment, id).value();
    return record.has_value() ? std::optional(ReadNote(record->content).value()) : std::nullopt;
  }
  std::optional<HubNote> HubNoteOf(const std::string& id) {
    const auto record = world_->house.store().FindPublished(DpsHouse::kTarget, PublishedKind::kHubDevice, id).value();
    return record.has_value() ? std::optional(ReadHubNote(record->content).value()) : std::nullopt;
  }
  json Identity(const std::string& id, const std::string& hub = DpsStandIn::kHub1) {
    for (const json& one : States("hubDevices")) {
      if (one["deviceId"] == id && one["hub"] == hub) return one;
    }
    return nullptr;
  }

  // One group for all devices, by the root.
  static std::string ByRoot() {
    return DpsHouse::Described(fmt::format(
        "groups: [{{group: all-devices, authority: root, allocation: hashed, hubs: [{}]}}]\n", DpsStandIn::kHub1));
  }
  // Resource Manager answers 429 for as long as the test runs.
  void ThrottleCertificates() {
    cloud().Fault({{"match", {{"method", "GET"}, {"pathRegex", "/certificates"}}},
                   {"times", 1000},
                   {"action", {{"status", 429}, {"headers", {{"retry-after", "600"}}}, {"body", json::object()}}}});
  }
  // The groups that were set, in their order.
  std::vector<std::string> GroupsSet() {
    std::vector<std::string> groups;
    for (const json& entry : cloud().Log()) {
      const std::string path = entry["path"];
      const bool sets = entry["method"] == "PUT" && path.find("/enrollmentGroups/") != path.npos;
      if (sets) groups.push_back(path.substr(path.rfind('/') + 1));
    }
    return groups;
  }

  std::unique_ptr<DpsHouse> world_;
  const Caller operator_ = testing::House::CallerOf("operator");
};

TEST_F(DpsAcceptanceTest, Case01AChainIsPublishedAndItsPossessionProven) {
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  const json certificate = Certificate();
  ASSERT_FALSE(certificate.is_null());
  EXPECT_EQ(certificate["isVerified"], true);
  EXPECT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode", "verify"));
  std::vector<json> matches;
  for (const json& entry : cloud().Log()) {
    const std::string path = entry["path"];
    if (path.find("/certificates/") != path.npos && entry["method"] != "GET") matches.push_back(entry["ifMatch"]);
    EXPECT_EQ(entry.dump().find("\"isVerified\":true,\"certificate\""), std::string::npos);
  }
  EXPECT_EQ(matches[0], nullptr);
  EXPECT_NE(matches[1], matches[2]);
  EXPECT_EQ(Group()["attestation"]["x509"]["caReferences"]["primary"], certificate["name"]);
  EXPECT_EQ(Group()["provisioningStatus"], "enabled");

  // The proof is on record, and is no device.
  const std::vector<CertificateRecord> proofs = Proofs();
  ASSERT_THAT(proofs, SizeIs(1));
  EXPECT_LE(proofs[0].not_after - proofs[0].not_before, absl::Hours(24) + absl::Minutes(5));
  const auto proven = world_->Ledger("possession_proven");
  ASSERT_THAT(proven, SizeIs(1));
  EXPECT_EQ(proofs[0].subject, "CN=" + proven[0]["details"]["code"].get<std::string>());

  for (const char* sdk : {"5", "6"}) {
    const json read = cloud().Drive(fmt::format(
        "arm.mjs --trust {} --port {} --sdk {} --token {} --op get --name {}", cloud().roots(), cloud().port(), sdk,
        cloud().Token("https://management.azure.com"), certificate["name"].get<std::string>()));
    EXPECT_NE(read.dump().find("\"isVerified\":true"), std::string::npos) << sdk << read;
  }
  ExpectAssigned("device-1", world_->Issue("device-1"));
}

TEST_F(DpsAcceptanceTest, Case02PublishingAgainWritesNothing) {
  world_->Publish();
  cloud().ClearLog();
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(cloud().Count("", ""), 0) << cloud().Log();
  EXPECT_THAT(world_->Plan()->steps, IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case02ACertificateThatSomebodyVerifiedByHandIsLeftAlone) {
  world_->Publish();
  const json uploaded = Certificate();
  // Under another name, as a person would have uploaded it, and everything of ours forgotten.
  ASSERT_THAT(world_->house.store().RemoveTarget(DpsHouse::kTarget, world_->Now(), "{}"), IsOk());
  world_->Describe(DpsHouse::WithGroup());
  cloud().ClearLog();
  world_->Publish();
  EXPECT_EQ(cloud().Count("", "/certificates/"), 0);
  EXPECT_EQ(Certificate()["etag"], uploaded["etag"]);
}

TEST_F(DpsAcceptanceTest, Case03WhenSomebodyElseAskedForACodeAnotherIsAskedFor) {
  cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/verify"}}},
                 {"times", 1},
                 {"action", {{"status", 412}, {"body", {{"code", 412001}, {"message", "Precondition failed"}}}}}});
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(Certificate()["isVerified"], true);
  EXPECT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode", "verify", "generateVerificationCode", "verify"));
  for (const json& entry : cloud().Log()) EXPECT_NE(entry["ifMatch"], "*");
}

TEST_F(DpsAcceptanceTest, Case03ItEndsWithAClearErrorWhenThatGoesOnForEver) {
  cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/verify"}}},
                 {"times", 0},
                 {"action", {{"status", 412}, {"body", {{"message", "Precondition failed"}}}}}});
  world_->Publish();
  EXPECT_LE(cloud().Count("POST", "/verify"), 12);
  EXPECT_NE(world_->chain(), ChainState::kPublished);
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kTargetConflict);
  EXPECT_EQ(Certificate()["isVerified"], false);
}

TEST_F(DpsAcceptanceTest, Case04WhatPeopleSetInAGroupStays) {
  world_->Publish();
  cloud().Change({{"kind", "enrollmentGroup"},
                  {"id", "line-devices"},
                  {"set",
                   {{"initialTwin", {{"tags", {{"site", "b"}}}, {"properties", {{"desired", {{"x", 1}}}}}}},
                    {"reprovisionPolicy", {{"updateHubAssignment", true}, {"migrateDeviceData", false}}}}}});
  world_->Describe(DpsHouse::Described(
      fmt::format("groups: [{{group: line-devices, authority: devices, allocation: hashed, hubs: [{}, {}]}}]\n",
                  DpsStandIn::kHub1, DpsStandIn::kHub2)));
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(Group()["iotHubs"].size(), 2u);
  EXPECT_EQ(Group()["initialTwin"]["tags"]["site"], "b");
  EXPECT_EQ(Group()["reprovisionPolicy"]["migrateDeviceData"], false);
}

TEST_F(DpsAcceptanceTest, Case04AConflictOnWhatIsOursIsReportedAndNotOverwritten) {
  world_->Publish();
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", {{"provisioningStatus", "disabled"}}}});
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kFailed);
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kPublicationConflict);
  EXPECT_THAT(world_->Waiting()[0].failure, HasSubstr("provisioningStatus"));
  EXPECT_EQ(Group()["provisioningStatus"], "disabled");
  world_->Publish(true);
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(Group()["provisioningStatus"], "enabled");
}

TEST_F(DpsAcceptanceTest, Case05AThrottledTargetIsLeftAloneForAsLongAsItAsks) {
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  const Time now = world_->Now();
  struct Case {
    const char* what;
    json headers;
    Duration at_least;
    Duration at_most;
  };
  const std::vector<Case> cases = {
      {"seconds", {{"retry-after", "2"}}, absl::Seconds(2), absl::Seconds(2)},
      {"nothing", json::object(), absl::ZeroDuration(), absl::Minutes(5)},
      {"a date",
       {{"retry-after", absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT", now + absl::Seconds(30), absl::UTCTimeZone())}},
       absl::Seconds(20),
       absl::Seconds(30)},
      {"a day", {{"retry-after", "86400"}}, absl::Minutes(10), absl::Minutes(10)},
      {"negative", {{"retry-after", "-5"}}, absl::ZeroDuration(), absl::Minutes(5)},
      {"garbage", {{"retry-after", "soon"}}, absl::ZeroDuration(), absl::Minutes(5)}};
  world_->Revoke(device);
  for (const Case& one : cases) {
    cloud().ClearLog();
    cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/enrollments/?\\?"}}},
                   {"times", 1},
                   {"action", {{"status", 429}, {"headers", one.headers}, {"body", {{"errorCode", 429001}}}}}});
    const Time before = world_->Now();
    world_->Work();
    EXPECT_EQ(cloud().Count("POST", "/enrollments"), 1) << one.what;
    const Duration pause = world_->worker().pause().until - before;
    EXPECT_GE(pause, one.at_least) << one.what;
    EXPECT_LE(pause, one.at_most) << one.what;
    ASSERT_THAT(world_->Waiting(), SizeIs(1)) << one.what;
    EXPECT_EQ(world_->Waiting()[0].attempts, 0) << "a service that is busy says nothing against the device";
    world_->Advance(pause + absl::Seconds(1));
  }
  world_->Work();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, Case05AChainThatIsThrottledHoldsUpNoDevice) {
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  cloud().Fault({{"match", {{"method", "GET"}, {"pathRegex", "/certificates"}}},
                 {"times", 1000},
                 {"action", {{"status", 429}, {"headers", {{"retry-after", "60"}}}, {"body", json::object()}}}});
  world_->Publish();
  ASSERT_EQ(world_->chain(), ChainState::kPublishing);
  world_->Revoke(device);
  for (int i = 0; i < 3; ++i) {
    world_->Work();
    world_->Advance(absl::Seconds(61));
  }
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].kind, WorkKind::kChain);
  EXPECT_EQ(world_->Waiting()[0].attempts, 0);
}

TEST_F(DpsAcceptanceTest, Case06FailuresOfTheServiceAreGoneThroughAndALostReplyIsRecognised) {
  const std::vector<json> faults = {
      {{"match", {{"method", "PUT"}, {"pathRegex", "/certificates/"}}},
       {"times", 1},
       {"action", {{"loseReply", true}}}},
      {{"match", {{"method", "POST"}, {"pathRegex", "/generateVerificationCode"}}},
       {"times", 1},
       {"action", {{"status", 503}}}},
      {{"match", {{"method", "POST"}, {"pathRegex", "/verify"}}}, {"times", 1}, {"action", {{"loseReply", true}}}},
      {{"match", {{"method", "PUT"}, {"pathRegex", "/enrollmentGroups/"}}},
       {"times", 1},
       {"action", {{"loseReply", true}}}},
      {{"match", {{"method", "GET"}, {"pathRegex", "/certificates"}}},
       {"times", 2},
       {"action", {{"status", 502}, {"body", "<html>"}}}},
      {{"match", {{"method", "POST"}, {"pathRegex", "/enrollmentGroups/query"}}},
       {"times", 1},
       {"action", {{"drop", true}}}}};
  for (const json& fault : faults) cloud().Fault(fault);
  world_->Publish();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(cloud().State()["certificates"].size(), 1u) << "no second slot";
  EXPECT_EQ(Certificate()["isVerified"], true);
  EXPECT_EQ(Proofs().size(), 1u) << "no second signature while the first was good";
  // The same for a device.
  const CertificateRecord device = world_->Issue("device-1");
  world_->Revoke(device);
  cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/enrollments/?\\?"}}},
                 {"times", 1},
                 {"action", {{"loseReply", true}}}});
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  world_->house.clock.now += absl::Seconds(1);
  EXPECT_THAT(world_->Waiting(), IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case06ADenialWhoseReplyWasLostIsKnownForOurs) {
  world_->Publish();
  RollOver();  // and not published yet
  cloud().Fault({{"match", {{"method", "PUT"}, {"pathRegex", "/enrollmentGroups/"}}},
                 {"times", 1},
                 {"action", {{"loseReply", true}}}});
  RevokeAuthority("devices");
  world_->Work();
  ASSERT_EQ(Group()["provisioningStatus"], "disabled");
  ASSERT_THAT(world_->Waiting(), Contains(::testing::Field(&WorkRecord::kind, WorkKind::kAuthority)));
  world_->WorkThrough();
  world_->Publish();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(world_->Waiting(), IsEmpty());
  EXPECT_EQ(Group()["provisioningStatus"], "enabled");
  ExpectAssigned("device-new", world_->Issue("device-new", "devices-2"));
}

TEST_F(DpsAcceptanceTest, Case06AProofWhoseReplyWasLostIsRecorded) {
  cloud().Fault(
      {{"match", {{"method", "POST"}, {"pathRegex", "/verify"}}}, {"times", 1}, {"action", {{"loseReply", true}}}});
  world_->Publish();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  const auto proven = world_->Ledger("possession_proven");
  ASSERT_THAT(proven, SizeIs(1));
  ASSERT_THAT(Proofs(), SizeIs(1));
  EXPECT_EQ(proven[0]["details"]["sha256"], Hex(Sha256(Proofs()[0].certificate)));
}

TEST_F(DpsAcceptanceTest, Case06AProofThatSomebodyElseMadeIsNotOurs) {
  world_->house.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away");
  world_->Publish();
  ASSERT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode"));
  const std::string name = Certificate()["name"];
  cloud().Change({{"kind", "certificate"}, {"id", name}, {"set", {{"isVerified", true}}}});
  world_->house.signer_failure = absl::OkStatus();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(world_->Ledger("possession_proven"), IsEmpty());
  EXPECT_FALSE(world_->house.store().FindPublished(DpsHouse::kTarget, PublishedKind::kProof, name)->has_value());
}

TEST_F(DpsAcceptanceTest, Case07AProofThatWasNotSignedInTimeBeginsAnew) {
  world_->house.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away");
  world_->Publish();
  ASSERT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode"));
  world_->Advance(absl::Hours(26));  // the certificate that was intended was for a day
  world_->house.signer_failure = absl::OkStatus();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode", "generateVerificationCode", "verify"));
  EXPECT_THAT(Proofs(), SizeIs(1));
}

TEST_F(DpsAcceptanceTest, Case07AProofThatIsRefusedIsTriedOnceMoreAndNeverFallsBackToAClaim) {
  cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/verify"}}},
                 {"times", 0},
                 {"action",
                  {{"status", 400},
                   {"body",
                    {{"code", "BadRequest"},
                     {"message",
                      "Proof-Of-Possession failed. Issuer certificate 'CN=x' cannot be found in the certificate chain. "
                      "errorcode: IH400053"}}}}}});
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kFailed);
  EXPECT_EQ(cloud().Count("POST", "/verify"), 2);
  EXPECT_EQ(Certificate()["isVerified"], false);
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_TRUE(world_->Waiting()[0].parked);
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kPossessionNotProven);
  EXPECT_THAT(world_->Waiting()[0].failure, AllOf(HasSubstr("devices"), HasSubstr("Proof-Of-Possession failed")));
  EXPECT_THAT(world_->Ledger("possession_refused"), SizeIs(2));
  EXPECT_THAT(world_->Ledger("possession_claimed"), IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case09OfABulkThatFailedInPartOnlyThatPartIsTriedAgain) {
  world_->Publish();
  std::vector<CertificateRecord> devices;
  for (int i = 0; i < 25; ++i) devices.push_back(world_->Issue(fmt::format("device-{}", i)));
  // Somebody has enrolled three of them by hand.
  for (const int i : {2, 5, 7}) {
    cloud().Change(
        {{"kind", "enrollment"},
         {"id", fmt::format("device-{}", i)},
         {"set",
          {{"provisioningStatus", "enabled"},
           {"initialTwin", {{"tags", {{"by", "hand"}}}}},
           {"attestation",
            {{"type", "x509"},
             {"x509",
              {{"clientCertificates",
                {{"primary",
                  {{"certificate", PemEncode("CERTIFICATE", devices[static_cast<size_t>(i)].certificate)}}}}}}}}}}}});
  }
  for (const CertificateRecord& device : devices) world_->Revoke(device);
  cloud().ClearLog();
  world_->WorkThrough();
  std::vector<size_t> bulks;
  for (const json& entry : cloud().Log()) {
    const std::string path = entry["path"];
    if (entry["method"] == "POST" && (path.ends_with("/enrollments") || path.ends_with("/enrollments/"))) {
      bulks.push_back(entry["body"]["enrollments"].size());
    }
  }
  EXPECT_THAT(bulks, ElementsAre(10u, 10u, 5u));
  EXPECT_EQ(cloud().Count("PUT", "/enrollments/"), 3);
  for (int i = 0; i < 25; ++i)
    EXPECT_EQ(Enrollment(fmt::format("device-{}", i))["provisioningStatus"], "disabled") << i;
  EXPECT_EQ(Enrollment("device-5")["initialTwin"]["tags"]["by"], "hand");
}

TEST_F(DpsAcceptanceTest, Case09WhatABulkSaysOfOneIsShownAsText) {
  world_->Publish();
  world_->Revoke(world_->Issue("device-1"));
  const json error = {{"registrationId", "device-1"},
                      {"errorCode", "400\x1b[2J"},
                      {"errorStatus", "\x1b]0;x\n" + std::string(10'000, 'x')}};
  cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/enrollments/?\\?"}}},
                 {"times", 1},
                 {"action", {{"status", 200}, {"body", {{"isSuccessful", false}, {"errors", json::array({error})}}}}}});
  world_->Work();
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  const std::string failure = world_->Waiting()[0].failure;
  EXPECT_THAT(failure, HasSubstr("adding the enrollment of device-1: the service answered 400?[2J: ?]0;x?xxx"));
  EXPECT_TRUE(IsCleanUtf8(failure));
  EXPECT_LT(failure.size(), 700u);
}

TEST_F(DpsAcceptanceTest, Case09LimitsOfTheServiceStopItBeforeItWrites) {
  for (int i = 0; i < 100; ++i) {
    cloud().Change({{"kind", "enrollmentGroup"},
                    {"id", fmt::format("other-{}", i)},
                    {"set", {{"attestation", {{"type", "symmetricKey"}, {"symmetricKey", json::object()}}}}}});
  }
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kFailed);
  EXPECT_EQ(cloud().Count("", ""), 0);
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kPublicationObstructed);
  EXPECT_THAT(world_->Waiting()[0].failure, HasSubstr("101 enrollment groups"));
}

TEST_F(DpsAcceptanceTest, Case10ARevokedDeviceIsRefusedWhileItsSiblingIsAssigned) {
  for (const char* entry : {"certificate", "registration_id"}) {
    world_ = std::make_unique<DpsHouse>(
        DpsHouse::WithGroup() + fmt::format("revocation: {{entry: {}, hubs: [{}]}}\n", entry, DpsStandIn::kHub1));
    world_->Publish();
    const CertificateRecord device = world_->Issue("device-1");
    const CertificateRecord sibling = world_->Issue("device-2");
    ExpectAssigned("device-1", device);
    ExpectAssigned("device-2", sibling);
    world_->Revoke(device, Reason::kKeyCompromise);
    world_->Work();
    ExpectRefused("device-1", device);
    ExpectAssigned("device-2", sibling);
    EXPECT_EQ(Enrollment("device-1")["attestation"]["type"],
              std::string(entry) == "certificate" ? "x509" : "symmetricKey");
    for (const json& one : States("hubDevices")) {
      EXPECT_EQ(one["status"], one["deviceId"] == "device-1" ? "disabled" : "enabled") << one;
    }
    EXPECT_THAT(world_->Ledger("devices_blocked"), SizeIs(1));
    EXPECT_THAT(cloud().Violations(), IsEmpty());
  }
}

TEST_F(DpsAcceptanceTest, Case10AHubThatIsNotNamedIsLeftAndNoted) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub2));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  const CertificateRecord stranger = world_->Issue("device-2");  // never comes
  ExpectAssigned("device-1", device);
  world_->Revoke(device, Reason::kCertificateHold);
  world_->Revoke(stranger);
  world_->Work();
  const auto note = [&](const std::string& id) {
    return ReadHubNote(
               world_->house.store().FindPublished(DpsHouse::kTarget, PublishedKind::kHubDevice, id)->value().content)
        .value();
  };
  EXPECT_EQ(note("device-1").state, HubNote::State::kLeft);
  EXPECT_EQ(note("device-1").hub, DpsStandIn::kHub1);
  EXPECT_EQ(note("device-2").state, HubNote::State::kNothing);
  for (const json& one : States("hubDevices")) EXPECT_EQ(one["status"], "enabled");
  ASSERT_THAT(world_->house.authority().Release(testing::House::CallerOf("operator"), "devices", device.serial),
              IsOk());
  world_->Work();
  EXPECT_EQ(cloud().Count("PUT", "/devices/"), 0) << "what we left is not enabled either";
  EXPECT_FALSE(
      world_->house.store().FindPublished(DpsHouse::kTarget, PublishedKind::kHubDevice, "device-1")->has_value());
}

TEST_F(DpsAcceptanceTest, Case10AReissuedDevicesHubForgetsTheRevokedCertificate) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  cloud().Set({{"groupIdentities", "selfSigned"}});
  world_->Publish();
  const auto identity = [&](const std::string& id) {
    for (const json& one : States("hubDevices")) {
      if (one["deviceId"] == id) return one;
    }
    return json();
  };
  for (const bool revoked_first : {true, false}) {
    const std::string id = revoked_first ? "device-1" : "device-2";
    const CertificateRecord old = world_->Issue(id, "devices", id + "-one");
    ExpectAssigned(id, old);
    EXPECT_EQ(identity(id)["authentication"]["x509Thumbprint"]["primaryThumbprint"], ThumbprintOf(old.certificate));
    CertificateRecord good;
    if (!revoked_first) good = world_->Issue(id, "devices", id + "-two");
    world_->Revoke(old);
    if (revoked_first) {
      world_->Work();
      EXPECT_EQ(identity(id)["status"], "disabled");
      good = world_->Issue(id, "devices", id + "-two");
    }
    world_->Work();
    EXPECT_EQ(identity(id)["status"], "enabled") << id;
    EXPECT_EQ(identity(id)["authentication"]["x509Thumbprint"]["primaryThumbprint"], ThumbprintOf(good.certificate));
    EXPECT_EQ(identity(id).dump().find(ThumbprintOf(old.certificate)), std::string::npos);
    ExpectAssigned(id, good);
  }
  EXPECT_THAT(cloud().Violations(), IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case10WhatWeDisabledInAHubIsEnabledAgainThoughItIsNamedNoMore) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ExpectAssigned("device-1", device);
  world_->Revoke(device, Reason::kCertificateHold);
  world_->Work();
  EXPECT_EQ(States("hubDevices").at(0)["status"], "disabled");
  world_->Describe(DpsHouse::WithHub(DpsStandIn::kHub2));
  world_->Publish();
  // Also when the device is kept out anew.
  cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"remove", true}});
  world_->Reconcile(true);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  ASSERT_THAT(world_->house.authority().Release(operator_, "devices", device.serial), IsOk());
  world_->WorkThrough();
  EXPECT_EQ(States("hubDevices").at(0)["status"], "enabled");
}

TEST_F(DpsAcceptanceTest, Case10AnIdentityThatCouldNotBeDisabledIsTriedAgain) {
  const std::vector<json> faults = {
      {{"status", 503}}, {{"loseReply", true}}, {{"status", 412}, {"body", json::object()}}};
  for (const json& action : faults) {
    world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
    world_->Publish();
    const CertificateRecord device = world_->Issue("device-1");
    ExpectAssigned("device-1", device);
    cloud().Fault({{"match", {{"method", "PUT"}, {"pathRegex", "/devices/"}}}, {"times", 1}, {"action", action}});
    world_->Revoke(device, Reason::kCertificateHold);
    world_->Work();
    EXPECT_THAT(world_->Waiting(), SizeIs(1)) << action;
    world_->WorkThrough();
    EXPECT_EQ(States("hubDevices").at(0)["status"], "disabled") << action;
    ASSERT_THAT(world_->house.authority().Release(operator_, "devices", device.serial), IsOk());
    world_->WorkThrough();
    EXPECT_EQ(States("hubDevices").at(0)["status"], "enabled") << action;
  }
}

TEST_F(DpsAcceptanceTest, Case10AHubThatCannotBeAskedHoldsUpNoDenial) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord known = world_->Issue("device-0");
  ExpectAssigned("device-0", known);
  world_->Revoke(known);
  cloud().Fault({{"match", {{"method", "GET"}, {"pathRegex", "/registrations/"}}},
                 {"times", 1000},
                 {"action", {{"status", 403}, {"body", {{"errorCode", 403001}}}}}});
  for (int i = 1; i <= 20; ++i) world_->Revoke(world_->Issue(fmt::format("device-{}", i)));
  world_->Work();
  EXPECT_EQ(cloud().State()["enrollments"].size(), 21u);
  EXPECT_LE(world_->worker().pause().until, world_->Now());
  ASSERT_THAT(world_->Waiting(), SizeIs(21));
  for (const WorkRecord& one : world_->Waiting()) {
    EXPECT_EQ(one.reason, reason::kTargetHubFailed);
    EXPECT_FALSE(one.parked);
  }
}

TEST_F(DpsAcceptanceTest, Case10WhoIsCertifiedAgainAfterAllHasExpiredIsEnabledInItsHub) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  Request request = world_->house.DeviceRequest("one", "device-1");
  request.lifetime = absl::Hours(24 * 30);
  const CertificateRecord device = world_->house.Issue(request)->record;
  ExpectAssigned("device-1", device);
  world_->Revoke(device);
  world_->Work();
  world_->Advance(device.not_after - world_->Now() + absl::Hours(2));
  world_->WorkThrough();
  EXPECT_TRUE(Enrollment("device-1").is_null());
  EXPECT_EQ(States("hubDevices").at(0)["status"], "disabled");
  world_->Issue("device-1", "devices", "two");
  world_->WorkThrough();
  EXPECT_EQ(States("hubDevices").at(0)["status"], "enabled");
}

TEST_F(DpsAcceptanceTest, Case10WhatWasSettledOfAHubIsLookedAtAgainWhenItsDeviceIsKeptOutAnew) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  cloud().Set({{"groupIdentities", "selfSigned"}});
  world_->Publish();
  const json away = {
      {"match", {{"method", "GET"}, {"pathRegex", "/devices/"}}}, {"times", 1}, {"action", {{"status", 503}}}};
  // Its hub knew good certificates only.
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  const CertificateRecord good = world_->Issue("device-1", "devices", "two");
  ExpectAssigned("device-1", good);
  world_->Revoke(old);
  world_->Work();
  ASSERT_TRUE(HubNoteOf("device-1").has_value());
  ASSERT_EQ(HubNoteOf("device-1")->state, HubNote::State::kNothing);
  cloud().Fault(away);
  world_->Revoke(good);
  world_->Work();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_FALSE(HubNoteOf("device-1").has_value()) << "somebody has to look after it";
  world_->WorkThrough();
  EXPECT_EQ(Identity("device-1")["status"], "disabled");
  EXPECT_EQ(HubNoteOf("device-1")->state, HubNote::State::kDisabled);

  // It had been assigned nowhere, until somebody let it in.
  const CertificateRecord late = world_->Issue("device-2");
  world_->Revoke(late);
  world_->WorkThrough();
  ASSERT_EQ(HubNoteOf("device-2")->state, HubNote::State::kNothing);
  Enroll("device-2", late,
         {{"provisioningStatus", "enabled"},
          {"allocationPolicy", "static"},
          {"iotHubs", json::array({DpsStandIn::kHub1})}});
  ExpectAssigned("device-2", late);
  cloud().Fault(away);
  world_->Reconcile(true);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-2")["provisioningStatus"], "disabled");
  EXPECT_EQ(Identity("device-2")["status"], "disabled");
}

TEST_F(DpsAcceptanceTest, Case10ADeviceThatIsJustBeingAssignedIsLookedAtAgain) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ExpectAssigned("device-1", device);
  const auto registration = [&](const char* status, const json& hub) {
    cloud().Change({{"kind", "registration"}, {"id", "device-1"}, {"set", {{"status", status}, {"assignedHub", hub}}}});
  };
  registration("assigning", nullptr);
  world_->Revoke(device);
  world_->Work();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kTargetHubFailed);
  EXPECT_FALSE(HubNoteOf("device-1").has_value()) << "until then somebody has to look after it";
  registration("assigned", DpsStandIn::kHub1);
  world_->WorkThrough();
  EXPECT_EQ(Identity("device-1")["status"], "disabled");
}

TEST_F(DpsAcceptanceTest, Case10APinnedDeviceThatItsHubKnowsByACaIsLeftToPeople) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  world_->Issue("device-1", "devices", "two");
  ExpectAssigned("device-1", old);
  ASSERT_EQ(Identity("device-1")["authentication"]["type"], "certificateAuthority");
  world_->Revoke(old);
  world_->WorkThrough();
  ASSERT_TRUE(HubNoteOf("device-1").has_value());
  EXPECT_EQ(HubNoteOf("device-1")->state, HubNote::State::kLeft);
  EXPECT_EQ(HubNoteOf("device-1")->hub, DpsStandIn::kHub1);
  EXPECT_EQ(cloud().Count("PUT", "/devices/"), 0);
}

TEST_F(DpsAcceptanceTest, Case10AHubThatIsBusyIsAskedOnceAndItsOtherDevicesAreToldForHowLong) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  struct Case {
    json action;
    std::optional<Duration> asked;  // of the device that it was asked for
    Duration not_asked;
  };
  const std::vector<Case> cases = {
      {{{"status", 429}, {"headers", {{"retry-after", "40"}}}}, absl::Seconds(40), absl::Seconds(40)},
      {{{"status", 503}}, std::nullopt, absl::Seconds(30)}};
  for (const Case& one : cases) {
    std::vector<DeviceAdmission> admissions;
    for (const char* name : {"first", "second"}) {
      const std::string id = fmt::format("{}-{}", name, one.action["status"].get<int>());
      const CertificateRecord device = world_->Issue(id);
      ExpectAssigned(id, device);
      world_->Revoke(device);
      const auto certificates = world_->house.store().CertificatesOfDevice(DpsHouse::kTarget, id).value();
      admissions.push_back(AdmissionOf(id, certificates, {}, world_->Now()));
    }
    cloud().ClearLog();
    cloud().Fault({{"match", {{"method", "GET"}, {"pathRegex", "/devices/"}}}, {"times", 1}, {"action", one.action}});
    const std::vector<Status> outcomes = world_->target().Admit(admissions, world_->Now() + absl::Minutes(1));
    ASSERT_THAT(outcomes, SizeIs(2));
    EXPECT_EQ(cloud().Count("GET", "/devices/"), 1) << one.action;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      EXPECT_THAT(outcomes[i], Fails(Code::kAborted, reason::kTargetHubFailed)) << one.action;
      EXPECT_EQ(RetryDelay(outcomes[i]), i == 0 ? one.asked : std::optional(one.not_asked)) << one.action;
      EXPECT_EQ(Enrollment(admissions[i].registration_id)["provisioningStatus"], "disabled");
    }
    world_->WorkThrough();
    for (const DeviceAdmission& device : admissions) EXPECT_EQ(Identity(device.registration_id)["status"], "disabled");
  }
}

TEST_F(DpsAcceptanceTest, Case10AHubThatIsNotNamedIsNotAskedThoughAnotherKnewTheDevice) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ExpectAssigned("device-1", device);
  world_->Revoke(device);
  world_->Work();
  ASSERT_EQ(Identity("device-1")["status"], "disabled");
  // Somebody lets it in, and elsewhere.
  Enroll("device-1", device,
         {{"provisioningStatus", "enabled"},
          {"allocationPolicy", "static"},
          {"iotHubs", json::array({DpsStandIn::kHub2})}});
  ExpectAssigned("device-1", device);
  ASSERT_EQ(Identity("device-1", DpsStandIn::kHub2)["status"], "enabled");
  world_->Reconcile(true);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  for (const char* method : {"GET", "PUT"}) {
    EXPECT_EQ(cloud().Count(method, std::string("/hub/") + DpsStandIn::kHub2), 0) << method;
  }
  ASSERT_TRUE(HubNoteOf("device-1").has_value());
  EXPECT_EQ(HubNoteOf("device-1")->state, HubNote::State::kLeft);
  EXPECT_EQ(HubNoteOf("device-1")->hub, DpsStandIn::kHub2);
}

TEST_F(DpsAcceptanceTest, Case12ARevokedAuthoritysGroupIsDisabledThoughResourceManagerIsAway) {
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ThrottleCertificates();
  world_->Publish();
  ASSERT_EQ(world_->chain(), ChainState::kPublishing);
  RevokeAuthority("devices");
  world_->Work();
  EXPECT_EQ(Group()["provisioningStatus"], "disabled");
  ExpectRefused("device-1", device);
}

TEST_F(DpsAcceptanceTest, Case12AnAuthorityWhoseCertificateIsRevokedIsDenied) {
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ExpectAssigned("device-1", device);
  const Bytes serial = ToBytes(world_->house.issuer("devices").serial());
  ASSERT_THAT(world_->house.authority().Revoke(operator_, "root", serial, Reason::kCertificateHold), IsOk());
  world_->Work();
  ExpectRefused("device-1", device);
  // Those who let it in again say so.
  ASSERT_THAT(world_->house.authority().Release(operator_, "root", serial), IsOk());
  world_->WorkThrough();
  ExpectRefused("device-1", device);
  world_->Publish();
  ExpectAssigned("device-1", device);
}

TEST_F(DpsAcceptanceTest, Case10AHubThatThrottlesParksNobody) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ExpectAssigned("device-1", device);
  cloud().Fault({{"match", {{"method", "GET"}, {"pathRegex", "/devices/"}}},
                 {"times", 40},
                 {"action", {{"status", 429}, {"headers", {{"retry-after", "30"}}}, {"body", json::object()}}}});
  world_->Revoke(device);
  for (int i = 0; i < 39; ++i) {
    world_->Work();
    ASSERT_EQ(world_->Waiting().size(), 1u);
    ASSERT_EQ(world_->Waiting()[0].attempts, 0) << i;
    ASSERT_EQ(world_->Waiting()[0].reason, reason::kTargetHubFailed);
    world_->Advance(absl::Seconds(31));
  }
  ExpectRefused("device-1", device);
  world_->WorkThrough();
  EXPECT_THAT(world_->Waiting(), IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case12OfAnAuthorityThatIsHeldNoMoreThePlanSaysWhatStillKeepsItsDevicesOut) {
  MakePlant();
  world_->Describe(ByRoot());
  world_->Publish();
  const Bytes serial = ToBytes(world_->house.issuer("plant-b").serial());
  ASSERT_THAT(world_->house.authority().Revoke(operator_, "root", serial, Reason::kCertificateHold), IsOk());
  world_->WorkThrough();
  ASSERT_EQ(GroupLike("revoked-plant-b-").value("provisioningStatus", ""), "disabled");
  EXPECT_THAT(world_->Plan()->warnings, Not(Contains(HasSubstr("not revoked any more"))));
  ASSERT_THAT(world_->house.authority().Release(operator_, "root", serial), IsOk());
  world_->WorkThrough();
  EXPECT_THAT(world_->Plan()->warnings, Contains(HasSubstr("plant-b, which is not revoked any more; remove it")));
}

TEST_F(DpsAcceptanceTest, Case12ADenialThatWasNotDoneIsNotNotedAsOurs) {
  world_->Publish();
  const auto noted = [&] {
    const auto note = world_->house.store().FindPublished(DpsHouse::kTarget, PublishedKind::kGroup, "line-devices");
    return json::parse(note->value().content).value("provisioningStatus", "");
  };
  ASSERT_EQ(noted(), "enabled");
  cloud().Fault({{"match", {{"method", "PUT"}, {"pathRegex", "/enrollmentGroups/"}}},
                 {"times", 1},
                 {"action", {{"status", 429}, {"headers", {{"retry-after", "60"}}}}}});
  RevokeAuthority("devices");
  world_->Work();
  EXPECT_EQ(Group()["provisioningStatus"], "enabled");
  EXPECT_EQ(noted(), "enabled") << "who disables it now is somebody else";
  world_->WorkThrough();
  EXPECT_EQ(Group()["provisioningStatus"], "disabled");
  EXPECT_EQ(noted(), "disabled");
}

TEST_F(DpsAcceptanceTest, WhatAReconciliationBeganAndWasCutOffIsFoundByTheNext) {
  world_->Publish();
  world_->Revoke(world_->Issue("device-1"));
  world_->WorkThrough();
  Store& store = world_->house.store();
  PublishedRecord record =
      store.FindPublished(DpsHouse::kTarget, PublishedKind::kEnrollment, "device-1").value().value();
  EnrollmentNote note = ReadNote(record.content).value();
  note.state = EnrollmentNote::State::kUncertain;
  record.content = ToContent(note);
  ASSERT_THAT(store.PutPublished({record}, world_->Now()), IsOk());
  cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"remove", true}});
  EXPECT_THAT(world_->Reconcile(true), SizeIs(1));
  EXPECT_THAT(world_->Reconcile(true), IsEmpty()) << "it is under way";
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, DevicesAreReconciledThoughResourceManagerIsAway) {
  world_->Publish();
  world_->Revoke(world_->Issue("device-1"));
  world_->WorkThrough();
  cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"set", {{"provisioningStatus", "enabled"}}}});
  ThrottleCertificates();
  std::vector<Drift> drifts;
  const auto result = world_->target().Reconcile(
      true, "hallmark://test/operator/one", [](const Reconciled&) { return true; },
      [&](const Drift& drift) { drifts.push_back(drift); }, world_->Now() + absl::Minutes(1));
  EXPECT_THAT(result, Fails(Code::kUnavailable, reason::kTargetThrottled)) << "the chain could not be looked at";
  ASSERT_THAT(drifts, SizeIs(1));
  EXPECT_EQ(drifts[0].kind, "enrollment");
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, Case05AThrottledTargetThatAsksForNothingIsAskedLessAndLessOften) {
  world_->Publish();
  world_->Revoke(world_->Issue("device-1"));
  cloud().Fault({{"match", {{"pathRegex", "/enrollments"}}}, {"times", 12}, {"action", {{"status", 429}}}});
  // Each rest is random, up to twice what the one before was at most; a dozen of the first kind would end in 12 s.
  const Time begin = world_->Now();
  world_->WorkThrough(100);
  EXPECT_GT(world_->Now() - begin, absl::Seconds(40));
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, Case12AnAuthorityBelowAGroupIsKeptOutThoughResourceManagerIsAway) {
  MakePlant();
  world_->Describe(ByRoot());
  world_->Publish();
  const CertificateRecord sibling = world_->Issue("device-1");
  const CertificateRecord device = world_->Issue("device-b", "plant-b");
  ThrottleCertificates();
  RevokeAuthority("plant-b");
  world_->Work();
  EXPECT_EQ(GroupLike("revoked-plant-b-").value("provisioningStatus", ""), "disabled");
  ExpectRefused("device-b", device);
  ExpectAssigned("device-1", sibling);
  EXPECT_THAT(world_->Waiting(), Contains(::testing::Field(&WorkRecord::kind, WorkKind::kAuthority)))
      << "what refers to a certificate that others uploaded is not known yet";
  cloud().Control("DELETE", "faults");
  world_->WorkThrough();
  EXPECT_THAT(world_->Waiting(), IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case12ARevokedAuthorityLosesItsPlaceInAGroupThoughResourceManagerIsAway) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-old");
  RollOver();
  world_->Publish();
  const CertificateRecord fresh = world_->Issue("device-new", "devices-2");
  ThrottleCertificates();
  RevokeAuthority("devices");
  world_->Work();
  EXPECT_EQ(Group()["attestation"]["x509"]["caReferences"].size(), 1u);
  ExpectRefused("device-old", old);
  ExpectAssigned("device-new", fresh);
}

TEST_F(DpsAcceptanceTest, Case10AThrottledServiceIsNoFailureOfTheHub) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  world_->Revoke(device);
  cloud().Fault(
      {{"match", {{"method", "GET"}, {"pathRegex", "/registrations/"}}},
       {"times", 1},
       {"action", {{"status", 429}, {"headers", {{"retry-after", "30"}}}, {"body", {{"errorCode", 429001}}}}}});
  world_->Work();
  EXPECT_EQ(world_->worker().pause().until - world_->Now(), absl::Seconds(30));
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].attempts, 0);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, Case11APinWhoseReplyWasLostIsKnownForOursWhenItIsReleased) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  world_->Issue("device-1", "devices", "two");
  world_->Revoke(old, Reason::kCertificateHold);
  cloud().Fault({{"match", {{"method", "PUT"}, {"pathRegex", "/enrollments/"}}},
                 {"times", 1},
                 {"action", {{"loseReply", true}}}});
  world_->Work();
  ASSERT_EQ(Enrollment("device-1")["provisioningStatus"], "enabled");
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  ASSERT_THAT(world_->house.authority().Release(operator_, "devices", old.serial), IsOk());
  world_->WorkThrough();
  EXPECT_TRUE(Enrollment("device-1").is_null()) << "another certificate would be refused";
  ExpectAssigned("device-1", world_->Issue("device-1", "devices", "three"));
}

TEST_F(DpsAcceptanceTest, Case12RevokedDevicesStayOutThoughTheirGroupIsDescribedNoMore) {
  MakePlant();
  const auto described = [](bool with_plant) {
    return DpsHouse::Described(fmt::format(
        "groups:\n  - {{group: line-devices, authority: devices, allocation: hashed, hubs: [{0}]}}\n{1}",
        DpsStandIn::kHub1,
        with_plant ? fmt::format("  - {{group: plant-b, authority: plant-b, allocation: hashed, hubs: [{}]}}\n",
                                 DpsStandIn::kHub1)
                   : ""));
  };
  world_->Describe(described(true));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-b", "plant-b");
  const CertificateRecord sibling = world_->Issue("device-c", "plant-b");
  world_->Revoke(device);
  world_->Work();
  ExpectRefused("device-b", device);
  world_->Describe(described(false));
  world_->Publish();
  world_->WorkThrough();
  ExpectRefused("device-b", device);
  ExpectAssigned("device-c", sibling);  // its group stands there still: the plan warns of it
  world_->Revoke(sibling);
  world_->WorkThrough();
  ExpectRefused("device-c", sibling);
}

TEST_F(DpsAcceptanceTest, Case12AnAuthorityIsKeptOutThoughItsGroupIsDescribedNoMore) {
  MakePlant();
  const std::string one = fmt::format(
      "groups:\n  - {{group: line-devices, authority: devices, allocation: hashed, "
      "hubs: [{}]}}\n",
      DpsStandIn::kHub1);
  world_->Describe(DpsHouse::Described(
      one +
      fmt::format("  - {{group: plant-b, authority: plant-b, allocation: hashed, hubs: [{}]}}\n", DpsStandIn::kHub1)));
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-b", "plant-b");
  const CertificateRecord sibling = world_->Issue("device-1");
  world_->Describe(DpsHouse::Described(one));
  world_->Publish();
  ExpectAssigned("device-b", device);  // its group stands there still
  RevokeAuthority("plant-b");
  world_->Work();
  EXPECT_EQ(Group("plant-b")["provisioningStatus"], "disabled");
  ExpectRefused("device-b", device);
  ExpectAssigned("device-1", sibling);
  EXPECT_THAT(world_->Waiting(), IsEmpty());
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  ExpectRefused("device-b", device);
}

TEST_F(DpsAcceptanceTest, Case12AnAuthorityIsKeptOutThoughItsGroupIsDescribedForAnotherAndNotAppliedYet) {
  MakePlant();
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  ExpectAssigned("device-1", device);
  world_->Describe(DpsHouse::Described(fmt::format(
      "groups: [{{group: line-devices, authority: plant-b, allocation: hashed, hubs: [{}]}}]\n", DpsStandIn::kHub1)));
  RevokeAuthority("devices");
  world_->Work();
  EXPECT_EQ(Group()["provisioningStatus"], "disabled");
  ExpectRefused("device-1", device);
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  ExpectAssigned("device-b", world_->Issue("device-b", "plant-b"));
  ExpectRefused("device-1", device);
}

TEST_F(DpsAcceptanceTest, Case12WhoWasRevokedBeforeIsKeptOutBeforeAnybodyIsLetInAlsoAfterAFailure) {
  MakePlant();
  const CertificateRecord device = world_->Issue("device-b", "plant-b");
  RevokeAuthority("plant-b");
  world_->Describe(ByRoot());
  cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/generateVerificationCode"}}},
                 {"times", 1},
                 {"action", {{"status", 503}}}});
  world_->Publish();
  ASSERT_THAT(GroupsSet(), IsEmpty());
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(GroupsSet(), ElementsAre(::testing::StartsWith("revoked-plant-b-"), "all-devices"));
  ExpectRefused("device-b", device);
  ExpectAssigned("device-1", world_->Issue("device-1"));
}

TEST_F(DpsAcceptanceTest, Case12ARevokedAuthoritysCertificateIsNotUploadedAnew) {
  for (const char* verified : {"proof", "claimed"}) {
    world_ = std::make_unique<DpsHouse>(DpsHouse::Described(
        fmt::format("certificates: [{{authority: devices, verified: {}}}]\n"
                    "groups: [{{group: line-devices, authority: devices, allocation: hashed, hubs: [{}]}}]\n",
                    verified, DpsStandIn::kHub1)));
    world_->Publish();
    ASSERT_EQ(Certificate()["isVerified"], true) << verified;
    const CertificateRecord device = world_->Issue("device-1");
    RevokeAuthority("devices");
    world_->Work();
    cloud().Change({{"kind", "certificate"}, {"id", Certificate()["name"]}, {"remove", true}});
    cloud().ClearLog();
    world_->Publish();
    EXPECT_EQ(world_->chain(), ChainState::kPublished) << verified;
    EXPECT_THAT(Steps(), IsEmpty()) << verified;
    EXPECT_TRUE(Certificate().is_null()) << verified;
    ExpectRefused("device-1", device);
    EXPECT_THAT(cloud().Violations(), IsEmpty());
  }
}

TEST_F(DpsAcceptanceTest, Case11AReleasedDeviceComesInAgainAndNothingOfOursIsLeft) {
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  world_->Revoke(device, Reason::kCertificateHold);
  world_->Work();
  ExpectRefused("device-1", device);
  ASSERT_THAT(world_->house.authority().Release(testing::House::CallerOf("operator"), "devices", device.serial),
              IsOk());
  world_->Work();
  EXPECT_TRUE(Enrollment("device-1").is_null());
  ExpectAssigned("device-1", device);
}

TEST_F(DpsAcceptanceTest, Case11AnEnrollmentThatSomebodyElseMadeIsGivenBackAsItWas) {
  world_->Publish();
  const CertificateRecord device = world_->Issue("device-1");
  cloud().Change({{"kind", "enrollment"},
                  {"id", "device-1"},
                  {"set",
                   {{"provisioningStatus", "enabled"},
                    {"attestation",
                     {{"type", "x509"},
                      {"x509",
                       {{"clientCertificates",
                         {{"primary", {{"certificate", PemEncode("CERTIFICATE", device.certificate)}}}}}}}}}}}});
  world_->Revoke(device, Reason::kCertificateHold);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  ASSERT_THAT(world_->house.authority().Release(testing::House::CallerOf("operator"), "devices", device.serial),
              IsOk());
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "enabled");
  ExpectAssigned("device-1", device);
}

json LostBulk(int times) {
  return {{"match", {{"method", "POST"}, {"pathRegex", "/enrollments/?\\?"}}},
          {"times", times},
          {"action", {{"loseReply", true}}}};
}

TEST_F(DpsAcceptanceTest, Case11BlocksWhoseReplyWasLostAreKnownForOurs) {
  // libcurl sends again what a connection that it had kept swallowed. Of two lost replies we are told that there was
  // none; of one, that the enrollments exist.
  for (const int lost : {1, 2}) {
    for (const bool tried_again : {false, true}) {
      SCOPED_TRACE(fmt::format("{} lost, {}", lost, tried_again ? "tried again" : "not tried again"));
      world_ = std::make_unique<DpsHouse>();
      world_->Publish();
      const CertificateRecord held = world_->Issue("device-1");
      world_->Revoke(held, Reason::kCertificateHold);
      world_->Revoke(world_->Issue("device-2"));
      cloud().Fault(LostBulk(lost));
      world_->Work();
      ASSERT_EQ(States("enrollments").size(), 2u);
      ASSERT_THAT(world_->Waiting(), SizeIs(2));
      if (tried_again) {
        world_->Advance(absl::Minutes(1));
        world_->Work();
      }
      Release(held);
      const CertificateRecord reissued = world_->Issue("device-2", "devices", "again");
      world_->WorkThrough();
      EXPECT_TRUE(Enrollment("device-1").is_null());
      ExpectAssigned("device-1", held);
      EXPECT_EQ(Enrollment("device-2")["provisioningStatus"], "enabled");
      ExpectAssigned("device-2", reissued);
      EXPECT_THAT(cloud().Violations(), IsEmpty());
    }
  }
}

TEST_F(DpsAcceptanceTest, Case11ABlockWhoseReplyWasLostIsOursThoughItsDeviceHasAnotherCertificateNow) {
  world_->Publish();
  world_->Revoke(world_->Issue("device-1", "devices", "one"));
  cloud().Fault(LostBulk(2));
  world_->Work();
  ASSERT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  world_->Revoke(world_->Issue("device-1", "devices", "two"));
  world_->WorkThrough();
  ASSERT_TRUE(EnrollmentNoteOf("device-1").has_value());
  EXPECT_EQ(EnrollmentNoteOf("device-1")->state, EnrollmentNote::State::kBlocked);
  EXPECT_TRUE(EnrollmentNoteOf("device-1")->created);
}

TEST_F(DpsAcceptanceTest, Case11WhomAPersonKeepsOutStaysOutWhenTheCertificateIsReleased) {
  for (const std::string entry : {"certificate", "registration_id"}) {
    SCOPED_TRACE(entry);
    world_ = std::make_unique<DpsHouse>(DpsHouse::WithGroup() + fmt::format("revocation: {{entry: {}}}\n", entry));
    world_->Publish();
    const CertificateRecord device = world_->Issue("device-1");
    const json disabled = {{"provisioningStatus", "disabled"}};
    if (entry == "certificate") {
      Enroll("device-1", device, disabled);
    } else {
      json set = disabled;
      set["attestation"] = {{"type", "symmetricKey"}, {"symmetricKey", json::object()}};
      cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"set", set}});
    }
    const json theirs = Enrollment("device-1");
    world_->Advance(absl::Hours(1));
    world_->Revoke(device, Reason::kCertificateHold);
    world_->WorkThrough();
    ASSERT_TRUE(EnrollmentNoteOf("device-1").has_value());
    EXPECT_FALSE(EnrollmentNoteOf("device-1")->created);
    Release(device);
    world_->WorkThrough();
    EXPECT_EQ(Enrollment("device-1"), theirs);
    ExpectRefused("device-1", device);
    EXPECT_THAT(cloud().Violations(), IsEmpty());
  }
}

TEST_F(DpsAcceptanceTest, Case11WhatAPersonEnrolledForTheGoodCertificateOutlivesThePin) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  const CertificateRecord good = world_->Issue("device-1", "devices", "two");
  Enroll("device-1", good, {{"provisioningStatus", "enabled"}, {"initialTwin", {{"tags", {{"by", "hand"}}}}}});
  const json theirs = Enrollment("device-1");
  world_->Advance(absl::Hours(1));
  world_->Revoke(old);
  world_->WorkThrough();
  ExpectAssigned("device-1", good);
  world_->Advance(old.not_after + absl::Hours(2) - world_->Now());
  world_->WorkThrough();
  EXPECT_THAT(world_->Ledger("device_unblocked"), SizeIs(1));
  EXPECT_EQ(Enrollment("device-1"), theirs);
}

TEST_F(DpsAcceptanceTest, Case11APinLetsInNobodyWhomNoGroupLetsIn) {
  struct Case {
    const char* what;
    std::string description;
    bool removed;  // the group, after it was published
  };
  const std::string described_disabled = DpsHouse::Described(fmt::format(
      "groups: [{{group: line-devices, authority: devices, enabled: false, allocation: hashed, hubs: [{}]}}]\n",
      DpsStandIn::kHub1));
  for (const Case& one :
       {Case{"removed by somebody", DpsHouse::WithGroup(), true}, Case{"not there yet", DpsHouse::WithGroup(), false},
        Case{"not there yet, and disabled then", described_disabled, false}}) {
    SCOPED_TRACE(one.what);
    world_ = std::make_unique<DpsHouse>(one.description);
    if (one.removed) {
      world_->Publish();
      cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"remove", true}});
    }
    const CertificateRecord old = world_->Issue("device-1", "devices", "one");
    const CertificateRecord good = world_->Issue("device-1", "devices", "two");
    world_->Revoke(old);
    world_->WorkThrough();
    EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
    ExpectRefused("device-1", good);
    world_->Publish();
    world_->WorkThrough();
    ASSERT_EQ(world_->chain(), ChainState::kPublished);
    EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], Group()["provisioningStatus"]);
    EXPECT_EQ(Enrollment("device-1")["iotHubs"], Group()["iotHubs"]);
    if (one.description == described_disabled) {
      ExpectRefused("device-1", good);
    } else {
      ExpectAssigned("device-1", good);
    }
  }
}

TEST_F(DpsAcceptanceTest, Case11APinIsAsTheClosestGroupIsBeItDescribedOrNot) {
  MakePlant();
  const std::string line =
      fmt::format("{{group: line-devices, authority: devices, allocation: hashed, hubs: [{}]}}", DpsStandIn::kHub1);
  const std::string plant =
      fmt::format("{{group: plant-b, authority: plant-b, allocation: hashed, hubs: [{}]}}", DpsStandIn::kHub2);
  const std::string all =
      fmt::format("{{group: all-devices, authority: root, allocation: hashed, hubs: [{}]}}", DpsStandIn::kHub1);
  const auto pin = [&](const std::string& id) {
    const CertificateRecord old = world_->Issue(id, "plant-b", id + "-one");
    const CertificateRecord good = world_->Issue(id, "plant-b", id + "-two");
    world_->Revoke(old);
    world_->WorkThrough();
    return good;
  };
  // It is described no more, and stands there still.
  world_->Describe(DpsHouse::Described(fmt::format("groups: [{}, {}]\n", line, plant)));
  world_->Publish();
  world_->Describe(DpsHouse::Described(fmt::format("groups: [{}]\n", line)));
  world_->Publish();
  const CertificateRecord good = pin("device-1");
  EXPECT_EQ(Enrollment("device-1")["iotHubs"], json::array({DpsStandIn::kHub2}));
  ExpectAssigned("device-1", good);
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "plant-b"}, {"set", {{"provisioningStatus", "disabled"}}}});
  ExpectRefused("device-2", pin("device-2"));
  // One further up would let them in, but the closer one decides.
  world_->Describe(DpsHouse::Described(fmt::format("groups: [{}]\n", all)));
  world_->Publish();
  ExpectRefused("device-3", pin("device-3"));
  cloud().Change(
      {{"kind", "enrollmentGroup"},
       {"id", "plant-b"},
       {"set",
        {{"attestation",
          {{"type", "x509"},
           {"x509",
            {{"signingCertificates",
              {{"primary",
                {{"certificate", PemEncode("CERTIFICATE", world_->house.issuer("plant-b").chain().front())}}}}}}}}}}}});
  ExpectRefused("device-4", pin("device-4"));
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "plant-b"}, {"remove", true}});
  ExpectAssigned("device-5", pin("device-5"));
}

TEST_F(DpsAcceptanceTest, Case11APinnedDeviceFollowsItsGroup) {
  const auto described = [](const std::string& more) {
    return DpsHouse::Described(
        fmt::format("api_versions: {{service: \"2026-11-01\"}}\n"
                    "groups: [{{group: line-devices, authority: devices, allocation: hashed, {}}}]\n",
                    more));
  };
  world_->Describe(described(fmt::format("hubs: [{}]", DpsStandIn::kHub1)));
  world_->Publish();
  const json registry = {
      {"namespaceName", "factory"}, {"certificateAuthorityName", "line"}, {"certificatePolicyName", "leaves"}};
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", registry}});
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  const CertificateRecord good = world_->Issue("device-1", "devices", "two");
  world_->Revoke(old);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["iotHubs"], json::array({DpsStandIn::kHub1}));
  for (const auto& [field, value] : registry.items()) EXPECT_EQ(Enrollment("device-1")[field], value) << field;
  world_->Describe(described(fmt::format("hubs: [{}], initial_twin: {{tags: {{line: a}}}}", DpsStandIn::kHub2)));
  world_->Publish();
  world_->WorkThrough();
  ASSERT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(Enrollment("device-1")["iotHubs"], json::array({DpsStandIn::kHub2}));
  EXPECT_EQ(Enrollment("device-1")["initialTwin"]["tags"]["line"], "a");
  ExpectAssigned("device-1", good);
  EXPECT_THAT(world_->Ledger("device_pinned"), SizeIs(1));
  cloud().ClearLog();
  world_->Publish();
  world_->WorkThrough();
  EXPECT_EQ(cloud().Count("", ""), 0) << cloud().Log();
}

TEST_F(DpsAcceptanceTest, Case11OfAReissuedDeviceOnlyTheNewCertificateComesInAndItsEntryIsCollected) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-1");
  world_->Revoke(old);
  world_->Work();
  const CertificateRecord reissued = world_->Issue("device-1", "devices", "again");
  world_->Work();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "enabled");
  EXPECT_EQ(Enrollment("device-1")["iotHubs"], json::array({DpsStandIn::kHub1})) << "as its group has it";
  ExpectAssigned("device-1", reissued);
  ExpectRefused("device-1", old);
  // Until the old one has expired.
  world_->Advance(old.not_after + absl::Hours(2) - world_->Now());
  world_->Work();
  EXPECT_THAT(world_->Ledger("device_unblocked"), SizeIs(1));
}

TEST_F(DpsAcceptanceTest, Case12DevicesOfARevokedIntermediateAreRefusedAndItsSiblingsAreNot) {
  MakePlant();
  world_->Describe(ByRoot());
  world_->Publish();
  const CertificateRecord sibling = world_->Issue("device-1");
  const CertificateRecord device = world_->Issue("device-b", "plant-b");
  ExpectAssigned("device-1", sibling);
  ExpectAssigned("device-b", device);
  RevokeAuthority("plant-b");
  world_->Work();
  EXPECT_EQ(GroupLike("revoked-plant-b-")["provisioningStatus"], "disabled");
  ExpectRefused("device-b", device);
  ExpectAssigned("device-1", sibling);
}

TEST_F(DpsAcceptanceTest, Case11OfSeveralCertificatesEachRevokedOneIsRefused) {
  world_->Publish();
  const CertificateRecord first = world_->Issue("device-1", "devices", "one");
  const CertificateRecord second = world_->Issue("device-1", "devices", "two");
  const CertificateRecord third = world_->Issue("device-1", "devices", "three");
  world_->Revoke(first);
  world_->Work();
  ExpectRefused("device-1", first);
  ExpectAssigned("device-1", second);
  world_->Revoke(second, Reason::kCertificateHold);
  world_->Work();
  ExpectRefused("device-1", second);
  ExpectAssigned("device-1", third);
  ASSERT_THAT(world_->house.authority().Release(testing::House::CallerOf("operator"), "devices", second.serial),
              IsOk());
  world_->Work();
  ExpectAssigned("device-1", second);
}

TEST_F(DpsAcceptanceTest, Case12APinnedDeviceIsRefusedWhenItsAuthorityIsRevoked) {
  MakePlant();
  world_->Describe(ByRoot());
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-b", "plant-b", "one");
  const CertificateRecord good = world_->Issue("device-b", "plant-b", "two");
  world_->Revoke(old);
  world_->Work();
  ExpectAssigned("device-b", good);
  RevokeAuthority("plant-b");
  world_->Work();
  ExpectRefused("device-b", good);
}

TEST_F(DpsAcceptanceTest, Case12ARevokedAuthorityLosesItsPlaceInAGroupWithoutAPublication) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-old");
  RollOver();
  world_->Publish();
  const CertificateRecord fresh = world_->Issue("device-new", "devices-2");
  RevokeAuthority("devices");
  world_->Work();
  ExpectRefused("device-old", old);
  ExpectAssigned("device-new", fresh);
  RevokeAuthority("devices-2");
  world_->Work();
  ExpectRefused("device-new", fresh);
}

// The group has the certificates themselves, as DPS tells of them: by their info.
std::string ByCertificate() {
  return DpsHouse::Described(fmt::format(
      "certificates: [{{authority: devices, verified: proof}}]\n"
      "groups: [{{group: line-devices, authority: devices, by: certificate, allocation: hashed, hubs: [{}]}}]\n",
      DpsStandIn::kHub1));
}

TEST_F(DpsAcceptanceTest, Case12ARevokedAuthorityLosesItsPlaceInAGroupByCertificateWithoutAPublication) {
  world_->Describe(ByCertificate());
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-old");
  RollOver();
  world_->Publish();
  const CertificateRecord fresh = world_->Issue("device-new", "devices-2");
  ExpectAssigned("device-old", old);
  const json before = Group()["attestation"]["x509"]["signingCertificates"];
  ASSERT_THAT(before, SizeIs(2));
  RevokeAuthority("devices");
  world_->Work();
  ExpectRefused("device-old", old);
  ExpectAssigned("device-new", fresh);
  const json after = Group()["attestation"]["x509"]["signingCertificates"];
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_EQ(after["primary"]["info"]["sha256Thumbprint"], before["secondary"]["info"]["sha256Thumbprint"]);
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  ExpectAssigned("device-new", fresh);
  RevokeAuthority("devices-2");
  world_->Work();
  ExpectRefused("device-new", fresh);
  EXPECT_THAT(world_->Waiting(), IsEmpty());
}

TEST_F(DpsAcceptanceTest, Case06AnOutageParksNothing) {
  world_->Publish();
  std::vector<CertificateRecord> devices;
  for (int i = 0; i < 12; ++i) devices.push_back(world_->Issue(fmt::format("device-{}", i)));
  cloud().Fault({{"match", {{"pathRegex", "/enrollments"}}}, {"times", 0}, {"action", {{"status", 503}}}});
  for (const CertificateRecord& device : devices) world_->Revoke(device);
  for (int i = 0; i < 15; ++i) {
    world_->Work();
    world_->Advance(absl::Minutes(10));
  }
  for (const WorkRecord& one : world_->Waiting()) EXPECT_FALSE(one.parked) << one.key;
  cloud().Control("DELETE", "faults");
  world_->WorkThrough();
  for (const json& one : States("enrollments")) EXPECT_EQ(one["provisioningStatus"], "disabled");
  EXPECT_EQ(States("enrollments").size(), 12u);
}

TEST_F(DpsAcceptanceTest, Case13WhileAnAuthorityIsRolledOverOldAndNewDevicesComeIn) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-old");
  const Time old_ends = world_->house.issuer("devices").not_after();
  RollOver();
  cloud().ClearLog();
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  const CertificateRecord fresh = world_->Issue("device-new", "devices-2");
  ExpectAssigned("device-old", old);
  ExpectAssigned("device-new", fresh);
  // Verified first, referred to then.
  std::vector<std::string> writes;
  for (const json& entry : cloud().Log()) {
    const std::string path = entry["path"];
    if (path.ends_with("/verify")) writes.push_back("verify");
    if (entry["method"] == "PUT" && path.find("/enrollmentGroups/") != path.npos) writes.push_back("group");
  }
  EXPECT_THAT(writes, ElementsAre("verify", "group"));
  // When the old one has expired nothing refers to it, and only then it goes.
  world_->Advance(old_ends + absl::Minutes(1) - world_->Now());
  cloud().ClearLog();
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  writes.clear();
  for (const json& entry : cloud().Log()) {
    if (entry["method"] == "PUT") writes.push_back("group");
    if (entry["method"] == "DELETE") writes.push_back("remove");
  }
  EXPECT_THAT(writes, ElementsAre("group", "remove"));
  EXPECT_EQ(cloud().State()["certificates"].size(), 1u);
}

TEST_F(DpsAcceptanceTest, Case13ATargetThatIsNewAfterARolloverLetsOldAndNewDevicesIn) {
  const CertificateRecord old = world_->Issue("device-old");
  RollOver();
  ASSERT_THAT(world_->house.lifecycle().SetState(operator_, "devices-2", AuthorityState::kEnabled, false, 0), IsOk());
  ASSERT_EQ(world_->house.store().GetAuthority("devices")->state, AuthorityState::kDisabled);
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(world_->Waiting(), IsEmpty());
  ASSERT_THAT(States("certificates"), SizeIs(2));
  for (const json& one : States("certificates")) EXPECT_EQ(one["isVerified"], true) << one;
  EXPECT_THAT(Proofs(), SizeIs(2));
  ExpectAssigned("device-old", old);
  ExpectAssigned("device-new", world_->Issue("device-new", "devices-2"));
}

TEST_F(DpsAcceptanceTest, Case13WhileAnAuthorityIsRolledOverInAGroupByCertificateOldAndNewDevicesComeIn) {
  world_->Describe(ByCertificate());
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-old");
  const Time old_ends = world_->house.issuer("devices").not_after();
  RollOver();
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  const CertificateRecord fresh = world_->Issue("device-new", "devices-2");
  ExpectAssigned("device-old", old);
  ExpectAssigned("device-new", fresh);
  const json both = Group()["attestation"]["x509"]["signingCertificates"];
  ASSERT_THAT(both, SizeIs(2));
  // When the old one has expired the new one is the only one.
  world_->Advance(old_ends + absl::Minutes(1) - world_->Now());
  cloud().ClearLog();
  world_->Publish();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(world_->Waiting(), IsEmpty());
  const json alone = Group()["attestation"]["x509"]["signingCertificates"];
  ASSERT_THAT(alone, SizeIs(1));
  EXPECT_EQ(alone["primary"]["info"]["sha256Thumbprint"], both["secondary"]["info"]["sha256Thumbprint"]);
  std::vector<std::string> writes;
  for (const json& entry : cloud().Log()) {
    if (entry["method"] == "PUT") writes.push_back("group");
    if (entry["method"] == "DELETE") writes.push_back("remove");
  }
  EXPECT_THAT(writes, ElementsAre("group", "remove"));
  EXPECT_EQ(cloud().State()["certificates"].size(), 1u);
  Request request = world_->house.DeviceRequest("last", "device-last");
  request.authority = "devices-2";
  request.lifetime = absl::Minutes(30);  // the new authority has not much longer
  const StatusOr<Issued> last = world_->house.Issue(request, "operator");
  ASSERT_THAT(last, IsOk());
  ExpectAssigned("device-last", last->record);
}

TEST_F(DpsAcceptanceTest, AKeyThatIsAwayForNowHoldsUpItsProofAndNothingElse) {
  const CertificateRecord device = world_->Issue("device-1");
  const Status away =
      WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away"), absl::Minutes(2));
  // At start, and then when it is to sign.
  world_->house.open_failure = away;
  world_->Restart();
  world_->Publish();
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kHsmUnavailable);
  EXPECT_THAT(world_->Waiting()[0].failure, HasSubstr("the HSM is away"));
  EXPECT_FALSE(world_->Waiting()[0].parked);
  EXPECT_THAT(Steps(), ElementsAre("PUT")) << "no code that would go stale";
  EXPECT_THAT(world_->Plan()->warnings, Contains(AllOf(HasSubstr("devices"), HasSubstr("the HSM is away"))));
  world_->Revoke(device);
  world_->Work();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled") << "at once";
  EXPECT_LE(world_->worker().pause().until, world_->Now());

  world_->house.open_failure = absl::OkStatus();
  world_->house.signer_failure = away;
  world_->Advance(absl::Minutes(5));
  world_->Work();
  EXPECT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode"));
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kHsmUnavailable);
  EXPECT_LE(world_->worker().pause().until, world_->Now());

  world_->house.signer_failure = absl::OkStatus();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_THAT(Steps(), ElementsAre("PUT", "generateVerificationCode", "verify")) << "by the code that there was";
  EXPECT_THAT(world_->Waiting(), IsEmpty());
  EXPECT_THAT(Proofs(), SizeIs(1));
}

TEST_F(DpsAcceptanceTest, AKeyThatIsAwayForLongParksNothing) {
  world_->house.open_failure = Error(Code::kUnavailable, reason::kHsmTokenNotFound, "the token is away");
  world_->Restart();
  world_->Publish();
  for (int i = 0; i < 15; ++i) {
    world_->Advance(absl::Minutes(10));
    world_->Work();
  }
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_GT(world_->Waiting()[0].attempts, 10);
  EXPECT_FALSE(world_->Waiting()[0].parked);
  world_->house.open_failure = absl::OkStatus();
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
}

TEST_F(DpsAcceptanceTest, Case14EveryKindOfDeviceThatWeCertifyComesIn) {
  world_->Publish();
  for (const std::string& name : {std::string(64, 'd'), std::string("sn:4711_a.b-c-"), std::string("MixedCase-7")}) {
    ExpectAssigned(name, world_->Issue(name));
  }
  struct Key {
    const char* name;
    ssl::EvpKey key;
    SignatureAlgorithm algorithm;
  };
  Key keys[] = {{"p384", ssl::EvpKey(EVP_EC_gen("P-384")), SignatureAlgorithm::kEcdsaSha384},
                {"rsa-2048", ssl::EvpKey(EVP_RSA_gen(2048)), SignatureAlgorithm::kRsaPkcs1Sha256},
                {"rsa-3072", ssl::EvpKey(EVP_RSA_gen(3072)), SignatureAlgorithm::kRsaPkcs1Sha256}};
  for (Key& one : keys) {
    const testing::SoftwareSigner signer(one.algorithm, std::move(one.key));
    testing::CsrBuilder csr(signer);
    csr.subject = EncodeName({{"CN", one.name}});
    Request request = world_->house.DeviceRequest(one.name);
    request.csr = csr.Build();
    const StatusOr<Issued> issued = world_->house.Issue(request);
    ASSERT_THAT(issued, IsOk()) << one.name;
    const json answer = world_->Register(one.name, issued->record, signer);
    EXPECT_EQ(answer.value("status", json()), "assigned") << one.name << answer;
  }
  struct Case {
    std::string name;
    std::string reason;
  };
  for (const Case& refused :
       {Case{std::string(65, 'd'), reason::kSubjectNotAllowed}, Case{"ends-with.", reason::kSubjectNotAllowed},
        Case{"mixedcase-7", reason::kSubjectDiffersByCase}}) {
    const StatusOr<Issued> issued =
        world_->house.Issue(world_->house.DeviceRequest("refused-" + refused.name.substr(0, 40), refused.name));
    EXPECT_EQ(hallmark::Reason(issued.status()), refused.reason) << refused.name;
  }
}

TEST_F(DpsAcceptanceTest, Case15EntraTokensServeWhereSasIsSwitchedOff) {
  world_->Publish();
  cloud().Set({{"disableLocalAuth", true}});
  const CertificateRecord device = world_->Issue("device-1");
  world_->Revoke(device);
  world_->Work();
  ASSERT_THAT(world_->Waiting(), SizeIs(1));
  EXPECT_EQ(world_->Waiting()[0].reason, reason::kTargetCredentialRefused);
  EXPECT_FALSE(world_->Waiting()[0].parked) << "it is the credential's fault, not the device's";
  world_->UseCredential(true);
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  // A token that was withdrawn is replaced once.
  cloud().Control("DELETE", "tokens");
  ASSERT_THAT(world_->house.authority().Revoke(testing::House::CallerOf("operator"), "devices",
                                               world_->Issue("device-2").serial, Reason::kSuperseded),
              IsOk());
  world_->Work();
  EXPECT_EQ(Enrollment("device-2")["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, DriftIsSeenAndWhatIsOursIsMended) {
  world_->Publish();
  const CertificateRecord first = world_->Issue("device-1");
  const CertificateRecord second = world_->Issue("device-2");
  world_->Revoke(first);
  world_->Revoke(second);
  world_->Work();
  EXPECT_THAT(world_->Reconcile(false), IsEmpty());
  cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"remove", true}});
  cloud().Change({{"kind", "enrollment"}, {"id", "device-2"}, {"set", {{"provisioningStatus", "enabled"}}}});
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", {{"provisioningStatus", "disabled"}}}});
  EXPECT_THAT(world_->Reconcile(false), SizeIs(3));
  ExpectAssigned("device-2", second);
  EXPECT_THAT(world_->Reconcile(true), SizeIs(3));
  world_->WorkThrough();
  EXPECT_THAT(world_->Reconcile(false), IsEmpty());
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  ExpectRefused("device-2", second);
}

TEST_F(DpsAcceptanceTest, WhatWeSetInAGroupIsMendedWithoutATakeOver) {
  world_->Publish();
  const auto change = [&](const json& set) {
    cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", set}});
  };
  change({{"allocationPolicy", "geoLatency"}, {"initialTwin", {{"tags", {{"of", "people"}}}}}});
  const std::vector<Drift> drifts = world_->Reconcile(false);
  ASSERT_THAT(drifts, SizeIs(1));
  EXPECT_EQ(drifts[0].id, "line-devices");
  EXPECT_THAT(drifts[0].what, AllOf(HasSubstr("allocationPolicy"), Not(HasSubstr("initialTwin"))));
  EXPECT_TRUE(drifts[0].ours);
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  world_->Reconcile(true);
  const json started = world_->Ledger("publication_started").back();
  EXPECT_EQ(started["caller"], DpsHouse::kOperator);
  EXPECT_EQ(started["take_over"], false);
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kPublished);
  EXPECT_EQ(Group()["allocationPolicy"], "hashed");
  EXPECT_EQ(Group()["initialTwin"]["tags"]["of"], "people");
  EXPECT_THAT(world_->Reconcile(false), IsEmpty());
  // What is changed once more after it was looked at is left, and told of again.
  change({{"allocationPolicy", "geoLatency"}});
  world_->Reconcile(true);
  change({{"allocationPolicy", "static"}});
  world_->WorkThrough();
  EXPECT_EQ(world_->chain(), ChainState::kFailed);
  EXPECT_EQ(Group()["allocationPolicy"], "static");
  EXPECT_THAT(world_->Reconcile(true), SizeIs(1));
  world_->WorkThrough();
  EXPECT_EQ(Group()["allocationPolicy"], "hashed");
}

TEST_F(DpsAcceptanceTest, AGroupThatSomebodyEnabledAgainIsDisabledAgain) {
  world_->Describe(DpsHouse::Described("groups: [{group: line-devices, authority: devices, enabled: false}]\n"));
  world_->Publish();
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", {{"provisioningStatus", "enabled"}}}});
  ASSERT_THAT(world_->Reconcile(true), SizeIs(1));
  world_->WorkThrough();
  EXPECT_EQ(Group()["provisioningStatus"], "disabled");
}

TEST_F(DpsAcceptanceTest, AGroupThatSomebodyElseMadeIsToldOfAndLeft) {
  const json theirs = {{"attestation", {{"type", "symmetricKey"}}}, {"provisioningStatus", "disabled"}};
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", theirs}});
  world_->Publish();
  ASSERT_EQ(world_->chain(), ChainState::kFailed);
  ASSERT_EQ(Group()["allocationPolicy"], "hashed") << "nobody had set it";
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", {{"allocationPolicy", "geoLatency"}}}});
  const std::vector<Drift> drifts = world_->Reconcile(true);
  ASSERT_THAT(drifts, SizeIs(2));
  EXPECT_TRUE(drifts[0].ours);
  EXPECT_THAT(drifts[0].what, AllOf(HasSubstr("allocationPolicy"), Not(HasSubstr("attestation"))));
  EXPECT_FALSE(drifts[1].ours);
  EXPECT_EQ(drifts[1].id, "line-devices");
  EXPECT_THAT(drifts[1].what, AllOf(HasSubstr("attestation"), HasSubstr("--take-over")));
  world_->WorkThrough();
  EXPECT_EQ(Group()["allocationPolicy"], "hashed");
  EXPECT_EQ(Group()["attestation"]["type"], "symmetricKey");
  EXPECT_EQ(Group()["provisioningStatus"], "disabled");
  EXPECT_THAT(world_->Reconcile(true), SizeIs(1));
}

TEST_F(DpsAcceptanceTest, ARepairDoesNotEndATakeOver) {
  world_->Publish();
  cloud().Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"set", {{"provisioningStatus", "disabled"}}}});
  ASSERT_THAT(world_->house.store().QueueChain(DpsHouse::kTarget, true, world_->Now(), "{}"), IsOk());
  world_->Reconcile(true);
  EXPECT_TRUE(world_->house.store().GetTarget(DpsHouse::kTarget)->take_over);
}

TEST_F(DpsAcceptanceTest, APinnedEntryThatWasGivenOtherCertificatesIsMended) {
  world_->Publish();
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  const CertificateRecord good = world_->Issue("device-1", "devices", "two");
  world_->Revoke(old);
  world_->Work();
  EXPECT_THAT(world_->Reconcile(false), IsEmpty());
  const json revoked = {{"primary", {{"certificate", PemEncode("CERTIFICATE", old.certificate)}}}};
  for (const json& attestation : std::vector<json>{{{"type", "x509"}, {"x509", {{"clientCertificates", revoked}}}},
                                                   {{"type", "symmetricKey"}, {"symmetricKey", json::object()}}}) {
    cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"set", {{"attestation", attestation}}}});
    ASSERT_THAT(world_->Reconcile(false), SizeIs(1)) << attestation;
    EXPECT_THAT(world_->Reconcile(true), SizeIs(1)) << attestation;
    world_->WorkThrough();
    EXPECT_THAT(world_->Reconcile(false), IsEmpty()) << attestation;
    ExpectRefused("device-1", old);
    ExpectAssigned("device-1", good);
  }
}

TEST_F(DpsAcceptanceTest, APinnedEntryThatIsDisabledAsItsGroupOrAsItWasIsNoDrift) {
  world_->Describe(DpsHouse::Described("groups: [{group: line-devices, authority: devices, enabled: false}]\n"));
  world_->Publish();
  world_->Revoke(world_->Issue("device-1", "devices", "one"));
  world_->Issue("device-1", "devices", "two");
  world_->WorkThrough();
  ASSERT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  EXPECT_THAT(world_->Reconcile(true), IsEmpty());
  EXPECT_THAT(world_->Waiting(), IsEmpty());
  // It was written, so that the contrary is drift.
  cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"set", {{"provisioningStatus", "enabled"}}}});
  EXPECT_THAT(world_->Reconcile(true), SizeIs(1));
  world_->WorkThrough();
  EXPECT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");

  world_ = std::make_unique<DpsHouse>();
  world_->Publish();
  const json theirs = {{"provisioningStatus", "disabled"}, {"attestation", {{"type", "symmetricKey"}}}};
  cloud().Change({{"kind", "enrollment"}, {"id", "device-1"}, {"set", theirs}});
  const CertificateRecord old = world_->Issue("device-1", "devices", "one");
  world_->Issue("device-1", "devices", "two");
  world_->Revoke(old);
  world_->WorkThrough();
  ASSERT_EQ(Enrollment("device-1")["attestation"]["type"], "x509");
  ASSERT_EQ(Enrollment("device-1")["provisioningStatus"], "disabled");
  EXPECT_THAT(world_->Reconcile(true), IsEmpty());
}

TEST_F(DpsAcceptanceTest, AnIdentityThatSomebodyEnabledAgainIsDisabledAgain) {
  world_ = std::make_unique<DpsHouse>(DpsHouse::WithHub(DpsStandIn::kHub1));
  world_->Publish();
  std::vector<CertificateRecord> devices;
  for (const char* id : {"device-1", "device-2"}) {
    devices.push_back(world_->Issue(id));
    ExpectAssigned(id, devices.back());
    world_->Revoke(devices.back());
  }
  world_->WorkThrough();
  EXPECT_THAT(world_->Reconcile(false), IsEmpty());
  const std::string identity = fmt::format("{}/device-1", DpsStandIn::kHub1);
  cloud().Change({{"kind", "hubDevice"}, {"id", identity}, {"set", {{"status", "enabled"}}}});
  const std::vector<Drift> drifts = world_->Reconcile(true);
  ASSERT_THAT(drifts, SizeIs(1));
  EXPECT_EQ(drifts[0].kind, "hub identity");
  EXPECT_EQ(drifts[0].id, "device-1");
  EXPECT_TRUE(drifts[0].ours);
  world_->WorkThrough();
  for (const json& one : States("hubDevices")) EXPECT_EQ(one["status"], "disabled") << one;
  EXPECT_THAT(world_->Reconcile(false), IsEmpty());
  // A hub that is away is told of once, and is no failure of the rest.
  cloud().Fault(
      {{"match", {{"method", "GET"}, {"pathRegex", "/devices/"}}}, {"times", 0}, {"action", {{"status", 503}}}});
  const std::vector<Drift> away = world_->Reconcile(true);
  ASSERT_THAT(away, SizeIs(1));
  EXPECT_EQ(away[0].kind, "hub");
  EXPECT_FALSE(away[0].ours);
}

TEST_F(DpsAcceptanceTest, AReconciliationWaitsForTheBudget) {
  struct RunningClock : Clock {
    explicit RunningClock(Time begin) : now(begin) {}
    Time Now() const override { return now += absl::Milliseconds(20); }
    mutable Time now;
  };
  world_->Publish();
  const RunningClock clock(world_->Now());
  OperationBudget budget(6000, 0);
  const auto target = world_->MakeTarget(budget, clock);
  const auto result = target->Reconcile(
      false, DpsHouse::kOperator, [](const Reconciled&) { return true; }, [](const Drift&) {},
      world_->Now() + absl::Minutes(1));
  EXPECT_THAT(result, IsOk());
}

TEST_F(DpsAcceptanceTest, NobodyIsLetInBeforeTheRevokedAreKeptOut) {
  // Several calls' worth of devices; and one call's, which fails at first.
  for (const size_t devices : {size_t{25}, size_t{7}}) {
    world_ = std::make_unique<DpsHouse>();
    for (size_t i = 0; i < devices; ++i) world_->Revoke(world_->Issue(fmt::format("device-{}", i)));
    cloud().Fault({{"match", {{"method", "POST"}, {"pathRegex", "/enrollments/?\\?"}}},
                   {"times", 1},
                   {"action", {{"status", 503}}}});
    world_->Publish();
    world_->WorkThrough();
    EXPECT_EQ(world_->chain(), ChainState::kPublished);
    const json log = cloud().Log();
    size_t last_block = log.size();
    size_t first_group = log.size();
    size_t proof = log.size();
    for (size_t i = 0; i < log.size(); ++i) {
      const std::string path = log[i]["path"];
      const bool sets_group = log[i]["method"] == "PUT" && path.find("/enrollmentGroups/") != path.npos;
      const bool at_once = log[i]["method"] == "POST" && path.ends_with("/enrollments");
      const bool alone = log[i]["method"] == "PUT" && path.find("/enrollments/") != path.npos;
      if (at_once || alone) last_block = i;
      if (sets_group) first_group = std::min(first_group, i);
      if (path.ends_with("/verify")) proof = std::min(proof, i);
    }
    EXPECT_LT(last_block, first_group) << devices;
    EXPECT_LT(proof, first_group);
    EXPECT_EQ(cloud().State()["enrollments"].size(), devices);
  }
}

TEST_F(DpsAcceptanceTest, ARevocationDoesNotWaitForWhatIsOnlyLookedAtAgain) {
  world_->Publish();
  constexpr int kPinned = 21;  // three calls' worth
  for (int i = 0; i < kPinned; ++i) {
    const std::string name = fmt::format("pinned-{}", i);
    world_->Revoke(world_->Issue(name, "devices", "one-" + name));
    world_->Issue(name, "devices", "two-" + name);
  }
  world_->WorkThrough();
  cloud().Fault({{"match", {{"pathRegex", "/enrollments/"}}},
                 {"times", 1},
                 {"action", {{"status", 429}, {"headers", {{"Retry-After", "5"}}}}}});
  world_->Publish();
  ASSERT_EQ(world_->chain(), ChainState::kPublished);
  ASSERT_GE(world_->Waiting().size(), size_t{kPinned - 10});
  for (const WorkRecord& one : world_->Waiting()) EXPECT_TRUE(one.review) << one.key;
  world_->Advance(absl::Seconds(6));
  world_->Revoke(world_->Issue("device-1"));
  const size_t before = cloud().Log().size();
  world_->WorkThrough();
  const json log = cloud().Log();
  std::set<std::string> looked_at;
  size_t i = before;
  for (; i < log.size() && log[i]["method"] != "POST"; ++i) {
    const std::string path = log[i]["path"];
    if (path.find("/enrollments/pinned-") != path.npos) looked_at.insert(path);
  }
  EXPECT_LT(i, log.size()) << "device-1 was not kept out";
  EXPECT_LT(looked_at.size(), 10u) << "it is of the first who are worked on together";
}

TEST_F(DpsAcceptanceTest, DevicesThatWereRevokedBeforeAreKeptOutFromThePublicationOn) {
  const CertificateRecord device = world_->Issue("device-1");
  world_->Revoke(device);
  ASSERT_THAT(world_->house.store().RemoveTarget(DpsHouse::kTarget, world_->Now(), "{}"), IsOk());
  world_->Describe(DpsHouse::WithGroup());
  world_->Publish();
  world_->WorkThrough();
  ExpectRefused("device-1", device);
}

TEST_F(DpsAcceptanceTest, TheCheckSaysWhatMicrosoftsClientIsTold) {
  world_->Publish();
  const CertificateRecord good = world_->Issue("device-1");
  const CertificateRecord revoked = world_->Issue("device-2");
  world_->Revoke(revoked);
  world_->Work();
  const auto check = [&](const CertificateRecord& record, size_t chain) {
    std::vector<Bytes> shown = {record.certificate};
    const auto& above = world_->house.issuer("devices").chain();
    shown.insert(shown.end(), above.begin(), above.begin() + static_cast<ptrdiff_t>(chain));
    return world_->target().Check(shown, world_->Now() + absl::Minutes(1)).value();
  };
  EXPECT_TRUE(check(good, 2).admitted);
  EXPECT_TRUE(check(good, 1).admitted);
  EXPECT_FALSE(check(good, 0).admitted);
  EXPECT_FALSE(check(revoked, 2).admitted);
  EXPECT_THAT(check(revoked, 2).findings.back().what, HasSubstr("individual enrollment, which is disabled"));
  ExpectAssigned("device-1", good);
  ExpectRefused("device-2", revoked);
}

TEST_F(DpsAcceptanceTest, TheCheckSaysOfANameThatItIsNoRegistrationId) {
  world_->Publish();
  const SoftwareSigner key(SignatureAlgorithm::kEcdsaSha256);
  const Bytes leaf =
      testing::CertificateBuilder(key, key.public_key(), EncodeName({{"CN", "device 1"}}), world_->Now()).Build();
  const auto check = [&](const std::vector<Bytes>& chain) {
    cloud().ClearLog();
    return world_->target().Check(chain, world_->Now() + absl::Minutes(1));
  };
  const auto verdict = check({leaf});
  ASSERT_THAT(verdict, IsOk());
  EXPECT_FALSE(verdict->admitted);
  EXPECT_EQ(verdict->error_code, 401002);
  ASSERT_THAT(verdict->findings, SizeIs(1));
  EXPECT_THAT(verdict->findings[0].what, HasSubstr("CN \"device 1\" is no registration id"));
  EXPECT_THAT(verdict->advice, HasSubstr("1 to 64 characters"));
  EXPECT_EQ(cloud().Count("GET", "/enrollments/"), 0);
  // For what is no certificate nobody is asked.
  for (const std::vector<Bytes>& chain : std::vector<std::vector<Bytes>>{{}, {Bytes{1}}, {leaf, Bytes{1}}}) {
    EXPECT_THAT(check(chain), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
    EXPECT_THAT(cloud().Log(), IsEmpty());
  }
}

}  // namespace
}  // namespace hallmark
