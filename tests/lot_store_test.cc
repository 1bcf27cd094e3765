// The contract of store/store.h about lots and their lines, claims and attempts.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/reason.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/lots.h"
#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::AddLot;
using testing::At;
using ::testing::ElementsAre;
using testing::ExampleCertificate;
using testing::ExampleEntry;
using testing::ExampleIntent;
using testing::ExampleTerms;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::Line;
using testing::Lines;
using testing::RecordOf;
using testing::RevisionOf;
using testing::TryToAddLot;

class LotStoreTest : public ::testing::Test {
 protected:
  LotStoreTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    store_ = OpenSqliteStore({.path = directory_ / "hallmark.db"}).value();
  }

  // A claim that admits whatever is announced, and reissues as often as asked.
  Claim ClaimOf(const std::string& serial, bool reissue = false, bool revoke = true) {
    Claim claim;
    claim.lot = "a-17";
    claim.serial = serial;
    claim.admit = [this, reissue, revoke](const LotRecord& lot, const std::optional<DeviceRecord>& device,
                                          int64_t taken) -> StatusOr<Admitted> {
      seen_taken_ = taken;
      seen_lot_ = lot;
      if (!device.has_value()) return Error(Code::kNotFound, reason::kDeviceUnknown, "not announced");
      const bool first = device->state == DeviceState::kAnnounced;
      if (!first && !reissue) return Error(Code::kFailedPrecondition, reason::kDeviceClaimed, "claimed");
      DeviceRecord line = *device;
      line.state = DeviceState::kClaimed;
      line.station = "hallmark://test/station/one";
      line.claimed = At(5);
      if (!first) ++line.reissues;
      return Admitted{line, !first && revoke};
    };
    return claim;
  }

  StatusOr<CertificateRecord> IssueFor(int n, const std::string& serial, bool reissue = false, bool revoke = true) {
    const Claim claim = ClaimOf(serial, reissue, revoke);
    ASSIGN_OR_RETURN(const Intended intended, store_->Intend(ExampleIntent(n), &claim));
    std::optional<ReplacedCertificate> replaced;
    if (intended.intent.device->revoke_replaced)
      replaced = ReplacedCertificate{{At(n), RevocationReason::kSuperseded, "one"}, "{}"};
    return store_->Record(intended.intent, ExampleCertificate(n), At(n), ExampleEntry(n), replaced);
  }

  LotCounts Counts() { return store_->GetLot("a-17")->counts; }
  // Counts that are kept are those of the lines.
  void ExpectTrueCounts() {
    const auto counted = store_->CountLot("a-17");
    ASSERT_THAT(counted, IsOk());
    EXPECT_EQ(counted->counts, counted->lot.counts);
  }
  DeviceState StateOf(const std::string& serial) { return store_->GetDevice("a-17", serial)->state; }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  int64_t seen_taken_ = -1;
  LotRecord seen_lot_;
};

