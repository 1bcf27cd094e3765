// What is special to the SQLite store: its file, its damage, its disk, its process's death.

#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "tests/command.h"
#include "tests/faulty_disk.h"
#include "tests/places.h"
#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::At;
using testing::CheckLedger;
using testing::ExampleCertificate;
using testing::ExampleIntent;
using testing::Fails;
using testing::FaultyDisk;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::Issue;

// Runs the sqlite3 command line and returns what it prints.
std::string Sqlite3(const std::filesystem::path& path, const std::string& sql) {
  return testing::RunCommand(fmt::format("sqlite3 '{}' \"{}\"", path.string(), sql)).output;
}

class SqliteStoreTest : public ::testing::Test {
 protected:
  SqliteStoreTest() { log::Quiet(); }

  StatusOr<std::unique_ptr<Store>> Open() { return OpenSqliteStore({.path = path_}); }
  std::unique_ptr<Store> MustOpen() {
    auto store = Open();
    EXPECT_THAT(store, IsOk());
    return store.ok() ? *std::move(store) : nullptr;
  }
  // A database with `count` certificates, closed again.
  void Fill(int count) {
    const auto store = MustOpen();
    for (int n = 0; n < count; ++n) ASSERT_THAT(Issue(*store, n), IsOk());
  }
  std::string Content() { return *ReadFile(path_, size_t{1} << 30); }

  testing::TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_ / "hallmark.db";
};

unsigned Mode(const std::filesystem::path& path) {
  struct stat attributes = {};
  return stat(path.c_str(), &attributes) == 0 ? attributes.st_mode & 07777 : 0;
}

TEST_F(SqliteStoreTest, OnlyItsOwnerReadsIt) {
  const mode_t mask = umask(0);
  const auto store = MustOpen();
  umask(mask);
  EXPECT_THAT(store->Check(), IsOk());
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) EXPECT_EQ(Mode(path_.string() + suffix), 0600u) << suffix;
}

TEST_F(SqliteStoreTest, TheSqlite3CommandFindsASoundDatabase) {
  const auto store = MustOpen();
  for (int n = 0; n < 20; ++n) ASSERT_THAT(Issue(*store, n), IsOk());
  for (const char* moment : {"while it is open", "after a checkpoint"}) {
    EXPECT_EQ(Sqlite3(path_, "PRAGMA integrity_check; PRAGMA foreign_key_check"), "ok\n") << moment;
    EXPECT_EQ(Sqlite3(path_, "SELECT count(*) FROM certificates; SELECT size, lower(hex(root)) FROM ledger_head"),
              fmt::format("20\n20|{}\n", Hex(store->GetLedgerHead()->root)))
        << moment;
    EXPECT_EQ(Sqlite3(path_, "PRAGMA journal_mode; PRAGMA application_id; PRAGMA user_version"),
              "wal\n1215065197\n12\n");
    Sqlite3(path_, "PRAGMA wal_checkpoint(TRUNCATE)");
  }
  EXPECT_THAT(Sqlite3(path_, "DELETE FROM ledger WHERE leaf_index = 19"), HasSubstr("the ledger only grows"));
  EXPECT_THAT(Sqlite3(path_, "UPDATE ledger SET entry = ''"), HasSubstr("the ledger only grows"));
  EXPECT_THAT(Sqlite3(path_, "DELETE FROM certificates"), HasSubstr("what was intended is kept"));
  EXPECT_THAT(Sqlite3(path_, "UPDATE certificates SET certificate = x'00'"), HasSubstr("does not change"));
  EXPECT_EQ(Sqlite3(path_, "SELECT count(*) FROM ledger"), "20\n");
}

