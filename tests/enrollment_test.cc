// Stations enroll once and renew themselves, and who is put out is out: with a real store, lint and software keys.
#include "ca/enrollment.h"

#include <gmock/gmock.h>

#include "ca/suspension.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::CsrBuilder;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using testing::RequestExtensions;

Bytes CsrOf(const std::string& key, const std::string& uri = "") {
  CsrBuilder csr(House::DeviceKey(key));
  csr.subject = EncodeName({{"CN", key}});
  if (!uri.empty()) {
    const Bytes names = EncodeGeneralNames({{GeneralName::Kind::kUri, uri}}).value();
    csr.attributes = RequestExtensions({SubjectAltName(names, false)});
  }
  return csr.Build();
}

class EnrollmentTest : public ::testing::Test {
 protected:
  // An operator's enrollment credential for a station, by a key of that name.
  Issued Credential(const std::string& station, const std::string& key) {
    return house_
        .Issue({.request_id = "credential:" + key,
                .authority = "access",
                .profile = "station-enrollment",
                .csr = CsrOf(key, "hallmark://test/enrollment/" + station),
                .lifetime = std::nullopt},
               "operator")
        .value();
  }
  Caller Identified(const Issued& issued) {
    return house_.authority().Identify(issued.record.certificate, "test").value();
  }
  StatusOr<Issued> Enroll(const Caller& caller, const Bytes& csr) {
    return EnrollStation(house_.authority(), caller, csr, absl::InfiniteFuture());
  }
  StatusOr<Issued> Renew(const Caller& caller, const std::string& request_id, const Bytes& csr) {
    return RenewStation(house_.authority(), caller, request_id, csr, absl::InfiniteFuture());
  }
  Caller Enrolled(const std::string& station) {
    const Caller caller = Identified(Credential(station, station + "-carried"));
    return Identified(Enroll(caller, CsrOf(station + "-own")).value());
  }
  Request DeviceOf(const std::string& request_id) { return house_.DeviceRequest(request_id, "device-" + request_id); }
  std::string LastEntry() {
    const LedgerHead head = house_.store().GetLedgerHead().value();
    const std::vector<LedgerEntry> entries = house_.store().ListEntries(head.size - 1, 1).value();
    return entries.at(0).entry;
  }

  House house_;
  const Caller operator_ = House::CallerOf("operator");
};

