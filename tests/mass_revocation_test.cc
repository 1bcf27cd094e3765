// The revocation of many: shown first, done in steps, gone on with after a restart, and each certificate once.
#include "ca/mass_revocation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/reason.h"
#include "tests/house.h"
#include "tests/lots.h"
#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using Reason = RevocationReason;

MassRevocation Of(CertificateFilter filter, Reason reason = Reason::kSuperseded, const std::string& id = "mass-1") {
  return {.request_id = id, .filter = std::move(filter), .reason = reason};
}
template <class Field, class Value>
CertificateFilter By(Field CertificateFilter::*field, const Value& value, CertificateFilter filter = {}) {
  filter.*field = value;
  return filter;
}
CertificateFilter Devices() { return By(&CertificateFilter::authority, "devices"); }

class MassRevocationTest : public ::testing::Test {
 protected:
  explicit MassRevocationTest(std::unique_ptr<House> house = std::make_unique<House>()) : house_(std::move(house)) {}

  void Issue(int count, const std::string& prefix = "device") {
    for (int i = 0; i < count; ++i) {
      const std::string name = fmt::format("{}-{}", prefix, i);
      ASSERT_THAT(house_->Issue(house_->DeviceRequest("r-" + name, name)), IsOk());
    }
  }
  MassRevocations Mass() { return MassRevocations(house_->authority()); }
  Status Work() {
    const std::atomic<bool> stopping = false;
    return Mass().Work(stopping);
  }
  std::vector<CertificateRecord> All(const CertificateFilter& filter) {
    std::vector<CertificateRecord> all;
    std::string token;
    do {
      Page<CertificateRecord> page = house_->store().ListCertificates(filter, 1000, token).value();
      token = page.next_page_token;
      std::move(page.items.begin(), page.items.end(), std::back_inserter(all));
    } while (!token.empty());
    return all;
  }
  int Revoked(const CertificateFilter& filter) {
    const auto all = All(filter);
    return static_cast<int>(
        std::count_if(all.begin(), all.end(), [](const auto& one) { return one.revocation.has_value(); }));
  }
  int64_t Entries(const std::string& type) {
    const auto head = house_->store().GetLedgerHead().value();
    const auto entries = house_->store().ListEntries(0, head.size).value();
    return std::count_if(entries.begin(), entries.end(), [&](const LedgerEntry& entry) {
      return entry.entry.find("\"type\":\"" + type + "\"") != std::string::npos;
    });
  }

  std::unique_ptr<House> house_;
  const Caller operator_ = House::CallerOf("operator");
};

TEST_F(MassRevocationTest, ShowsWhatWouldComeOfItAndChangesNothing) {
  Issue(5);
  const auto devices = All(Devices());
  ASSERT_THAT(house_->authority().Revoke(operator_, "devices", devices[0].serial, Reason::kSuperseded), IsOk());
  ASSERT_THAT(house_->authority().Revoke(operator_, "devices", devices[1].serial, Reason::kCertificateHold), IsOk());
  const uint64_t leaves = house_->store().GetLedgerHead()->size;
  struct Case {
    Reason reason;
    int64_t changes;
    int64_t growth_entries;  // of the CRL
  };
  for (const Case& c : {Case{Reason::kSuperseded, 4, 3},
                        {Reason::kCertificateHold, 3, 3},
                        {Reason::kKeyCompromise, 5, 3},
                        {Reason::kRemoveFromCrl, 1, -1}}) {
    SCOPED_TRACE(static_cast<int>(c.reason));
    const auto preview = Mass().Preview(operator_, Of(Devices(), c.reason));
    ASSERT_THAT(preview, IsOk());
    EXPECT_EQ(preview->total, 5);
    EXPECT_EQ(preview->changes, c.changes);
    EXPECT_EQ(preview->sample.size(), 5u);
    const int64_t growth = preview->crl_growth.at("devices");
    EXPECT_EQ(growth % c.growth_entries, 0);
    EXPECT_GT(growth / c.growth_entries, 30);  // octets of an entry
    EXPECT_LT(growth / c.growth_entries, 70);
    EXPECT_EQ(preview->leaf_end, leaves);
  }
  EXPECT_EQ(house_->store().GetLedgerHead()->size, leaves);
  EXPECT_THAT(Mass().List(operator_).value(), ::testing::IsEmpty());
}