TEST_F(SqliteStoreTest, ADatabaseOfSchema1GoesOn) {
  const std::string made = testing::SourceDirectory() + "/tests/testdata/schema-1.sql";
  ASSERT_EQ(Sqlite3(path_, ".read " + made), "");
  const std::string before = Sqlite3(path_, "SELECT authority, key_uri, hex(certificate) FROM authorities ORDER BY id");
  ASSERT_THAT(before, HasSubstr("devices|pkcs11:token=hallmark"));
  const std::string leaves = Sqlite3(path_, "SELECT size, hex(root) FROM ledger_head");
  for (const char* moment : {"migrating", "once migrated"}) {
    const auto store = MustOpen();
    const auto authorities = store->ListAuthorities();
    ASSERT_THAT(authorities, IsOk()) << moment;
    std::string after;
    for (const AuthorityRecord& record : *authorities) {
      std::string certificate = Hex(record.certificate);
      for (char& c : certificate) c = static_cast<char>(std::toupper(c));
      after += fmt::format("{}|{}|{}\n", record.authority, record.key_uris.at(0), certificate);
      EXPECT_EQ(record.parent, "root");
      EXPECT_EQ(record.state, AuthorityState::kEnabled);
      EXPECT_EQ(record.version, 1u);
      EXPECT_EQ(record.successor + record.predecessor + record.request_id + record.signature_algorithm, "");
    }
    EXPECT_EQ(after, before) << moment;
    EXPECT_THAT(CheckLedger(*store), IsOk());
    EXPECT_THAT(store->LatestCrl("devices"), IsOk());
  }
  EXPECT_EQ(Sqlite3(path_, "SELECT size, hex(root) FROM ledger_head"), leaves);
  EXPECT_EQ(Sqlite3(path_, "PRAGMA user_version; PRAGMA integrity_check; PRAGMA foreign_key_check"), "12\nok\n");
  {
    const auto store = MustOpen();
    AuthorityRecord devices = store->GetAuthority("devices").value();
    AuthorityRecord successor = devices;
    successor.authority = "devices-2";
    successor.predecessor = "devices";
    ASSERT_THAT(store->AddAuthority(successor, "added"), IsOk());
    devices.state = AuthorityState::kDisabled;
    EXPECT_THAT(store->UpdateAuthorities({devices}, "disabled", devices.created), IsOk());
    EXPECT_EQ(store->GetAuthority("devices")->successor, "devices-2");
  }
  EXPECT_THAT(Sqlite3(path_, "DELETE FROM authorities"), HasSubstr("an authority is kept"));
}

TEST_F(SqliteStoreTest, WhatWasRevokedBeforeThereWereShardsStaysSo) {
  ASSERT_EQ(Sqlite3(path_, ".read " + testing::SourceDirectory() + "/tests/testdata/schema-2.sql"), "");
  ASSERT_EQ(Sqlite3(path_,
                    "UPDATE certificates SET revoked = 1795600000, revocation_reason = 1, revoked_by = 'alice' WHERE "
                    "subject = 'CN=Device-2'; UPDATE counters SET revocations = 1 WHERE authority = 'devices'"),
            "");
  const auto store = MustOpen();
  const std::map<int64_t, uint64_t> shards = {{0, 1}};
  EXPECT_EQ(store->CountShards("devices").value(), shards);
  std::vector<RevokedCertificate> revoked;
  const auto add = [&revoked](const RevokedCertificate& one) { revoked.push_back(one); };
  EXPECT_EQ(store->ForEachRevoked("devices", Time(), add).value(), 1u);
  ASSERT_EQ(revoked.size(), 1u);
  EXPECT_EQ(revoked[0].reason, RevocationReason::kKeyCompromise);
  EXPECT_EQ(store->LatestCrls("devices")->size(), 1u);
  // Its key is certified no more.
  const CertificateRecord record = store->GetCertificate("devices", revoked[0].serial).value();
  Intent intent = ExampleIntent(1);
  intent.subject = record.subject;
  intent.spki = record.spki;
  EXPECT_THAT(store->CheckKey(intent), Fails(Code::kFailedPrecondition, reason::kKeyCompromised));
  EXPECT_THAT(store->Release("devices", revoked[0].serial, {At(1), "alice"}, "{}"),
              Fails(Code::kFailedPrecondition, reason::kNotOnHold));
}

