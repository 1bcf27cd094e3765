#include "store/sqlite/crls.h"

#include <fmt/format.h>

#include <optional>

#include "base/reason.h"
#include "store/sqlite/snapshot.h"

namespace hallmark::sqlite {
namespace {

struct StoredCrl {
  CrlRecord crl;
  bool is_signed = false;
};

StatusOr<std::optional<StoredCrl>> FindCrl(Connection& connection, const std::string& authority, const char* condition,
                                           const std::vector<Value>& values) {
  const std::string sql = std::string(
                              "SELECT number, this_update, next_update, revocation_count, signed, crl, shard, base "
                              "FROM crls WHERE authority = ?1 AND ") +
                          condition;
  std::vector<Value> all = {authority};
  all.insert(all.end(), values.begin(), values.end());
  ASSIGN_OR_RETURN(Rows rows, connection.Query(sql, all));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::optional<StoredCrl>();
  StoredCrl stored{.crl = {.authority = authority,
                           .number = static_cast<uint64_t>(rows.Integer(0)),
                           .this_update = rows.Instant(1),
                           .next_update = rows.Instant(2),
                           .revocation_count = static_cast<uint64_t>(rows.Integer(3)),
                           .crl = rows.Blob(5),
                           .shard = rows.Integer(6)},
                   .is_signed = rows.Integer(4) != 0};
  if (!rows.IsNull(7)) stored.crl.base = static_cast<uint64_t>(rows.Integer(7));
  return std::optional(std::move(stored));
}

StatusOr<uint64_t> CountShard(Connection& connection, const std::string& authority, int64_t shard) {
  ASSIGN_OR_RETURN(
      const int64_t count,
      connection.QueryInteger("SELECT ifnull(max(revocations), 0) FROM crl_shards WHERE authority = ?1 AND "
                              "shard = ?2",
                              {authority, shard}));
  return static_cast<uint64_t>(count);
}

Status NumberMisused(Code code, const CrlRecord& crl, std::string_view why) {
  return Error(code, reason::kInternal,
               fmt::format("CRL number {} of authority \"{}\" {}; allot a new number", crl.number, crl.authority, why));
}

}  // namespace

StatusOr<uint64_t> RevocationCount(Connection& connection, const std::string& authority) {
  ASSIGN_OR_RETURN(
      const int64_t count,
      connection.QueryInteger("SELECT ifnull(max(revocations), 0) FROM counters WHERE authority = ?1", {authority}));
  return static_cast<uint64_t>(count);
}

StatusOr<std::map<int64_t, uint64_t>> CountShards(Connection& connection, const std::string& authority) {
  std::map<int64_t, uint64_t> counts = {{0, 0}};
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT shard, revocations FROM crl_shards WHERE authority = ?1", {authority}));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return counts;
    counts[rows.Integer(0)] = static_cast<uint64_t>(rows.Integer(1));
  }
}

StatusOr<uint64_t> ForEachRevoked(Connection& connection, const std::string& authority, int64_t shard,
                                  Time expires_from, const std::function<void(const RevokedCertificate&)>& visit) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(connection));
  ASSIGN_OR_RETURN(const uint64_t count, CountShard(connection, authority, shard));
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT serial, revoked, revocation_reason, invalidity_date FROM certificates "
                                    "INDEXED BY certificates_for_crl "
                                    "WHERE authority = ?1 AND crl_shard = ?2 AND not_after >= ?3 AND revoked IS NOT "
                                    "NULL ORDER BY serial",
                                    {authority, shard, Seconds(expires_from)}));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return count;
    RevokedCertificate revoked{rows.Blob(0), rows.Instant(1), static_cast<RevocationReason>(rows.Integer(2))};
    if (!rows.IsNull(3)) revoked.invalidity = rows.Instant(3);
    visit(revoked);
  }
}

StatusOr<uint64_t> ForEachChanged(Connection& connection, const std::string& authority, int64_t shard, uint64_t since,
                                  const std::function<void(const RevokedCertificate&)>& visit) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(connection));
  ASSIGN_OR_RETURN(const uint64_t count, CountShard(connection, authority, shard));
  ASSIGN_OR_RETURN(
      Rows rows, connection.Query("SELECT serial, revoked, revocation_reason, invalidity_date, not_before FROM "
                                  "certificates INDEXED BY certificates_for_delta "
                                  "WHERE authority = ?1 AND crl_shard = ?2 AND revocation_change > ?3 ORDER BY serial",
                                  {authority, shard, static_cast<int64_t>(since)}));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return count;
    RevokedCertificate changed;
    changed.serial = rows.Blob(0);
    changed.revoked = rows.Instant(rows.IsNull(1) ? 4 : 1);
    changed.reason = rows.IsNull(1) ? RevocationReason::kRemoveFromCrl : static_cast<RevocationReason>(rows.Integer(2));
    if (!rows.IsNull(3)) changed.invalidity = rows.Instant(3);
    visit(changed);
  }
}

