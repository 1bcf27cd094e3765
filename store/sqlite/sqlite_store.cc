#include "store/sqlite/sqlite_store.h"

#include <fmt/format.h>

#include <utility>

#include "base/reason.h"
#include "store/sqlite/authorities.h"
#include "store/sqlite/certificates.h"
#include "store/sqlite/crls.h"
#include "store/sqlite/database_file.h"
#include "store/sqlite/devices.h"
#include "store/sqlite/group_commit.h"
#include "store/sqlite/imported_crls.h"
#include "store/sqlite/listing.h"
#include "store/sqlite/lots.h"
#include "store/sqlite/manufacturers.h"
#include "store/sqlite/mass_revocations.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/policies.h"
#include "store/sqlite/publication.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/suspensions.h"

namespace hallmark {
namespace {

using sqlite::Connection;
using sqlite::Transaction;

template <class T>
const Status& StatusOf(const StatusOr<T>& result) {
  return result.status();
}
const Status& StatusOf(const Status& status) { return status; }

// The contract's methods, each one mutation of a group commit or one read on a connection of its own.
class SqliteStore : public Store {
 public:
  SqliteStore(sqlite::DatabaseFile file, Connection writer, MerkleFrontier ledger, std::vector<Connection> readers)
      : file_(std::move(file)), writer_(std::move(writer), std::move(ledger)), readers_(std::move(readers)) {}

  Status AddAuthority(const AuthorityRecord& authority, const std::string& ledger_entry) override {
    return Mutate("cannot add an authority",
                  [&](Transaction& transaction) { return sqlite::AddAuthority(transaction, authority, ledger_entry); });
  }

  Status UpdateAuthorities(const std::vector<AuthorityRecord>& authorities, const std::string& ledger_entry, Time time,
                           const RevokedWithAuthorities& revoked) override {
    return Mutate("cannot update an authority", [&](Transaction& transaction) {
      return sqlite::UpdateAuthorities(transaction, authorities, ledger_entry, time, revoked);
    });
  }

  StatusOr<AuthorityRecord> GetAuthority(const std::string& authority) override {
    return Read("cannot look an authority up",
                [&](Connection& connection) { return sqlite::GetAuthority(connection, authority); });
  }

  StatusOr<std::vector<AuthorityRecord>> ListAuthorities() override {
    return Read("cannot list the authorities", sqlite::ListAuthorities);
  }

  StatusOr<std::optional<Intended>> FindRequest(const std::string& caller, const std::string& request_id,
                                                const Digest& request_digest) override {
    return Read("cannot look a request up", [&](Connection& connection) {
      return sqlite::FindRequest(connection, caller, request_id, request_digest);
    });
  }

  StatusOr<Intended> Intend(const Intent& intent, const Claim* claim) override {
    return Mutate("cannot record an intent",
                  [&](Transaction& transaction) { return sqlite::Intend(transaction, intent, claim); });
  }

  Status CheckKey(const Intent& intent) override {
    return Read("cannot compare a key with those on record",
                [&](Connection& connection) { return sqlite::CheckKey(connection, intent); });
  }

  StatusOr<CertificateRecord> Record(const Intent& intent, ByteView certificate, Time issued,
                                     const std::string& ledger_entry,
                                     const std::optional<ReplacedCertificate>& replaced) override {
    return Mutate("cannot record a certificate", [&](Transaction& transaction) {
      return sqlite::Record(transaction, intent, certificate, issued, ledger_entry, replaced);
    });
  }

  StatusOr<std::vector<Intent>> OpenIntents() override {
    return Read("cannot list the open intents", sqlite::OpenIntents);
  }

  StatusOr<CertificateRecord> GetCertificate(const std::string& authority, ByteView serial) override {
    return Read("cannot look a certificate up",
                [&](Connection& connection) { return sqlite::GetCertificate(connection, authority, serial); });
  }

