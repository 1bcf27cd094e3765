#include "store/sqlite/devices.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/lots.h"
#include "store/sqlite/page_token.h"
#include "store/sqlite/snapshot.h"

namespace hallmark::sqlite {
namespace {

// A line and its row.
struct FoundDevice {
  int64_t id = 0;
  std::optional<int64_t> certificate;
  DeviceRecord record;
};

// Lines whose import is finished, of the lot of row ?1.
std::string SelectWhere(const std::string& condition) {
  return "SELECT d.id, d.certificate, d.serial, d.registration_id, d.state, d.spki, d.endorsement_key, d.hardware, "
         "d.station, d.claimed, d.issued, d.installed, d.proven, d.reissues, d.reissue_of, c.authority, c.serial "
         "FROM devices d JOIN lot_revisions r ON r.id = d.revision LEFT JOIN certificates c ON c.id = d.certificate "
         "WHERE r.revision IS NOT NULL AND d.lot = ?1 AND " +
         condition;
}

FoundDevice ReadDevice(const Rows& rows, const std::string& lot) {
  FoundDevice found;
  found.id = rows.Integer(0);
  if (!rows.IsNull(1)) found.certificate = rows.Integer(1);
  found.record = {.lot = lot,
                  .serial = rows.Text(2),
                  .registration_id = rows.Text(3),
                  .state = static_cast<DeviceState>(rows.Integer(4)),
                  .spki = OptionalHash(rows, 5),
                  .endorsement_key = OptionalHash(rows, 6),
                  .hardware = rows.Text(7),
                  .station = rows.Text(8),
                  .claimed = OptionalInstant(rows, 9),
                  .issued = OptionalInstant(rows, 10),
                  .installed = OptionalInstant(rows, 11),
                  .proven = rows.Integer(12) != 0,
                  .reissues = rows.Integer(13),
                  .reissue_of = rows.Text(14),
                  .authority = rows.Text(15),
                  .certificate_serial = rows.Blob(16)};
  return found;
}

StatusOr<std::optional<FoundDevice>> FindDevice(Connection& connection, const FoundLot& lot,
                                                const std::string& serial) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere("d.serial = ?2"), {lot.id, std::string_view(serial)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::optional<FoundDevice>();
  return std::optional(ReadDevice(rows, lot.record.lot));
}

Status DeviceUnknown(const std::string& lot, const std::string& serial) {
  return Error(Code::kNotFound, reason::kDeviceUnknown,
               fmt::format("lot \"{}\" announces no device with serial number \"{}\"; correct it, or have the lot "
                           "amended by its manufacturer",
                           lot, serial));
}

StatusOr<FoundDevice> RequireDevice(Connection& connection, const FoundLot& lot, const std::string& serial) {
  ASSIGN_OR_RETURN(std::optional<FoundDevice> found, FindDevice(connection, lot, serial));
  if (!found.has_value()) return DeviceUnknown(lot.record.lot, serial);
  return *std::move(found);
}

StatusOr<int64_t> TakenBy(Connection& connection, int64_t lot, const std::string& caller) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT taken FROM lot_callers WHERE lot = ?1 AND caller = ?2",
                                               {lot, std::string_view(caller)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return found ? rows.Integer(0) : int64_t{0};
}

// A line of the lot's range gets its row when it is claimed.
StatusOr<int64_t> AddClaimed(Connection& connection, const FoundLot& lot, const DeviceRecord& device) {
  RETURN_IF_ERROR(connection.Execute(
      "INSERT INTO devices (lot, revision, serial, registration_id, state, station, claimed) "
      "VALUES (?1, (SELECT id FROM lot_revisions WHERE lot = ?1 AND revision = ?2), ?3, ?4, 2, ?5, ?6) "
      "ON CONFLICT DO NOTHING",
      {lot.id, lot.record.revision, device.serial, device.registration_id, device.station, OrNull(device.claimed)}));
  if (connection.changes() == 0) {
    return Error(
        Code::kFailedPrecondition, reason::kDeviceAnnounced,
        fmt::format("registration id \"{}\" of serial number \"{}\" in lot \"{}\" is announced in another lot, or "
                    "by a manifest that is being imported; a device is announced once",
                    device.registration_id, device.serial, lot.record.lot));
  }
  return connection.QueryInteger("SELECT id FROM devices WHERE lot = ?1 AND serial = ?2",
                                 {lot.id, std::string_view(device.serial)});
}

Status ChangeState(Connection& connection, int64_t lot, int64_t device, DeviceState from, DeviceState to) {
  RETURN_IF_ERROR(
      connection.Execute("UPDATE devices SET state = ?2 WHERE id = ?1", {device, static_cast<int64_t>(to)}));
  return CountTransition(connection, lot, from, to);
}

Status SaveClaim(Connection& connection, int64_t id, const DeviceRecord& device) {
  return connection.Execute(
      "UPDATE devices SET state = 2, station = ?2, claimed = ?3, issued = NULL, installed = NULL, proven = 0, "
      "reissues = ?4, reissue_of = ?5 WHERE id = ?1",
      {id, device.station, OrNull(device.claimed), device.reissues, OrNull(device.reissue_of)});
}

// The lot of a line's row, and the line's state.
struct LineState {
  int64_t lot = 0;
  DeviceState state = DeviceState::kAnnounced;
};
StatusOr<LineState> StateOf(Connection& connection, int64_t device) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT lot, state FROM devices WHERE id = ?1", {device}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return Error(Code::kInternal, reason::kInternal, "a certificate's line is gone; please report this");
  return LineState{rows.Integer(0), static_cast<DeviceState>(rows.Integer(1))};
}

}  // namespace

