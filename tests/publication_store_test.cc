// What the store promises publish/ (store/publication.h).
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "base/reason.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/command.h"
#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::At;
using ::testing::ElementsAre;
using testing::ExampleCertificate;
using testing::ExampleIntent;
using testing::Fails;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const std::string kBy = "hallmark://test/operator/one";

class PublicationStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Reopen();
    ASSERT_THAT(store_->AddTarget(Target("contoso"), "{}"), IsOk());
  }
  void Reopen() {
    store_.reset();
    store_ = OpenSqliteStore({.path = directory_ / "hallmark.db"}).value();
  }
  static TargetRecord Target(const std::string& name) {
    return {.target = name,
            .kind = "dps",
            .description = "target: " + name,
            .authorities = {"devices"},
            .created = At(1),
            .updated = At(1),
            .updated_by = kBy};
  }
  static AuthorityRecord Authority(const std::string& name, const std::string& parent) {
    AuthorityRecord record;
    record.authority = name;
    record.parent = parent;
    record.profile = "root";
    record.certificate = {1};
    record.created = At(1);
    return record;
  }
  // The certificate of a device whose registration id is that, the n-th of all.
  Bytes IssueTo(const std::string& device, int n, const std::string& authority = "devices") {
    Intent intent = ExampleIntent(n);
    intent.authority = authority;
    intent.subject = "CN=" + device;
    intent.caseless_name = device;
    EXPECT_THAT(store_->Intend(intent), IsOk());
    EXPECT_THAT(store_->Record(intent, ExampleCertificate(n), At(n), "{\"n\":" + std::to_string(n) + "}"), IsOk());
    return intent.serial;
  }
  void Revoke(const Bytes& serial, Time when, RevocationReason reason = RevocationReason::kCertificateHold,
              const std::string& authority = "devices") {
    ASSERT_THAT(store_->Revoke(authority, serial, {when, reason, kBy}, "{}"), IsOk());
  }
  std::vector<std::string> Due(Time now, const std::string& target = "contoso") {
    std::vector<std::string> keys;
    const auto due = store_->DueWork(target, now, 100).value();
    for (const WorkRecord& one : due) keys.push_back(one.key);
    return keys;
  }
  std::vector<std::string> DueDevices(Time now) {
    std::vector<std::string> keys;
    const auto due = store_->DueDevices("contoso", now, 100).value();
    for (const WorkRecord& one : due) keys.push_back(one.key);
    return keys;
  }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(PublicationStoreTest, ATargetIsKeptAsItWasDescribedAndReplacedByWhoReadItLast) {
  EXPECT_THAT(store_->AddTarget(Target("contoso"), "{}"), Fails(Code::kAlreadyExists, reason::kTargetExists));
  TargetRecord read = store_->GetTarget("contoso").value();
  EXPECT_EQ(read.version, 1);
  EXPECT_THAT(read.authorities, ElementsAre("devices"));
  read.description = "other";
  read.authorities = {"devices", "plant"};
  EXPECT_THAT(store_->UpdateTarget(read, "{}"), IsOk());
  EXPECT_THAT(store_->UpdateTarget(read, "{}"), Fails(Code::kAborted, reason::kTargetChanged));
  Reopen();
  EXPECT_EQ(store_->GetTarget("contoso")->description, "other");
  EXPECT_EQ(store_->GetTarget("contoso")->version, 2);
  EXPECT_THAT(store_->GetTarget("nobody"), Fails(Code::kNotFound, reason::kTargetUnknown));
  EXPECT_THAT(store_->RemoveTarget("contoso", At(3), "{}"), IsOk());
  EXPECT_THAT(store_->RemoveTarget("contoso", At(3), "{}"), IsOk());
  EXPECT_THAT(*store_->ListTargets(), IsEmpty());
}