TEST_F(LotStoreTest, NothingOfAnImportCountsBeforeItIsFinished) {
  const LotTerms terms = ExampleTerms();
  const auto import = store_->StartImport("a-17", At(0));
  ASSERT_THAT(import, IsOk());
  ASSERT_THAT(store_->AddLines(*import, Lines("SN", 3), {}, At(0)), IsOk());
  EXPECT_THAT(store_->GetLot("a-17"), Fails(Code::kNotFound, reason::kLotUnknown));
  EXPECT_TRUE(store_->ListLots({}, 10, "")->items.empty());
  EXPECT_THAT(store_->GetDevice("a-17", "SN1"), Fails(Code::kNotFound, reason::kLotUnknown));
  EXPECT_THAT(store_->StartImport("a-17", At(1)), Fails(Code::kAborted, reason::kLotBeingImported));

  const auto lot = store_->FinishImport(*import, RevisionOf(terms, At(2)), RecordOf(terms), "{}");
  ASSERT_THAT(lot, IsOk());
  EXPECT_EQ(lot->counts.announced, 3);
  EXPECT_EQ(StateOf("SN3"), DeviceState::kAnnounced);
  EXPECT_THAT(store_->GetDevice("a-17", "SN4"), Fails(Code::kNotFound, reason::kDeviceUnknown));
  Reopen();
  EXPECT_EQ(store_->GetLot("a-17")->terms, ToJson(terms));
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, AnAmendmentIsInvisibleUntilItIsFinishedAndGoneOnceItIsAbandoned) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 2), At(0));
  const auto import = store_->StartImport("a-17", At(0));
  ASSERT_THAT(import, IsOk());
  ASSERT_THAT(store_->AddLines(*import, Lines("MORE", 2500), {"SN1"}, At(0)), IsOk());
  EXPECT_THAT(store_->GetDevice("a-17", "MORE1"), Fails(Code::kNotFound, reason::kDeviceUnknown));
  EXPECT_THAT(IssueFor(1, "MORE1"), Fails(Code::kNotFound, reason::kDeviceUnknown));
  EXPECT_EQ(StateOf("SN1"), DeviceState::kAnnounced);
  ASSERT_THAT(store_->AbandonImport(*import), IsOk());
  EXPECT_THAT(store_->AddLines(*import, Lines("X", 1), {}, At(0)), Fails(Code::kNotFound, reason::kLotUnknown));
  EXPECT_EQ(Counts().announced, 2);
  ExpectTrueCounts();
  // The names are free again.
  LotTerms second = ExampleTerms();
  second.revision = 2;
  ASSERT_THAT(TryToAddLot(*store_, second, Lines("MORE", 2500), {"SN1"}, At(1)), IsOk());
  EXPECT_EQ(Counts().announced, 2501);
  EXPECT_EQ(Counts().withdrawn, 1);
  EXPECT_EQ(StateOf("SN1"), DeviceState::kWithdrawn);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, AnImportThatLapsedIsDroppedByTheNext) {
  const auto first = store_->StartImport("a-17", At(0));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(store_->AddLines(*first, Lines("SN", 1500), {}, At(0)), IsOk());
  EXPECT_THAT(store_->StartImport("a-17", At(599)), Fails(Code::kAborted, reason::kLotBeingImported));
  ASSERT_THAT(TryToAddLot(*store_, ExampleTerms(), Lines("SN", 2), {}, At(700)), IsOk());
  EXPECT_EQ(Counts().announced, 2);
  EXPECT_THAT(store_->FinishImport(*first, RevisionOf(ExampleTerms(), At(701)), RecordOf(ExampleTerms()), "{}"),
              Fails(Code::kNotFound, reason::kLotUnknown));
}

TEST_F(LotStoreTest, ADeviceIsAnnouncedOnce) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 2), At(0));
  LotTerms other = ExampleTerms("b-1");
  // Another lot's registration id, in whatever case; and a serial number twice in one lot.
  DeviceLine taken = Line("other");
  taken.registration_id = "sn2";
  EXPECT_THAT(TryToAddLot(*store_, other, {taken}, {}, At(1)), Fails(Code::kAlreadyExists, reason::kDeviceAnnounced));
  EXPECT_THAT(TryToAddLot(*store_, other, {Line("X"), Line("X")}, {}, At(1)),
              Fails(Code::kAlreadyExists, reason::kDeviceAnnounced));
  EXPECT_THAT(store_->GetLot("b-1"), Fails(Code::kNotFound, reason::kLotUnknown));
  // What was withdrawn may be announced elsewhere.
  LotTerms second = ExampleTerms();
  second.revision = 2;
  ASSERT_THAT(TryToAddLot(*store_, second, {}, {"SN2"}, At(2)), IsOk());
  EXPECT_THAT(TryToAddLot(*store_, other, {taken}, {}, At(3)), IsOk());
}

TEST_F(LotStoreTest, RevisionsFollowOneAnother) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 2), At(0));
  for (const int64_t revision : {1, 3}) {
    LotTerms terms = ExampleTerms();
    terms.revision = revision;
    EXPECT_THAT(TryToAddLot(*store_, terms, {}, {}, At(1)), Fails(Code::kAborted, reason::kLotChanged)) << revision;
  }
  ASSERT_THAT(store_->CloseLot("a-17", At(2), "{}"), IsOk());
  LotTerms second = ExampleTerms();
  second.revision = 2;
  EXPECT_THAT(TryToAddLot(*store_, second, {}, {}, At(3)), Fails(Code::kFailedPrecondition, reason::kLotClosed));
  const auto revisions = store_->ListRevisions("a-17");
  ASSERT_THAT(revisions, IsOk());
  ASSERT_EQ(revisions->size(), 1u);
  EXPECT_EQ(revisions->front().added, 2);
  EXPECT_EQ(revisions->front().digest, RevisionOf(ExampleTerms(), At(0)).digest);
}