TEST_F(SqliteStoreTest, ADatabaseOfSchema2GoesOn) {
  const std::string made = testing::SourceDirectory() + "/tests/testdata/schema-2.sql";
  ASSERT_EQ(Sqlite3(path_, ".read " + made), "");
  const std::string all = "SELECT id, request_id, subject, hex(spki), hex(certificate) FROM certificates ORDER BY id";
  const std::string before = Sqlite3(path_, all);
  ASSERT_THAT(before, HasSubstr("CN=Device-2"));
  const std::string leaves = Sqlite3(path_, "SELECT size, hex(root) FROM ledger_head");
  const auto store = MustOpen();
  EXPECT_EQ(Sqlite3(path_, all), before);
  EXPECT_EQ(Sqlite3(path_, "SELECT size, hex(root) FROM ledger_head"), leaves);
  EXPECT_EQ(Sqlite3(path_, "PRAGMA user_version; PRAGMA integrity_check; PRAGMA foreign_key_check"), "12\nok\n");
  EXPECT_THAT(CheckLedger(*store), IsOk());
  std::map<std::string, CertificateRecord> devices;
  const auto listed = store->ListCertificates({"devices", "", "", "", {}, {}}, 10, "");
  ASSERT_THAT(listed, IsOk());
  for (const CertificateRecord& record : listed->items) {
    EXPECT_EQ(record.profile_version, "");
    EXPECT_TRUE(record.csr.empty());
    EXPECT_FALSE(record.lifetime.has_value());
    devices[record.subject] = record;
  }
  ASSERT_EQ(devices.size(), 3u);
  // What is on record already counts: names without their case, and keys, also one that two devices had already.
  const struct {
    const char* subject;
    const char* key_of;
    const char* reason;  // nullptr: it is allowed
  } cases[] = {
      {"CN=Device-2", "CN=Device-2", nullptr},
      {"CN=device-2", "CN=Device-2", reason::kSubjectDiffersByCase},
      {"CN=device-4", "CN=Device-2", reason::kKeyCertifiedForAnother},
      {"CN=device-1", "CN=device-1", reason::kKeyCertifiedForAnother},
      {"CN=device-3", "CN=device-1", reason::kKeyCertifiedForAnother},
  };
  int n = 0;
  for (const auto& c : cases) {
    Intent intent = ExampleIntent(++n);
    intent.subject = c.subject;
    intent.caseless_name = intent.subject.substr(3);
    intent.spki = devices.at(c.key_of).spki;
    const Status status = store->Intend(intent).status();
    if (c.reason == nullptr) {
      EXPECT_THAT(status, IsOk()) << c.subject;
    } else {
      EXPECT_THAT(status, Fails(Code::kFailedPrecondition, c.reason)) << c.subject;
    }
  }
}

// A database of many lists, as schema 5 kept them: each with its octets.
TEST_F(SqliteStoreTest, ListsOfBeforeSchema6KeepWhatTheyWereAndLoseTheirOctets) {
  const std::string made = testing::SourceDirectory() + "/tests/testdata/schema-1.sql";
  ASSERT_EQ(Sqlite3(path_, ".read " + made), "");
  const std::string octets = Sqlite3(path_, "SELECT hex(crl) FROM crls WHERE authority = 'devices'");
  const std::string first = Hex(Sha256(FromHex(octets.substr(0, octets.size() - 1)).value()));
  // Later lists, the last of them not signed.
  const Bytes second = testing::ExampleList("list 2", "signature");
  const Bytes third = testing::ExampleList("list 3", "signature");
  const Bytes fourth = testing::ExampleList("list 4");
  for (const auto& [number, list] : {std::pair(2, second), {3, third}, {4, fourth}}) {
    EXPECT_EQ(Sqlite3(path_, fmt::format("INSERT INTO crls VALUES ('devices', {}, 1, 2, 0, {}, x'{}')", number,
                                         number == 4 ? 0 : 1, Hex(list))),
              "");
  }
  EXPECT_EQ(Sqlite3(path_, "UPDATE counters SET crl_number = 4 WHERE authority = 'devices'"), "");
  const auto store = MustOpen();
  const auto tbs = [](const char* text) { return Hex(Sha256(ByteView(testing::ExampleList(text)).subspan(2, 10))); };
  EXPECT_EQ(Sqlite3(path_,
                    "SELECT number, signed, crl IS NOT NULL, lower(hex(sha256)) FROM crls WHERE authority = "
                    "'devices' ORDER BY number"),
            fmt::format("1|1|0|{}\n2|1|0|{}\n3|1|1|{}\n4|0|1|\n", first, Hex(Sha256(second)), Hex(Sha256(third))));
  EXPECT_EQ(Sqlite3(path_,
                    "SELECT lower(hex(tbs_sha256)) FROM crls WHERE authority = 'devices' AND number > 1 ORDER BY "
                    "number"),
            fmt::format("{}\n{}\n{}\n", tbs("list 2"), tbs("list 3"), tbs("list 4")));
  EXPECT_EQ(store->LatestCrl("devices")->crl, third);
  EXPECT_EQ(store->LatestCrls("devices")->at({}).number, 3u);
  EXPECT_THAT(store->RecordCrl("devices", 4, testing::ExampleList("list 4", "signature"), "signed"), IsOk());
  EXPECT_EQ(store->LatestCrl("devices")->number, 4u);
  EXPECT_THAT(Sqlite3(path_, "DELETE FROM crls"), HasSubstr("a CRL number is kept"));
  EXPECT_THAT(Sqlite3(path_, "UPDATE crls SET sha256 = tbs_sha256"), HasSubstr("a CRL does not change"));
}