  StatusOr<std::optional<Revocation>> FindRevocation(const std::vector<CertificateId>& certificates) override {
    return Read("cannot look revocations up",
                [&](Connection& connection) { return sqlite::FindRevocation(connection, certificates); });
  }

  StatusOr<Page<CertificateRecord>> ListCertificates(const CertificateFilter& filter, int page_size,
                                                     const std::string& page_token) override {
    return Read("cannot list certificates", [&](Connection& connection) {
      return sqlite::ListCertificates(connection, filter, page_size, page_token);
    });
  }

  StatusOr<std::vector<CertificateCount>> CountCertificates(const CertificateFilter& filter, Time now) override {
    return Read("cannot count certificates",
                [&](Connection& connection) { return sqlite::CountCertificates(connection, filter, now); });
  }

  StatusOr<MassRevocationRecord> StartMassRevocation(const MassRevocationRecord& asked,
                                                     const std::string& ledger_entry) override {
    return Mutate("cannot begin a revocation of many", [&](Transaction& transaction) {
      return sqlite::StartMassRevocation(transaction, asked, ledger_entry);
    });
  }

  StatusOr<std::vector<CertificateRecord>> StepMassRevocation(MassRevocationRecord& before,
                                                              const std::vector<CertificateRevocation>& certificates,
                                                              const std::string& next_position, Time now,
                                                              const MassRevocationEntry& done_entry) override {
    // Another attempt begins where this one did.
    MassRevocationRecord after;
    ASSIGN_OR_RETURN(std::vector<CertificateRecord> changed,
                     Mutate("cannot go on with a revocation of many", [&](Transaction& transaction) {
                       after = before;
                       return sqlite::StepMassRevocation(transaction, after, certificates, next_position, now,
                                                         done_entry);
                     }));
    before = std::move(after);
    return changed;
  }

  StatusOr<MassRevocationRecord> StopMassRevocation(const std::string& revocation, const std::string& caller, Time now,
                                                    const std::string& ledger_entry) override {
    return Mutate("cannot stop a revocation of many", [&](Transaction& transaction) {
      return sqlite::StopMassRevocation(transaction, revocation, caller, now, ledger_entry);
    });
  }

  StatusOr<MassRevocationRecord> GetMassRevocation(const std::string& revocation) override {
    return Read("cannot look a revocation of many up",
                [&](Connection& connection) { return sqlite::GetMassRevocation(connection, revocation); });
  }

  StatusOr<std::vector<MassRevocationRecord>> ListMassRevocations(size_t count) override {
    return Read("cannot list the revocations of many",
                [&](Connection& connection) { return sqlite::ListMassRevocations(connection, count); });
  }

  StatusOr<std::vector<MassRevocationRecord>> RunningMassRevocations() override {
    return Read("cannot list the revocations of many", sqlite::RunningMassRevocations);
  }

  Status ImportCrl(const ImportedCrlRecord& crl, const std::vector<AuthorityRecord>& authorities,
                   const std::string& ledger_entry) override {
    return Mutate("cannot keep a CRL", [&](Transaction& transaction) {
      return sqlite::ImportCrl(transaction, crl, authorities, ledger_entry);
    });
  }

  StatusOr<ImportedCrlRecord> GetImportedCrl(const std::string& name) override {
    return Read("cannot look a CRL up",
                [&](Connection& connection) { return sqlite::GetImportedCrl(connection, name); });
  }

  StatusOr<std::vector<ImportedCrlRecord>> ListImportedCrls() override {
    return Read("cannot list the CRLs", sqlite::ListImportedCrls);
  }

  StatusOr<CertificateRecord> Release(const std::string& authority, ByteView serial, const hallmark::Release& release,
                                      const std::string& ledger_entry) override {
    return Mutate("cannot release a certificate", [&](Transaction& transaction) {
      return sqlite::Release(transaction, authority, serial, release, ledger_entry);
    });
  }