StatusOr<DeviceRecord> GetDevice(Connection& connection, const std::string& lot, const std::string& serial) {
  ASSIGN_OR_RETURN(const FoundLot found_lot, FindLot(connection, lot));
  ASSIGN_OR_RETURN(FoundDevice found, RequireDevice(connection, found_lot, serial));
  return std::move(found.record);
}

StatusOr<Page<DeviceRecord>> ListDevices(Connection& connection, const DeviceFilter& filter, int page_size,
                                         const std::string& page_token) {
  RETURN_IF_ERROR(CheckPageSize(page_size));
  const int64_t state = filter.state.has_value() ? static_cast<int64_t>(*filter.state) : 0;
  const std::string identity = fmt::format("devices {} {}", filter.lot, state);
  ASSIGN_OR_RETURN(const std::string last, ParsePageToken(page_token, identity));
  ASSIGN_OR_RETURN(const FoundLot lot, FindLot(connection, filter.lot));
  ASSIGN_OR_RETURN(
      Rows rows, connection.Query(SelectWhere("d.serial > ?2 AND (?3 = 0 OR d.state = ?3) ORDER BY d.serial LIMIT ?4"),
                                  {lot.id, std::string_view(last), state, int64_t{page_size} + 1}));
  return ReadPage(
      rows, page_size, [&](const Rows& row) { return ReadDevice(row, lot.record.lot).record; },
      [&](const DeviceRecord& last_one) { return MakePageToken(last_one.serial, identity); });
}

StatusOr<ClaimedLine> ClaimLine(Transaction& transaction, const Claim& claim, const std::string& caller) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const FoundLot lot, FindLot(connection, claim.lot));
  ASSIGN_OR_RETURN(const std::optional<FoundDevice> before, FindDevice(connection, lot, claim.serial));
  ASSIGN_OR_RETURN(const int64_t taken, TakenBy(connection, lot.id, caller));
  ASSIGN_OR_RETURN(const Admitted admitted,
                   claim.admit(lot.record, before.has_value() ? std::optional(before->record) : std::nullopt, taken));
  const DeviceRecord& device = admitted.device;
  ClaimedLine line;
  line.device = {.lot = claim.lot,
                 .serial = device.serial,
                 .registration_id = device.registration_id,
                 .replaced_authority = device.authority,
                 .replaced_serial = device.certificate_serial,
                 .revoke_replaced = admitted.revoke_previous};
  if (!before.has_value()) {
    ASSIGN_OR_RETURN(line.id, AddClaimed(connection, lot, device));
  } else {
    line.id = before->id;
    line.replaces = before->certificate;
    RETURN_IF_ERROR(SaveClaim(connection, line.id, device));
  }
  const std::optional<DeviceState> from = before.has_value() ? std::optional(before->record.state) : std::nullopt;
  RETURN_IF_ERROR(CountTransition(connection, lot.id, from, DeviceState::kClaimed));
  if (from.value_or(DeviceState::kAnnounced) != DeviceState::kAnnounced) {
    RETURN_IF_ERROR(connection.Execute("UPDATE lots SET reissued = reissued + 1 WHERE id = ?1", {lot.id}));
    return line;
  }
  RETURN_IF_ERROR(
      connection.Execute("INSERT INTO lot_callers (lot, caller, taken) VALUES (?1, ?2, 1) "
                         "ON CONFLICT (lot, caller) DO UPDATE SET taken = taken + 1",
                         {lot.id, caller}));
  return line;
}

Status NoteIssued(Transaction& transaction, int64_t device, int64_t certificate, Time issued) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const LineState line, StateOf(connection, device));
  RETURN_IF_ERROR(connection.Execute("UPDATE devices SET state = 3, certificate = ?2, issued = ?3 WHERE id = ?1",
                                     {device, certificate, Seconds(issued)}));
  return CountTransition(connection, line.lot, line.state, DeviceState::kIssued);
}

