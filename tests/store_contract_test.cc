// The contract of store/store.h, held to every implementation: a new one is a further line in kImplementations.

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/reason.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store.h"
#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::At;
using testing::CheckLedger;
using ::testing::ElementsAre;
using testing::ExampleCertificate;
using testing::ExampleEntry;
using testing::ExampleIntent;
using testing::ExampleList;
using testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Issue;

struct Implementation {
  const char* name;
  StatusOr<std::unique_ptr<Store>> (*open)(const std::filesystem::path& directory);
};

const Implementation kImplementations[] = {
    {"Sqlite",
     [](const std::filesystem::path& directory) { return OpenSqliteStore({.path = directory / "hallmark.db"}); }},
};

const std::string kCaller = "spiffe://factory.example/line/1";
const Revocation kRevocation = {At(50), RevocationReason::kKeyCompromise, "spiffe://operator.example/alice"};

class StoreContractTest : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    store_.reset();
    auto store = GetParam().open(directory_.path());
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  uint64_t LedgerSize() {
    const auto head = store_->GetLedgerHead();
    EXPECT_THAT(head, IsOk());
    return head.ok() ? head->size : 0;
  }

  // The certificates of all pages, by their subjects.
  std::vector<std::string> ListSubjects(const CertificateFilter& filter, int page_size) {
    std::vector<std::string> subjects;
    std::string token;
    do {
      const auto page = store_->ListCertificates(filter, page_size, token);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      EXPECT_LE(page->items.size(), static_cast<size_t>(page_size));
      for (const CertificateRecord& record : page->items) subjects.push_back(record.subject);
      token = page->next_page_token;
    } while (!token.empty());
    return subjects;
  }

  std::vector<std::string> OpenRequests() {
    std::vector<std::string> requests;
    const auto intents = store_->OpenIntents();
    EXPECT_THAT(intents, IsOk());
    for (const Intent& intent : *intents) requests.push_back(intent.request_id);
    return requests;
  }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Each, StoreContractTest, ::testing::ValuesIn(kImplementations),
                         [](const auto& implementation) { return implementation.param.name; });

void ExpectEqual(const Intent& a, const Intent& b) {
  EXPECT_EQ(
      std::tie(a.caller, a.request_id, a.request_digest, a.authority, a.profile, a.profile_version, a.serial, a.subject,
               a.caseless_name, a.spki, a.not_before, a.not_after, a.intended, a.csr, a.lifetime, a.draft),
      std::tie(b.caller, b.request_id, b.request_digest, b.authority, b.profile, b.profile_version, b.serial, b.subject,
               b.caseless_name, b.spki, b.not_before, b.not_after, b.intended, b.csr, b.lifetime, b.draft));
}

void ExpectRecordOf(const CertificateRecord& record, int n) {
  const Intent intent = ExampleIntent(n);
  const Bytes certificate = ExampleCertificate(n);
  const Time issued = At(n);
  EXPECT_EQ(std::tie(record.caller, record.request_id, record.authority, record.profile, record.profile_version,
                     record.serial, record.subject, record.spki, record.not_before, record.not_after, record.intended,
                     record.csr, record.lifetime, record.issued, record.certificate),
            std::tie(intent.caller, intent.request_id, intent.authority, intent.profile, intent.profile_version,
                     intent.serial, intent.subject, intent.spki, intent.not_before, intent.not_after, intent.intended,
                     intent.csr, intent.lifetime, issued, certificate));
}

AuthorityRecord ExampleAuthority(const std::string& name, const std::string& parent) {
  AuthorityRecord record;
  record.authority = name;
  record.parent = parent;
  record.profile = "intermediate";
  record.key_uris = {"pkcs11:token=ca;object=" + name};
  record.certificate = ToBytes(AsBytes("certificate of " + name));
  record.created = At(1);
  return record;
}

// One with a value in each field.
AuthorityRecord FullAuthority() {
  AuthorityRecord record = ExampleAuthority("devices-2", "");
  record.state = AuthorityState::kStaged;
  record.key_uris = {"pkcs11:token=first;object=\"\\%20", "pkcs11:token=second"};
  record.signature_algorithm = "rsa-pss-sha256";
  record.subject = {0x30, 0x00};
  record.external_chain = {{0x30, 0x01, 0x00}, {0xff, 0x00}};
  record.earlier_certificates = {{0x00}, {0x01, 0x02}};
  record.predecessor = "devices";
  record.profiles = {"device-dps", "client"};
  record.caller = kCaller;
  record.request_id = "create:devices-2";
  record.request_digest = Sha256(AsBytes("all of it"));
  return record;
}

void ExpectEqual(const AuthorityRecord& a, const AuthorityRecord& b) {
  EXPECT_EQ(std::tie(a.authority, a.parent, a.state, a.profile, a.key_uris, a.signature_algorithm, a.subject,
                     a.certificate, a.created, a.external_chain, a.earlier_certificates, a.predecessor, a.successor,
                     a.profiles, a.caller, a.request_id, a.request_digest, a.version),
            std::tie(b.authority, b.parent, b.state, b.profile, b.key_uris, b.signature_algorithm, b.subject,
                     b.certificate, b.created, b.external_chain, b.earlier_certificates, b.predecessor, b.successor,
                     b.profiles, b.caller, b.request_id, b.request_digest, b.version));
}

TEST_P(StoreContractTest, AuthoritiesAreListedInTheOrderOfAddingAndSurvive) {
  AuthorityRecord root = ExampleAuthority("zz-root", "zz-root");
  AuthorityRecord devices = ExampleAuthority("devices", "zz-root");
  AuthorityRecord successor = FullAuthority();
  AuthorityRecord awaiting = ExampleAuthority("plant-b", "zz-root");
  awaiting.state = AuthorityState::kAwaitingActivation;
  awaiting.certificate.clear();
  awaiting.key_uris.clear();
  for (const AuthorityRecord* record : {&root, &devices, &successor, &awaiting})
    ASSERT_THAT(store_->AddAuthority(*record, "added " + record->authority), IsOk());
  Reopen();
  devices.successor = "devices-2";
  const auto authorities = store_->ListAuthorities();
  ASSERT_THAT(authorities, IsOk());
  ASSERT_EQ(authorities->size(), 4u);
  size_t place = 0;
  for (const AuthorityRecord* record : {&root, &devices, &successor, &awaiting}) {
    ExpectEqual((*authorities)[place], *record);
    const auto found = store_->GetAuthority(record->authority);
    ASSERT_THAT(found, IsOk());
    ExpectEqual(*found, *record);
    EXPECT_EQ(store_->ListEntries(place, 1)->at(0).entry, "added " + record->authority);
    ++place;
  }
  EXPECT_THAT(store_->GetAuthority("nobody"), Fails(Code::kNotFound, reason::kAuthorityUnknown));
}