TEST_F(MassRevocationTest, RevokesExactlyWhatWasShownAndTellsTheObservers) {
  Issue(250);
  const auto preview = Mass().Preview(operator_, Of(Devices())).value();
  Issue(3, "later");
  std::atomic<int> told = 0;
  house_->authority().SetObservers({.issued = nullptr,
                                    .revoked =
                                        [&told](const CertificateRecord& record) {
                                          EXPECT_EQ(record.revocation->reason, Reason::kSuperseded);
                                          EXPECT_GT(record.revocation_change, 0u);
                                          ++told;
                                        },
                                    .crl_issued = nullptr});
  CertificateFilter shown = Devices();
  shown.leaf_end = preview.leaf_end;
  const auto started = Mass().Start(operator_, Of(shown));
  ASSERT_THAT(started, IsOk());
  EXPECT_EQ(started->total, 250);
  EXPECT_EQ(Revoked(Devices()), 0);  // durable, and not done yet
  ASSERT_THAT(Work(), IsOk());
  const auto done = Mass().Get(operator_, started->revocation).value();
  EXPECT_EQ(done.state, MassRevocationState::kDone);
  EXPECT_EQ(done.seen, 250);
  EXPECT_EQ(done.changed, 250);
  EXPECT_TRUE(done.finished.has_value());
  EXPECT_EQ(Revoked(Devices()), 250);
  EXPECT_EQ(told, 250);
  EXPECT_EQ(Entries("certificate_revoked"), 250);
  EXPECT_EQ(Entries("mass_revocation_started"), 1);
  EXPECT_EQ(Entries("mass_revocation_done"), 1);
  EXPECT_THAT(testing::CheckLedger(house_->store()), IsOk());
  // Once more is the same; other content is not.
  EXPECT_EQ(Mass().Start(operator_, Of(shown))->revocation, started->revocation);
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(Entries("mass_revocation_started"), 1);
  EXPECT_THAT(Mass().Start(operator_, Of(shown, Reason::kUnspecified)),
              Fails(Code::kAlreadyExists, reason::kRequestIdReused));
}

TEST_F(MassRevocationTest, GoesOnWhereItWasAfterARestart) {
  Issue(450);
  std::atomic<bool> stopping = false;
  house_->authority().SetObservers({.issued = nullptr,
                                    .revoked = [&stopping](const CertificateRecord&) { stopping = true; },
                                    .crl_issued = nullptr});
  const auto started = Mass().Start(operator_, Of(Devices())).value();
  ASSERT_THAT(Mass().Work(stopping), IsOk());
  const int before = Revoked(Devices());
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 450);
  house_->Reopen();
  EXPECT_EQ(Mass().Get(operator_, started.revocation)->seen, before);
  house_->store_fault.after = 0;
  EXPECT_THAT(Work(), Fails(Code::kUnavailable, reason::kStoreUnavailable));
  house_->store_fault.after = -1;
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(Revoked(Devices()), 450);
  EXPECT_EQ(house_->store().RevocationCount("devices").value(), 450u);  // each once
  EXPECT_EQ(Mass().Get(operator_, started.revocation)->changed, 450);
}

TEST_F(MassRevocationTest, AHoldOfManyIsReleasedAgainButNotWhatIsRevokedForEver) {
  Issue(4);
  const auto devices = All(Devices());
  ASSERT_THAT(house_->authority().Revoke(operator_, "devices", devices[0].serial, Reason::kSuperseded), IsOk());
  const auto held = Mass().Start(operator_, Of(Devices(), Reason::kCertificateHold)).value();
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(Mass().Get(operator_, held.revocation)->changed, 3);
  EXPECT_EQ(Revoked(Devices()), 4);
  const auto released = Mass().Start(operator_, Of(Devices(), Reason::kRemoveFromCrl, "mass-2")).value();
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(Mass().Get(operator_, released.revocation)->changed, 3);
  EXPECT_EQ(Revoked(Devices()), 1);
  EXPECT_EQ(Entries("certificate_released"), 3);
}

TEST_F(MassRevocationTest, EachFieldSelectsWhatItSays) {
  Issue(3);
  house_->clock.now += absl::Hours(1);
  const Time later = house_->clock.now;
  Issue(2, "later");
  const auto key = All(Devices())[1].spki;
  ASSERT_THAT(house_->Issue({.request_id = "o",
                             .authority = "devices",
                             .profile = "device-dps",
                             .csr = house_->DeviceRequest("o", "by-operator").csr,
                             .lifetime = std::nullopt},
                            "operator"),
              IsOk());
  struct Case {
    const char* name;
    CertificateFilter filter;
    int64_t selected;
  };
  const std::vector<Case> cases = {
      {"key", By(&CertificateFilter::spki, key), 1},
      {"caller", By(&CertificateFilter::caller, "hallmark://test/operator/one", Devices()), 1},
      {"subject", By(&CertificateFilter::subject, "CN=device-2"), 1},
      {"profile", By(&CertificateFilter::profile, "device-dps"), 6},
      {"from", By(&CertificateFilter::issued_from, later, Devices()), 3},
      {"before", By(&CertificateFilter::issued_before, later, Devices()), 3},
      {"from and before",
       By(&CertificateFilter::issued_from, later, By(&CertificateFilter::issued_before, later + absl::Hours(1))), 3},
      {"a second before", By(&CertificateFilter::issued_from, later - absl::Seconds(1)), 3},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(Mass().Preview(operator_, Of(c.filter))->total, c.selected);
    EXPECT_EQ(static_cast<int64_t>(All(c.filter).size()), c.selected);
  }
}

