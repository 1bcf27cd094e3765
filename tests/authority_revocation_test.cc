// The end of an authority: what stops at once, what goes on, and what is revoked below.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/reason.h"
#include "ca/mass_revocation.h"
#include "tests/command.h"
#include "tests/house.h"
#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"

namespace hallmark {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::IsSupersetOf;
using ::testing::Not;
using testing::RunCommand;
using Below = AuthorityRevocation::Below;
using Reason = RevocationReason;

auto DoesNotIssue() { return Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing); }

class AuthorityRevocationTest : public ::testing::Test {
 protected:
  AuthorityRevocation Asked(Reason reason, Below below = Below::kNothing) {
    return {.request_id = "end", .reason = reason, .invalidity = std::nullopt, .below = below};
  }
  StatusOr<RevokedAuthorities> Revoke(const std::string& authority, const AuthorityRevocation& asked) {
    return house_.lifecycle().Revoke(operator_, authority, asked);
  }
  AuthorityState StateOf(const std::string& authority) { return house_.store().GetAuthority(authority)->state; }
  std::optional<Revocation> CertificateOf(const std::string& authority) {
    return house_.store().GetCertificate("root", house_.issuer(authority).serial())->revocation;
  }
  Status Issue(const std::string& device, const std::string& authority = "devices") {
    Request request = house_.DeviceRequest("r-" + device, device);
    request.authority = authority;
    return house_.Issue(request, "operator").status();
  }
  Status Work() {
    const std::atomic<bool> stopping = false;
    return MassRevocations(house_.authority()).Work(stopping);
  }
  std::string CrlOf(const std::string& authority) {
    house_.clock.now += absl::Seconds(1);
    const CrlRecord crl = house_.authority().GenerateCrl(house_.issuer(authority), absl::InfiniteFuture()).value();
    const std::string file = (house_.directory() / "crl").string();
    EXPECT_THAT(WriteFile(file, crl.crl), IsOk());
    return RunCommand("openssl crl -inform DER -noout -text -in " + file).output;
  }

  House house_;
  const Caller operator_ = House::CallerOf("operator");
};

TEST_F(AuthorityRevocationTest, ItIssuesNoMoreAndItsIssuerListsIt) {
  ASSERT_THAT(Issue("before"), IsOk());
  const Time invalidity = house_.clock.now - absl::Hours(1);
  AuthorityRevocation asked = Asked(Reason::kCaCompromise);
  asked.invalidity = invalidity;
  const auto revoked = Revoke("devices", asked);
  ASSERT_THAT(revoked, IsOk());
  ASSERT_EQ(revoked->authorities.size(), 1u);
  EXPECT_EQ(revoked->authorities[0].state, AuthorityState::kRevoked);
  EXPECT_TRUE(revoked->revocations.empty());
  EXPECT_TRUE(revoked->elsewhere.empty());
  EXPECT_THAT(Issue("after"), DoesNotIssue());
  EXPECT_EQ(CertificateOf("devices")->reason, Reason::kCaCompromise);
  EXPECT_EQ(CertificateOf("devices")->invalidity, invalidity);
  EXPECT_THAT(CrlOf("root"), HasSubstr("CA Compromise"));
  // What it issued is not touched, and its own list goes on.
  EXPECT_THAT(CrlOf("devices"), HasSubstr("No Revoked Certificates"));
  // The others issue.
  EXPECT_EQ(StateOf("access"), AuthorityState::kEnabled);
  house_.Credential("station", "goes-on");
  house_.Reopen();
  EXPECT_THAT(Issue("after-a-restart"), DoesNotIssue());
  EXPECT_THAT(house_.lifecycle().SetState(operator_, "devices", AuthorityState::kEnabled, false, 0), DoesNotIssue());
  // Idempotent: the first revocation stands.
  ASSERT_THAT(Revoke("devices", Asked(Reason::kSuperseded)), IsOk());
  EXPECT_EQ(CertificateOf("devices")->reason, Reason::kCaCompromise);
}

TEST_F(AuthorityRevocationTest, WhoseCertificateIsRevokedIsOutOfUseToo) {
  EXPECT_THAT(house_.authority().OutOfUse().value(), IsEmpty());
  const Bytes serial = ToBytes(house_.issuer("devices").serial());
  ASSERT_THAT(house_.authority().Revoke(operator_, "root", serial, Reason::kCertificateHold), IsOk());
  EXPECT_THAT(house_.authority().OutOfUse().value(), ElementsAre("devices"));
  ASSERT_THAT(house_.authority().Release(operator_, "root", serial), IsOk());
  EXPECT_THAT(house_.authority().OutOfUse().value(), IsEmpty());
  ASSERT_THAT(Revoke("access", Asked(Reason::kCaCompromise)), IsOk());
  EXPECT_THAT(house_.authority().OutOfUse().value(), ElementsAre("access"));
  ASSERT_THAT(house_.authority().Revoke(operator_, "root", house_.issuer("root").serial(), Reason::kCaCompromise),
              IsOk());
  EXPECT_THAT(house_.authority().OutOfUse().value(), IsSupersetOf({"root", "devices", "access"}))
      << "they are below it";
}