TEST_P(StoreContractTest, AnAuthorityIsAddedOnceAndSucceededOnce) {
  ASSERT_THAT(store_->AddAuthority(ExampleAuthority("devices", "devices"), "added"), IsOk());
  ASSERT_THAT(store_->AddAuthority(FullAuthority(), "added"), IsOk());
  const struct {
    const char* name;
    std::function<void(AuthorityRecord&)> change;
    Code code;
    const char* reason;
  } cases[] = {
      {"the same name", [](AuthorityRecord& r) { r.authority = "devices"; }, Code::kAlreadyExists,
       reason::kAuthorityExists},
      {"the same request", [](AuthorityRecord&) {}, Code::kAlreadyExists, reason::kAuthorityExists},
      {"a second successor",
       [](AuthorityRecord& r) {
         r.authority = "devices-3";
         r.request_id = "another";
       },
       Code::kAlreadyExists, reason::kAuthorityExists},
      {"the request id of another authority",
       [](AuthorityRecord& r) {
         r.authority = "plant-b";
         r.predecessor.clear();
       },
       Code::kAlreadyExists, reason::kRequestIdReused},
      {"a predecessor that is not there",
       [](AuthorityRecord& r) {
         r.authority = "plant-b";
         r.predecessor = "nobody";
       },
       Code::kNotFound, reason::kAuthorityUnknown},
  };
  for (const auto& c : cases) {
    AuthorityRecord record = FullAuthority();
    c.change(record);
    EXPECT_THAT(store_->AddAuthority(record, "never"), Fails(c.code, c.reason)) << c.name;
  }
  EXPECT_EQ(store_->ListAuthorities()->size(), 2u);
  EXPECT_EQ(LedgerSize(), 2u);
}

TEST_P(StoreContractTest, AnUpdateChangesWhatItMayAndNothingElse) {
  ASSERT_THAT(store_->AddAuthority(ExampleAuthority("devices", "devices"), "added"), IsOk());
  ASSERT_THAT(store_->AddAuthority(FullAuthority(), "added"), IsOk());
  AuthorityRecord expected = ExampleAuthority("devices-2", "devices");
  expected.state = AuthorityState::kDisabled;
  expected.profile = "other";
  expected.key_uris = {"pkcs11:token=third"};
  expected.signature_algorithm = "ecdsa-sha256";
  expected.subject = {0x01};
  expected.external_chain = {{0x02}};
  expected.earlier_certificates = {{0x03}};
  expected.profiles = {};
  AuthorityRecord update = expected;
  update.successor = "nobody";
  update.predecessor = "nobody";
  update.request_id = "another";
  update.created = At(99);
  ASSERT_THAT(store_->UpdateAuthorities({update}, "updated", At(7)), IsOk());
  Reopen();
  const AuthorityRecord before = FullAuthority();
  expected.predecessor = before.predecessor;
  expected.caller = before.caller;
  expected.request_id = before.request_id;
  expected.request_digest = before.request_digest;
  expected.version = 2;
  ExpectEqual(store_->GetAuthority("devices-2").value(), expected);
  EXPECT_EQ(store_->ListEntries(2, 1)->at(0).entry, "updated");
  EXPECT_EQ(store_->ListEntries(2, 1)->at(0).time, At(7));
}

TEST_P(StoreContractTest, AnUpdateOfWhatHasChangedMeanwhileChangesNothing) {
  ASSERT_THAT(store_->AddAuthority(ExampleAuthority("devices", "devices"), "added"), IsOk());
  ASSERT_THAT(store_->AddAuthority(ExampleAuthority("access", "devices"), "added"), IsOk());
  AuthorityRecord devices = store_->GetAuthority("devices").value();
  AuthorityRecord access = store_->GetAuthority("access").value();
  devices.state = AuthorityState::kDisabled;
  ASSERT_THAT(store_->UpdateAuthorities({devices}, "first", At(2)), IsOk());
  access.state = AuthorityState::kStaged;
  EXPECT_THAT(store_->UpdateAuthorities({access, devices}, "second", At(3)),
              Fails(Code::kAborted, reason::kAuthorityChanged));
  EXPECT_EQ(store_->GetAuthority("access")->state, AuthorityState::kEnabled) << "all of them or none";
  devices.authority = "nobody";
  EXPECT_THAT(store_->UpdateAuthorities({access, devices}, "third", At(3)),
              Fails(Code::kNotFound, reason::kAuthorityUnknown));
  EXPECT_EQ(LedgerSize(), 3u);
}

TEST_P(StoreContractTest, OfManyWhoUpdateAtOnceOneWinsEachVersion) {
  ASSERT_THAT(store_->AddAuthority(ExampleAuthority("devices", "devices"), "added"), IsOk());
  constexpr int kThreads = 8;
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  {
    const AuthorityRecord read = store_->GetAuthority("devices").value();
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        AuthorityRecord mine = read;
        mine.profile = std::to_string(i);
        const Status status = store_->UpdateAuthorities({mine}, "updated", At(i));
        if (status.ok()) ++won;
        if (absl::IsAborted(status)) ++lost;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, kThreads - 1);
  EXPECT_EQ(store_->GetAuthority("devices")->version, 2u);
  EXPECT_THAT(CheckLedger(*store_), IsOk());
}

TEST_P(StoreContractTest, ARequestIsFoundFromItsIntentOn) {
  const Intent intent = ExampleIntent(1);
  auto found = store_->FindRequest(intent.caller, intent.request_id, intent.request_digest);
  ASSERT_THAT(found, IsOk());
  EXPECT_FALSE(found->has_value());

  ASSERT_THAT(store_->Intend(intent), IsOk());
  Reopen();
  found = store_->FindRequest(intent.caller, intent.request_id, intent.request_digest);
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->has_value());
  ExpectEqual((*found)->intent, intent);
  EXPECT_FALSE((*found)->certificate.has_value());

  ASSERT_THAT(store_->Record(intent, ExampleCertificate(1), At(1), "issued"), IsOk());
  Reopen();
  found = store_->FindRequest(intent.caller, intent.request_id, intent.request_digest);
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->has_value() && (*found)->certificate.has_value());
  ExpectRecordOf(*(*found)->certificate, 1);

  EXPECT_THAT(store_->FindRequest(intent.caller, intent.request_id, Digest{}),
              Fails(Code::kAlreadyExists, reason::kRequestIdReused));
  found = store_->FindRequest("spiffe://factory.example/line/2", intent.request_id, Digest{});
  ASSERT_THAT(found, IsOk());
  EXPECT_FALSE(found->has_value()) << "another caller's request id is its own";
}