TEST_F(SqliteStoreTest, ManyListsNeedNoMoreSpaceThanTheLatest) {
  const auto store = MustOpen();
  const auto kept = [this] { return Sqlite3(path_, "SELECT count(*), count(crl) FROM crls"); };
  for (uint64_t number = 1; number <= 300; ++number) {
    ASSERT_EQ(*store->NextCrlNumber("devices"), number);
    Bytes list = Bytes(200'000, static_cast<uint8_t>(number));
    ASSERT_THAT(store->IntendCrl({"devices", number, At(1), At(2), 0, list, static_cast<int64_t>(number % 2)}), IsOk());
    // An HSM that is away leaves some unsigned.
    if (number % 10 < 6) {
      ASSERT_THAT(store->RecordCrl("devices", number, list, "signed"), IsOk());
    }
  }
  EXPECT_EQ(kept(), "300|3\n") << "the latest of each shard, and of one a later one that is not signed";
  EXPECT_LT(std::filesystem::file_size(path_), uintmax_t{8} << 20);
  const std::string plan = Sqlite3(path_,
                                   "EXPLAIN QUERY PLAN SELECT number FROM crls INDEXED BY crls_with_octets WHERE "
                                   "authority = 'devices' AND crl IS NOT NULL AND signed = 1");
  EXPECT_THAT(plan, HasSubstr("SEARCH crls USING INDEX crls_with_octets (authority=?)"));
}

// One key and one name are looked up in each issuance.
TEST_F(SqliteStoreTest, KeysAndNamesAreLookedUpByAnIndex) {
  Fill(1);
  const std::pair<const char*, const char*> cases[] = {
      {"certificates_by_key", "spki = x'00' AND subject <> 'CN=a'"},
      {"certificates_by_key", "spki = x'00' AND subject <> 'CN=a' COLLATE NOCASE"},
      {"certificates_by_caseless_name",
       "caseless_name IS NOT NULL AND caseless_name = 'a' COLLATE NOCASE AND caseless_name <> 'a'"},
  };
  for (const auto& [index, condition] : cases) {
    const std::string plan = Sqlite3(
        path_,
        fmt::format("EXPLAIN QUERY PLAN SELECT serial FROM certificates INDEXED BY {} WHERE {}", index, condition));
    EXPECT_THAT(plan, HasSubstr(fmt::format("SEARCH certificates USING INDEX {}", index))) << condition;
    EXPECT_THAT(plan, HasSubstr("=?)")) << condition;
  }
}

TEST_F(SqliteStoreTest, EveryFilterIsServedByAnIndexInOrder) {
  Fill(1);
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"certificates_by_spki", "spki = x''"},       {"certificates_by_subject", "subject = ''"},
      {"certificates_revoked", "revoked NOT NULL"}, {"certificates_by_caller", "caller = ''"},
      {"certificates_by_profile", "profile = ''"},  {"certificates_by_authority", "authority = ''"},
      {"certificates_by_leaf", "revoked IS NULL"},
  };
  for (const auto& [index, condition] : cases) {
    const std::string plan =
        Sqlite3(path_, fmt::format("EXPLAIN QUERY PLAN SELECT certificate FROM certificates INDEXED BY {} "
                                   "WHERE leaf_index > 7 AND {} ORDER BY leaf_index LIMIT 9",
                                   index, condition));
    EXPECT_THAT(plan, HasSubstr(fmt::format("SEARCH certificates USING INDEX {}", index)));
    EXPECT_THAT(plan, HasSubstr("leaf_index>?")) << index;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << index;
  }
}

