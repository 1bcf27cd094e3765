// The imports of lots' manifests.
#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/lots.h"

namespace hallmark::sqlite {
namespace {

constexpr Duration kImportLapses = absl::Minutes(10);
constexpr int64_t kDropAtOnce = 1000;  // rows

Status Lapsed() {
  return Error(Code::kNotFound, reason::kLotUnknown,
               "this import has lapsed, since nothing was added for ten minutes; import the manifest again");
}

// The lot's row of an import that is under way.
StatusOr<int64_t> LotOfImport(Connection& connection, int64_t import) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT lot FROM lot_revisions WHERE id = ?1 AND revision IS NULL", {import}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return Lapsed();
  return rows.Integer(0);
}

// Why a line could not be added.
Status Announced(Connection& connection, int64_t lot, const DeviceLine& line) {
  ASSIGN_OR_RETURN(const int64_t same,
                   connection.QueryInteger("SELECT count(*) FROM devices WHERE lot = ?1 AND serial = ?2",
                                           {lot, std::string_view(line.serial)}));
  if (same != 0) {
    return Error(Code::kAlreadyExists, reason::kDeviceAnnounced,
                 fmt::format("serial number \"{}\" stands in the lot twice, or stood there before; remove the line",
                             line.serial));
  }
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT l.lot, d.serial FROM devices d JOIN lots l ON l.id = d.lot "
                                               "WHERE d.registration_id = ?1 COLLATE NOCASE AND d.state <> 6",
                                               {std::string_view(line.registration_id)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return Error(Code::kAlreadyExists, reason::kDeviceAnnounced,
               fmt::format("registration id \"{}\" of serial number \"{}\" is that of serial number \"{}\" in lot "
                           "\"{}\"; a device is announced once",
                           line.registration_id, line.serial, found ? rows.Text(1) : "", found ? rows.Text(0) : ""));
}

Status AddLine(Connection& connection, int64_t lot, int64_t import, const DeviceLine& line) {
  RETURN_IF_ERROR(connection.Execute(
      "INSERT INTO devices (lot, revision, serial, registration_id, spki, endorsement_key, hardware) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
      {lot, import, line.serial, line.registration_id, OrNull(line.spki), OrNull(line.endorsement_key),
       OrNull(line.hardware)}));
  return connection.changes() == 1 ? absl::OkStatus() : Announced(connection, lot, line);
}

// A serial number that is to be withdrawn and cannot be.
Status CheckWithdrawals(Connection& connection, int64_t lot, int64_t import) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT w.serial, d.id IS NULL FROM lot_withdrawals w "
                                    "LEFT JOIN devices d ON d.lot = ?1 AND d.serial = w.serial AND d.revision <> ?2 "
                                    "WHERE w.revision = ?2 AND (d.id IS NULL OR d.state <> 1) LIMIT 1",
                                    {lot, import}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::OkStatus();
  const bool unknown = rows.Integer(1) != 0;
  return Error(
      Code::kFailedPrecondition, unknown ? reason::kDeviceUnknown : reason::kDeviceClaimed,
      fmt::format("serial number \"{}\" cannot be withdrawn: {}", rows.Text(0),
                  unknown ? "it does not stand in the lot" : "it was claimed or withdrawn; revoke its certificate"));
}

StatusOr<int64_t> Withdraw(Connection& connection, int64_t lot, int64_t import) {
  RETURN_IF_ERROR(CheckWithdrawals(connection, lot, import));
  RETURN_IF_ERROR(
      connection.Execute("UPDATE devices SET state = 6 WHERE lot = ?1 AND serial IN "
                         "(SELECT serial FROM lot_withdrawals WHERE revision = ?2)",
                         {lot, import}));
  return connection.changes();
}

Status CheckSuccession(Connection& connection, int64_t lot, const LotRevision& revision) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT revision, state FROM lots WHERE id = ?1", {lot}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return Lapsed();
  if (rows.Integer(0) != revision.revision - 1) {
    return Error(Code::kAborted, reason::kLotChanged,
                 fmt::format("lot \"{}\" is at revision {}, which {} does not follow; read the lot again", revision.lot,
                             rows.Integer(0), revision.revision));
  }
  if (rows.Integer(1) != static_cast<int64_t>(LotState::kOpen)) {
    return Error(Code::kFailedPrecondition, reason::kLotClosed,
                 fmt::format("lot \"{}\" is closed and is not amended any more", revision.lot));
  }
  return absl::OkStatus();
}

// The number of lines that the import has added; its row keeps count.
StatusOr<int64_t> Added(Connection& connection, int64_t import) {
  return connection.QueryInteger("SELECT added FROM lot_revisions WHERE id = ?1", {import});
}

}  // namespace