TEST_P(StoreContractTest, ARepeatedIntentIsDroppedForTheFirst) {
  const Intent first = ExampleIntent(1);
  const auto made = store_->Intend(first);
  ASSERT_THAT(made, IsOk());
  ExpectEqual(made->intent, first);
  EXPECT_FALSE(made->certificate.has_value());

  Intent again = ExampleIntent(2);
  again.request_id = first.request_id;
  again.request_digest = first.request_digest;
  auto found = store_->Intend(again);
  ASSERT_THAT(found, IsOk());
  ExpectEqual(found->intent, first);
  EXPECT_FALSE(found->certificate.has_value());

  ASSERT_THAT(store_->Record(first, ExampleCertificate(1), At(1), "issued"), IsOk());
  found = store_->Intend(again);
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->certificate.has_value());
  ExpectRecordOf(*found->certificate, 1);

  again.request_digest = Digest{1};
  EXPECT_THAT(store_->Intend(again), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
  EXPECT_EQ(LedgerSize(), 1u);
  EXPECT_THAT(OpenRequests(), IsEmpty());
}

TEST_P(StoreContractTest, AnAuthorityUsesASerialNumberOnce) {
  const Intent first = ExampleIntent(1);
  ASSERT_THAT(store_->Intend(first), IsOk());
  Intent second = ExampleIntent(2);
  second.serial = first.serial;
  EXPECT_THAT(store_->Intend(second), Fails(Code::kAborted, reason::kStoreSerialCollision));
  ASSERT_THAT(store_->Record(first, ExampleCertificate(1), At(1), "issued"), IsOk());
  EXPECT_THAT(store_->Intend(second), Fails(Code::kAborted, reason::kStoreSerialCollision));
  EXPECT_THAT(OpenRequests(), IsEmpty());
  second.authority = "stations";
  EXPECT_THAT(store_->Intend(second), IsOk());
}

TEST_P(StoreContractTest, OneKeyIsOneSubjects) {
  const auto rename = [](Intent& intent, const std::string& subject, const std::string& caseless_name) {
    intent.subject = subject;
    intent.caseless_name = caseless_name;
  };
  const auto take_another_key = [](Intent& intent) { intent.spki = Sha256(intent.serial); };
  const auto capital = [](std::string name, size_t place) {
    name[place] = 'D';
    return name;
  };
  const struct {
    const char* name;
    std::function<void(Intent&)> change;  // of an intent that is CN=device-n's already
    const char* reason;                   // nullptr: it is allowed
  } cases[] = {
      {"renewal", [](Intent&) {}, nullptr},
      {"renewal by another authority, profile and caller",
       [](Intent& intent) {
         intent.authority = "devices-2";
         intent.profile = "client";
         intent.caller = "spiffe://operator.example/bob";
         intent.caseless_name = "";
       },
       nullptr},
      {"another device", [&](Intent& i) { rename(i, "CN=other", ""); }, reason::kKeyCertifiedForAnother},
      {"another device for Azure", [&](Intent& i) { rename(i, "CN=other", "other"); }, reason::kKeyCertifiedForAnother},
      {"another device of another authority",
       [&](Intent& i) {
         rename(i, "CN=other", "");
         i.authority = "stations";
       },
       reason::kKeyCertifiedForAnother},
      {"another case, where it counts", [&](Intent& i) { rename(i, capital(i.subject, 3), ""); },
       reason::kKeyCertifiedForAnother},
      {"another case, where it does not",
       [&](Intent& i) { rename(i, capital(i.subject, 3), capital(i.caseless_name, 0)); },
       reason::kSubjectDiffersByCase},
      {"another case beside the name", [&](Intent& i) { i.subject.back() = 'E'; }, nullptr},
      {"another device with a key of its own",
       [&](Intent& i) {
         rename(i, "CN=other", "other");
         take_another_key(i);
       },
       nullptr},
      {"the same name with another key", take_another_key, nullptr},
      {"another case with another key",
       [&](Intent& i) {
         rename(i, capital(i.subject, 3), capital(i.caseless_name, 0));
         take_another_key(i);
       },
       reason::kSubjectDiffersByCase},
      {"another case with another key, where it counts",
       [&](Intent& i) {
         rename(i, capital(i.subject, 3), "");
         take_another_key(i);
       },
       nullptr},
  };
  int n = 0;
  for (const auto& c : cases) {
    for (const bool certified : {false, true}) {
      const Intent first = ExampleIntent(++n);
      ASSERT_THAT(certified ? Issue(*store_, first, n).status() : store_->Intend(first).status(), IsOk());
      const Intent fresh = ExampleIntent(1000 + n);
      Intent intent = first;
      intent.request_id = fresh.request_id;
      intent.request_digest = fresh.request_digest;
      intent.serial = fresh.serial;
      c.change(intent);
      const size_t open = OpenRequests().size();
      const Status check = store_->CheckKey(intent);
      EXPECT_EQ(OpenRequests().size(), open) << c.name << ": a check records nothing";
      const Status status = store_->Intend(intent).status();
      if (c.reason == nullptr) {
        EXPECT_THAT(check, IsOk()) << c.name;
        EXPECT_THAT(status, IsOk()) << c.name;
        continue;
      }
      for (const Status& refused : {check, status}) {
        EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, c.reason)) << c.name;
        const std::string name = fmt::format("authorities/devices/certificates/{}", Hex(first.serial));
        EXPECT_THAT(Message(refused), AllOf(HasSubstr(intent.subject), HasSubstr(first.subject), HasSubstr(name)))
            << c.name;
      }
      EXPECT_EQ(OpenRequests().size(), open) << c.name << ": what is refused leaves nothing";
    }
  }
}

TEST_P(StoreContractTest, ARetryIsNotTakenForAnotherDevice) {
  const Intent first = ExampleIntent(1);
  ASSERT_THAT(store_->Intend(first), IsOk());
  Intent again = first;
  again.serial = ExampleIntent(2).serial;
  const auto found = store_->Intend(again);
  ASSERT_THAT(found, IsOk());
  ExpectEqual(found->intent, first);
}

TEST_P(StoreContractTest, OfManyWhoAskWithOneKeyOneSubjectGetsIt) {
  constexpr int kThreads = 8;
  std::atomic<int> intended = 0;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        Intent mine = ExampleIntent(i);
        mine.spki = ExampleIntent(0).spki;
        const auto result = store_->Intend(mine);
        if (result.ok()) ++intended;
        if (!result.ok() && Reason(result.status()) == reason::kKeyCertifiedForAnother) ++refused;
      });
    }
  }
  EXPECT_EQ(intended, 1);
  EXPECT_EQ(refused, kThreads - 1);
}

PolicyRecord ExamplePolicy(const std::string& profile, const std::string& text) {
  return {.profile = profile,
          .version = Hex(Sha256(AsBytes(text))),
          .text = text,
          .loaded = Time(),
          .ledger_entry = fmt::format("loaded {} {}", profile, text)};
}