TEST_F(LotStoreTest, WhatIsClaimedOrUnknownIsNotWithdrawn) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 3), At(0));
  ASSERT_THAT(IssueFor(1, "SN1"), IsOk());
  LotTerms second = ExampleTerms();
  second.revision = 2;
  EXPECT_THAT(TryToAddLot(*store_, second, Lines("NEW", 1), {"SN2", "SN1"}, At(1)),
              Fails(Code::kFailedPrecondition, reason::kDeviceClaimed));
  EXPECT_THAT(TryToAddLot(*store_, second, Lines("NEW", 1), {"SN2", "SN9"}, At(1)),
              Fails(Code::kFailedPrecondition, reason::kDeviceUnknown));
  EXPECT_EQ(StateOf("SN2"), DeviceState::kAnnounced);
  EXPECT_THAT(store_->GetDevice("a-17", "NEW1"), Fails(Code::kNotFound, reason::kDeviceUnknown));
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, AClaimIsMadeInTheTransactionOfTheIntent) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 3), At(0));
  const Claim claim = ClaimOf("SN1");
  const auto intended = store_->Intend(ExampleIntent(1), &claim);
  ASSERT_THAT(intended, IsOk());
  EXPECT_EQ(intended->intent.device->registration_id, "SN1");
  EXPECT_EQ(StateOf("SN1"), DeviceState::kClaimed);
  EXPECT_EQ(Counts().claimed, 1);
  // The same request finds its intent; another one for the line, and one whose key is another's, claim nothing.
  const auto again = store_->Intend(ExampleIntent(1), &claim);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->intent.serial, intended->intent.serial);
  EXPECT_EQ(again->intent.device->serial, "SN1");
  EXPECT_THAT(store_->Intend(ExampleIntent(2), &claim), Fails(Code::kFailedPrecondition, reason::kDeviceClaimed));
  Intent foreign_key = ExampleIntent(3);
  foreign_key.spki = ExampleIntent(1).spki;
  const Claim second = ClaimOf("SN2");
  EXPECT_THAT(store_->Intend(foreign_key, &second), Fails(Code::kFailedPrecondition, reason::kKeyCertifiedForAnother));
  EXPECT_EQ(StateOf("SN2"), DeviceState::kAnnounced);
  EXPECT_EQ(seen_taken_, 1);

  Reopen();
  const auto open = store_->OpenIntents();
  ASSERT_THAT(open, IsOk());
  ASSERT_EQ(open->size(), 1u);
  ASSERT_THAT(store_->Record(open->front(), ExampleCertificate(1), At(9), ExampleEntry(1)), IsOk());
  EXPECT_EQ(StateOf("SN1"), DeviceState::kIssued);
  EXPECT_EQ(store_->GetDevice("a-17", "SN1")->certificate_serial, ExampleIntent(1).serial);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, OfManyClaimsOfOneLineOneSucceeds) {
  constexpr int kThreads = 8;
  constexpr int kLines = 40;
  AddLot(*store_, ExampleTerms(), Lines("SN", kLines), At(0));
  std::atomic<int> claimed = 0;
  std::atomic<int> refused = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kLines; ++i) {
        Claim claim = ClaimOf(fmt::format("SN{}", i));
        claim.admit = [](const LotRecord&, const std::optional<DeviceRecord>& device, int64_t) -> StatusOr<Admitted> {
          if (device->state != DeviceState::kAnnounced)
            return Error(Code::kFailedPrecondition, reason::kDeviceClaimed, "claimed");
          DeviceRecord line = *device;
          line.state = DeviceState::kClaimed;
          line.claimed = At(1);
          return Admitted{line, false};
        };
        Intent intent = ExampleIntent(t * kLines + i);
        intent.caller = fmt::format("hallmark://test/station/{}", t);
        const auto intended = store_->Intend(intent, &claim);
        ++(intended.ok() ? claimed : refused);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(claimed, kLines);
  EXPECT_EQ(refused, kLines * (kThreads - 1));
  EXPECT_EQ(Counts().claimed, kLines);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, AReissueTakesThePlaceOfTheCertificateBefore) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 2), At(0));
  ASSERT_THAT(IssueFor(1, "SN1"), IsOk());
  EXPECT_THAT(IssueFor(2, "SN1"), Fails(Code::kFailedPrecondition, reason::kDeviceClaimed));
  const auto second = IssueFor(3, "SN1", true);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->device->replaced_serial, ExampleIntent(1).serial);
  const auto before = store_->GetCertificate("devices", ExampleIntent(1).serial);
  ASSERT_THAT(before, IsOk());
  ASSERT_TRUE(before->revocation.has_value());
  EXPECT_EQ(before->revocation->reason, RevocationReason::kSuperseded);
  EXPECT_EQ(*store_->RevocationCount("devices"), 1u);
  EXPECT_EQ(Counts().reissued, 1);
  EXPECT_EQ(Counts().taken(), 1);
  auto counted = store_->CountLot("a-17");
  EXPECT_EQ(counted->certificates, 2);
  EXPECT_EQ(counted->live, 1);
  // One that leaves the former valid.
  ASSERT_THAT(IssueFor(4, "SN1", true, false), IsOk());
  EXPECT_FALSE(store_->GetCertificate("devices", ExampleIntent(3).serial)->revocation.has_value());
  EXPECT_EQ(store_->GetDevice("a-17", "SN1")->certificate_serial, ExampleIntent(4).serial);
  EXPECT_EQ(store_->GetDevice("a-17", "SN1")->reissues, 2);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, ARevocationReachesTheLineOfACurrentCertificateOnly) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 2), At(0));
  ASSERT_THAT(IssueFor(1, "SN1"), IsOk());
  ASSERT_THAT(IssueFor(2, "SN1", true, false), IsOk());
  const Revocation revocation{At(50), RevocationReason::kKeyCompromise, "alice"};
  ASSERT_THAT(store_->Revoke("devices", ExampleIntent(1).serial, revocation, "{}"), IsOk());
  EXPECT_EQ(StateOf("SN1"), DeviceState::kIssued);
  ASSERT_THAT(store_->Revoke("devices", ExampleIntent(2).serial, revocation, "{}"), IsOk());
  EXPECT_EQ(StateOf("SN1"), DeviceState::kRevoked);
  EXPECT_EQ(Counts().revoked, 1);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, AConfirmationIsOfTheCurrentCertificateAndIdempotent) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 2), At(0));
  const Bytes serial = ExampleIntent(1).serial;
  EXPECT_THAT(store_->ConfirmDevice("a-17", "SN1", serial, At(1), false, "{}"),
              Fails(Code::kFailedPrecondition, reason::kDeviceNotIssued));
  ASSERT_THAT(IssueFor(1, "SN1"), IsOk());
  EXPECT_EQ(store_->ListUnconfirmed("a-17", At(2), 10)->size(), 1u);
  EXPECT_TRUE(store_->ListUnconfirmed("a-17", At(1), 10)->empty());
  EXPECT_EQ(*store_->CountUnconfirmed("a-17", At(2)), 1);
  EXPECT_EQ(*store_->CountUnconfirmed("a-17", At(1)), 0);
  const uint64_t before = store_->GetLedgerHead()->size;
  for (int i = 0; i < 2; ++i) {
    const auto confirmed = store_->ConfirmDevice("a-17", "SN1", serial, At(10 + i), false, "{}");
    ASSERT_THAT(confirmed, IsOk());
    EXPECT_EQ(confirmed->installed, At(10));
    EXPECT_FALSE(confirmed->proven);
  }
  EXPECT_EQ(store_->GetLedgerHead()->size, before + 1);
  const auto proven = store_->ConfirmDevice("a-17", "SN1", serial, At(20), true, "{}");
  ASSERT_THAT(proven, IsOk());
  EXPECT_TRUE(proven->proven);
  EXPECT_EQ(proven->installed, At(10));
  EXPECT_TRUE(store_->ListUnconfirmed("a-17", At(99), 10)->empty());
  EXPECT_EQ(Counts().installed, 1);
  ASSERT_THAT(IssueFor(2, "SN1", true), IsOk());
  EXPECT_THAT(store_->ConfirmDevice("a-17", "SN1", serial, At(30), false, "{}"),
              Fails(Code::kFailedPrecondition, reason::kDeviceNotIssued));
  EXPECT_EQ(StateOf("SN1"), DeviceState::kIssued);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, ALineOfARangeIsMadeByItsClaim) {
  AddLot(*store_, ExampleTerms(), {}, At(0));
  Claim claim = ClaimOf("R7");
  claim.admit = [](const LotRecord& lot, const std::optional<DeviceRecord>& device, int64_t) -> StatusOr<Admitted> {
    if (device.has_value()) return Error(Code::kFailedPrecondition, reason::kDeviceClaimed, "claimed");
    DeviceRecord line;
    line.lot = lot.lot;
    line.serial = "R7";
    line.registration_id = "dev-R7";
    line.state = DeviceState::kClaimed;
    line.claimed = At(3);
    return Admitted{line, false};
  };
  const auto intended = store_->Intend(ExampleIntent(1), &claim);
  ASSERT_THAT(intended, IsOk());
  EXPECT_EQ(store_->GetDevice("a-17", "R7")->registration_id, "dev-R7");
  EXPECT_THAT(store_->Intend(ExampleIntent(2), &claim), Fails(Code::kFailedPrecondition, reason::kDeviceClaimed));
  EXPECT_EQ(Counts().claimed, 1);
  EXPECT_EQ(Counts().announced, 0);
  ExpectTrueCounts();
}

