// What becomes of a certificate that is held, released, revoked, and revoked again for another reason; and of its key.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/reason.h"
#include "ca/crl.h"
#include "ca/proof.h"
#include "tests/command.h"
#include "tests/house.h"
#include "tests/lots.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::CsrBuilder;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;

using Reason = RevocationReason;

class RevocationTest : public ::testing::Test {
 protected:
  Issued Device(const std::string& device) { return house_.Issue(house_.DeviceRequest("r-" + device, device)).value(); }
  StatusOr<CertificateRecord> Revoke(const Issued& issued, Reason reason, std::optional<Time> invalidity = {}) {
    return house_.authority().Revoke(operator_, "devices", issued.record.serial, reason, invalidity);
  }
  StatusOr<CertificateRecord> Release(const Issued& issued) {
    return house_.authority().Release(operator_, "devices", issued.record.serial);
  }
  std::optional<Revocation> Stands(const Issued& issued) {
    return house_.store().GetCertificate("devices", issued.record.serial).value().revocation;
  }
  uint64_t Changes() { return house_.store().RevocationCount("devices").value(); }
  // The next CRL as OpenSSL prints it.
  std::string Crl() {
    house_.clock.now += absl::Seconds(1);
    const CrlRecord crl = house_.authority().GenerateCrl(house_.issuer("devices"), absl::InfiniteFuture()).value();
    EXPECT_THAT(WriteFile(directory_ / "crl", crl.crl), IsOk());
    return RunCommand("openssl crl -inform DER -noout -text -in " + (directory_ / "crl").string()).output;
  }

  House house_;
  const Caller operator_ = House::CallerOf("operator");
  const testing::TemporaryDirectory directory_;
};

TEST_F(RevocationTest, AHoldIsOnTheListUntilItIsReleased) {
  const Issued device = Device("device-1");
  const auto held = Revoke(device, Reason::kCertificateHold);
  ASSERT_THAT(held, IsOk());
  EXPECT_EQ(held->revocation->reason, Reason::kCertificateHold);
  EXPECT_THAT(Revoke(device, Reason::kCertificateHold), IsOk());  // once more
  EXPECT_EQ(Changes(), 1u);
  EXPECT_THAT(Crl(), HasSubstr("Certificate Hold"));
  const auto released = Release(device);
  ASSERT_THAT(released, IsOk());
  EXPECT_FALSE(released->revocation.has_value());
  EXPECT_EQ(Changes(), 2u);
  EXPECT_THAT(Crl(), HasSubstr("No Revoked Certificates"));
  EXPECT_THAT(Release(device), Fails(Code::kFailedPrecondition, reason::kNotOnHold));
}

TEST_F(RevocationTest, WhoeverIsHeldIsOutAndInAgainOnceReleased) {
  const Issued station = house_.Credential("station", "held");
  const auto identify = [&] { return house_.authority().Identify(station.record.certificate, "test").status(); };
  ASSERT_THAT(identify(), IsOk());
  ASSERT_THAT(house_.authority().Revoke(operator_, "access", station.record.serial, Reason::kCertificateHold), IsOk());
  EXPECT_THAT(identify(), Fails(Code::kUnauthenticated, reason::kCallerRevoked));
  ASSERT_THAT(house_.authority().Release(operator_, "access", station.record.serial), IsOk());
  EXPECT_THAT(identify(), IsOk());
}

TEST_F(RevocationTest, EveryChangeOfReasonIsAllowedOrRefusedAsTheStandardHasIt) {
  struct Case {
    Reason stands;
    Reason asked;
    Reason then;  // as `stands`: nothing changes
    bool refused = false;
  };
  const std::vector<Case> cases = {
      {Reason::kCertificateHold, Reason::kSuperseded, Reason::kSuperseded},
      {Reason::kCertificateHold, Reason::kUnspecified, Reason::kUnspecified},
      {Reason::kCertificateHold, Reason::kKeyCompromise, Reason::kKeyCompromise},
      {Reason::kSuperseded, Reason::kCertificateHold, Reason::kSuperseded, true},
      {Reason::kKeyCompromise, Reason::kCertificateHold, Reason::kKeyCompromise, true},
      {Reason::kSuperseded, Reason::kCessationOfOperation, Reason::kSuperseded},
      {Reason::kSuperseded, Reason::kKeyCompromise, Reason::kKeyCompromise},
      {Reason::kKeyCompromise, Reason::kSuperseded, Reason::kKeyCompromise},
      {Reason::kKeyCompromise, Reason::kKeyCompromise, Reason::kKeyCompromise},
  };
  int number = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} asked of {}", static_cast<int>(c.asked), static_cast<int>(c.stands)));
    const Issued device = Device(fmt::format("device-{}", ++number));
    ASSERT_THAT(Revoke(device, c.stands), IsOk());
    const Revocation first = Stands(device).value();
    house_.clock.now += absl::Hours(1);
    const auto again = Revoke(device, c.asked);
    if (c.refused) {
      EXPECT_THAT(again, Fails(Code::kFailedPrecondition, reason::kRevokedForEver));
    } else {
      EXPECT_THAT(again, IsOk());
    }
    const Revocation then = Stands(device).value();
    EXPECT_EQ(then.reason, c.then);
    EXPECT_EQ(then.revoked, first.revoked);  // since the first, also of what was held
    if (c.then != Reason::kCertificateHold) {
      EXPECT_THAT(Release(device), Fails(Code::kFailedPrecondition, reason::kNotOnHold));
    }
  }
}