  StatusOr<CertificateRecord> Revoke(const std::string& authority, ByteView serial, const Revocation& revocation,
                                     const std::string& ledger_entry) override {
    return Mutate("cannot revoke a certificate", [&](Transaction& transaction) {
      return sqlite::Revoke(transaction, authority, serial, revocation, ledger_entry);
    });
  }

  StatusOr<uint64_t> RevocationCount(const std::string& authority) override {
    return Read("cannot count the revocations",
                [&](Connection& connection) { return sqlite::RevocationCount(connection, authority); });
  }

  StatusOr<std::map<int64_t, uint64_t>> CountShards(const std::string& authority) override {
    return Read("cannot count the revocations",
                [&](Connection& connection) { return sqlite::CountShards(connection, authority); });
  }

  StatusOr<uint64_t> ForEachRevoked(const std::string& authority, Time expires_from,
                                    const std::function<void(const RevokedCertificate&)>& visit,
                                    int64_t shard) override {
    return Read("cannot list the revoked certificates", [&](Connection& connection) {
      return sqlite::ForEachRevoked(connection, authority, shard, expires_from, visit);
    });
  }

  StatusOr<uint64_t> ForEachChanged(const std::string& authority, int64_t shard, uint64_t since,
                                    const std::function<void(const RevokedCertificate&)>& visit) override {
    return Read("cannot list the changes of revocation", [&](Connection& connection) {
      return sqlite::ForEachChanged(connection, authority, shard, since, visit);
    });
  }

  StatusOr<uint64_t> NextCrlNumber(const std::string& authority) override {
    return Mutate("cannot allot a CRL number",
                  [&](Transaction& transaction) { return sqlite::NextCrlNumber(transaction, authority); });
  }

  Status IntendCrl(const CrlRecord& crl) override {
    return Mutate("cannot record an intended CRL",
                  [&](Transaction& transaction) { return sqlite::IntendCrl(transaction, crl); });
  }

  Status RecordCrl(const std::string& authority, uint64_t number, ByteView crl,
                   const std::string& ledger_entry) override {
    return Mutate("cannot record a CRL", [&](Transaction& transaction) {
      return sqlite::RecordCrl(transaction, authority, number, crl, ledger_entry);
    });
  }

  StatusOr<CrlRecord> LatestCrl(const std::string& authority, const CrlScope& scope) override {
    return Read("cannot look the latest CRL up",
                [&](Connection& connection) { return sqlite::LatestCrl(connection, authority, scope); });
  }

  StatusOr<std::map<CrlScope, CrlRecord>> LatestCrls(const std::string& authority) override {
    return Read("cannot look the latest CRLs up",
                [&](Connection& connection) { return sqlite::LatestCrls(connection, authority); });
  }

  StatusOr<std::vector<PolicyRecord>> LoadPolicies(const std::vector<PolicyRecord>& policies, Time time) override {
    return Mutate("cannot record the policies that are loaded",
                  [&](Transaction& transaction) { return sqlite::LoadPolicies(transaction, policies, time); });
  }

  StatusOr<PolicyRecord> GetPolicy(const std::string& profile, const std::string& version) override {
    return Read("cannot look a policy up",
                [&](Connection& connection) { return sqlite::GetPolicy(connection, profile, version); });
  }

  Status AddManufacturer(const ManufacturerRecord& manufacturer, const std::string& ledger_entry) override {
    return Mutate("cannot register a manufacturer", [&](Transaction& transaction) {
      return sqlite::AddManufacturer(transaction, manufacturer, ledger_entry);
    });
  }

  Status UpdateManufacturer(const ManufacturerRecord& manufacturer, const std::string& ledger_entry,
                            Time time) override {
    return Mutate("cannot update a manufacturer", [&](Transaction& transaction) {
      return sqlite::UpdateManufacturer(transaction, manufacturer, ledger_entry, time);
    });
  }

  StatusOr<ManufacturerRecord> GetManufacturer(const std::string& manufacturer) override {
    return Read("cannot look a manufacturer up",
                [&](Connection& connection) { return sqlite::GetManufacturer(connection, manufacturer); });
  }