TEST_F(LotStoreTest, ListsInPagesByNameAndState) {
  AddLot(*store_, ExampleTerms("b-2"), {}, At(0));
  AddLot(*store_, ExampleTerms("a-17"), Lines("SN", 5), At(1));
  LotTerms other = ExampleTerms("c-3");
  other.manufacturer = "other";
  AddLot(*store_, other, {}, At(2));
  ASSERT_THAT(store_->CloseLot("b-2", At(3), "{}"), IsOk());
  const auto names = [&](const LotFilter& filter) {
    std::vector<std::string> found;
    std::string token;
    do {
      const auto page = store_->ListLots(filter, 1, token);
      EXPECT_THAT(page, IsOk());
      for (const LotRecord& lot : page->items) found.push_back(lot.lot);
      token = page->next_page_token;
    } while (!token.empty());
    return found;
  };
  EXPECT_THAT(names({}), ElementsAre("a-17", "b-2", "c-3"));
  EXPECT_THAT(names({.manufacturer = "acme", .state = std::nullopt}), ElementsAre("a-17", "b-2"));
  EXPECT_THAT(names({.manufacturer = "", .state = LotState::kOpen}), ElementsAre("a-17", "c-3"));
  ASSERT_THAT(IssueFor(1, "SN3"), IsOk());
  const auto page = store_->ListDevices({.lot = "a-17", .state = DeviceState::kAnnounced}, 3, "");
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->items.size(), 3u);
  EXPECT_EQ(page->items[2].serial, "SN4");
  EXPECT_THAT(store_->ListDevices({.lot = "a-17", .state = std::nullopt}, 3, page->next_page_token),
              Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  const auto rest = store_->ListDevices({.lot = "a-17", .state = DeviceState::kAnnounced}, 3, page->next_page_token);
  ASSERT_EQ(rest->items.size(), 1u);
  EXPECT_EQ(rest->items[0].serial, "SN5");
  CertificateFilter of_lot;
  of_lot.lot = "a-17";
  EXPECT_EQ(store_->ListCertificates(of_lot, 10, "")->items.size(), 1u);
  of_lot.lot = "b-2";
  EXPECT_TRUE(store_->ListCertificates(of_lot, 10, "")->items.empty());
}

