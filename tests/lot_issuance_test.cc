// Issuing devices of lots: the whole walk over a real store, and what an outside judge says of reports.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "ca/device_bundle.h"
#include "ca/proof.h"
#include "ca/reconciliation.h"
#include "ca/report.h"
#include "tests/command.h"
#include "tests/house.h"
#include "tests/lots.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::AddLot;
using testing::ExampleTerms;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using testing::Lines;

class LotIssuanceTest : public ::testing::Test {
 protected:
  LotIssuanceTest() : house_(House::WithLots{}) {}

  Request RequestFor(const std::string& device, const std::string& id = "") {
    Request request = house_.DeviceRequest(id.empty() ? "request-" + device : id, device);
    request.lot = "a-17";
    return request;
  }
  LotRecord Import(const LotTerms& terms = ExampleTerms(), int count = 3) {
    return AddLot(house_.store(), terms, Lines("SN", count), house_.clock.now);
  }
  std::map<std::string, int64_t> AttemptsByReason() {
    std::map<std::string, int64_t> counts;
    const auto attempts = house_.store().ListAttempts("a-17");
    EXPECT_THAT(attempts, IsOk());
    for (const AttemptRecord& attempt : *attempts) counts[attempt.reason] += attempt.count;
    return counts;
  }

  House house_;
};

TEST_F(LotIssuanceTest, AnAnnouncedDeviceGetsItsCertificateAndAllThatItNeeds) {
  Import();
  const Request request = RequestFor("SN1");
  const int before = house_.signatures;
  const auto issued = house_.Issue(request);
  ASSERT_THAT(issued, IsOk());
  ASSERT_TRUE(issued->record.device.has_value());
  EXPECT_EQ(issued->record.device->serial, "SN1");
  const nlohmann::json bundle = nlohmann::json::parse(issued->device_bundle);
  EXPECT_EQ(bundle.at("registration_id"), "SN1");
  EXPECT_EQ(bundle.at("device"), "lots/a-17/devices/SN1");
  EXPECT_EQ(bundle.at("bootstrap").at("id_scope"), "0ne00000001");
  EXPECT_EQ(bundle.at("installation_challenge"), InstallationChallenge(issued->record.certificate));
  // What a device presents verifies up to the root.
  const auto file = [&](const char* name) { return (house_.directory() / name).string(); };
  std::ofstream(file("leaf")) << bundle.at("certificate_pem").get<std::string>();
  std::ofstream(file("chain")) << bundle.at("certificate_chain_pem").get<std::string>();
  std::ofstream(file("root")) << bundle.at("root_pem").get<std::string>();
  EXPECT_THAT(testing::RunCommand(fmt::format("openssl verify -x509_strict -CAfile {} -untrusted {} {}", file("root"),
                                              file("chain"), file("leaf")))
                  .output,
              HasSubstr(": OK"));
  // Again the same, to the last octet; also read.
  const auto again = house_.Issue(request);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->record.certificate, issued->record.certificate);
  EXPECT_EQ(again->device_bundle, issued->device_bundle);
  EXPECT_EQ(house_.signatures, before + 1);
}

TEST_F(LotIssuanceTest, WithoutALotThereIsNoDevice) {
  Import();
  Request request = RequestFor("SN1");
  request.lot = "";
  EXPECT_THAT(house_.Issue(request), Fails(Code::kInvalidArgument, reason::kLotRequired));
  request.lot = "b-1";
  EXPECT_THAT(house_.Issue(request), Fails(Code::kNotFound, reason::kLotUnknown));
  // Those who call us are no devices.
  Request credential = RequestFor("line-1");
  credential.authority = "access";
  credential.profile = "station";
  EXPECT_THAT(house_.Issue(credential, "operator"), Fails(Code::kInvalidArgument, reason::kLotNotAllowed));
}