TEST_P(StoreContractTest, EachTextOfAPolicyIsKeptAndItsLoadingWitnessedWhenItIsNews) {
  const PolicyRecord roles = ExamplePolicy("", "roles");
  const PolicyRecord device = ExamplePolicy("device", "a");
  const PolicyRecord changed = ExamplePolicy("device", "b");
  const PolicyRecord twin = ExamplePolicy("client", "a");
  struct Step {
    const char* name;
    std::vector<PolicyRecord> loaded;
    std::vector<std::string> entries;  // that follow
  };
  const std::vector<Step> steps = {
      {"the first start", {roles, device}, {"loaded  roles", "loaded device a"}},
      {"the next start", {roles, device}, {}},
      {"another profile with the same text", {roles, device, twin}, {"loaded client a"}},
      {"a change", {roles, changed, twin}, {"loaded device b"}},
      {"a change back", {roles, device, twin}, {"loaded device a"}},
      {"a profile is removed", {roles, twin}, {}},
  };
  int time = 0;
  for (const Step& step : steps) {
    const uint64_t before = LedgerSize();
    const auto news = store_->LoadPolicies(step.loaded, At(++time));
    ASSERT_THAT(news, IsOk()) << step.name;
    EXPECT_EQ(news->size(), step.entries.size()) << step.name;
    std::vector<std::string> entries;
    const auto listed = store_->ListEntries(before, 10);
    ASSERT_THAT(listed, IsOk());
    for (const LedgerEntry& entry : *listed) entries.push_back(entry.entry);
    EXPECT_EQ(entries, step.entries) << step.name;
    Reopen();
  }
  for (const PolicyRecord* policy : {&roles, &device, &changed, &twin}) {
    const auto kept = store_->GetPolicy(policy->profile, policy->version);
    ASSERT_THAT(kept, IsOk()) << policy->ledger_entry;
    EXPECT_EQ(std::tie(kept->profile, kept->version, kept->text, kept->ledger_entry),
              std::tie(policy->profile, policy->version, policy->text, policy->ledger_entry));
  }
  EXPECT_EQ(store_->GetPolicy("device", device.version)->loaded, At(5)) << "the last time";
  EXPECT_EQ(store_->GetPolicy("device", changed.version)->loaded, At(4));
  EXPECT_THAT(store_->GetPolicy("client", changed.version), Fails(Code::kNotFound, reason::kProfileUnknown));
  EXPECT_THAT(store_->GetPolicy("nobody", device.version), Fails(Code::kNotFound, reason::kProfileUnknown));
}

TEST_P(StoreContractTest, OfTwoRecordsTheFirstWins) {
  const Intent intent = ExampleIntent(1);
  ASSERT_THAT(store_->Intend(intent), IsOk());
  const auto first = store_->Record(intent, ExampleCertificate(1), At(1), "first");
  ASSERT_THAT(first, IsOk());
  ExpectRecordOf(*first, 1);
  EXPECT_EQ(first->leaf_index, 0u);
  const auto second = store_->Record(intent, ExampleCertificate(99), At(99), "second");
  ASSERT_THAT(second, IsOk());
  ExpectRecordOf(*second, 1);
  EXPECT_EQ(second->leaf_index, 0u);
  EXPECT_EQ(LedgerSize(), 1u);
  Reopen();
  const auto stored = store_->GetCertificate(intent.authority, intent.serial);
  ASSERT_THAT(stored, IsOk());
  ExpectRecordOf(*stored, 1);
  EXPECT_FALSE(stored->revocation.has_value());
}

TEST_P(StoreContractTest, OnlyWhatWasIntendedIsRecorded) {
  Intent intent = ExampleIntent(1);
  EXPECT_THAT(store_->Record(intent, ExampleCertificate(1), At(1), "issued"),
              Fails(Code::kNotFound, reason::kInternal));
  ASSERT_THAT(store_->Intend(intent), IsOk());
  intent.serial[0] ^= 1;
  EXPECT_THAT(store_->Record(intent, ExampleCertificate(1), At(1), "issued"),
              Fails(Code::kNotFound, reason::kInternal));
  EXPECT_EQ(LedgerSize(), 0u);
  EXPECT_THAT(OpenRequests(), ElementsAre("request-1"));
}

TEST_P(StoreContractTest, OpenIntentsAreThoseWithoutACertificateOldestFirst) {
  for (int n : {3, 1, 2}) ASSERT_THAT(store_->Intend(ExampleIntent(n)), IsOk());
  EXPECT_THAT(OpenRequests(), ElementsAre("request-3", "request-1", "request-2"));
  ASSERT_THAT(store_->Record(ExampleIntent(1), ExampleCertificate(1), At(1), "issued"), IsOk());
  Reopen();
  EXPECT_THAT(OpenRequests(), ElementsAre("request-3", "request-2"));
  ExpectEqual(store_->OpenIntents()->front(), ExampleIntent(3));
}

TEST_P(StoreContractTest, ACertificateIsUnknownUntilItIsRecorded) {
  const Intent intent = ExampleIntent(1);
  EXPECT_THAT(store_->GetCertificate("devices", intent.serial), Fails(Code::kNotFound, reason::kCertificateUnknown));
  ASSERT_THAT(store_->Intend(intent), IsOk());
  EXPECT_THAT(store_->GetCertificate("devices", intent.serial), Fails(Code::kNotFound, reason::kCertificateUnknown));
  EXPECT_THAT(store_->Revoke("devices", intent.serial, kRevocation, "revoked"),
              Fails(Code::kNotFound, reason::kCertificateUnknown));
  ASSERT_THAT(store_->Record(intent, ExampleCertificate(1), At(1), "issued"), IsOk());
  EXPECT_THAT(store_->GetCertificate("devices", intent.serial), IsOk());
  EXPECT_THAT(store_->GetCertificate("stations", intent.serial), Fails(Code::kNotFound, reason::kCertificateUnknown));
}

CertificateFilter NewestFirst(CertificateFilter filter) {
  filter.newest_first = true;
  return filter;
}