TEST_F(LotStoreTest, ClosingIsForEverAndWitnessedOnce) {
  AddLot(*store_, ExampleTerms(), Lines("SN", 1), At(0));
  const uint64_t before = store_->GetLedgerHead()->size;
  for (int i = 0; i < 2; ++i) {
    const auto closed = store_->CloseLot("a-17", At(10 + i), "{}");
    ASSERT_THAT(closed, IsOk());
    EXPECT_EQ(closed->closed, At(10));
  }
  EXPECT_EQ(store_->GetLedgerHead()->size, before + 1);
  EXPECT_THAT(store_->CloseLot("x", At(1), "{}"), Fails(Code::kNotFound, reason::kLotUnknown));
}

TEST_F(LotStoreTest, AttemptsAreCountedByStationAndReason) {
  const auto attempt = [&](const std::string& station, const std::string& why, int second) {
    return store_->RecordAttempt({.lot = "a-17",
                                  .station = station,
                                  .reason = why,
                                  .serial = fmt::format("S{}", second),
                                  .request_id = "r",
                                  .first = At(second),
                                  .last = At(second)});
  };
  EXPECT_EQ(*attempt("one", reason::kDeviceUnknown, 1), 1);
  EXPECT_EQ(*attempt("one", reason::kDeviceUnknown, 2), 2);
  EXPECT_EQ(*attempt("two", reason::kDeviceClaimed, 3), 3);
  const auto attempts = store_->ListAttempts("a-17");
  ASSERT_THAT(attempts, IsOk());
  ASSERT_EQ(attempts->size(), 2u);
  EXPECT_EQ(attempts->at(0).count, 2);
  EXPECT_EQ(attempts->at(0).first, At(1));
  EXPECT_EQ(attempts->at(0).last, At(2));
  EXPECT_EQ(attempts->at(0).serial, "S2");
  EXPECT_TRUE(store_->ListAttempts("other")->empty());
}