TEST_F(PublicationStoreTest, RevocationAndReleaseQueueTheDeviceInTheirOwnTransaction) {
  ASSERT_THAT(store_->AddTarget(Target("fabrikam"), "{}"), IsOk());
  const Bytes serial = IssueTo("Device-1", 1);
  const Bytes other = IssueTo("other", 2, "elsewhere");
  EXPECT_THAT(Due(At(100)), IsEmpty()) << "issuance alone is nobody's concern";
  Revoke(serial, At(10));
  Revoke(other, At(10), RevocationReason::kSuperseded, "elsewhere");
  EXPECT_THAT(Due(At(100)), ElementsAre("Device-1"));
  EXPECT_THAT(Due(At(100), "fabrikam"), ElementsAre("Device-1"));
  const WorkRecord work = store_->DueWork("contoso", At(100), 10).value().at(0);
  EXPECT_EQ(work.queued, At(10));
  // Once more while it is under way: who ends it ends what he knew only.
  ASSERT_THAT(store_->Release("devices", serial, {At(11), kBy}, "{}"), IsOk());
  EXPECT_THAT(store_->FinishWork({work}, At(12)), IsOk());
  ASSERT_THAT(Due(At(100)), ElementsAre("Device-1"));
  const WorkRecord again = store_->DueWork("contoso", At(100), 10).value().at(0);
  EXPECT_EQ(again.queued, At(10)) << "since when it is not as it should be";
  EXPECT_THAT(store_->FinishWork({again}, At(12)), IsOk());
  EXPECT_THAT(Due(At(100)), IsEmpty());
}

TEST_F(PublicationStoreTest, AReissueQueuesOnlyADeviceThatTheTargetHasAnEntryOf) {
  IssueTo("device-1", 1);
  IssueTo("device-1", 2);
  EXPECT_THAT(Due(At(100)), IsEmpty());
  ASSERT_THAT(store_->PutPublished({{.target = "contoso",
                                     .kind = PublishedKind::kEnrollment,
                                     .key = "DEVICE-1",
                                     .content = "{\"state\":\"blocked\"}",
                                     .collect = At(50)}},
                                   At(3)),
              IsOk());
  IssueTo("device-1", 4);
  EXPECT_THAT(Due(At(100)), ElementsAre("device-1"));
  EXPECT_THAT(store_->CertificatesOfDevice("contoso", "Device-1").value(), SizeIs(3));
  EXPECT_THAT(store_->CountEnrollments("contoso").value(), UnorderedElementsAre(Pair("blocked", 1)));
}

TEST_F(PublicationStoreTest, WhatIsParkedWaitsForAPersonOrAnotherChange) {
  const Bytes serial = IssueTo("device-1", 1);
  Revoke(serial, At(10));
  WorkRecord work = store_->DueWork("contoso", At(100), 10).value().at(0);
  work.attempts = 3;
  work.parked = true;
  work.reason = reason::kTargetRefused;
  work.failure = "no";
  ASSERT_THAT(store_->PostponeWork({work}), IsOk());
  EXPECT_THAT(Due(At(100)), IsEmpty());
  EXPECT_EQ(store_->ListWork("contoso", true, {}, 10).value().at(0).failure, "no");
  EXPECT_EQ(store_->CountWork("contoso")->parked, 1);
  EXPECT_EQ(*store_->CountWork("contoso")->oldest_parked, At(10));
  EXPECT_EQ(store_->RetryWork("contoso", At(20)).value(), 1);
  EXPECT_THAT(Due(At(100)), ElementsAre("device-1"));
  work = store_->DueWork("contoso", At(100), 10).value().at(0);
  work.parked = true;
  ASSERT_THAT(store_->PostponeWork({work}), IsOk());
  ASSERT_THAT(store_->Release("devices", serial, {At(30), kBy}, "{}"), IsOk());
  EXPECT_THAT(Due(At(100)), ElementsAre("device-1"));
  EXPECT_EQ(store_->DueWork("contoso", At(100), 10).value().at(0).attempts, 0);
}

TEST_F(PublicationStoreTest, AuthoritiesComeFirstAndNewOnesAreLetInWhereTheirPredecessorsAre) {
  const AuthorityRecord devices = Authority("devices", "root");
  ASSERT_THAT(store_->AddAuthority(Authority("root", "root"), "{}"), IsOk());
  ASSERT_THAT(store_->AddAuthority(devices, "{}"), IsOk());
  Revoke(IssueTo("device-1", 1), At(10));
  AuthorityRecord changed = store_->GetAuthority("devices").value();
  changed.state = AuthorityState::kRevoked;
  ASSERT_THAT(store_->UpdateAuthorities({changed}, "{}", At(20)), IsOk());
  EXPECT_THAT(Due(At(100)), ElementsAre("devices", "device-1"));
  AuthorityRecord successor = devices;
  successor.authority = "devices-2";
  successor.predecessor = "devices";
  ASSERT_THAT(store_->AddAuthority(successor, "{}"), IsOk());
  EXPECT_THAT(store_->GetTarget("contoso")->authorities, UnorderedElementsAre("devices", "devices-2"));
  Revoke(IssueTo("device-2", 2, "devices-2"), At(30), RevocationReason::kSuperseded, "devices-2");
  EXPECT_THAT(Due(At(100)), ElementsAre("devices", "device-1", "device-2"));
}