TEST_P(StoreContractTest, FiltersSelectByTheirFieldsTogether) {
  for (int n = 0; n < 12; ++n) {
    Intent intent = ExampleIntent(n);
    if (n % 2 == 1) intent.authority = "stations";
    if (n % 3 == 1) intent.profile = "client";
    if (n % 4 == 1) intent.caller = "spiffe://operator.example/bob";
    ASSERT_THAT(Issue(*store_, intent, n), IsOk());
    if (n % 5 == 1) {
      ASSERT_THAT(store_->Revoke(intent.authority, intent.serial, kRevocation, "revoked"), IsOk());
    }
  }
  ASSERT_THAT(store_->Intend(ExampleIntent(12)), IsOk());  // never listed
  const auto subjects = [](std::vector<int> numbers) {
    std::vector<std::string> result;
    for (int n : numbers) result.push_back(ExampleIntent(n).subject);
    return result;
  };
  struct Case {
    const char* name;
    CertificateFilter filter;  // authority, profile, subject, caller, spki, revoked
    std::vector<int> expected;
  };
  const std::string bob = "spiffe://operator.example/bob";
  const std::vector<Case> cases = {
      {"everything", {}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
      {"authority", {"stations", "", "", "", {}, {}}, {1, 3, 5, 7, 9, 11}},
      {"profile", {"", "client", "", "", {}, {}}, {1, 4, 7, 10}},
      {"subject", {"", "", "CN=device-7,O=Example", "", {}, {}}, {7}},
      {"caller", {"", "", "", bob, {}, {}}, {1, 5, 9}},
      {"spki", {"", "", "", "", ExampleIntent(8).spki, {}}, {8}},
      {"revoked", {"", "", "", "", {}, true}, {1, 6, 11}},
      {"not revoked", {"", "", "", "", {}, false}, {0, 2, 3, 4, 5, 7, 8, 9, 10}},
      {"authority and profile", {"stations", "client", "", "", {}, {}}, {1, 7}},
      {"profile and revoked", {"", "client", "", "", {}, true}, {1}},
      {"caller and not revoked", {"", "", "", bob, {}, false}, {5, 9}},
      {"subject of another authority", {"stations", "", "CN=device-8,O=Example", "", {}, {}}, {}},
      {"all fields", {"stations", "client", "CN=device-1,O=Example", bob, ExampleIntent(1).spki, true}, {1}},
      {"all fields but one", {"stations", "client", "CN=device-1,O=Example", bob, ExampleIntent(1).spki, false}, {}},
      {"a part of a subject", {"", "", "CN=device-1", "", {}, {}}, {}},
  };
  for (const Case& c : cases) {
    for (int page_size : {1, 2, 3, 1000}) {
      EXPECT_EQ(ListSubjects(c.filter, page_size), subjects(c.expected)) << c.name << ", page size " << page_size;
      EXPECT_EQ(ListSubjects(NewestFirst(c.filter), page_size), subjects({c.expected.rbegin(), c.expected.rend()}))
          << c.name << ", newest first, page size " << page_size;
    }
  }
}

TEST_P(StoreContractTest, PagesFollowTheOrderOfIssuanceWhileRowsAreAdded) {
  // Intended in one order, issued in another.
  for (int n = 0; n < 10; ++n) ASSERT_THAT(store_->Intend(ExampleIntent(n)), IsOk());
  const auto record = [this](int n) {
    return store_->Record(ExampleIntent(n), ExampleCertificate(n), At(n), "issued");
  };
  for (int n : {9, 8, 7, 6}) ASSERT_THAT(record(n), IsOk());
  std::vector<std::string> listed;
  std::string token;
  int next = 5;
  do {
    const auto page = store_->ListCertificates({}, 2, token);
    ASSERT_THAT(page, IsOk());
    for (const CertificateRecord& certificate : page->items) listed.push_back(certificate.request_id);
    token = page->next_page_token;
    if (next >= 4) {
      ASSERT_THAT(record(next--), IsOk());
    }
  } while (!token.empty());
  EXPECT_THAT(listed, ElementsAre("request-9", "request-8", "request-7", "request-6", "request-5", "request-4"));
}

TEST_P(StoreContractTest, ListingsRefuseWhatTheyDidNotHandOut) {
  const CertificateFilter devices = {"devices", "", "", "", {}, {}};
  const CertificateFilter stations = {"stations", "", "", "", {}, {}};
  for (int n = 0; n < 3; ++n) ASSERT_THAT(Issue(*store_, n), IsOk());
  const auto page = store_->ListCertificates(devices, 1, "");
  ASSERT_THAT(page, IsOk());
  const std::string token = page->next_page_token;
  ASSERT_FALSE(token.empty());
  struct Case {
    const char* name;
    CertificateFilter filter;
    int page_size;
    std::string token;
    const char* field;
  };
  const std::vector<Case> cases = {
      {"another filter's token", stations, 1, token, "page_token"},
      {"a token without its filter", {}, 1, token, "page_token"},
      {"the other order's token", NewestFirst(devices), 1, token, "page_token"},
      {"a shortened token", devices, 1, token.substr(2), "page_token"},
      {"a lengthened token", devices, 1, token + "00", "page_token"},
      {"a changed token", devices, 1, "ff" + token.substr(2), "page_token"},
      {"any text", devices, 1, "second page, please", "page_token"},
      {"no rows", {}, 0, "", "page_size"},
      {"a negative size", {}, -1, "", "page_size"},
      {"too many rows", {}, 1001, "", "page_size"},
  };
  for (const Case& c : cases) {
    const auto result = store_->ListCertificates(c.filter, c.page_size, c.token);
    EXPECT_THAT(result, Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << c.name;
    ASSERT_EQ(Fields(result.status()).size(), 1u) << c.name;
    EXPECT_EQ(Fields(result.status())[0].field, c.field) << c.name;
  }
  Reopen();
  EXPECT_THAT(store_->ListCertificates(devices, 1, token), IsOk()) << "a token survives a restart";
}

TEST_P(StoreContractTest, ACertificateKeepsItsFirstRevocation) {
  const Intent intent = ExampleIntent(1);
  ASSERT_THAT(Issue(*store_, 1), IsOk());
  const auto first = store_->Revoke("devices", intent.serial, kRevocation, "revoked");
  const auto second = store_->Revoke("devices", intent.serial,
                                     {At(60), RevocationReason::kSuperseded, "spiffe://operator.example/bob"}, "again");
  Reopen();
  const auto stored = store_->GetCertificate("devices", intent.serial);
  for (const auto& record : {first, second, stored}) {
    ASSERT_THAT(record, IsOk());
    ExpectRecordOf(*record, 1);
    ASSERT_TRUE(record->revocation.has_value());
    EXPECT_EQ(record->revocation->revoked, kRevocation.revoked);
    EXPECT_EQ(record->revocation->reason, kRevocation.reason);
    EXPECT_EQ(record->revocation->revoked_by, kRevocation.revoked_by);
  }
  EXPECT_EQ(LedgerSize(), 2u);
  EXPECT_EQ(*store_->RevocationCount("devices"), 1u);
}

// --- Revocations of many.

MassRevocationRecord ExampleMass(RevocationReason reason = RevocationReason::kSuperseded) {
  MassRevocationRecord record;
  record.revocation = "mass-1";
  record.caller = "spiffe://operator.example/alice";
  record.request_id = "request-1";
  record.request_digest = Sha256(AsBytes("mass"));
  record.filter.authority = "devices";
  record.filter.leaf_end = 100;
  record.reason = reason;
  record.created = At(60);
  record.total = 3;
  return record;
}
CertificateRevocation ExampleRevocation(int n, RevocationReason reason = RevocationReason::kSuperseded) {
  return {{"devices", ExampleIntent(n).serial}, {At(70), reason, "spiffe://operator.example/alice"}, "{}"};
}
const MassRevocationEntry kDoneEntry = [](const MassRevocationRecord& record) {
  return fmt::format(R"({{"changed":{}}})", record.changed);
};

TEST_P(StoreContractTest, ARevocationOfManyGoesOnFromWhereItIsAndNowhereElse) {
  for (int n = 1; n <= 3; ++n) ASSERT_THAT(Issue(*store_, n), IsOk());
  ASSERT_THAT(store_->Revoke("devices", ExampleIntent(2).serial, kRevocation, "{}"), IsOk());
  auto record = store_->StartMassRevocation(ExampleMass(), R"({"mass":"begun"})");
  ASSERT_THAT(record, IsOk());
  const uint64_t begun = LedgerSize();
  ASSERT_THAT(store_->StartMassRevocation(ExampleMass(), "{}"), IsOk());
  EXPECT_EQ(LedgerSize(), begun);
  MassRevocationRecord other = ExampleMass();
  other.request_digest = Sha256(AsBytes("other"));
  EXPECT_THAT(store_->StartMassRevocation(other, "{}"), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
  MassRevocationRecord stale = *record;
  const auto first =
      store_->StepMassRevocation(*record, {ExampleRevocation(1), ExampleRevocation(2)}, "next", At(70), nullptr);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->size(), 1u);  // the second was revoked already
  EXPECT_EQ(first->front().serial, ExampleIntent(1).serial);
  EXPECT_THAT(store_->StepMassRevocation(stale, {ExampleRevocation(1)}, "next", At(70), nullptr),
              Fails(Code::kAborted, reason::kRevocationChanged));
  EXPECT_EQ(LedgerSize(), begun + 1);
  Reopen();
  record = store_->GetMassRevocation("mass-1");
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->position, "next");
  EXPECT_EQ(record->seen, 2);
  EXPECT_EQ(record->changed, 1);
  EXPECT_EQ(record->filter.authority, "devices");
  EXPECT_EQ(record->filter.leaf_end, 100u);
  ASSERT_EQ(store_->RunningMassRevocations()->size(), 1u);
  ASSERT_THAT(store_->StepMassRevocation(*record, {ExampleRevocation(3)}, "", At(80), kDoneEntry), IsOk());
  EXPECT_EQ(record->state, MassRevocationState::kDone);
  EXPECT_EQ(record->finished, At(80));
  EXPECT_TRUE(store_->RunningMassRevocations()->empty());
  EXPECT_EQ(store_->ListEntries(LedgerSize() - 1, 1)->front().entry, R"({"changed":2})");
  EXPECT_THAT(store_->StepMassRevocation(*record, {}, "", At(80), kDoneEntry),
              Fails(Code::kAborted, reason::kRevocationChanged));
  EXPECT_THAT(CheckLedger(*store_), IsOk());
}

TEST_P(StoreContractTest, AStepOfManyHappensWholeOrNotAtAll) {
  ASSERT_THAT(Issue(*store_, 1), IsOk());
  auto record = store_->StartMassRevocation(ExampleMass(), "{}");
  ASSERT_THAT(record, IsOk());
  const MassRevocationRecord before = *record;
  EXPECT_THAT(
      store_->StepMassRevocation(*record, {ExampleRevocation(1), ExampleRevocation(9)}, "next", At(70), nullptr),
      Fails(Code::kNotFound, reason::kCertificateUnknown));
  EXPECT_EQ(record->position, before.position);
  EXPECT_FALSE(store_->GetCertificate("devices", ExampleIntent(1).serial)->revocation.has_value());
  EXPECT_EQ(store_->GetMassRevocation("mass-1")->seen, 0);
  EXPECT_THAT(store_->GetMassRevocation("none"), Fails(Code::kNotFound, reason::kRevocationUnknown));
  const auto stopped = store_->StopMassRevocation("mass-1", "alice", At(90), "{}");
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state, MassRevocationState::kStopped);
  EXPECT_EQ(stopped->stopped_by, "alice");
  EXPECT_THAT(store_->StepMassRevocation(*record, {ExampleRevocation(1)}, "", At(90), kDoneEntry),
              Fails(Code::kAborted, reason::kRevocationChanged));
}