TEST_F(AuthorityRevocationTest, WhatIsBelowFollowsAsFarAsItWasAsked) {
  for (const char* device : {"one", "two"}) ASSERT_THAT(Issue(device), IsOk());
  const auto revoked = Revoke("root", Asked(Reason::kCaCompromise, Below::kAuthorities));
  ASSERT_THAT(revoked, IsOk());
  std::vector<std::string> names;
  for (const AuthorityRecord& record : revoked->authorities) names.push_back(record.authority);
  EXPECT_THAT(names, ElementsAre("root", "devices", "access"));
  for (const char* authority : {"root", "devices", "access"}) EXPECT_EQ(StateOf(authority), AuthorityState::kRevoked);
  EXPECT_THAT(Issue("three"), DoesNotIssue());
  // Their own keys are not compromised.
  EXPECT_EQ(CertificateOf("devices")->reason, Reason::kUnspecified);
  EXPECT_TRUE(house_.store().RunningMassRevocations()->empty());
  EXPECT_EQ(house_.store().RevocationCount("devices").value(), 0u);
}

TEST_F(AuthorityRevocationTest, AllThatItIssuedFollowsWhatWasUnderWayToo) {
  for (int i = 0; i < 5; ++i) ASSERT_THAT(Issue(fmt::format("device-{}", i)), IsOk());
  Intent under_way = testing::ExampleIntent(1);
  under_way.authority = "devices";
  under_way.caller_serial.clear();
  const Intended intended = house_.store().Intend(under_way).value();
  const auto revoked = Revoke("devices", Asked(Reason::kCessationOfOperation, Below::kCertificates));
  ASSERT_THAT(revoked, IsOk());
  ASSERT_EQ(revoked->revocations.size(), 1u);
  const std::string name = revoked->revocations[0].revocation;
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(house_.store().RevocationCount("devices").value(), 5u);
  EXPECT_EQ(house_.store().GetMassRevocation(name)->state, MassRevocationState::kRunning) << "looks again";
  // The signature that was under way comes in.
  ASSERT_THAT(house_.store().Record(intended.intent, testing::ExampleCertificate(1), house_.clock.now, "{}"), IsOk());
  house_.Reopen();
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(house_.store().RevocationCount("devices").value(), 6u);
  house_.clock.now += absl::Minutes(2);
  ASSERT_THAT(Work(), IsOk());
  const auto done = house_.store().GetMassRevocation(name).value();
  EXPECT_EQ(done.state, MassRevocationState::kDone);
  EXPECT_EQ(done.changed, 6);
  EXPECT_EQ(house_.store().GetCertificate("devices", under_way.serial)->revocation->reason,
            Reason::kCessationOfOperation);
  EXPECT_THAT(testing::CheckLedger(house_.store()), IsOk());
}

TEST_F(AuthorityRevocationTest, OnlyShowingItChangesNothing) {
  const uint64_t leaves = house_.store().GetLedgerHead()->size;
  AuthorityRevocation asked = Asked(Reason::kCaCompromise, Below::kCertificates);
  asked.validate_only = true;
  const auto shown = Revoke("root", asked);
  ASSERT_THAT(shown, IsOk());
  EXPECT_EQ(shown->authorities.size(), 3u);
  EXPECT_EQ(shown->revocations.size(), 3u);
  EXPECT_EQ(house_.store().GetLedgerHead()->size, leaves);
  EXPECT_THAT(Issue("goes-on"), IsOk());
}

TEST_F(AuthorityRevocationTest, WhatMakesNoSenseIsRefused) {
  AuthorityRevocation future = Asked(Reason::kCaCompromise);
  future.invalidity = house_.clock.now + absl::Hours(1);
  AuthorityRevocation old = Asked(Reason::kCaCompromise);
  old.version = 77;
  AuthorityRevocation nameless = Asked(Reason::kCaCompromise);
  nameless.request_id = "";
  struct Case {
    const char* name;
    std::string authority;
    AuthorityRevocation asked;
    Code code;
    const char* reason;
  };
  const std::vector<Case> cases = {
      {"a hold", "devices", Asked(Reason::kCertificateHold), Code::kInvalidArgument, reason::kRequestInvalid},
      {"a release", "devices", Asked(Reason::kRemoveFromCrl), Code::kInvalidArgument, reason::kRequestInvalid},
      {"the future", "devices", future, Code::kInvalidArgument, reason::kRequestInvalid},
      {"no id", "devices", nameless, Code::kInvalidArgument, reason::kRequestInvalid},
      {"an old etag", "devices", old, Code::kAborted, reason::kAuthorityChanged},
      {"nobody", "nobody", Asked(Reason::kSuperseded), Code::kNotFound, reason::kAuthorityUnknown},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(Revoke(c.authority, c.asked), Fails(c.code, c.reason));
  }
  EXPECT_THAT(house_.lifecycle().Revoke(House::CallerOf("station"), "devices", Asked(Reason::kSuperseded)),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_EQ(StateOf("devices"), AuthorityState::kEnabled);
}

TEST_F(AuthorityRevocationTest, ACallerBelowARevokedAuthorityIsOut) {
  const Issued station = house_.Credential("station", "line-1");
  ASSERT_THAT(house_.authority().Identify(station.record.certificate, "test"), IsOk());
  ASSERT_THAT(Revoke("access", Asked(Reason::kCaCompromise)), IsOk());
  EXPECT_THAT(house_.authority().Identify(station.record.certificate, "test"),
              Fails(Code::kUnauthenticated, reason::kCallerRevoked));
}

}  // namespace
}  // namespace hallmark