  StatusOr<std::vector<ManufacturerRecord>> ListManufacturers() override {
    return Read("cannot list the manufacturers", sqlite::ListManufacturers);
  }

  StatusOr<int64_t> StartImport(const std::string& lot, Time now) override {
    while (true) {
      ASSIGN_OR_RETURN(const sqlite::StartedImport started,
                       Mutate("cannot begin an import",
                              [&](Transaction& transaction) { return sqlite::StartImport(transaction, lot, now); }));
      if (!started.lapsed) return started.import;
      RETURN_IF_ERROR(AbandonImport(started.import));
    }
  }

  Status AddLines(int64_t import, const std::vector<DeviceLine>& lines, const std::vector<std::string>& withdrawn,
                  Time now) override {
    return Mutate("cannot add lines", [&](Transaction& transaction) {
      return sqlite::AddLines(transaction, import, lines, withdrawn, now);
    });
  }

  StatusOr<LotRecord> FinishImport(int64_t import, const LotRevision& revision, const LotTermsRecord& terms,
                                   const std::string& ledger_entry) override {
    return Mutate("cannot finish an import", [&](Transaction& transaction) {
      return sqlite::FinishImport(transaction, import, revision, terms, ledger_entry);
    });
  }

  Status AbandonImport(int64_t import) override {
    while (true) {
      ASSIGN_OR_RETURN(const bool more, Mutate("cannot drop an import", [&](Transaction& transaction) {
                         return sqlite::DropSome(transaction, import);
                       }));
      if (!more) return absl::OkStatus();
    }
  }

  StatusOr<LotRecord> GetLot(const std::string& lot) override {
    return Read("cannot look a lot up", [&](Connection& connection) { return sqlite::GetLot(connection, lot); });
  }

  StatusOr<Page<LotRecord>> ListLots(const LotFilter& filter, int page_size, const std::string& page_token) override {
    return Read("cannot list the lots",
                [&](Connection& connection) { return sqlite::ListLots(connection, filter, page_size, page_token); });
  }

  StatusOr<std::vector<LotRevision>> ListRevisions(const std::string& lot) override {
    return Read("cannot list a lot's revisions",
                [&](Connection& connection) { return sqlite::ListRevisions(connection, lot); });
  }

  StatusOr<LotRecord> CloseLot(const std::string& lot, Time closed, const std::string& ledger_entry) override {
    return Mutate("cannot close a lot",
                  [&](Transaction& transaction) { return sqlite::CloseLot(transaction, lot, closed, ledger_entry); });
  }

  StatusOr<DeviceRecord> GetDevice(const std::string& lot, const std::string& serial) override {
    return Read("cannot look a device up",
                [&](Connection& connection) { return sqlite::GetDevice(connection, lot, serial); });
  }

  StatusOr<Page<DeviceRecord>> ListDevices(const DeviceFilter& filter, int page_size,
                                           const std::string& page_token) override {
    return Read("cannot list devices",
                [&](Connection& connection) { return sqlite::ListDevices(connection, filter, page_size, page_token); });
  }

  StatusOr<DeviceRecord> ConfirmDevice(const std::string& lot, const std::string& serial, ByteView certificate_serial,
                                       Time installed, bool proven, const std::string& ledger_entry) override {
    return Mutate("cannot confirm a device", [&](Transaction& transaction) {
      return sqlite::ConfirmDevice(transaction, lot, serial, certificate_serial, installed, proven, ledger_entry);
    });
  }

  StatusOr<CountedLot> CountLot(const std::string& lot) override {
    return Read("cannot count a lot", [&](Connection& connection) { return sqlite::CountLot(connection, lot); });
  }

  StatusOr<int64_t> CountUnconfirmed(const std::string& lot, Time issued_before) override {
    return Read("cannot count unconfirmed devices",
                [&](Connection& connection) { return sqlite::CountUnconfirmed(connection, lot, issued_before); });
  }