TEST_P(StoreContractTest, CertificatesAreCountedByWhatTheyHaveInCommon) {
  for (int n = 1; n <= 4; ++n) ASSERT_THAT(Issue(*store_, n), IsOk());
  ASSERT_THAT(store_->Revoke("devices", ExampleIntent(2).serial, kRevocation, "{}"), IsOk());
  CertificateFilter filter;
  filter.authority = "devices";
  const auto counts = store_->CountCertificates(filter, At(0)).value();
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].certificates, 3);
  EXPECT_FALSE(counts[0].reason.has_value());
  EXPECT_FALSE(counts[0].expired);
  EXPECT_EQ(counts[1].certificates, 1);
  EXPECT_EQ(counts[1].reason, RevocationReason::kKeyCompromise);
  EXPECT_TRUE(store_->CountCertificates(filter, At(5000))->front().expired);
  filter.leaf_end = store_->GetCertificate("devices", ExampleIntent(2).serial)->leaf_index;
  EXPECT_EQ(store_->CountCertificates(filter, At(0))->front().certificates, 1);
  filter = {};
  filter.issued_from = At(2);
  filter.issued_before = At(4);
  EXPECT_EQ(store_->CountCertificates(filter, At(0))->size(), 2u);
  EXPECT_THAT(ListSubjects(filter, 10), ElementsAre("CN=device-2,O=Example", "CN=device-3,O=Example"));
  filter.issued_from = At(1000);
  filter.issued_before.reset();
  EXPECT_THAT(ListSubjects(filter, 10), IsEmpty());
}

// --- Lists that were made elsewhere.

TEST_P(StoreContractTest, AnImportedListGivesWayToANewerOneOfItsIssuerOnly) {
  ImportedCrlRecord crl{.name = "safe-root",
                        .issuer = Sha256(AsBytes("key")),
                        .issuer_name = "CN=Root",
                        .number = 5,
                        .this_update = At(10),
                        .next_update = At(20),
                        .crl = {1, 2, 3},
                        .imported = At(11),
                        .imported_by = "alice"};
  ASSERT_THAT(store_->ImportCrl(crl, {}, "{}"), IsOk());
  const uint64_t leaves = LedgerSize();
  ASSERT_THAT(store_->ImportCrl(crl, {}, "{}"), IsOk());
  EXPECT_EQ(LedgerSize(), leaves);
  ImportedCrlRecord next = crl;
  next.crl = {4};
  EXPECT_THAT(store_->ImportCrl(next, {}, "{}"), Fails(Code::kFailedPrecondition, reason::kCrlOlder));
  next.number = 6;
  next.this_update = At(9);
  EXPECT_THAT(store_->ImportCrl(next, {}, "{}"), Fails(Code::kFailedPrecondition, reason::kCrlOlder));
  next.this_update = At(12);
  next.issuer = Sha256(AsBytes("other"));
  EXPECT_THAT(store_->ImportCrl(next, {}, "{}"), Fails(Code::kFailedPrecondition, reason::kCrlOfAnother));
  next.issuer = crl.issuer;
  ASSERT_THAT(store_->ImportCrl(next, {}, "{}"), IsOk());
  Reopen();
  EXPECT_EQ(store_->GetImportedCrl("safe-root")->crl, Bytes{4});
  EXPECT_EQ(store_->ListImportedCrls()->at(0).number, 6u);
  EXPECT_THAT(store_->GetImportedCrl("none"), Fails(Code::kNotFound, reason::kCrlUnknown));
}

