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
                                           int64_t number) {
  const std::string sql = std::string(
                              "SELECT number, this_update, next_update, revocation_count, signed, crl "
                              "FROM crls WHERE authority = ?1 AND ") +
                          condition;
  ASSIGN_OR_RETURN(Rows rows, connection.Query(sql, {authority, number}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::optional<StoredCrl>();
  return StoredCrl{.crl = {.authority = authority,
                           .number = static_cast<uint64_t>(rows.Integer(0)),
                           .this_update = rows.Instant(1),
                           .next_update = rows.Instant(2),
                           .revocation_count = static_cast<uint64_t>(rows.Integer(3)),
                           .crl = rows.Blob(5)},
                   .is_signed = rows.Integer(4) != 0};
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

StatusOr<uint64_t> ForEachRevoked(Connection& connection, const std::string& authority, Time expires_from,
                                  const std::function<void(const RevokedCertificate&)>& visit) {
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(connection));
  ASSIGN_OR_RETURN(const uint64_t count, RevocationCount(connection, authority));
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT serial, revoked, revocation_reason, invalidity_date FROM certificates "
                                    "INDEXED BY certificates_for_crl "
                                    "WHERE authority = ?1 AND not_after >= ?2 AND revoked IS NOT NULL "
                                    "ORDER BY serial",
                                    {authority, Seconds(expires_from)}));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return count;
    RevokedCertificate revoked{rows.Blob(0), rows.Instant(1), static_cast<RevocationReason>(rows.Integer(2))};
    if (!rows.IsNull(3)) revoked.invalidity = rows.Instant(3);
    visit(revoked);
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
  ASSIGN_OR_RETURN(const std::optional<StoredCrl> earlier, FindCrl(connection, crl.authority, "number = ?2", number));
  if (earlier.has_value()) {
    if (!earlier->is_signed && earlier->crl.crl == crl.crl) return absl::OkStatus();  // repeated
    return NumberMisused(Code::kAlreadyExists, crl, "has been used for another list");
  }
  return connection.Execute(
      "INSERT INTO crls (authority, number, this_update, next_update, revocation_count, crl) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
      {crl.authority, number, Seconds(crl.this_update), Seconds(crl.next_update),
       static_cast<int64_t>(crl.revocation_count), ByteView(crl.crl)});
}

Status RecordCrl(Transaction& transaction, const std::string& authority, uint64_t number, ByteView crl,
                 const std::string& ledger_entry) {
  const auto stored_number = static_cast<int64_t>(number);
  ASSIGN_OR_RETURN(const std::optional<StoredCrl> intended,
                   FindCrl(transaction.connection, authority, "number = ?2", stored_number));
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

StatusOr<CrlRecord> LatestCrl(Connection& connection, const std::string& authority) {
  ASSIGN_OR_RETURN(std::optional<StoredCrl> latest,
                   FindCrl(connection, authority, "signed = ?2 ORDER BY number DESC LIMIT 1", 1));
  if (!latest.has_value()) {
    return Error(Code::kNotFound, reason::kCrlUnknown,
                 fmt::format("authority \"{}\" has no signed CRL yet; generate one", authority));
  }
  return std::move(latest->crl);
}

}  // namespace hallmark::sqlite