  StatusOr<std::vector<DeviceRecord>> ListUnconfirmed(const std::string& lot, Time issued_before,
                                                      size_t count) override {
    return Read("cannot list unconfirmed devices",
                [&](Connection& connection) { return sqlite::ListUnconfirmed(connection, lot, issued_before, count); });
  }

  StatusOr<int64_t> RecordAttempt(const AttemptRecord& attempt) override {
    return Mutate("cannot record an attempt",
                  [&](Transaction& transaction) { return sqlite::RecordAttempt(transaction, attempt); });
  }

  StatusOr<std::vector<AttemptRecord>> ListAttempts(const std::string& lot) override {
    return Read("cannot list attempts", [&](Connection& connection) { return sqlite::ListAttempts(connection, lot); });
  }

  Status Suspend(const SuspensionRecord& suspension, const std::string& ledger_entry) override {
    return Mutate("cannot suspend a caller",
                  [&](Transaction& transaction) { return sqlite::Suspend(transaction, suspension, ledger_entry); });
  }

  Status Resume(const std::string& caller, const std::string& ledger_entry, Time time) override {
    return Mutate("cannot resume a caller",
                  [&](Transaction& transaction) { return sqlite::Resume(transaction, caller, ledger_entry, time); });
  }

  StatusOr<std::optional<SuspensionRecord>> FindSuspension(const std::string& caller) override {
    return Read("cannot look a suspension up",
                [&](Connection& connection) { return sqlite::FindSuspension(connection, caller); });
  }

  StatusOr<std::vector<SuspensionRecord>> ListSuspensions() override {
    return Read("cannot list suspensions", sqlite::ListSuspensions);
  }

  Status AddTarget(const TargetRecord& target, const std::string& ledger_entry) override {
    return Mutate("cannot add a target",
                  [&](Transaction& transaction) { return sqlite::AddTarget(transaction, target, ledger_entry); });
  }

  Status UpdateTarget(const TargetRecord& target, const std::string& ledger_entry) override {
    return Mutate("cannot replace a target",
                  [&](Transaction& transaction) { return sqlite::UpdateTarget(transaction, target, ledger_entry); });
  }

  Status RemoveTarget(const std::string& target, Time time, const std::string& ledger_entry) override {
    return Mutate("cannot remove a target", [&](Transaction& transaction) {
      return sqlite::RemoveTarget(transaction, target, time, ledger_entry);
    });
  }

  StatusOr<TargetRecord> GetTarget(const std::string& target) override {
    return Read("cannot look a target up",
                [&](Connection& connection) { return sqlite::GetTarget(connection, target); });
  }

  StatusOr<std::vector<TargetRecord>> ListTargets() override {
    return Read("cannot list the targets", sqlite::ListTargets);
  }

  Status QueueChain(const std::string& target, bool take_over, Time now, const std::string& ledger_entry) override {
    return Mutate("cannot begin a publication", [&](Transaction& transaction) {
      return sqlite::QueueChain(transaction, target, take_over, now, ledger_entry);
    });
  }

  Status QueueWork(const std::string& target, WorkKind kind, const std::vector<std::string>& keys, Time now) override {
    return Mutate("cannot queue work", [&](auto& to) { return sqlite::QueueWork(to, target, kind, keys, now); });
  }

  Status QueueReviews(const std::string& target, const std::vector<std::string>& devices, Time now) override {
    return Mutate("cannot queue reviews", [&](auto& to) { return sqlite::QueueReviews(to, target, devices, now); });
  }

  StatusOr<std::string> QueueRevoked(const std::string& target, const std::string& after, int count,
                                     Time now) override {
    return Mutate("cannot queue revoked devices",
                  [&](auto& to) { return sqlite::QueueRevoked(to, target, after, count, now); });
  }