TEST_P(StoreContractTest, TheRevokedOfOneAuthorityComeInTheOrderOfTheirSerials) {
  EXPECT_EQ(*store_->RevocationCount("devices"), 0u);
  for (int n = 0; n < 9; ++n) {
    Intent intent = ExampleIntent(n);
    if (n == 4) intent.authority = "stations";
    if (n == 5) intent.not_after = At(99);   // has expired when the list is made
    if (n == 6) intent.not_after = At(100);  // not yet
    ASSERT_THAT(Issue(*store_, intent, n), IsOk());
    if (n != 8) {
      ASSERT_THAT(store_->Revoke(intent.authority, intent.serial, kRevocation, "revoked"), IsOk());
    }
  }
  std::set<Bytes> expected;
  for (int n : {0, 1, 2, 3, 6, 7}) expected.insert(ExampleIntent(n).serial);
  std::vector<Bytes> visited;
  const auto count = store_->ForEachRevoked("devices", At(100), [&](const RevokedCertificate& revoked) {
    visited.push_back(revoked.serial);
    EXPECT_EQ(revoked.revoked, kRevocation.revoked);
    EXPECT_EQ(revoked.reason, kRevocation.reason);
  });
  ASSERT_THAT(count, IsOk());
  EXPECT_EQ(*count, 7u);
  EXPECT_EQ(visited, std::vector<Bytes>(expected.begin(), expected.end()));
  EXPECT_EQ(*store_->RevocationCount("stations"), 1u);
}

TEST_P(StoreContractTest, ARevocationListIsOfOneMoment) {
  constexpr int kCertificates = 60;
  for (int n = 0; n < kCertificates; ++n) ASSERT_THAT(Issue(*store_, n), IsOk());
  std::atomic<bool> done = false;
  std::thread revoker([&] {
    for (int n = 0; n < kCertificates; ++n) {
      EXPECT_THAT(store_->Revoke("devices", ExampleIntent(n).serial, kRevocation, "revoked"), IsOk());
    }
    done = true;
  });
  uint64_t last = 0;
  do {
    uint64_t visited = 0;
    const auto count = store_->ForEachRevoked("devices", At(0), [&](const RevokedCertificate&) { ++visited; });
    ASSERT_THAT(count, IsOk());
    EXPECT_EQ(visited, *count);
    EXPECT_GE(*count, last);
    last = *count;
  } while (!done || last < kCertificates);
  revoker.join();
}

TEST_P(StoreContractTest, CrlNumbersAreAllottedOnceOverRestarts) {
  EXPECT_EQ(*store_->NextCrlNumber("devices"), 1u);
  EXPECT_EQ(*store_->NextCrlNumber("devices"), 2u);
  EXPECT_EQ(*store_->NextCrlNumber("stations"), 1u);
  Reopen();
  std::array<uint64_t, 16> numbers{};
  std::vector<std::thread> threads;
  for (uint64_t& number : numbers) threads.emplace_back([&] { number = *store_->NextCrlNumber("devices"); });
  for (std::thread& thread : threads) thread.join();
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i + 3);
}

CrlRecord ExampleCrl(uint64_t number, const CrlScope& scope = {}) {
  CrlRecord crl{.authority = "devices",
                .number = number,
                .this_update = At(10),
                .next_update = At(20),
                .revocation_count = 7,
                .crl = ExampleList(fmt::format("list {}", number)),
                .shard = scope.shard};
  if (scope.delta) crl.base = 1;
  return crl;
}
Bytes SignedCrl(uint64_t number) { return ExampleList(fmt::format("list {}", number), "signature"); }

TEST_P(StoreContractTest, TheLatestCrlIsTheSignedOneWithTheHighestNumber) {
  EXPECT_THAT(store_->LatestCrl("devices"), Fails(Code::kNotFound, reason::kCrlUnknown));
  for (int i = 0; i < 3; ++i) ASSERT_THAT(store_->NextCrlNumber("devices"), IsOk());
  for (uint64_t number : {1, 2, 3}) ASSERT_THAT(store_->IntendCrl(ExampleCrl(number)), IsOk());
  EXPECT_THAT(store_->LatestCrl("devices"), Fails(Code::kNotFound, reason::kCrlUnknown));
  ASSERT_THAT(store_->RecordCrl("devices", 2, SignedCrl(2), "signed 2"), IsOk());
  ASSERT_THAT(store_->RecordCrl("devices", 1, SignedCrl(1), "signed 1"), IsOk());
  Reopen();
  const auto latest = store_->LatestCrl("devices");
  ASSERT_THAT(latest, IsOk());
  EXPECT_EQ(latest->authority, "devices");
  EXPECT_EQ(latest->number, 2u);
  EXPECT_EQ(latest->this_update, At(10));
  EXPECT_EQ(latest->next_update, At(20));
  EXPECT_EQ(latest->revocation_count, 7u);
  EXPECT_EQ(latest->crl, SignedCrl(2));
  EXPECT_EQ(LedgerSize(), 2u);
  EXPECT_THAT(store_->LatestCrl("stations"), Fails(Code::kNotFound, reason::kCrlUnknown));
  ASSERT_THAT(store_->RecordCrl("devices", 3, SignedCrl(3), "signed 3"), IsOk());
  EXPECT_EQ(store_->LatestCrl("devices")->crl, SignedCrl(3));
}

TEST_P(StoreContractTest, EachScopeHasItsOwnLatestCrl) {
  const std::vector<CrlScope> scopes = {{0, false}, {0, true}, {1, false}, {5, true}};
  EXPECT_THAT(*store_->LatestCrls("devices"), IsEmpty());
  uint64_t number = 0;
  for (int round = 0; round < 3; ++round) {
    for (const CrlScope& scope : scopes) {
      ASSERT_EQ(*store_->NextCrlNumber("devices"), ++number);
      ASSERT_THAT(store_->IntendCrl(ExampleCrl(number, scope)), IsOk());
      if (round == 2) continue;  // never signed
      ASSERT_THAT(store_->RecordCrl("devices", number, SignedCrl(number), "signed"), IsOk());
    }
  }
  Reopen();
  const auto latest = store_->LatestCrls("devices");
  ASSERT_THAT(latest, IsOk());
  ASSERT_EQ(latest->size(), scopes.size());
  for (uint64_t i = 0; i < scopes.size(); ++i) {
    const CrlRecord& about = latest->at(scopes[i]);
    EXPECT_EQ(about.number, 5 + i);
    EXPECT_EQ(about.scope(), scopes[i]);
    EXPECT_EQ(about.next_update, At(20));
    EXPECT_EQ(about.revocation_count, 7u);
    EXPECT_THAT(about.crl, IsEmpty());
    EXPECT_EQ(store_->LatestCrl("devices", scopes[i])->crl, SignedCrl(5 + i));
  }
  EXPECT_THAT(store_->LatestCrl("devices", {1, true}), Fails(Code::kNotFound, reason::kCrlUnknown));
  EXPECT_THAT(*store_->LatestCrls("stations"), IsEmpty());
}