TEST_F(SqliteStoreTest, OneProcessHasItOpen) {
  auto first = MustOpen();
  const auto second = Open();
  EXPECT_THAT(second, Fails(Code::kUnavailable, reason::kStoreUnavailable));
  EXPECT_THAT(Message(second.status()), HasSubstr(fmt::format("process {}", getpid())));
  const std::filesystem::path link = directory_ / "link.db";
  std::filesystem::create_symlink(path_, link);
  EXPECT_THAT(OpenSqliteStore({.path = link}), Fails(Code::kUnavailable, reason::kStoreUnavailable));
  EXPECT_THAT(first->Check(), IsOk());
  first.reset();
  EXPECT_THAT(OpenSqliteStore({.path = link}), IsOk());
}

TEST_F(SqliteStoreTest, WhatCannotBeOpenedIsRefused) {
  EXPECT_THAT(OpenSqliteStore({.path = directory_ / "missing" / "hallmark.db"}),
              Fails(Code::kFailedPrecondition, reason::kFileUnreadable));
  std::filesystem::create_directory(path_);
  EXPECT_THAT(OpenSqliteStore({.path = path_}), Fails(Code::kUnavailable, reason::kStoreUnavailable));
  EXPECT_THAT(OpenSqliteStore({.path = directory_ / "other.db", .read_connections = 0}),
              Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
}

TEST_F(SqliteStoreTest, ADamagedOrForeignFileIsRefusedAndLeftAsItIs) {
  struct Case {
    const char* name;
    std::function<void(const std::filesystem::path&)> damage;
    Code code = Code::kDataLoss;
    const char* reason = reason::kStoreCorrupt;
  };
  const auto overwrite = [](size_t offset, size_t size) {
    return [offset, size](const std::filesystem::path& path) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(offset));
      file << std::string(size, '\xa5');
    };
  };
  const auto run = [](const char* sql) {
    return [sql](const std::filesystem::path& path) { EXPECT_EQ(Sqlite3(path, sql), "") << sql; };
  };
  const std::vector<Case> cases = {
      {"header", overwrite(0, 8)},
      {"page size", overwrite(16, 2)},
      {"schema page", overwrite(100, 200)},
      {"an inner page", overwrite(5 * 4096, 64)},
      {"cut short", [](const auto& path) { std::filesystem::resize_file(path, 8 * 4096 + 100); }},
      {"a text file", [](const auto& path) { std::ofstream(path) << std::string(5000, '#'); }},
      {"another program's database",
       [](const auto& path) {
         std::filesystem::remove(path);
         Sqlite3(path, "CREATE TABLE t (a)");
       }},
      {"an entry rewritten",
       run("DROP TRIGGER ledger_keeps_its_entries; UPDATE ledger SET entry = 'x' WHERE leaf_index = 3")},
      {"a leaf rewritten with its hash",
       run("DROP TRIGGER ledger_keeps_its_entries; UPDATE ledger SET (entry, leaf_hash) = "
           "(SELECT entry, leaf_hash FROM ledger WHERE leaf_index = 4) WHERE leaf_index = 3")},
      {"a leaf removed", run("DROP TRIGGER ledger_keeps_its_leaves; DELETE FROM ledger WHERE leaf_index = 3")},
      {"the last leaf removed", run("DROP TRIGGER ledger_keeps_its_leaves; DELETE FROM ledger WHERE leaf_index = 9")},
      {"the root rewritten", run("UPDATE ledger_head SET root = zeroblob(32)")},
      {"the head removed", run("DELETE FROM ledger_head")},
      {"a newer schema", run("PRAGMA user_version = 13"), Code::kFailedPrecondition, reason::kStoreNewerSchema},
  };
  Fill(10);
  const std::string sound = Content();
  for (const Case& c : cases) {
    ASSERT_THAT(WriteFile(path_, AsBytes(sound)), IsOk());
    c.damage(path_);
    const std::string damaged = Content();
    EXPECT_THAT(Open(), Fails(c.code, c.reason)) << c.name;
    EXPECT_TRUE(Content() == damaged) << c.name << ": the file has changed";
  }
  ASSERT_THAT(WriteFile(path_, AsBytes(sound)), IsOk());
  EXPECT_THAT(CheckLedger(*MustOpen()), IsOk());
}