TEST_F(RevocationTest, ACompromisedKeyIsCertifiedNoMore) {
  const Request request = house_.DeviceRequest("r-device-1", "device-1");
  const Issued device = house_.Issue(request).value();
  ASSERT_THAT(Revoke(device, Reason::kSuperseded), IsOk());
  ASSERT_THAT(house_.Issue(house_.DeviceRequest("again", "device-1")), IsOk());
  ASSERT_THAT(Revoke(device, Reason::kKeyCompromise), IsOk());
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("once more", "device-1")).status(),
              Fails(Code::kInvalidArgument, reason::kRequestInvalid));  // the id has a blank
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("once-more", "device-1")),
              Fails(Code::kFailedPrecondition, reason::kKeyCompromised));
  house_.Reopen();
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("later", "device-1")),
              Fails(Code::kFailedPrecondition, reason::kKeyCompromised));
  // What was answered is answered again, and other keys are not concerned.
  const auto repeated = house_.Issue(request);
  ASSERT_THAT(repeated, IsOk());
  EXPECT_EQ(repeated->record.certificate, device.record.certificate);
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("other", "device-2")), IsOk());
}

TEST_F(RevocationTest, AnInvalidityDateIsOnTheListAndNotInTheFuture) {
  const Issued device = Device("device-1");
  EXPECT_THAT(Revoke(device, Reason::kKeyCompromise, house_.clock.now + absl::Hours(1)),
              Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_FALSE(Stands(device).has_value());
  const Time known = absl::FromUnixSeconds(1'780'000'000);
  ASSERT_THAT(Revoke(device, Reason::kKeyCompromise, known), IsOk());
  EXPECT_EQ(Stands(device)->invalidity, known);
  EXPECT_THAT(Crl(),
              AllOf(HasSubstr("Key Compromise"), HasSubstr("Invalidity Date"), HasSubstr("May 28 20:26:40 2026")));
}

TEST_F(RevocationTest, WhoeverHasTheKeyMayRevokeItsCertificate) {
  const Issued device = Device("device-1");
  const Caller station = House::CallerOf("station");
  const auto revoke = [&](const testing::SoftwareSigner& key, const std::string& challenge) {
    return house_.authority().RevokeByKey(station, "devices", device.record.serial,
                                          key.Sign(AsBytes(challenge), absl::InfiniteFuture()).value());
  };
  const std::string challenge = RevocationChallenge(device.record.certificate);
  const auto refused = Fails(Code::kInvalidArgument, reason::kRevocationProofInvalid);
  EXPECT_THAT(revoke(House::DeviceKey("device-2"), challenge), refused);
  EXPECT_THAT(revoke(House::DeviceKey("device-1"), InstallationChallenge(device.record.certificate)), refused);
  EXPECT_THAT(house_.authority().RevokeByKey(station, "devices", device.record.serial, {}), refused);
  EXPECT_THAT(house_.authority().Revoke(station, "devices", device.record.serial, Reason::kKeyCompromise),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_FALSE(Stands(device).has_value());
  ASSERT_THAT(revoke(House::DeviceKey("device-1"), challenge), IsOk());
  EXPECT_EQ(Stands(device)->reason, Reason::kKeyCompromise);
  EXPECT_EQ(Stands(device)->revoked_by, station.uri);
}

TEST(RevocationOfALotTest, AHoldLeavesTheLineAndARevocationDoesNot) {
  House house(House::WithLots{});
  testing::AddLot(house.store(), testing::ExampleTerms(), testing::Lines("SN", 2), house.clock.now);
  Request request = house.DeviceRequest("r1", "SN1");
  request.lot = "a-17";
  const Issued issued = house.Issue(request).value();
  const Caller caller = House::CallerOf("operator");
  const auto state = [&] { return house.store().GetDevice("a-17", "SN1")->state; };
  const auto counts_are_true = [&] {
    const auto counted = house.store().CountLot("a-17").value();
    return counted.counts == counted.lot.counts && counted.live == counted.counts.issued + counted.counts.installed;
  };
  ASSERT_THAT(house.authority().Revoke(caller, "devices", issued.record.serial, Reason::kCertificateHold), IsOk());
  EXPECT_EQ(state(), DeviceState::kIssued);
  EXPECT_TRUE(counts_are_true());
  ASSERT_THAT(house.authority().Revoke(caller, "devices", issued.record.serial, Reason::kSuperseded), IsOk());
  EXPECT_EQ(state(), DeviceState::kRevoked);
  EXPECT_TRUE(counts_are_true());
}

}  // namespace
}  // namespace hallmark