TEST_P(StoreContractTest, ACrlNumberServesOneList) {
  const CrlRecord crl = ExampleCrl(1);
  EXPECT_THAT(store_->IntendCrl(crl), Fails(Code::kFailedPrecondition, reason::kInternal)) << "not allotted";
  EXPECT_THAT(store_->RecordCrl("devices", 1, SignedCrl(1), "signed"), Fails(Code::kNotFound, reason::kCrlUnknown));
  for (int i = 0; i < 3; ++i) ASSERT_THAT(store_->NextCrlNumber("devices"), IsOk());
  ASSERT_THAT(store_->IntendCrl(crl), IsOk());
  EXPECT_THAT(store_->IntendCrl(crl), IsOk()) << "repeated";
  CrlRecord other = crl;
  other.crl = ExampleList("another list");
  const auto misused = Fails(Code::kAlreadyExists, reason::kInternal);
  EXPECT_THAT(store_->IntendCrl(other), misused);
  EXPECT_THAT(store_->RecordCrl("devices", 1, SignedCrl(2), "another list"), misused);
  ASSERT_THAT(store_->RecordCrl("devices", 1, SignedCrl(1), "signed"), IsOk());
  EXPECT_EQ(store_->LatestCrl("devices")->crl, SignedCrl(1));
  // Also once its octets are gone, because a later list was signed.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(store_->IntendCrl(crl), misused);
    EXPECT_THAT(store_->RecordCrl("devices", 1, SignedCrl(1), "repeated"), IsOk());
    EXPECT_THAT(store_->RecordCrl("devices", 1, ExampleList("list 1", "another"), "other"), misused);
    if (i == 1) break;
    for (uint64_t number : {2, 3}) ASSERT_THAT(store_->IntendCrl(ExampleCrl(number)), IsOk());
    ASSERT_THAT(store_->RecordCrl("devices", 3, SignedCrl(3), "signed"), IsOk());
  }
  EXPECT_EQ(store_->LatestCrl("devices")->crl, SignedCrl(3));
  // What was given up can still be signed, as what was intended and nothing else; it is not the latest.
  EXPECT_THAT(store_->RecordCrl("devices", 2, SignedCrl(3), "another list"), misused);
  EXPECT_THAT(store_->RecordCrl("devices", 2, SignedCrl(2), "signed"), IsOk());
  EXPECT_EQ(store_->LatestCrl("devices")->crl, SignedCrl(3));
  EXPECT_EQ(LedgerSize(), 3u);
}

TEST_P(StoreContractTest, TheLedgerIsTheMerkleTreeOfItsEntries) {
  EXPECT_THAT(CheckLedger(*store_), IsOk());
  for (uint64_t i = 0; i < 20; ++i) {
    const auto index = store_->AppendEntry(fmt::format("entry {}", i), At(static_cast<int64_t>(i)));
    ASSERT_THAT(index, IsOk());
    EXPECT_EQ(*index, i);
    EXPECT_THAT(CheckLedger(*store_), IsOk()) << i;
    if (i == 10) Reopen();
  }
  const auto entries = store_->ListEntries(17, 2);
  ASSERT_THAT(entries, IsOk());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[1].index, 18u);
  EXPECT_EQ((*entries)[1].time, At(18));
  EXPECT_EQ((*entries)[1].entry, "entry 18");
  EXPECT_EQ(store_->ListEntries(19, SIZE_MAX)->size(), 1u);
  EXPECT_THAT(*store_->ListEntries(20, 5), IsEmpty());
  EXPECT_THAT(*store_->ListEntries(UINT64_MAX, 5), IsEmpty());
}

TEST_P(StoreContractTest, AHealthyStorePassesItsCheck) {
  EXPECT_THAT(store_->Check(), IsOk());
  EXPECT_EQ(LedgerSize(), 0u);
}

// 64 stations, each request sent by two of them at once; a read right after an answer must see it.
TEST_P(StoreContractTest, ConcurrentDuplicatesGetOneCertificate) {
  constexpr int kThreads = 64;
  constexpr int kRequests = 50;
  const auto issue_all = [&](int thread) {
    for (int i = 0; i < kRequests; ++i) {
      const int n = thread / 2 * kRequests + i;
      Intent intent = ExampleIntent(n);
      if (thread % 2 == 1) intent.serial = ExampleIntent(100'000 + n).serial;
      const auto record = Issue(*store_, intent, n);
      ASSERT_THAT(record, IsOk());
      const auto read = store_->GetCertificate("devices", record->serial);
      ASSERT_THAT(read, IsOk());
      EXPECT_EQ(read->leaf_index, record->leaf_index);
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(issue_all, thread);
  for (std::thread& thread : threads) thread.join();
  Reopen();
  EXPECT_EQ(LedgerSize(), static_cast<uint64_t>(kThreads / 2 * kRequests));
  EXPECT_EQ(ListSubjects({}, 1000).size(), static_cast<size_t>(kThreads / 2 * kRequests));
  EXPECT_THAT(OpenRequests(), IsEmpty());
  EXPECT_THAT(CheckLedger(*store_), IsOk());
}

// Of four threads one is always refused, whatever its neighbours in the same commit do.
TEST_P(StoreContractTest, AMutationThatFailsDoesNotDisturbItsNeighbours) {
  ASSERT_THAT(Issue(*store_, 0), IsOk());
  constexpr int kThreads = 16;
  constexpr int kRequests = 40;
  const auto work = [&](int thread) {
    for (int i = 0; i < kRequests; ++i) {
      const int n = 1 + thread * kRequests + i;
      Intent intent = ExampleIntent(n);
      switch (thread % 4) {
        case 0:
          intent.request_id = "request-0";
          EXPECT_THAT(store_->Intend(intent), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
          break;
        case 1:
          intent.serial = ExampleIntent(0).serial;
          EXPECT_THAT(store_->Intend(intent), Fails(Code::kAborted, reason::kStoreSerialCollision));
          break;
        case 2:
          intent.serial = Bytes(21, 1);  // longer than RFC 5280 allows: the database's own constraint
          EXPECT_THAT(store_->Intend(intent), Fails(Code::kInternal, reason::kInternal));
          break;
        default: EXPECT_THAT(Issue(*store_, n), IsOk());
      }
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(LedgerSize(), 1u + kThreads / 4 * kRequests);
  EXPECT_THAT(OpenRequests(), IsEmpty());
  EXPECT_THAT(CheckLedger(*store_), IsOk());
}

}  // namespace
}  // namespace hallmark