Status NoteRevoked(Transaction& transaction, int64_t certificate) {
  Connection& connection = transaction.connection;
  int64_t device = 0;
  {
    ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT d.id FROM certificates c JOIN devices d ON d.id = c.device "
                                                 "WHERE c.id = ?1 AND d.certificate = ?1 AND d.state IN (3, 4)",
                                                 {certificate}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return absl::OkStatus();
    device = rows.Integer(0);
  }
  ASSIGN_OR_RETURN(const LineState line, StateOf(connection, device));
  return ChangeState(connection, line.lot, device, line.state, DeviceState::kRevoked);
}

StatusOr<DeviceRecord> ConfirmDevice(Transaction& transaction, const std::string& lot, const std::string& serial,
                                     ByteView certificate_serial, Time installed, bool proven,
                                     const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const FoundLot found_lot, FindLot(connection, lot));
  ASSIGN_OR_RETURN(FoundDevice found, RequireDevice(connection, found_lot, serial));
  DeviceRecord& device = found.record;
  const bool has = device.state == DeviceState::kIssued || device.state == DeviceState::kInstalled;
  if (!has || !Equal(device.certificate_serial, certificate_serial)) {
    return Error(Code::kFailedPrecondition, reason::kDeviceNotIssued,
                 fmt::format("certificate {} is not, or not any more, what device \"{}\" of lot \"{}\" has; look the "
                             "device up",
                             Hex(certificate_serial), serial, lot));
  }
  if (device.state == DeviceState::kInstalled && (device.proven || !proven)) return device;
  if (device.state == DeviceState::kIssued) device.installed = TruncateToSecond(installed);
  RETURN_IF_ERROR(connection.Execute("UPDATE devices SET installed = ?2, proven = ?3 WHERE id = ?1",
                                     {found.id, OrNull(device.installed), int64_t{proven}}));
  RETURN_IF_ERROR(ChangeState(connection, found_lot.id, found.id, device.state, DeviceState::kInstalled));
  RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, installed).status());
  device.state = DeviceState::kInstalled;
  device.proven = proven;
  return device;
}

StatusOr<CountedLot> CountLot(Connection& connection, const std::string& lot) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(connection));
  ASSIGN_OR_RETURN(FoundLot found_lot, FindLot(connection, lot));
  CountedLot counted;
  {
    ASSIGN_OR_RETURN(Rows rows,
                     connection.Query("SELECT sum(d.state = 1), sum(d.state = 2), sum(d.state = 3), sum(d.state = 4), "
                                      "sum(d.state = 5), sum(d.state = 6), sum(d.reissues) FROM devices d "
                                      "JOIN lot_revisions r ON r.id = d.revision "
                                      "WHERE d.lot = ?1 AND r.revision IS NOT NULL",
                                      {found_lot.id}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (found) {
      counted.counts = {.announced = rows.Integer(0),
                        .claimed = rows.Integer(1),
                        .issued = rows.Integer(2),
                        .installed = rows.Integer(3),
                        .revoked = rows.Integer(4),
                        .withdrawn = rows.Integer(5),
                        .reissued = rows.Integer(6)};
    }
  }
  ASSIGN_OR_RETURN(
      Rows rows,
      connection.Query("SELECT count(*), sum((c.revoked IS NULL OR c.revocation_reason = 6) AND d.certificate = c.id) "
                       "FROM certificates c JOIN devices d ON d.id = c.device "
                       "WHERE c.lot = ?1 AND c.leaf_index IS NOT NULL",
                       {std::string_view(lot)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (found) {
    counted.certificates = rows.Integer(0);
    counted.live = rows.Integer(1);
  }
  counted.lot = std::move(found_lot.record);
  return counted;
}

StatusOr<int64_t> CountUnconfirmed(Connection& connection, const std::string& lot, Time issued_before) {
  ASSIGN_OR_RETURN(const FoundLot found_lot, FindLot(connection, lot));
  return connection.QueryInteger("SELECT count(*) FROM devices WHERE lot = ?1 AND state = 3 AND issued < ?2",
                                 {found_lot.id, Seconds(issued_before)});
}

StatusOr<std::vector<DeviceRecord>> ListUnconfirmed(Connection& connection, const std::string& lot, Time issued_before,
                                                    size_t count) {
  ASSIGN_OR_RETURN(const FoundLot found_lot, FindLot(connection, lot));
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(SelectWhere("d.state = 3 AND d.issued < ?2 ORDER BY d.issued, d.id LIMIT ?3"),
                                    {found_lot.id, Seconds(issued_before), static_cast<int64_t>(count)}));
  return ReadAll(rows, [&](const Rows& row) { return ReadDevice(row, lot).record; });
}

}  // namespace hallmark::sqlite