StatusOr<uint64_t> NextCrlNumber(Transaction& transaction, const std::string& authority) {
  ASSIGN_OR_RETURN(const int64_t number,
                   transaction.connection.QueryInteger("INSERT INTO counters (authority, crl_number) VALUES (?1, 1) "
                                                       "ON CONFLICT (authority) DO UPDATE SET crl_number = "
                                                       "crl_number + 1 RETURNING crl_number",
                                                       {authority}));
  return static_cast<uint64_t>(number);
}

Status IntendCrl(Transaction& transaction, const CrlRecord& crl) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(
      const int64_t allotted,
      connection.QueryInteger("SELECT ifnull(max(crl_number), 0) FROM counters WHERE authority = ?1", {crl.authority}));
  if (crl.number < 1 || crl.number > static_cast<uint64_t>(allotted)) {
    return NumberMisused(Code::kFailedPrecondition, crl, "was never allotted");
  }
  const auto number = static_cast<int64_t>(crl.number);
  ASSIGN_OR_RETURN(const std::optional<StoredCrl> earlier, FindCrl(connection, crl.authority, "number = ?2", {number}));
  if (earlier.has_value()) {
    if (!earlier->is_signed && earlier->crl.crl == crl.crl) return absl::OkStatus();  // repeated
    return NumberMisused(Code::kAlreadyExists, crl, "has been used for another list");
  }
  return connection.Execute(
      "INSERT INTO crls (authority, number, this_update, next_update, revocation_count, crl, shard, base) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      {crl.authority, number, Seconds(crl.this_update), Seconds(crl.next_update),
       static_cast<int64_t>(crl.revocation_count), ByteView(crl.crl), crl.shard,
       crl.base.has_value() ? Value(static_cast<int64_t>(*crl.base)) : Value(nullptr)});
}

Status RecordCrl(Transaction& transaction, const std::string& authority, uint64_t number, ByteView crl,
                 const std::string& ledger_entry) {
  const auto stored_number = static_cast<int64_t>(number);
  ASSIGN_OR_RETURN(const std::optional<StoredCrl> intended,
                   FindCrl(transaction.connection, authority, "number = ?2", {stored_number}));
  if (!intended.has_value()) {
    return Error(Code::kNotFound, reason::kCrlUnknown,
                 fmt::format("CRL number {} of authority \"{}\" was never intended; intend it before it is signed",
                             number, authority));
  }
  if (intended->is_signed) {
    if (Equal(intended->crl.crl, crl)) return absl::OkStatus();  // repeated
    return NumberMisused(Code::kAlreadyExists, intended->crl, "has been signed before, with another signature");
  }
  RETURN_IF_ERROR(
      transaction.connection.Execute("UPDATE crls SET crl = ?3, signed = 1 WHERE authority = ?1 AND "
                                     "number = ?2",
                                     {authority, stored_number, crl}));
  return AppendLeaf(transaction, ledger_entry, intended->crl.this_update).status();
}

StatusOr<CrlRecord> LatestCrl(Connection& connection, const std::string& authority, const CrlScope& scope) {
  ASSIGN_OR_RETURN(std::optional<StoredCrl> latest,
                   FindCrl(connection, authority,
                           "signed = 1 AND shard = ?2 AND (base IS NOT NULL) = ?3 ORDER BY number DESC LIMIT 1",
                           {scope.shard, int64_t{scope.delta}}));
  if (!latest.has_value()) {
    return Error(Code::kNotFound, reason::kCrlUnknown,
                 fmt::format("authority \"{}\" has no signed {} of shard {} yet; generate one", authority,
                             scope.delta ? "delta CRL" : "CRL", scope.shard));
  }
  return std::move(latest->crl);
}

StatusOr<std::map<CrlScope, CrlRecord>> LatestCrls(Connection& connection, const std::string& authority) {
  // The other columns are those of the row with the highest number (SQLite's "bare columns" beside max).
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT max(number), this_update, next_update, revocation_count, shard, base FROM "
                                    "crls WHERE authority = ?1 AND signed = 1 GROUP BY shard, base IS NOT NULL",
                                    {authority}));
  std::map<CrlScope, CrlRecord> latest;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return latest;
    CrlRecord crl{.authority = authority,
                  .number = static_cast<uint64_t>(rows.Integer(0)),
                  .this_update = rows.Instant(1),
                  .next_update = rows.Instant(2),
                  .revocation_count = static_cast<uint64_t>(rows.Integer(3)),
                  .crl = {},
                  .shard = rows.Integer(4)};
    if (!rows.IsNull(5)) crl.base = static_cast<uint64_t>(rows.Integer(5));
    latest.emplace(crl.scope(), std::move(crl));
  }
}

}  // namespace hallmark::sqlite
