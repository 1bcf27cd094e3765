#include "store/sqlite/lots.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/page_token.h"

namespace hallmark::sqlite {
namespace {

std::string SelectWhere(const std::string& condition) {
  return "SELECT id, lot, state, revision, manufacturer, product, authority, profile, terms, announced, claimed, "
         "issued, installed, revoked, withdrawn, reissued, created, closed FROM lots WHERE revision > 0 AND " +
         condition;
}

FoundLot ReadLot(const Rows& rows) {
  FoundLot found;
  found.id = rows.Integer(0);
  LotRecord& record = found.record;
  record.lot = rows.Text(1);
  record.state = static_cast<LotState>(rows.Integer(2));
  record.revision = rows.Integer(3);
  record.manufacturer = rows.Text(4);
  record.product = rows.Text(5);
  record.authority = rows.Text(6);
  record.profile = rows.Text(7);
  record.terms = rows.Text(8);
  record.counts = {.announced = rows.Integer(9),
                   .claimed = rows.Integer(10),
                   .issued = rows.Integer(11),
                   .installed = rows.Integer(12),
                   .revoked = rows.Integer(13),
                   .withdrawn = rows.Integer(14),
                   .reissued = rows.Integer(15)};
  record.created = rows.Instant(16);
  record.closed = OptionalInstant(rows, 17);
  return found;
}

const char* CountOf(DeviceState state) {
  switch (state) {
    case DeviceState::kAnnounced: return "announced";
    case DeviceState::kClaimed: return "claimed";
    case DeviceState::kIssued: return "issued";
    case DeviceState::kInstalled: return "installed";
    case DeviceState::kRevoked: return "revoked";
    case DeviceState::kWithdrawn: return "withdrawn";
  }
  return "";
}

}  // namespace

StatusOr<FoundLot> FindLot(Connection& connection, const std::string& lot) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere("lot = ?1"), {std::string_view(lot)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (found) return ReadLot(rows);
  return Error(Code::kNotFound, reason::kLotUnknown,
               fmt::format("there is no lot \"{}\"; correct the name, or have its manifest imported", lot));
}

Status CountTransition(Connection& connection, int64_t lot, std::optional<DeviceState> from, DeviceState to) {
  if (from == to) return absl::OkStatus();
  std::string changes = fmt::format("{0} = {0} + 1", CountOf(to));
  if (from.has_value()) changes += fmt::format(", {0} = {0} - 1", CountOf(*from));
  return connection.Execute(fmt::format("UPDATE lots SET {} WHERE id = ?1", changes), {lot});
}

StatusOr<LotRecord> GetLot(Connection& connection, const std::string& lot) {
  ASSIGN_OR_RETURN(FoundLot found, FindLot(connection, lot));
  return std::move(found.record);
}

StatusOr<Page<LotRecord>> ListLots(Connection& connection, const LotFilter& filter, int page_size,
                                   const std::string& page_token) {
  RETURN_IF_ERROR(CheckPageSize(page_size));
  const int64_t state = filter.state.has_value() ? static_cast<int64_t>(*filter.state) : 0;
  const std::string identity = fmt::format("lots {} {}", filter.manufacturer, state);
  ASSIGN_OR_RETURN(const std::string last, ParsePageToken(page_token, identity));
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere("lot > ?1 AND (?2 = '' OR manufacturer = ?2) AND (?3 = 0 OR "
                                                           "state = ?3) ORDER BY lot LIMIT ?4"),
                                               {std::string_view(last), std::string_view(filter.manufacturer), state,
                                                int64_t{page_size} + 1}));
  return ReadPage(
      rows, page_size, [](const Rows& row) { return ReadLot(row).record; },
      [&](const LotRecord& last_one) { return MakePageToken(last_one.lot, identity); });
}

StatusOr<LotRecord> CloseLot(Transaction& transaction, const std::string& lot, Time closed,
                             const std::string& ledger_entry) {
  ASSIGN_OR_RETURN(FoundLot found, FindLot(transaction.connection, lot));
  if (found.record.state == LotState::kClosed) return std::move(found.record);
  RETURN_IF_ERROR(transaction.connection.Execute("UPDATE lots SET state = 2, closed = ?2 WHERE id = ?1",
                                                 {found.id, Seconds(closed)}));
  RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, closed).status());
  found.record.state = LotState::kClosed;
  found.record.closed = TruncateToSecond(closed);
  return std::move(found.record);
}

StatusOr<int64_t> RecordAttempt(Transaction& transaction, const AttemptRecord& attempt) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(connection.Execute(
      "INSERT INTO attempts (lot, station, reason, serial, request_id, first, last, count) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1) ON CONFLICT (lot, station, reason) "
      "DO UPDATE SET serial = ?4, request_id = ?5, last = max(last, ?6), count = count + 1",
      {attempt.lot, attempt.station, attempt.reason, attempt.serial, attempt.request_id, Seconds(attempt.last)}));
  return connection.QueryInteger("SELECT sum(count) FROM attempts WHERE lot = ?1", {std::string_view(attempt.lot)});
}

StatusOr<std::vector<AttemptRecord>> ListAttempts(Connection& connection, const std::string& lot) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT lot, station, reason, serial, request_id, first, last, count "
                                               "FROM attempts WHERE lot = ?1 ORDER BY station, reason",
                                               {std::string_view(lot)}));
  return ReadAll(rows, [](const Rows& row) {
    return AttemptRecord{.lot = row.Text(0),
                         .station = row.Text(1),
                         .reason = row.Text(2),
                         .serial = row.Text(3),
                         .request_id = row.Text(4),
                         .first = row.Instant(5),
                         .last = row.Instant(6),
                         .count = row.Integer(7)};
  });
}

}  // namespace hallmark::sqlite