TEST_F(LotIssuanceTest, RefusalsAreRecordedByReasonAndSignNothing) {
  LotTerms terms = ExampleTerms();
  Import(terms);
  ASSERT_THAT(house_.Issue(RequestFor("SN1")), IsOk());
  const int signatures = house_.signatures;
  EXPECT_THAT(house_.Issue(RequestFor("SN9")), Fails(Code::kNotFound, reason::kDeviceUnknown));
  EXPECT_THAT(house_.Issue(RequestFor("SN1", "second")), Fails(Code::kFailedPrecondition, reason::kDeviceClaimed));
  EXPECT_THAT(house_.authority().Issue(House::CallerOf("station", "two"), RequestFor("SN2"), absl::InfiniteFuture()),
              Fails(Code::kPermissionDenied, reason::kStationNotInLot));
  // A station that claims one device and names another.
  Request other_name = RequestFor("SN3");
  other_name.device_serial = "SN2";
  EXPECT_THAT(house_.Issue(other_name), Fails(Code::kInvalidArgument, reason::kDeviceNameDiffers));
  // A device's key under another device's name.
  Request copy = RequestFor("SN2", "copy");
  testing::CsrBuilder csr(House::DeviceKey("SN1"));
  csr.subject = EncodeName({{"CN", "SN2"}});
  copy.csr = csr.Build();
  EXPECT_THAT(house_.Issue(copy), Fails(Code::kFailedPrecondition, reason::kKeyCertifiedForAnother));
  EXPECT_EQ(house_.signatures, signatures);
  EXPECT_THAT(AttemptsByReason(), ::testing::UnorderedElementsAre(::testing::Pair(reason::kDeviceUnknown, 1),
                                                                  ::testing::Pair(reason::kDeviceClaimed, 1),
                                                                  ::testing::Pair(reason::kStationNotInLot, 1),
                                                                  ::testing::Pair(reason::kDeviceNameDiffers, 1),
                                                                  ::testing::Pair(reason::kKeyCertifiedForAnother, 1)));
  EXPECT_EQ(house_.store().GetDevice("a-17", "SN2")->state, DeviceState::kAnnounced);
  // Who only asks what would be changes nothing.
  Request validation = RequestFor("SN9", "validation");
  validation.validate_only = true;
  EXPECT_FALSE(
      house_.authority().Validate(House::CallerOf("station"), validation, absl::InfiniteFuture()).outcome.ok());
  EXPECT_EQ(AttemptsByReason()[reason::kDeviceUnknown], 1);
}