TEST_F(SqliteStoreTest, DamageFoundWhileItRunsStopsIt) {
  Fill(200);
  const auto store = MustOpen();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(std::filesystem::file_size(path_) - 4096, '\xa5');
  }
  EXPECT_THAT(store->GetCertificate("devices", ExampleIntent(1).serial), Fails(Code::kDataLoss, reason::kStoreCorrupt));
  EXPECT_THAT(store->Intend(ExampleIntent(1000)), Fails(Code::kDataLoss, reason::kStoreCorrupt));
  EXPECT_THAT(store->NextCrlNumber("devices"), Fails(Code::kDataLoss, reason::kStoreCorrupt));
  EXPECT_THAT(store->Check(), Fails(Code::kDataLoss, reason::kStoreCorrupt));
}

TEST_F(SqliteStoreTest, ABusyDatabaseIsUnavailableUntilItIsFree) {
  const auto store = MustOpen();
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path_.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> other(raw, sqlite3_close);
  ASSERT_EQ(sqlite3_exec(raw, "PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto refused = store->Intend(ExampleIntent(1));
  EXPECT_THAT(refused, Fails(Code::kUnavailable, reason::kStoreUnavailable));
  EXPECT_EQ(RetryDelay(refused.status()), absl::Seconds(1));
  EXPECT_THAT(store->OpenIntents(), IsOk()) << "reads go on";
  ASSERT_EQ(sqlite3_exec(raw, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THAT(Issue(*store, 1), IsOk());
}

// The kernel's own limit: writes past it fail with EFBIG.
TEST_F(SqliteStoreTest, AFileThatCannotGrowIsUnavailableUntilItCan) {
  const auto store = MustOpen();
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {.rlim_cur = 256 * 1024, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  int issued = 0;
  Status status;
  while (status.ok() && issued < 10'000) {
    status = Issue(*store, issued).status();
    if (status.ok()) ++issued;
  }
  const Status check = store->Check();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status, Fails(Code::kUnavailable, reason::kStoreUnavailable));
  EXPECT_EQ(RetryDelay(status), absl::Seconds(1));
  EXPECT_THAT(check, Fails(Code::kUnavailable, reason::kStoreUnavailable));

  EXPECT_THAT(store->Check(), IsOk());
  EXPECT_EQ(store->GetLedgerHead()->size, static_cast<uint64_t>(issued));
  EXPECT_THAT(Issue(*store, issued), IsOk());
  EXPECT_THAT(CheckLedger(*store), IsOk());
}

// Every write of a short history fails once: what was answered stays, what was refused has changed nothing, and the
// store goes on by itself.
TEST_F(SqliteStoreTest, AfterAnyFailedWriteItGoesOn) {
  FaultyDisk disk;
  bool failed = true;
  int fault = 0;
  while (failed) {
    ++fault;
    const std::filesystem::path path = directory_ / fmt::format("{}.db", fault);
    auto store = OpenSqliteStore({.path = path});
    ASSERT_THAT(store, IsOk());
    const bool failed_before = disk.has_failed();
    ASSERT_EQ(failed_before, fault > 1);
    disk.FailWrites(fault, fault % 2 == 0 ? SQLITE_FULL : SQLITE_IOERR_WRITE);
    failed = false;
    uint64_t leaves = 0;
    for (int n = 0; n < 3; ++n) {
      for (const bool revoke : {false, true}) {
        const auto act = [&] {
          return revoke ? (*store)->Revoke("devices", ExampleIntent(n).serial, {At(9), {}, "alice"}, "revoked").status()
                        : Issue(**store, n).status();
        };
        Status status = act();
        if (!status.ok()) {
          failed = true;
          EXPECT_THAT(status, Fails(Code::kUnavailable, reason::kStoreUnavailable)) << "fault " << fault;
          EXPECT_EQ((*store)->GetLedgerHead()->size, leaves) << "fault " << fault;
          disk.Heal();
          status = act();
        }
        ASSERT_THAT(status, IsOk()) << "fault " << fault;
        EXPECT_EQ((*store)->GetLedgerHead()->size, ++leaves) << "fault " << fault;
      }
    }
    disk.Heal();
    store->reset();
    store = OpenSqliteStore({.path = path});
    ASSERT_THAT(store, IsOk());
    EXPECT_THAT(CheckLedger(**store), IsOk()) << "fault " << fault;
    EXPECT_EQ(*(*store)->RevocationCount("devices"), 3u);
  }
  EXPECT_GT(fault, 50) << "the history writes more often than that";
}

TEST_F(SqliteStoreTest, AFailedFlushStopsItUntilItIsOpenedAgain) {
  FaultyDisk disk;
  auto store = MustOpen();
  for (int n = 0; n < 5; ++n) ASSERT_THAT(Issue(*store, n), IsOk());
  disk.FailFlushes(1, SQLITE_IOERR_FSYNC);
  EXPECT_THAT(store->Intend(ExampleIntent(5)), Fails(Code::kDataLoss, reason::kStoreCorrupt));
  disk.Heal();
  EXPECT_THAT(store->Intend(ExampleIntent(6)), Fails(Code::kDataLoss, reason::kStoreCorrupt));
  EXPECT_THAT(store->Check(), Fails(Code::kDataLoss, reason::kStoreCorrupt));
  EXPECT_THAT(store->GetCertificate("devices", ExampleIntent(4).serial), IsOk()) << "what was answered is still read";
  store = nullptr;
  store = MustOpen();
  EXPECT_EQ(store->GetLedgerHead()->size, 5u);
  EXPECT_THAT(Issue(*store, 5), IsOk());
  EXPECT_THAT(CheckLedger(*store), IsOk());
}

TEST_F(SqliteStoreTest, AnOpeningThatFailsHalfWayCanBeRepeated) {
  FaultyDisk disk;
  for (int fault = 1; true; ++fault) {
    const std::filesystem::path path = directory_ / fmt::format("{}.db", fault);
    disk.FailWrites(fault, SQLITE_FULL);
    const auto first = OpenSqliteStore({.path = path});
    disk.Heal();
    if (first.ok()) {
      EXPECT_GT(fault, 10) << "creating a database writes more often than that";
      break;
    }
    EXPECT_THAT(first, Fails(Code::kUnavailable, reason::kStoreUnavailable)) << "fault " << fault;
    const auto second = OpenSqliteStore({.path = path});
    ASSERT_THAT(second, IsOk()) << "fault " << fault;
    EXPECT_THAT(Issue(**second, 1), IsOk()) << "fault " << fault;
  }
}

TEST_F(SqliteStoreTest, MutationsThatWaitTogetherShareAFlush) {
  FaultyDisk disk;
  const auto store = MustOpen();
  constexpr int kThreads = 32;
  constexpr int kRequests = 50;
  const int before = disk.flushes();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&store, thread] {
      for (int i = 0; i < kRequests; ++i) EXPECT_THAT(Issue(*store, thread * kRequests + i), IsOk());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const int flushes = disk.flushes() - before;
  EXPECT_LT(flushes, 2 * kThreads * kRequests / 4);
  EXPECT_GT(flushes, 2 * kRequests) << "each thread waits for its own flushes";
}

TEST_F(SqliteStoreTest, TheWriteAheadLogStaysSmall) {
  const auto store = MustOpen();
  uintmax_t longest = 0;
  for (int n = 0; n < 300; ++n) {
    Intent intent = ExampleIntent(n);
    intent.draft = Bytes(256 * 1024, 0x30);
    ASSERT_THAT(store->Intend(intent), IsOk());
    longest = std::max(longest, std::filesystem::file_size(path_.string() + "-wal"));
  }
  EXPECT_GT(std::filesystem::file_size(path_), uintmax_t{50} << 20) << "checkpoints have moved the rows";
  EXPECT_LT(longest, uintmax_t{20} << 20);
}

// --- kill -9.

struct Answer {
  int n;
  uint64_t leaf_index;
};

// Issues in four threads for ever and reports each answer, after it was given, through `pipe`.
[[noreturn]] void IssueAndReport(const std::filesystem::path& path, int first, int pipe) {
  const auto store = OpenSqliteStore({.path = path});
  if (!store.ok()) _exit(1);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&store, first, thread, pipe] {
      for (int n = first + thread * 100'000; true; ++n) {
        const auto record = Issue(**store, n);
        if (!record.ok()) _exit(2);
        const Answer answer{n, record->leaf_index};
        if (write(pipe, &answer, sizeof(answer)) != sizeof(answer)) _exit(3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  _exit(4);
}

// Starts IssueAndReport, kills it `delay` after its first answer and returns all its answers.
std::vector<Answer> RunAndKill(const std::filesystem::path& path, int first, Duration delay) {
  std::array<int, 2> pipe = {};
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) return {};
  const pid_t child = fork();
  if (child == 0) IssueAndReport(path, first, pipe[1]);
  close(pipe[1]);
  std::vector<Answer> answers;
  Answer answer{};
  while (read(pipe[0], &answer, sizeof(answer)) == sizeof(answer)) {
    if (answers.empty()) {
      absl::SleepFor(delay);
      kill(child, SIGKILL);
    }
    answers.push_back(answer);
  }
  close(pipe[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "status " << status;
  return answers;
}

TEST_F(SqliteStoreTest, KillingItLosesNothingThatWasAnswered) {
  constexpr int kKills = 30;
  std::mt19937 random(20260923);
  std::uniform_int_distribution<int> microseconds(0, 30'000);
  std::vector<Answer> answers;
  for (int i = 0; i < kKills; ++i) {
    const auto more = RunAndKill(path_, i * 1'000'000, absl::Microseconds(microseconds(random)));
    ASSERT_FALSE(more.empty());
    answers.insert(answers.end(), more.begin(), more.end());
    const auto store = MustOpen();
    ASSERT_NE(store, nullptr);
    ASSERT_THAT(CheckLedger(*store), IsOk());
    for (const Answer& answer : more) {
      const Intent intent = ExampleIntent(answer.n);
      const auto found = store->GetCertificate(intent.authority, intent.serial);
      ASSERT_THAT(found, IsOk());
      EXPECT_EQ(found->certificate, ExampleCertificate(answer.n));
      EXPECT_EQ(found->leaf_index, answer.leaf_index);
    }
  }
  const auto store = MustOpen();
  for (const Answer& answer : answers) {
    EXPECT_THAT(store->GetCertificate("devices", ExampleIntent(answer.n).serial), IsOk());
  }
  EXPECT_GE(store->GetLedgerHead()->size, answers.size());
  EXPECT_LE(store->GetLedgerHead()->size, answers.size() + 4 * kKills) << "at most the four that waited, each time";
  EXPECT_LE(store->OpenIntents()->size(), size_t{4} * kKills);
  EXPECT_EQ(Sqlite3(path_, "PRAGMA integrity_check"), "ok\n");
}

}  // namespace
}  // namespace hallmark