TEST_F(PublicationStoreTest, AnAuthorityThatATargetKnewStaysThoughItIsDescribedNoMore) {
  TargetRecord target = store_->GetTarget("contoso").value();
  target.authorities = {"elsewhere"};
  ASSERT_THAT(store_->UpdateTarget(target, "{}"), IsOk());
  EXPECT_THAT(store_->GetTarget("contoso")->authorities, UnorderedElementsAre("devices", "elsewhere"));
  Revoke(IssueTo("device-1", 1), At(10));
  EXPECT_THAT(Due(At(100)), ElementsAre("device-1"));
  EXPECT_THAT(store_->CertificatesOfDevice("contoso", "device-1").value(), SizeIs(1));
}

TEST_F(PublicationStoreTest, AnAuthorityThatComesBelowOursLaterIsLetInFromThenOn) {
  // The plant's was certified elsewhere, in a ceremony.
  for (const auto& [name, parent] :
       {std::pair("devices", "devices"), std::pair("plant", ""), std::pair("line", "plant")}) {
    ASSERT_THAT(store_->AddAuthority(Authority(name, parent), "{}"), IsOk());
  }
  Revoke(IssueTo("device-1", 1, "line"), At(10), RevocationReason::kSuperseded, "line");
  EXPECT_THAT(Due(At(100)), IsEmpty());
  AuthorityRecord changed = store_->GetAuthority("plant").value();
  changed.parent = "devices";
  ASSERT_THAT(store_->UpdateAuthorities({changed}, "{}", At(20)), IsOk());
  EXPECT_THAT(store_->GetTarget("contoso")->authorities, UnorderedElementsAre("devices", "line", "plant"));
  EXPECT_THAT(Due(At(100)), ElementsAre("plant", "device-1")) << "what was revoked before, too";
  Revoke(IssueTo("device-2", 2, "plant"), At(30), RevocationReason::kSuperseded, "plant");
  EXPECT_THAT(Due(At(100)), ElementsAre("plant", "device-1", "device-2"));
}

TEST_F(PublicationStoreTest, AChangeOfAnAuthorityConcernsTheTargetsOfThoseBelowIt) {
  TargetRecord other = Target("fabrikam");
  other.authorities = {"elsewhere"};
  ASSERT_THAT(store_->AddTarget(other, "{}"), IsOk());
  for (const char* name : {"root", "devices", "access"}) {
    ASSERT_THAT(store_->AddAuthority(Authority(name, "root"), "{}"), IsOk());
  }
  const auto change = [&](const std::string& authority) {
    AuthorityRecord changed = store_->GetAuthority(authority).value();
    changed.state = AuthorityState::kDisabled;
    ASSERT_THAT(store_->UpdateAuthorities({changed}, "{}", At(20)), IsOk());
  };
  TargetRecord by_hand = Target("by-hand");
  by_hand.kind = "directory";
  by_hand.authorities = {};
  ASSERT_THAT(store_->AddTarget(by_hand, "{}"), IsOk());
  change("access");
  EXPECT_THAT(Due(At(100)), IsEmpty());
  EXPECT_THAT(Due(At(100), "by-hand"), ElementsAre("access")) << "it may be whose chain it holds";
  change("root");
  change("devices");
  EXPECT_THAT(Due(At(100)), ElementsAre("root", "devices"));
  EXPECT_THAT(Due(At(100), "fabrikam"), IsEmpty());
}

TEST_F(PublicationStoreTest, TheCertificateOfAnAuthorityConcernsTheTargetsOfThoseBelowIt) {
  ASSERT_THAT(store_->AddAuthority(Authority("root", "root"), "{}"), IsOk());
  const Bytes serial = IssueTo("not-a-device", 1, "root");
  AuthorityRecord devices = Authority("devices", "root");
  devices.certificate = ExampleCertificate(1);
  ASSERT_THAT(store_->AddAuthority(devices, "{}"), IsOk());
  Revoke(serial, At(10), RevocationReason::kCertificateHold, "root");
  EXPECT_THAT(Due(At(100)), ElementsAre("devices"));
  ASSERT_THAT(store_->FinishWork(store_->DueWork("contoso", At(100), 10).value(), At(11)), IsOk());
  ASSERT_THAT(store_->Release("root", serial, {At(12), kBy}, "{}"), IsOk());
  EXPECT_THAT(Due(At(100)), ElementsAre("devices"));
}