TEST_F(MassRevocationTest, WhatMakesNoSenseIsRefusedAndChangesNothing) {
  Issue(1);
  const Time future = house_->clock.now + absl::Hours(1);
  struct Case {
    const char* name;
    MassRevocation asked;
    Code code;
    const char* reason;
  };
  MassRevocation in_future = Of(Devices());
  in_future.invalidity = future;
  MassRevocation release_with_date = Of(Devices(), Reason::kRemoveFromCrl);
  release_with_date.invalidity = house_->clock.now;
  const std::vector<Case> cases = {
      {"everything", Of({}), Code::kInvalidArgument, reason::kRequestInvalid},
      {"everything that is not revoked", Of(By(&CertificateFilter::revoked, false)), Code::kInvalidArgument,
       reason::kRequestInvalid},
      {"no id", Of(Devices(), Reason::kSuperseded, ""), Code::kInvalidArgument, reason::kRequestInvalid},
      {"a date in the future", in_future, Code::kInvalidArgument, reason::kRequestInvalid},
      {"a release with a date", release_with_date, Code::kInvalidArgument, reason::kRequestInvalid},
      {"nothing", Of(By(&CertificateFilter::authority, "nobody")), Code::kNotFound, reason::kCertificateUnknown},
      {"an empty time", Of(By(&CertificateFilter::issued_from, future)), Code::kNotFound, reason::kCertificateUnknown},
  };
  const uint64_t leaves = house_->store().GetLedgerHead()->size;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(Mass().Preview(operator_, c.asked), Fails(c.code, c.reason));
    EXPECT_THAT(Mass().Start(operator_, c.asked), Fails(c.code, c.reason));
  }
  const Caller station = House::CallerOf("station");
  const auto denied = Fails(Code::kPermissionDenied, reason::kPermissionDenied);
  EXPECT_THAT(Mass().Preview(station, Of(Devices())), denied);
  EXPECT_THAT(Mass().Start(station, Of(Devices())), denied);
  EXPECT_THAT(Mass().List(station), denied);
  EXPECT_THAT(Mass().Get(station, "none"), denied);
  EXPECT_THAT(Mass().Get(operator_, "none"), Fails(Code::kNotFound, reason::kRevocationUnknown));
  EXPECT_THAT(Mass().Stop(operator_, "none"), Fails(Code::kNotFound, reason::kRevocationUnknown));
  EXPECT_EQ(house_->store().GetLedgerHead()->size, leaves);
}

TEST_F(MassRevocationTest, OnceStoppedItDoesNotGoOn) {
  Issue(3);
  const auto started = Mass().Start(operator_, Of(Devices())).value();
  const auto stopped = Mass().Stop(operator_, started.revocation);
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state, MassRevocationState::kStopped);
  EXPECT_EQ(stopped->stopped_by, operator_.uri);
  ASSERT_THAT(Mass().Stop(operator_, started.revocation), IsOk());  // once more
  EXPECT_EQ(Entries("mass_revocation_stopped"), 1);
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(Revoked(Devices()), 0);
}

class MassRevocationOfLotsTest : public MassRevocationTest {
 protected:
  MassRevocationOfLotsTest() : MassRevocationTest(std::make_unique<House>(House::WithLots{})) {
    testing::AddLot(house_->store(), testing::ExampleTerms(), testing::Lines("SN", 3), house_->clock.now);
    for (const char* serial : {"SN1", "SN2"}) {
      Request request = house_->DeviceRequest(std::string("r-") + serial, serial);
      request.lot = "a-17";
      EXPECT_THAT(house_->Issue(request), IsOk());
    }
  }
};

TEST_F(MassRevocationOfLotsTest, ALotAndADeviceAreFoundAndTheirLinesFollow) {
  EXPECT_EQ(Mass().Preview(operator_, Of(By(&CertificateFilter::lot, "a-17")))->total, 2);
  const auto preview = Mass().Preview(operator_, Of(By(&CertificateFilter::device_serial, "SN2"))).value();
  EXPECT_EQ(preview.total, 1);
  EXPECT_EQ(preview.registration_ids, 1);
  EXPECT_EQ(preview.counts.at(0).lot, "a-17");
  ASSERT_THAT(Mass().Start(operator_, Of(By(&CertificateFilter::device_serial, "SN2"))), IsOk());
  ASSERT_THAT(Work(), IsOk());
  EXPECT_EQ(house_->store().GetDevice("a-17", "SN1")->state, DeviceState::kIssued);
  EXPECT_EQ(house_->store().GetDevice("a-17", "SN2")->state, DeviceState::kRevoked);
}

}  // namespace
}  // namespace hallmark
