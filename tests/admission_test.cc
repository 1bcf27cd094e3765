// Whether a device may have a certificate, by the line of its lot.
#include "factory/admission.h"

#include <gmock/gmock.h>

#include "base/reason.h"
#include "tests/lots.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::ExampleTerms;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

const Time kNow = absl::FromUnixSeconds(1'790'000'000);

struct Situation {
  LotTerms terms = ExampleTerms();
  LotRecord lot;
  std::optional<DeviceRecord> device;
  int64_t taken = 0;
  AdmissionRequest request;
};

// In which SN1 gets its first certificate.
Situation Good() {
  Situation s;
  s.lot.lot = "a-17";
  s.lot.profile = "device-dps";
  s.lot.authority = "devices";
  s.lot.counts.announced = 10;
  s.device.emplace();
  s.device->lot = "a-17";
  s.device->serial = "SN1";
  s.device->registration_id = "SN1";
  s.request = {.caller = "hallmark://test/station/one",
               .station = "one",
               .lot = "a-17",
               .serial = "SN1",
               .profile = "device-dps",
               .authority = "devices",
               .spki = Sha256(AsBytes("key")),
               .endorsement_key = std::nullopt,
               .reissue_reason = "",
               .now = kNow};
  s.terms.reissue = {1, 3, true};
  return s;
}

StatusOr<Admitted> Judge(const Situation& s) { return Admit(s.lot, s.terms, s.device, s.taken, s.request); }

struct Case {
  const char* name;
  void (*change)(Situation&);
  Code code;  // kOk: admitted
  const char* reason;
};

void Issued(Situation& s) {
  s.device->state = DeviceState::kIssued;
  s.device->station = "hallmark://test/station/two";
  s.device->claimed = kNow - absl::Hours(1);
  s.device->authority = "devices";
  s.device->certificate_serial = {1, 2, 3};
}

const Case kCases[] = {
    {"AsAnnounced", [](Situation&) {}, Code::kOk, ""},
    {"NotOfTheLot", [](Situation& s) { s.request.station = "two"; }, Code::kPermissionDenied, reason::kStationNotInLot},
    {"NoStationAtAll", [](Situation& s) { s.request.station = ""; }, Code::kPermissionDenied, reason::kStationNotInLot},
    {"NotEvenByAStar",
     [](Situation& s) {
       s.terms.stations[0].station = "*";
       s.request.station = "";
     },
     Code::kPermissionDenied, reason::kStationNotInLot},
    {"OfAGlob", [](Situation& s) { s.terms.stations[0].station = "o*"; }, Code::kOk, ""},
    {"AStrangerLearnsNotThatTheLotIsClosed",
     [](Situation& s) {
       s.request.station = "two";
       s.lot.state = LotState::kClosed;
     },
     Code::kPermissionDenied, reason::kStationNotInLot},
    {"Closed", [](Situation& s) { s.lot.state = LotState::kClosed; }, Code::kFailedPrecondition, reason::kLotClosed},
    {"OneSecondEarly", [](Situation& s) { s.terms.not_before = kNow + absl::Seconds(1); }, Code::kFailedPrecondition,
     reason::kLotNotYetOpen},
    {"FirstSecond", [](Situation& s) { s.terms.not_before = kNow; }, Code::kOk, ""},
    {"LastSecond", [](Situation& s) { s.terms.not_after = kNow; }, Code::kOk, ""},
    {"OneSecondLate", [](Situation& s) { s.terms.not_after = kNow - absl::Seconds(1); }, Code::kFailedPrecondition,
     reason::kLotExpired},
    {"OtherProfile", [](Situation& s) { s.request.profile = "idevid"; }, Code::kFailedPrecondition,
     reason::kLotTermsDiffer},
    {"OtherAuthority", [](Situation& s) { s.request.authority = "root"; }, Code::kFailedPrecondition,
     reason::kLotTermsDiffer},
    {"NotAnnounced", [](Situation& s) { s.device.reset(); }, Code::kNotFound, reason::kDeviceUnknown},
    {"InTheRange",
     [](Situation& s) {
       s.device.reset();
       s.terms.serials = SerialRange{"SN", 1, 9, 1};
     },
     Code::kOk, ""},
    {"BeyondTheRange",
     [](Situation& s) {
       s.device.reset();
       s.terms.serials = SerialRange{"SN", 2, 9, 1};
     },
     Code::kNotFound, reason::kDeviceUnknown},
    {"TheAnnouncedKey", [](Situation& s) { s.device->spki = s.request.spki; }, Code::kOk, ""},
    {"AnotherKey", [](Situation& s) { s.device->spki = Sha256(AsBytes("other")); }, Code::kPermissionDenied,
     reason::kDeviceKeyDiffers},
    {"TheAnnouncedEndorsementKey",
     [](Situation& s) { s.device->endorsement_key = s.request.endorsement_key = Sha256(AsBytes("ek")); }, Code::kOk,
     ""},
    {"AnotherEndorsementKey",
     [](Situation& s) {
       s.device->endorsement_key = Sha256(AsBytes("ek"));
       s.request.endorsement_key = Sha256(AsBytes("other"));
     },
     Code::kPermissionDenied, reason::kDeviceKeyDiffers},
    {"NoEndorsementKey", [](Situation& s) { s.device->endorsement_key = Sha256(AsBytes("ek")); },
     Code::kPermissionDenied, reason::kDeviceKeyDiffers},
    {"Withdrawn", [](Situation& s) { s.device->state = DeviceState::kWithdrawn; }, Code::kFailedPrecondition,
     reason::kDeviceWithdrawn},
    {"WithdrawnEvenForAReissue",
     [](Situation& s) {
       s.device->state = DeviceState::kWithdrawn;
       s.request.reissue_reason = "rework";
     },
     Code::kFailedPrecondition, reason::kDeviceWithdrawn},
    {"TheLastOfTheQuantity",
     [](Situation& s) {
       s.terms.quantity = 10;
       s.lot.counts = {.claimed = 1, .issued = 3, .installed = 4, .revoked = 1};
     },
     Code::kOk, ""},
    {"BeyondTheQuantity",
     [](Situation& s) {
       s.terms.quantity = 10;
       s.lot.counts = {.claimed = 2, .issued = 3, .installed = 4, .revoked = 1};
     },
     Code::kResourceExhausted, reason::kLotQuantityReached},
    {"WithdrawnLinesAreNotBuilt",
     [](Situation& s) {
       s.terms.quantity = 10;
       s.lot.counts = {.claimed = 9, .withdrawn = 50};
     },
     Code::kOk, ""},
    {"TheStationsLast",
     [](Situation& s) {
       s.terms.stations[0].quantity = 5;
       s.taken = 4;
     },
     Code::kOk, ""},
    {"BeyondTheStationsQuantity",
     [](Situation& s) {
       s.terms.stations[0].quantity = 5;
       s.taken = 5;
     },
     Code::kResourceExhausted, reason::kStationQuantityReached},
    {"ASecondClaim", Issued, Code::kFailedPrecondition, reason::kDeviceClaimed},
    {"AReissue",
     [](Situation& s) {
       Issued(s);
       s.request.reissue_reason = "rework";
     },
     Code::kOk, ""},
    {"AReissueOfAFullLot",
     [](Situation& s) {
       Issued(s);
       s.request.reissue_reason = "rework";
       s.terms.quantity = 1;
       s.lot.counts = {.issued = 1};
     },
     Code::kOk, ""},
    {"AReissueOfWhatIsUnderWay",
     [](Situation& s) {
       Issued(s);
       s.device->state = DeviceState::kClaimed;
       s.request.reissue_reason = "rework";
     },
     Code::kFailedPrecondition, reason::kDeviceClaimed},
    {"TooManyReissuesOfADevice",
     [](Situation& s) {
       Issued(s);
       s.device->reissues = 1;
       s.request.reissue_reason = "rework";
     },
     Code::kFailedPrecondition, reason::kReissueNotAllowed},
    {"TooManyReissuesOfTheLot",
     [](Situation& s) {
       Issued(s);
       s.lot.counts.reissued = 3;
       s.request.reissue_reason = "rework";
     },
     Code::kFailedPrecondition, reason::kReissueNotAllowed},
    {"AReasonWithoutACertificateBefore", [](Situation& s) { s.request.reissue_reason = "rework"; }, Code::kOk, ""},
};

class AdmissionTest : public ::testing::TestWithParam<Case> {};

TEST_P(AdmissionTest, IsByTheLine) {
  Situation situation = Good();
  GetParam().change(situation);
  const auto admitted = Judge(situation);
  if (GetParam().code != Code::kOk) {
    EXPECT_THAT(admitted, Fails(GetParam().code, GetParam().reason));
    EXPECT_TRUE(IsSuspicious(admitted.status()));
    return;
  }
  ASSERT_THAT(admitted, IsOk());
  EXPECT_EQ(admitted->device.state, DeviceState::kClaimed);
  EXPECT_EQ(admitted->device.station, "hallmark://test/station/one");
  EXPECT_EQ(admitted->device.claimed, kNow);
}

INSTANTIATE_TEST_SUITE_P(EachCase, AdmissionTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(AdmissionTest, AReissueIsCountedAndKnowsWhatItReplaces) {
  Situation situation = Good();
  Issued(situation);
  situation.request.reissue_reason = "failed installation";
  const auto admitted = Judge(situation);
  ASSERT_THAT(admitted, IsOk());
  EXPECT_TRUE(admitted->revoke_previous);
  EXPECT_EQ(admitted->device.reissues, 1);
  EXPECT_EQ(admitted->device.reissue_of, "failed installation");
  EXPECT_EQ(admitted->device.certificate_serial, (Bytes{1, 2, 3}));
  situation.terms.reissue.revoke_previous = false;
  EXPECT_FALSE(Judge(situation)->revoke_previous);
}

TEST(AdmissionTest, ARangeGivesItsDeviceAName) {
  Situation situation = Good();
  situation.device.reset();
  situation.terms.serials = SerialRange{"SN", 1, 9, 1};
  situation.terms.registration_id = "{product}-{serial}";
  const auto admitted = Judge(situation);
  ASSERT_THAT(admitted, IsOk());
  EXPECT_EQ(admitted->device.registration_id, "sensor-2-SN1");
}

TEST(AdmissionTest, AQuotaNamesWhoseItIs) {
  Situation situation = Good();
  situation.terms.quantity = 0;
  const auto quota = Quota(Judge(situation).status());
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->subject, "lots/a-17");
  EXPECT_EQ(quota->description, "quantity 0");
}

TEST(AdmissionTest, ProfilesSeeTheDevicesRecord) {
  Situation situation = Good();
  situation.device->hardware = R"({"mac":"00:11","board":"b3"})";
  const auto facts = FactsOf(*situation.device, situation.terms);
  EXPECT_THAT(facts, ::testing::UnorderedElementsAre(
                         ::testing::Pair("serial", "SN1"), ::testing::Pair("registration_id", "SN1"),
                         ::testing::Pair("lot", "a-17"), ::testing::Pair("product", "sensor-2"),
                         ::testing::Pair("manufacturer", "acme"), ::testing::Pair("hardware.mac", "00:11"),
                         ::testing::Pair("hardware.board", "b3")));
}

TEST(AdmissionTest, MistakesInFormAreNotSuspicious) {
  for (const char* why : {reason::kCsrMalformed, reason::kRequestInvalid, reason::kPermissionDenied,
                          reason::kStoreUnavailable, reason::kRateLimited}) {
    EXPECT_FALSE(IsSuspicious(Error(Code::kInvalidArgument, why, ""))) << why;
  }
}

}  // namespace
}  // namespace hallmark