TEST_F(PublicationStoreTest, DevicesAreFoundOnceTheyAreDue) {
  ASSERT_THAT(store_->QueueChain("contoso", false, At(1), "{}"), IsOk());
  for (int n = 1; n <= 3; ++n) Revoke(IssueTo("device-" + std::to_string(n), n), At(10 * n));
  EXPECT_THAT(DueDevices(At(100)), ElementsAre("device-1", "device-2", "device-3"));
  EXPECT_THAT(DueDevices(At(10)), ElementsAre("device-1"));
  EXPECT_THAT(DueDevices(At(9)), IsEmpty());
  WorkRecord first = store_->FindWork("contoso", WorkKind::kDevice, "device-1").value().value();
  first.reason = reason::kTargetHubFailed;
  ASSERT_THAT(store_->PostponeWork({first}), IsOk());
  ASSERT_THAT(store_->QueueReviews("contoso", {"again"}, At(40)), IsOk());
  EXPECT_THAT(DueDevices(At(100)), ElementsAre("device-2", "device-3", "again", "device-1"));
  EXPECT_THAT(store_->DueDevices("contoso", At(100), 2).value(), SizeIs(2));
}

TEST_F(PublicationStoreTest, AReviewWaitsBehindWhatWasDecided) {
  ASSERT_THAT(store_->QueueReviews("contoso", {"device-1", "device-2", "device-3"}, At(5)), IsOk());
  Revoke(IssueTo("device-9", 9), At(50));
  EXPECT_THAT(DueDevices(At(100)), ElementsAre("device-9", "device-1", "device-2", "device-3"));
  EXPECT_THAT(Due(At(100)), ElementsAre("device-9", "device-1", "device-2", "device-3"));
  // Of one of them something is decided meanwhile; and one of which it was is to be reviewed.
  Revoke(IssueTo("DEVICE-2", 60), At(60));
  ASSERT_THAT(store_->QueueReviews("contoso", {"device-9"}, At(70)), IsOk());
  EXPECT_THAT(DueDevices(At(100)), ElementsAre("device-2", "device-9", "device-1", "device-3"));
  std::map<std::string, WorkRecord> work;
  const auto listed = store_->ListWork("contoso", false, {}, 10).value();
  for (const WorkRecord& one : listed) work[one.key] = one;
  EXPECT_FALSE(work["device-2"].review);
  EXPECT_EQ(work["device-2"].queued, At(60)) << "until then it was as it should be";
  EXPECT_FALSE(work["device-9"].review);
  EXPECT_EQ(work["device-9"].queued, At(50));
  EXPECT_EQ(work["device-9"].generation, 2) << "who works on it does not know what else there is";
  EXPECT_TRUE(work["device-1"].review);
  EXPECT_THAT(store_->QueueReviews("nobody", {"device-1"}, At(5)), Fails(Code::kNotFound, reason::kTargetUnknown));
}

TEST_F(PublicationStoreTest, DevicesAreWaitedForBySinceWhenAndWhy) {
  const auto wait = [&](Time queued_by) {
    return store_->DevicesWait("contoso", queued_by, reason::kTargetHubFailed).value();
  };
  ASSERT_THAT(store_->QueueChain("contoso", false, At(1), "{}"), IsOk());
  ASSERT_THAT(store_->QueueReviews("contoso", {"pinned"}, At(2)), IsOk());
  EXPECT_FALSE(wait(At(100))) << "a chain is no device, and nothing was decided of the other";
  Revoke(IssueTo("device-1", 1), At(10));
  Revoke(IssueTo("device-2", 2), At(20));
  EXPECT_FALSE(wait(At(9)));
  EXPECT_TRUE(wait(At(10)));
  std::vector<WorkRecord> work = store_->DueWork("contoso", At(100), 10).value();
  ASSERT_EQ(work.at(1).key, "device-1");
  work[1].reason = reason::kTargetHubFailed;
  work[1].next = At(500);
  ASSERT_THAT(store_->PostponeWork({work[1]}), IsOk());
  EXPECT_FALSE(wait(At(10)));
  EXPECT_TRUE(wait(At(20)));
  work[2].next = At(500);
  ASSERT_THAT(store_->PostponeWork({work[2]}), IsOk());
  EXPECT_TRUE(wait(At(20))) << "its next attempt";
  ASSERT_THAT(store_->QueueWork("contoso", WorkKind::kDevice, {"device-1"}, At(30)), IsOk());
  EXPECT_TRUE(wait(At(10))) << "it failed before this was decided";
  work[1] = store_->DueWork("contoso", At(100), 10)->at(1);
  ASSERT_EQ(work[1].key + work[1].reason, "device-1");
  ASSERT_THAT(store_->FinishWork({work[1]}, At(31)), IsOk());
  work[2].parked = true;
  ASSERT_THAT(store_->PostponeWork({work[2]}), IsOk());
  EXPECT_FALSE(wait(At(20))) << "that is for a person";
}