TEST_F(LotIssuanceTest, AnIntentThatWasLeftOpenIsFinishedForTheSameRequestOnly) {
  Import();
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  const Request request = RequestFor("SN1");
  EXPECT_THAT(house_.Issue(request), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  house_.signer_failure = absl::OkStatus();
  EXPECT_THAT(house_.Issue(RequestFor("SN1", "other")), Fails(Code::kFailedPrecondition, reason::kDeviceClaimed));
  house_.Reopen();
  ASSERT_THAT(house_.authority().Recover(absl::InfiniteFuture(), absl::InfiniteFuture()), IsOk());
  EXPECT_EQ(house_.store().GetDevice("a-17", "SN1")->state, DeviceState::kIssued);
  ASSERT_THAT(house_.store().CloseLot("a-17", house_.clock.now, "{}"), IsOk());
  const auto issued = house_.Issue(request);  // was answered before: the closed lot does not matter
  ASSERT_THAT(issued, IsOk());
  EXPECT_FALSE(issued->device_bundle.empty());
  EXPECT_THAT(house_.Issue(RequestFor("SN2")), Fails(Code::kFailedPrecondition, reason::kLotClosed));
}

TEST_F(LotIssuanceTest, AReissueRevokesWhatItReplacesWithTheSameStroke) {
  LotTerms terms = ExampleTerms();
  terms.reissue = {1, 5, true};
  Import(terms);
  const auto first = house_.Issue(RequestFor("SN1"));
  ASSERT_THAT(first, IsOk());
  Request reissue = RequestFor("SN1", "rework");
  reissue.reissue_reason = "rework";
  const auto second = house_.Issue(reissue);
  ASSERT_THAT(second, IsOk());
  const auto before = house_.store().GetCertificate("devices", first->record.serial);
  ASSERT_TRUE(before->revocation.has_value());
  EXPECT_EQ(before->revocation->reason, RevocationReason::kSuperseded);
  Request third = RequestFor("SN1", "third");
  third.reissue_reason = "again";
  EXPECT_THAT(house_.Issue(third), Fails(Code::kFailedPrecondition, reason::kReissueNotAllowed));
  const auto reconciliation = Reconcile(house_.authority(), "a-17");
  ASSERT_THAT(reconciliation, IsOk());
  EXPECT_THAT(reconciliation->contradictions, ::testing::IsEmpty());
  EXPECT_EQ(reconciliation->certificates, 2);
  EXPECT_EQ(reconciliation->live, 1);
  EXPECT_EQ(reconciliation->unclaimed, 2);
}

TEST_F(LotIssuanceTest, ARateAndAQuantityAreOfEachStation) {
  LotTerms terms = ExampleTerms();
  terms.stations = {{"one", 2, "10/s"}};
  Import(terms, 20);
  ASSERT_THAT(house_.Issue(RequestFor("SN1")), IsOk());
  ASSERT_THAT(house_.Issue(RequestFor("SN2")), IsOk());
  EXPECT_THAT(house_.Issue(RequestFor("SN3")), Fails(Code::kResourceExhausted, reason::kStationQuantityReached));
  for (int i = 0; i < 7; ++i) house_.Issue(RequestFor("SN4", fmt::format("more-{}", i))).IgnoreError();
  const auto limited = house_.Issue(RequestFor("SN4", "eleventh"));
  EXPECT_THAT(limited, Fails(Code::kResourceExhausted, reason::kRateLimited));
  EXPECT_TRUE(RetryDelay(limited.status()).has_value());
  EXPECT_TRUE(Quota(limited.status()).has_value());
  house_.clock.now += absl::Seconds(1);
  EXPECT_THAT(house_.Issue(RequestFor("SN4", "later")),
              Fails(Code::kResourceExhausted, reason::kStationQuantityReached));
}

TEST_F(LotIssuanceTest, AValidationCountsForTheRateOnce) {
  LotTerms terms = ExampleTerms();
  terms.stations = {{"one", std::nullopt, "2/s"}};
  Import(terms);
  Request request = RequestFor("SN1");
  request.validate_only = true;
  const auto validate = [&] {
    return house_.authority().Validate(House::CallerOf("station"), request, absl::InfiniteFuture()).outcome.status();
  };
  EXPECT_THAT(validate(), IsOk());
  EXPECT_THAT(validate(), IsOk());
  EXPECT_THAT(validate(), Fails(Code::kResourceExhausted, reason::kRateLimited));
}

TEST_F(LotIssuanceTest, ADeviceProvesThatItHasItsCertificate) {
  Import();
  const auto issued = house_.Issue(RequestFor("SN1"));
  ASSERT_THAT(issued, IsOk());
  const Caller station = House::CallerOf("station");
  const auto confirm = [&](ByteView signature) {
    return house_.authority().ConfirmInstallation(station, "devices", issued->record.serial, signature);
  };
  const Bytes good = House::DeviceKey("SN1")
                         .Sign(AsBytes(InstallationChallenge(issued->record.certificate)), absl::InfiniteFuture())
                         .value();
  const Bytes of_another_key =
      House::DeviceKey("SN2")
          .Sign(AsBytes(InstallationChallenge(issued->record.certificate)), absl::InfiniteFuture())
          .value();
  EXPECT_THAT(confirm(of_another_key), Fails(Code::kInvalidArgument, reason::kInstallationProofInvalid));
  EXPECT_EQ(house_.store().GetDevice("a-17", "SN1")->state, DeviceState::kIssued);
  const auto told = confirm({});
  ASSERT_THAT(told, IsOk());
  EXPECT_FALSE(told->proven);
  const auto proven = confirm(good);
  ASSERT_THAT(proven, IsOk());
  EXPECT_TRUE(proven->proven);
  // Another station has nothing to confirm there.
  EXPECT_THAT(
      house_.authority().ConfirmInstallation(House::CallerOf("station", "two"), "devices", issued->record.serial, {}),
      Fails(Code::kPermissionDenied, reason::kPermissionDenied));
}

TEST_F(LotIssuanceTest, WhatIsNotConfirmedInTimeIsToldAndRevokedWhereTheLotSaysSo) {
  LotTerms terms = ExampleTerms();
  terms.confirmation = {absl::Hours(1), true};
  Import(terms);
  const auto issued = house_.Issue(RequestFor("SN1"));
  ASSERT_THAT(issued, IsOk());
  ASSERT_THAT(house_.Issue(RequestFor("SN2")), IsOk());
  const std::atomic<bool> stopping = false;
  house_.clock.now += absl::Minutes(59);
  EXPECT_EQ(house_.authority().SweepUnconfirmed(stopping)->at("a-17"), 0);
  ASSERT_THAT(house_.authority().ConfirmInstallation(House::CallerOf("station"), "devices", issued->record.serial, {}),
              IsOk());
  house_.clock.now += absl::Minutes(2);
  EXPECT_EQ(house_.authority().SweepUnconfirmed(stopping)->at("a-17"), 1);
  EXPECT_EQ(house_.store().GetDevice("a-17", "SN1")->state, DeviceState::kInstalled);
  EXPECT_EQ(house_.store().GetDevice("a-17", "SN2")->state, DeviceState::kRevoked);
  EXPECT_EQ(house_.authority().SweepUnconfirmed(stopping)->at("a-17"), 0);
}

TEST_F(LotIssuanceTest, AReportVerifiesUpToTheRootWithOpenssl) {
  Import();
  ASSERT_THAT(house_.Issue(RequestFor("SN1")), IsOk());
  EXPECT_THAT(house_.Issue(RequestFor("SN9")), Fails(Code::kNotFound, reason::kDeviceUnknown));
  const auto reconciliation = Reconcile(house_.authority(), "a-17");
  ASSERT_THAT(reconciliation, IsOk());
  const std::string json = ToJson(*reconciliation, "hallmark://test/operator/one");
  const auto report = SignReport(house_.authority(), House::CallerOf("operator"), "access",
                                 {.kind = "Lot report", .about = "a-17", .content = json}, permission::kReconcileLot,
                                 absl::InfiniteFuture());
  ASSERT_THAT(report, IsOk());
  const auto file = [&](const char* name) { return (house_.directory() / name).string(); };
  std::ofstream(file("report.der"), std::ios::binary) << ToString(*report);
  std::ofstream(file("root")) << PemEncode("CERTIFICATE", house_.issuer("root").record().certificate);
  const std::string verify = "openssl cms -verify -binary -inform DER -CAfile {} -in {} -out {} 2>&1";
  EXPECT_THAT(
      testing::RunCommand(fmt::format(fmt::runtime(verify), file("root"), file("report.der"), file("content"))).output,
      ::testing::AnyOf(HasSubstr("Verification successful"), HasSubstr("CMS Verification successful")));
  const nlohmann::json content = nlohmann::json::parse(std::ifstream(file("content")));
  EXPECT_EQ(content.at("issued"), 1);
  EXPECT_EQ(content.at("refused_attempts").at(0).at("reason"), reason::kDeviceUnknown);
  // Nobody's role lets him have such a certificate himself.
  Request own = house_.DeviceRequest("own");
  own.authority = "access";
  own.profile = "report-signer";
  EXPECT_THAT(house_.Issue(own, "operator"), Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  // One bit less, and it is none.
  std::string damaged = ToString(*report);
  damaged[damaged.find("issued") + 10] ^= 1;
  std::ofstream(file("report.der"), std::ios::binary) << damaged;
  EXPECT_THAT(
      testing::RunCommand(fmt::format(fmt::runtime(verify), file("root"), file("report.der"), file("content"))).output,
      ::testing::Not(HasSubstr("successful")));
}

TEST_F(LotIssuanceTest, TermsMustFitTheAuthorityAndAProfileForLots) {
  LotTerms terms = ExampleTerms();
  EXPECT_THAT(house_.authority().CheckTerms(terms), IsOk());
  terms.profile = "nothing";
  EXPECT_THAT(house_.authority().CheckTerms(terms), Fails(Code::kNotFound, reason::kProfileUnknown));
  terms.profile = "station";
  terms.authority = "access";
  EXPECT_THAT(house_.authority().CheckTerms(terms), Fails(Code::kFailedPrecondition, reason::kLotNotAllowed));
  terms.authority = "nobody";
  EXPECT_THAT(house_.authority().CheckTerms(terms), Fails(Code::kNotFound, reason::kAuthorityUnknown));
}

}  // namespace
}  // namespace hallmark