StatusOr<StartedImport> StartImport(Transaction& transaction, const std::string& lot, Time now) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(connection.Execute("INSERT INTO lots (lot) VALUES (?1) ON CONFLICT DO NOTHING", {lot}));
  ASSIGN_OR_RETURN(const int64_t id, connection.QueryInteger("SELECT id FROM lots WHERE lot = ?1", {lot}));
  {
    ASSIGN_OR_RETURN(
        Rows rows, connection.Query("SELECT id, expires FROM lot_revisions WHERE lot = ?1 AND revision IS NULL", {id}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (found && rows.Instant(1) <= now) return StartedImport{rows.Integer(0), true};
    if (found) {
      return WithRetry(Error(Code::kAborted, reason::kLotBeingImported,
                             fmt::format("somebody else is importing lot \"{}\"; try again in a while", lot)),
                       absl::Seconds(10));
    }
  }
  RETURN_IF_ERROR(connection.Execute("INSERT INTO lot_revisions (lot, expires) VALUES (?1, ?2)",
                                     {id, Seconds(now + kImportLapses)}));
  ASSIGN_OR_RETURN(const int64_t import,
                   connection.QueryInteger("SELECT id FROM lot_revisions WHERE lot = ?1 AND revision IS NULL", {id}));
  return StartedImport{import, false};
}

Status AddLines(Transaction& transaction, int64_t import, const std::vector<DeviceLine>& lines,
                const std::vector<std::string>& withdrawn, Time now) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const int64_t lot, LotOfImport(connection, import));
  for (const DeviceLine& line : lines) RETURN_IF_ERROR(AddLine(connection, lot, import, line));
  for (const std::string& serial : withdrawn) {
    RETURN_IF_ERROR(connection.Execute(
        "INSERT INTO lot_withdrawals (revision, serial) VALUES (?1, ?2) ON CONFLICT DO NOTHING", {import, serial}));
  }
  return connection.Execute("UPDATE lot_revisions SET expires = ?2, added = added + ?3 WHERE id = ?1",
                            {import, Seconds(now + kImportLapses), static_cast<int64_t>(lines.size())});
}

StatusOr<LotRecord> FinishImport(Transaction& transaction, int64_t import, const LotRevision& revision,
                                 const LotTermsRecord& terms, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const int64_t lot, LotOfImport(connection, import));
  RETURN_IF_ERROR(CheckSuccession(connection, lot, revision));
  ASSIGN_OR_RETURN(const int64_t added, Added(connection, import));
  ASSIGN_OR_RETURN(const int64_t withdrawn, Withdraw(connection, lot, import));
  ASSIGN_OR_RETURN(const uint64_t leaf, AppendLeaf(transaction, ledger_entry, revision.imported));
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE lot_revisions SET expires = NULL, revision = ?2, digest = ?3, manifest = ?4, "
      "signature = ?5, signer = ?6, "
      "caller = ?7, imported = ?8, withdrawn = ?9, leaf_index = ?10 WHERE id = ?1",
      {import, revision.revision, ByteView(revision.digest), revision.manifest, ByteView(revision.signature),
       revision.signer, revision.caller, Seconds(revision.imported), withdrawn, static_cast<int64_t>(leaf)}));
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE lots SET revision = ?2, manufacturer = ?3, product = ?4, authority = ?5, profile = ?6, terms = ?7, "
      "announced = announced + ?8 - ?9, withdrawn = withdrawn + ?9, created = iif(created = 0, ?10, created) "
      "WHERE id = ?1",
      {lot, revision.revision, terms.manufacturer, terms.product, terms.authority, terms.profile, terms.terms, added,
       withdrawn, Seconds(revision.imported)}));
  return GetLot(connection, revision.lot);
}

StatusOr<bool> DropSome(Transaction& transaction, int64_t import) {
  Connection& connection = transaction.connection;
  // One that was finished, or is gone, has nothing to drop.
  const StatusOr<int64_t> lot = LotOfImport(connection, import);
  if (absl::IsNotFound(lot.status())) return false;
  RETURN_IF_ERROR(lot.status());
  RETURN_IF_ERROR(connection.Execute(
      "DELETE FROM devices WHERE id IN (SELECT id FROM devices WHERE revision = ?1 LIMIT ?2)", {import, kDropAtOnce}));
  if (connection.changes() > 0) return true;
  RETURN_IF_ERROR(connection.Execute("DELETE FROM lot_withdrawals WHERE revision = ?1", {import}));
  RETURN_IF_ERROR(connection.Execute("DELETE FROM lot_revisions WHERE id = ?1", {import}));
  RETURN_IF_ERROR(connection.Execute("DELETE FROM lots WHERE id = ?1 AND revision = 0", {*lot}));
  return false;
}

StatusOr<std::vector<LotRevision>> ListRevisions(Connection& connection, const std::string& lot) {
  ASSIGN_OR_RETURN(const FoundLot found_lot, FindLot(connection, lot));
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT revision, digest, manifest, signature, signer, caller, imported, "
                                    "added, withdrawn FROM lot_revisions WHERE lot = ?1 AND revision IS NOT NULL "
                                    "ORDER BY revision",
                                    {found_lot.id}));
  return ReadAll(rows, [&](const Rows& row) {
    return LotRevision{.lot = lot,
                       .revision = row.Integer(0),
                       .digest = row.Hash(1),
                       .manifest = row.Text(2),
                       .signature = row.Blob(3),
                       .signer = row.Text(4),
                       .caller = row.Text(5),
                       .imported = row.Instant(6),
                       .added = row.Integer(7),
                       .withdrawn = row.Integer(8)};
  });
}

}  // namespace hallmark::sqlite