TEST_F(EnrollmentTest, ACredentialCertifiesOneKeyOnce) {
  const Caller caller = Identified(Credential("line-1", "carried"));
  EXPECT_EQ(caller.role, "enrollment");
  const Issued first = Enroll(caller, CsrOf("own", "hallmark://test/operator/root")).value();
  EXPECT_EQ(first.record.subject, "CN=line-1");  // nothing but the key is the CSR's
  EXPECT_EQ(first.record.not_after + absl::Seconds(1) - house_.clock.now, absl::Hours(24 * 30));  // inclusive
  const Caller station = Identified(first);
  EXPECT_EQ(station.uri, "hallmark://test/station/line-1");
  EXPECT_EQ(station.role, "station");
  EXPECT_THAT(house_.authority().Issue(station, DeviceOf("r1"), absl::InfiniteFuture()), IsOk());

  // Another CSR for the same key, as of a client that lost everything but that.
  EXPECT_EQ(Enroll(caller, CsrOf("own")).value().record.certificate, first.record.certificate);
  EXPECT_THAT(Enroll(caller, CsrOf("other")), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
  // An operator may make another one for the same station.
  EXPECT_THAT(Enroll(Identified(Credential("line-1", "carried-again")), CsrOf("other")), IsOk());
}

TEST_F(EnrollmentTest, TheKeyThatWasCarriedIsNeverTheStations) {
  const Caller caller = Identified(Credential("line-1", "carried"));
  EXPECT_THAT(Enroll(caller, CsrOf("carried")), Fails(Code::kFailedPrecondition, reason::kKeyCertifiedForAnother));
}

TEST_F(EnrollmentTest, OnlyItsOwnCallIsOpenToEach) {
  const Caller enrollment = Identified(Credential("line-1", "carried"));
  const Caller station = Enrolled("line-2");
  const auto denied = Fails(Code::kPermissionDenied, reason::kPermissionDenied);
  EXPECT_THAT(house_.authority().Issue(enrollment, DeviceOf("r1"), absl::InfiniteFuture()), denied);
  EXPECT_THAT(Renew(enrollment, "r2", CsrOf("own")), denied);
  EXPECT_THAT(Enroll(station, CsrOf("own")), denied);
  EXPECT_THAT(Enroll(operator_, CsrOf("own")), denied);
  EXPECT_THAT(Renew(operator_, "r3", CsrOf("own")), denied);
  for (const Caller& caller : {operator_, station, enrollment}) {
    Request request{.request_id = "r4",
                    .authority = "access",
                    .profile = kEnrolledProfile,
                    .csr = CsrOf("own"),
                    .lifetime = std::nullopt};
    EXPECT_THAT(house_.authority().Issue(caller, request, absl::InfiniteFuture()), denied) << caller.uri;
  }
  // Nor does an enrollment credential name anybody but a station to come.
  EXPECT_THAT(house_.Issue({.request_id = "r5",
                            .authority = "access",
                            .profile = "station-enrollment",
                            .csr = CsrOf("carried 2", "hallmark://test/station/line-1"),
                            .lifetime = std::nullopt},
                           "operator"),
              Fails(Code::kInvalidArgument, reason::kExtensionNotAllowed));
}

TEST_F(EnrollmentTest, AStationRenewsItselfUnderItsOwnName) {
  for (const Caller& station :
       {Enrolled("line-1"), Identified(house_.Credential("station", "line-2"))}) {  // enrolled, or an operator's
    const std::string key = station.name + "-renewed";
    const Issued renewed = Renew(station, "renewal", CsrOf(key, "hallmark://test/station/other")).value();
    EXPECT_EQ(Identified(renewed).uri, station.uri);
    EXPECT_NE(renewed.record.serial, station.serial);
    EXPECT_EQ(Renew(station, "renewal", CsrOf(key)).value().record.certificate, renewed.record.certificate);
    EXPECT_THAT(Renew(station, "renewal", CsrOf(key + "-2")), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
    EXPECT_THAT(Renew(station, "", CsrOf(key + "-2")), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
    // The one that it has stays good.
    EXPECT_THAT(house_.authority().Issue(station, DeviceOf(station.name), absl::InfiniteFuture()), IsOk());
  }
}

TEST_F(EnrollmentTest, TheProfileInForceSaysInWhichRoleItsCallersCall) {
  const Issued credential = Credential("line-1", "carried");
  const Issued enrolled = Enroll(Identified(credential), CsrOf("own")).value();
  auto changed = std::make_shared<PolicySnapshot>(*house_.policies().Current());
  auto profile = std::make_shared<Profile>(*changed->profiles.at(kEnrolledProfile));
  profile->caller_role = "";
  changed->profiles[kEnrolledProfile] = profile;
  changed->profiles.erase("station-enrollment");
  house_.policies().Use(changed);
  for (const Issued& issued : {credential, enrolled}) {
    EXPECT_THAT(house_.authority().Identify(issued.record.certificate, "test"),
                Fails(Code::kUnauthenticated, reason::kCallerUnauthenticated));
  }
}

TEST_F(EnrollmentTest, ASuspendedCallerIsOutUntilItIsResumed) {
  const Issued credential = house_.Credential("station", "line-1");
  const std::string uri = "hallmark://test/station/line-1";
  const auto identify = [&] { return house_.authority().Identify(credential.record.certificate, "test"); };
  const SuspensionRecord suspension = SuspendCaller(house_.authority(), operator_, uri, "stolen").value();
  EXPECT_EQ(suspension.reason, "stolen");
  EXPECT_EQ(suspension.suspended_by, operator_.uri);
  EXPECT_THAT(LastEntry(), HasSubstr(R"("suspended":"hallmark://test/station/line-1")"));
  EXPECT_THAT(LastEntry(), HasSubstr(R"("type":"caller_suspended")"));
  EXPECT_THAT(identify(), Fails(Code::kUnauthenticated, reason::kCallerSuspended));
  // The first stands, and leaves no second entry.
  const uint64_t size = house_.store().GetLedgerHead().value().size;
  EXPECT_EQ(SuspendCaller(house_.authority(), operator_, uri, "again").value().reason, "stolen");
  EXPECT_EQ(house_.store().GetLedgerHead().value().size, size);
  EXPECT_EQ(ListSuspensions(house_.authority(), House::CallerOf("auditor")).value().size(), 1U);
  house_.Reopen();
  EXPECT_THAT(identify(), Fails(Code::kUnauthenticated, reason::kCallerSuspended));

  EXPECT_THAT(ResumeCaller(house_.authority(), operator_, uri), IsOk());
  EXPECT_THAT(LastEntry(), HasSubstr(R"("type":"caller_resumed")"));
  EXPECT_THAT(ResumeCaller(house_.authority(), operator_, uri), IsOk());
  EXPECT_EQ(house_.store().GetLedgerHead().value().size, size + 1);
  EXPECT_THAT(identify(), IsOk());
}

TEST_F(EnrollmentTest, WhoMayBeSuspendedByWhom) {
  struct Case {
    const char* name;
    std::string role;
    std::string uri;
    std::string reason;
    Code code;
  };
  const std::string station = "hallmark://test/station/line-1";
  const std::vector<Case> cases = {
      {"himself", "operator", "hallmark://test/operator/one", "why", Code::kInvalidArgument},
      {"another realm's", "operator", "hallmark://other/station/line-1", "why", Code::kInvalidArgument},
      {"no URI", "operator", "line-1", "why", Code::kInvalidArgument},
      {"no reason", "operator", station, "", Code::kInvalidArgument},
      {"a long reason", "operator", station, std::string(257, 'x'), Code::kInvalidArgument},
      {"a reason of two lines", "operator", station, "a\nb", Code::kInvalidArgument},
      {"by a station", "station", "hallmark://test/station/line-2", "why", Code::kPermissionDenied},
      {"by an auditor", "auditor", station, "why", Code::kPermissionDenied},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(SuspendCaller(house_.authority(), House::CallerOf(c.role), c.uri, c.reason).status().code(), c.code);
  }
  EXPECT_THAT(ResumeCaller(house_.authority(), House::CallerOf("auditor"), station),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(ListSuspensions(house_.authority(), House::CallerOf("station")),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_TRUE(house_.store().ListSuspensions().value().empty());
  EXPECT_THAT(SuspendCaller(house_.authority(), operator_, station, std::string(256, 'x')), IsOk());
}

// The act's commit lies between a request's identification and its intent.
TEST_F(EnrollmentTest, WhatWasAskedBeforeTheActIsNotIntendedAfterIt) {
  const Caller suspended = Identified(house_.Credential("station", "line-1"));
  const Caller revoked = Identified(house_.Credential("station", "line-2"));
  ASSERT_THAT(SuspendCaller(house_.authority(), operator_, suspended.uri, "stolen"), IsOk());
  ASSERT_THAT(house_.authority().Revoke(operator_, "access", revoked.serial, RevocationReason::kKeyCompromise), IsOk());
  const int signatures = house_.signatures;
  EXPECT_THAT(house_.authority().Issue(suspended, DeviceOf("r1"), absl::InfiniteFuture()),
              Fails(Code::kUnauthenticated, reason::kCallerSuspended));
  EXPECT_THAT(house_.authority().Issue(revoked, DeviceOf("r2"), absl::InfiniteFuture()),
              Fails(Code::kUnauthenticated, reason::kCallerRevoked));
  EXPECT_EQ(house_.signatures, signatures);
  EXPECT_TRUE(house_.store().OpenIntents().value().empty());
}

}  // namespace
}  // namespace hallmark