  Status QueueCollections(const std::string& target, Time now) override {
    return Mutate("cannot queue collections", [&](auto& to) { return sqlite::QueueCollections(to, target, now); });
  }

  StatusOr<std::vector<WorkRecord>> DueWork(const std::string& target, Time now, int count) override {
    return Read("cannot look for work", [&](auto& in) { return sqlite::DueWork(in, target, now, count); });
  }

  StatusOr<std::vector<WorkRecord>> DueDevices(const std::string& target, Time now, int count) override {
    return Read("cannot look for work", [&](auto& in) { return sqlite::DueDevices(in, target, now, count); });
  }

  StatusOr<bool> DevicesWait(const std::string& target, Time queued_by, const std::string& but_for) override {
    return Read("cannot look for work", [&](auto& in) { return sqlite::DevicesWait(in, target, queued_by, but_for); });
  }

  StatusOr<std::vector<WorkRecord>> ListWork(const std::string& target, bool parked_only, const WorkPlace& after,
                                             int count) override {
    return Read("cannot list work", [&](auto& in) { return sqlite::ListWork(in, target, parked_only, after, count); });
  }

  StatusOr<std::optional<WorkRecord>> FindWork(const std::string& target, WorkKind kind,
                                               const std::string& key) override {
    return Read("cannot look for work", [&](auto& in) { return sqlite::FindWork(in, target, kind, key); });
  }

  StatusOr<WorkCounts> CountWork(const std::string& target) override {
    return Read("cannot count the work of a target",
                [&](Connection& connection) { return sqlite::CountWork(connection, target); });
  }

  Status FinishWork(const std::vector<WorkRecord>& work, Time now) override {
    return Mutate("cannot end work of a target",
                  [&](Transaction& transaction) { return sqlite::FinishWork(transaction, work, now); });
  }

  Status PostponeWork(const std::vector<WorkRecord>& work) override {
    return Mutate("cannot postpone work of a target",
                  [&](Transaction& transaction) { return sqlite::PostponeWork(transaction, work); });
  }

  StatusOr<int64_t> RetryWork(const std::string& target, Time now) override {
    return Mutate("cannot retry the work of a target",
                  [&](Transaction& transaction) { return sqlite::RetryWork(transaction, target, now); });
  }

  Status PutPublished(const std::vector<PublishedRecord>& records, Time now, const std::string& ledger_entry) override {
    return Mutate("cannot note what stands in a target", [&](Transaction& transaction) {
      return sqlite::PutPublished(transaction, records, now, ledger_entry);
    });
  }

  Status RemovePublished(const std::vector<PublishedRecord>& records, Time now,
                         const std::string& ledger_entry) override {
    return Mutate("cannot note what stands in a target", [&](Transaction& transaction) {
      return sqlite::RemovePublished(transaction, records, now, ledger_entry);
    });
  }

  StatusOr<std::optional<PublishedRecord>> FindPublished(const std::string& target, PublishedKind kind,
                                                         const std::string& key) override {
    return Read("cannot look up what stands in a target",
                [&](Connection& connection) { return sqlite::FindPublished(connection, target, kind, key); });
  }

  StatusOr<std::vector<PublishedRecord>> ListPublished(const std::string& target, PublishedKind kind,
                                                       const std::string& after, int count) override {
    return Read("cannot list what stands in a target",
                [&](Connection& connection) { return sqlite::ListPublished(connection, target, kind, after, count); });
  }

  StatusOr<std::map<std::string, int64_t>> CountEnrollments(const std::string& target) override {
    return Read("cannot count what stands in a target",
                [&](Connection& connection) { return sqlite::CountEnrollments(connection, target); });
  }

  StatusOr<std::vector<CertificateRecord>> CertificatesOfDevice(const std::string& target,
                                                                const std::string& registration_id) override {
    return Read("cannot list a device's certificates", [&](Connection& connection) {
      return sqlite::CertificatesOfDevice(connection, target, registration_id);
    });
  }