TEST_F(PublicationStoreTest, WhatWasRevokedBeforeIsQueuedPageByPageAndWhatHasExpiredIsNot) {
  for (int n = 1; n <= 5; ++n) Revoke(IssueTo("device-" + std::to_string(n), n), At(10));
  ASSERT_THAT(store_->AddTarget(Target("late"), "{}"), IsOk());
  std::string after;
  int pages = 0;
  do {
    const auto next = store_->QueueRevoked("late", after, 2, At(20));
    ASSERT_THAT(next, IsOk());
    after = *next;
    ++pages;
  } while (!after.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(Due(At(100), "late"), SizeIs(5));
  ASSERT_THAT(store_->RemoveTarget("late", At(21), "{}"), IsOk());
  ASSERT_THAT(store_->AddTarget(Target("late"), "{}"), IsOk());
  ASSERT_THAT(store_->PutPublished({{.target = "late",
                                     .kind = PublishedKind::kEnrollment,
                                     .key = "DEVICE-2",
                                     .content = "{}",
                                     .collect = std::nullopt}},
                                   At(3)),
              IsOk());
  ASSERT_THAT(store_->QueueRevoked("late", "", 100, At(20)), IsOk());
  EXPECT_THAT(Due(At(100), "late"), ElementsAre("device-1", "device-3", "device-4", "device-5"))
      << "who has an entry was looked at with its revocation";
  ASSERT_THAT(store_->RemoveTarget("late", At(21), "{}"), IsOk());
  ASSERT_THAT(store_->AddTarget(Target("late"), "{}"), IsOk());
  const Time expired = ExampleIntent(5).not_after + absl::Seconds(1);
  ASSERT_THAT(store_->QueueRevoked("late", "", 100, expired), IsOk());
  EXPECT_THAT(Due(expired, "late"), IsEmpty());
}

// Of before changes were counted, all have the number 0.
TEST_F(PublicationStoreTest, NobodyWhoWasRevokedIsMissedWherePagesMeet) {
  for (int n = 1; n <= 5; ++n) Revoke(IssueTo("device-" + std::to_string(n), n), At(10));
  Revoke(IssueTo("elsewhere", 6, "access"), At(10), RevocationReason::kSuperseded, "access");
  TargetRecord both = Target("late");
  both.authorities = {"access", "devices", "unused"};
  ASSERT_THAT(store_->AddTarget(both, "{}"), IsOk());
  store_.reset();
  const auto changed = testing::RunCommand(
      fmt::format("sqlite3 {} 'UPDATE certificates SET revocation_change = 0'", (directory_ / "hallmark.db").string()));
  ASSERT_EQ(changed.exit_code, 0) << changed.output;
  Reopen();
  std::string after;
  do {
    const auto next = store_->QueueRevoked("late", after, 2, At(20));
    ASSERT_THAT(next, IsOk());
    after = *next;
  } while (!after.empty());
  EXPECT_THAT(Due(At(100), "late"),
              UnorderedElementsAre("device-1", "device-2", "device-3", "device-4", "device-5", "elsewhere"));
  EXPECT_THAT(store_->QueueRevoked("late", "nonsense", 2, At(20)),
              Fails(Code::kInvalidArgument, reason::kRequestInvalid));
}

TEST_F(PublicationStoreTest, TheStateOfTheChainFollowsItsWork) {
  const auto chain = [&] { return store_->GetTarget("contoso")->chain; };
  ASSERT_THAT(store_->QueueChain("contoso", true, At(5), "{}"), IsOk());
  EXPECT_EQ(chain(), ChainState::kPublishing);
  EXPECT_TRUE(store_->GetTarget("contoso")->take_over);
  WorkRecord work = store_->DueWork("contoso", At(100), 10).value().at(0);
  work.parked = true;
  ASSERT_THAT(store_->PostponeWork({work}), IsOk());
  EXPECT_EQ(chain(), ChainState::kFailed);
  ASSERT_THAT(store_->RetryWork("contoso", At(6)), IsOk());
  EXPECT_EQ(chain(), ChainState::kPublishing);
  ASSERT_THAT(store_->FinishWork({store_->DueWork("contoso", At(100), 10).value().at(0)}, At(7)), IsOk());
  EXPECT_EQ(chain(), ChainState::kPublished);
  EXPECT_EQ(store_->GetTarget("contoso")->published, At(7));
  EXPECT_THAT(store_->QueueChain("nobody", false, At(8), "{}"), Fails(Code::kNotFound, reason::kTargetUnknown));
}

TEST_F(PublicationStoreTest, WhatWasPublishedIsTheDescriptionOfThatTime) {
  const auto target = [&] { return store_->GetTarget("contoso").value(); };
  const auto chain = [&] { return store_->FindWork("contoso", WorkKind::kChain, "").value(); };
  EXPECT_EQ(target().published_version, 0);
  EXPECT_EQ(chain(), std::nullopt);
  ASSERT_THAT(store_->QueueChain("contoso", false, At(5), "{}"), IsOk());
  const WorkRecord begun = chain().value();
  ASSERT_THAT(store_->UpdateTarget(target(), "{}"), IsOk());
  ASSERT_THAT(store_->FinishWork({begun}, At(6)), IsOk());
  EXPECT_EQ(target().chain, ChainState::kPublishing) << "that was another description";
  ASSERT_THAT(store_->FinishWork({chain().value()}, At(7)), IsOk());
  EXPECT_EQ(target().published_version, 2);
  ASSERT_THAT(store_->UpdateTarget(target(), "{}"), IsOk());
  EXPECT_EQ(target().published_version, 2);
  EXPECT_EQ(target().version, 3);
}

TEST_F(PublicationStoreTest, WorkIsListedPageByPage) {
  ASSERT_THAT(store_->QueueWork("contoso", WorkKind::kDevice, {"b", "a"}, At(20)), IsOk());
  ASSERT_THAT(store_->QueueReviews("contoso", {"c", "d", "e"}, At(10)), IsOk());
  std::vector<std::string> keys;
  WorkPlace place;
  for (size_t size = 2; size == 2;) {
    const auto page = store_->ListWork("contoso", false, place, 2).value();
    for (const WorkRecord& one : page) keys.push_back(one.key);
    size = page.size();
    if (size > 0) place = {page.back().queued, page.back().id};
  }
  EXPECT_THAT(keys, ElementsAre("c", "d", "e", "b", "a"));
}

TEST_F(PublicationStoreTest, WhatStandsThereIsCollectedWhenItIsDue) {
  const PublishedRecord record{.target = "contoso",
                               .kind = PublishedKind::kEnrollment,
                               .key = "device-1",
                               .content = "{\"state\":\"pinned\"}",
                               .collect = At(50)};
  ASSERT_THAT(store_->PutPublished({record}, At(1), "{\"entry\":1}"), IsOk());
  ASSERT_THAT(store_->QueueCollections("contoso", At(49)), IsOk());
  EXPECT_THAT(Due(At(100)), IsEmpty());
  ASSERT_THAT(store_->QueueCollections("contoso", At(50)), IsOk());
  EXPECT_THAT(Due(At(100)), ElementsAre("device-1"));
  EXPECT_TRUE(store_->ListWork("contoso", false, {}, 1)->at(0).review);
  EXPECT_EQ(store_->FindPublished("contoso", PublishedKind::kEnrollment, "Device-1").value()->content, record.content);
  EXPECT_THAT(store_->ListPublished("contoso", PublishedKind::kEnrollment, "", 10).value(), SizeIs(1));
  ASSERT_THAT(store_->RemovePublished({record}, At(51)), IsOk());
  EXPECT_EQ(*store_->FindPublished("contoso", PublishedKind::kEnrollment, "device-1"), std::nullopt);
}

}  // namespace
}  // namespace hallmark
