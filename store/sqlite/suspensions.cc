#include "store/sqlite/suspensions.h"

namespace hallmark::sqlite {
namespace {

constexpr char kSelect[] = "SELECT caller, reason, suspended_by, suspended FROM suspensions ";

SuspensionRecord ReadSuspension(const Rows& rows) {
  return {.caller = rows.Text(0), .reason = rows.Text(1), .suspended_by = rows.Text(2), .suspended = rows.Instant(3)};
}

}  // namespace

Status Suspend(Transaction& transaction, const SuspensionRecord& suspension, const std::string& ledger_entry) {
  RETURN_IF_ERROR(transaction.connection.Execute(
      "INSERT INTO suspensions (caller, reason, suspended_by, suspended) VALUES (?1, ?2, ?3, ?4) "
      "ON CONFLICT DO NOTHING",
      {suspension.caller, suspension.reason, suspension.suspended_by, Seconds(suspension.suspended)}));
  if (transaction.connection.changes() == 0) return absl::OkStatus();
  return AppendLeaf(transaction, ledger_entry, suspension.suspended).status();
}

Status Resume(Transaction& transaction, const std::string& caller, const std::string& ledger_entry, Time time) {
  RETURN_IF_ERROR(transaction.connection.Execute("DELETE FROM suspensions WHERE caller = ?1", {caller}));
  if (transaction.connection.changes() == 0) return absl::OkStatus();
  return AppendLeaf(transaction, ledger_entry, time).status();
}

StatusOr<std::optional<SuspensionRecord>> FindSuspension(Connection& connection, const std::string& caller) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelect) + "WHERE caller = ?1", {std::string_view(caller)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::optional<SuspensionRecord>();
  return std::optional(ReadSuspension(rows));
}

StatusOr<std::vector<SuspensionRecord>> ListSuspensions(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelect) + "ORDER BY caller"));
  return ReadAll(rows, ReadSuspension);
}

}  // namespace hallmark::sqlite