TEST_F(LotStoreTest, ManufacturersAreUpdatedAtTheVersionThatWasRead) {
  ManufacturerRecord acme;
  acme.manufacturer = "acme";
  acme.display_name = "Acme";
  acme.certificates = {{1, 2}};
  acme.created = At(0);
  ASSERT_THAT(store_->AddManufacturer(acme, "{}"), IsOk());
  EXPECT_THAT(store_->AddManufacturer(acme, "{}"), Fails(Code::kAlreadyExists, reason::kManufacturerExists));
  acme.suspended = true;
  acme.crls = {{3}};
  ASSERT_THAT(store_->UpdateManufacturer(acme, "{}", At(1)), IsOk());
  EXPECT_THAT(store_->UpdateManufacturer(acme, "{}", At(2)), Fails(Code::kAborted, reason::kManufacturerChanged));
  const auto found = store_->GetManufacturer("acme");
  ASSERT_THAT(found, IsOk());
  EXPECT_TRUE(found->suspended);
  EXPECT_EQ(found->version, 2u);
  EXPECT_THAT(found->certificates, ElementsAre(Bytes{1, 2}));
  EXPECT_THAT(found->crls, ElementsAre(Bytes{3}));
  EXPECT_EQ(store_->ListManufacturers()->size(), 1u);
  EXPECT_THAT(store_->GetManufacturer("x"), Fails(Code::kNotFound, reason::kManufacturerUnknown));
  EXPECT_EQ(store_->GetLedgerHead()->size, 2u);
}

TEST_F(LotStoreTest, ASuspensionStandsUntilItIsLifted) {
  const std::string caller = "hallmark://test/station/one";
  ASSERT_THAT(store_->Suspend({caller, "stolen", "alice", At(1)}, "{}"), IsOk());
  ASSERT_THAT(store_->Suspend({caller, "again", "bob", At(2)}, "{}"), IsOk());
  EXPECT_EQ(store_->FindSuspension(caller)->value().reason, "stolen");
  EXPECT_EQ(store_->ListSuspensions()->size(), 1u);
  for (int i = 0; i < 2; ++i) ASSERT_THAT(store_->Resume(caller, "{}", At(3)), IsOk());
  EXPECT_FALSE(store_->FindSuspension(caller)->has_value());
  EXPECT_EQ(store_->GetLedgerHead()->size, 2u);
}

}  // namespace
}  // namespace hallmark