  StatusOr<uint64_t> AppendEntry(const std::string& entry, Time time) override {
    return Mutate("cannot append to the ledger",
                  [&](Transaction& transaction) { return sqlite::AppendLeaf(transaction, entry, time); });
  }

  StatusOr<LedgerHead> GetLedgerHead() override { return Read("cannot read the ledger's head", sqlite::ReadHead); }

  StatusOr<std::vector<LedgerEntry>> ListEntries(uint64_t start, size_t count) override {
    return Read("cannot list the ledger",
                [&](Connection& connection) { return sqlite::ReadEntries(connection, start, count); });
  }

  Status Check() override {
    // New octets, for only a change reaches the disk, and at least as many pages as an issuance writes.
    return Mutate("the store takes no mutations", [](Transaction& transaction) {
      return transaction.connection.Execute("UPDATE health SET filler = randomblob(65536)");
    });
  }

 private:
  template <class Mutation>
  auto Mutate(const char* attempt, const Mutation& mutation) -> decltype(mutation(std::declval<Transaction&>())) {
    std::optional<decltype(mutation(std::declval<Transaction&>()))> result;
    const Status status = writer_.Run([&](Transaction& transaction) {
      result = mutation(transaction);
      return StatusOf(*result);
    });
    if (!status.ok()) return Annotate(status, attempt);
    return *std::move(result);
  }

  template <class Reading>
  auto Read(const char* attempt, const Reading& reading) -> decltype(reading(std::declval<Connection&>())) {
    auto result = readers_.Run(reading);
    if (!result.ok()) return Annotate(StatusOf(result), attempt);
    return result;
  }

  sqlite::DatabaseFile file_;  // claimed until the connections below are closed
  sqlite::GroupCommit writer_;
  sqlite::Readers readers_;  // closed before the writer, whose closing then empties the write-ahead log
};

Status UseWriteAheadLog(Connection& connection) {
  ASSIGN_OR_RETURN(sqlite::Rows rows, connection.Query("PRAGMA journal_mode = WAL"));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (found && rows.Text(0) == "wal") return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               "the file system allows no write-ahead log, which needs shared memory; use a local disk");
}

StatusOr<std::unique_ptr<Store>> Open(const SqliteOptions& options) {
  ASSIGN_OR_RETURN(sqlite::DatabaseFile file, sqlite::DatabaseFile::Claim(options.path));
  {
    ASSIGN_OR_RETURN(Connection connection, Connection::Open(file.path(), Connection::Access::kReadOnly));
    RETURN_IF_ERROR(sqlite::CheckDatabase(connection));
  }
  ASSIGN_OR_RETURN(Connection writer, Connection::Open(file.path(), Connection::Access::kReadWrite));
  RETURN_IF_ERROR(UseWriteAheadLog(writer));
  RETURN_IF_ERROR(sqlite::Migrate(writer));
  // A log left by a crash may be in the kernel's memory only, if a flush of it failed: write it out before it counts.
  RETURN_IF_ERROR(writer.CheckpointAndTruncate());
  ASSIGN_OR_RETURN(MerkleFrontier ledger, sqlite::LoadLedger(writer));
  std::vector<Connection> readers;
  for (int i = 0; i < options.read_connections; ++i) {
    ASSIGN_OR_RETURN(Connection reader, Connection::Open(file.path(), Connection::Access::kReadOnly));
    readers.push_back(std::move(reader));
  }
  return std::make_unique<SqliteStore>(std::move(file), std::move(writer), std::move(ledger), std::move(readers));
}

}  // namespace

StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteOptions& options) {
  if (options.read_connections < 1) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                 fmt::format("the store of {} has {} read connections; it needs one at least", options.path.string(),
                             options.read_connections));
  }
  StatusOr<std::unique_ptr<Store>> store = Open(options);
  if (store.ok()) return store;
  return Annotate(store.status(), fmt::format("cannot open the store {}", options.path.string()));
}

}  // namespace hallmark
