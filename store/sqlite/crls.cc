#include "store/sqlite/crls.h"

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/err.h>

#include <optional>

#include "base/reason.h"
#include "store/sqlite/snapshot.h"

namespace hallmark::sqlite {
namespace {

// What stays of every list; its octets are read beside it.
constexpr char kColumns[] =
    "number, this_update, next_update, revocation_count, shard, base, signed, tbs_sha256, sha256";
constexpr int kOctets = 9;  // the column after them
// A scope's lists that still have their octets, by the index crls_with_octets.
constexpr char kOfScope[] = "authority = ?1 AND shard = ?2 AND (base IS NOT NULL) = ?3 AND crl IS NOT NULL";

std::vector<Value> ScopeValues(const std::string& authority, const CrlScope& scope) {
  return {authority, scope.shard, int64_t{scope.delta}};
}

CrlRecord ReadList(const std::string& authority, const Rows& rows) {
  CrlRecord crl{.authority = authority,
                .number = static_cast<uint64_t>(rows.Integer(0)),
                .this_update = rows.Instant(1),
                .next_update = rows.Instant(2),
                .revocation_count = static_cast<uint64_t>(rows.Integer(3)),
                .crl = {},
                .shard = rows.Integer(4)};
  if (!rows.IsNull(5)) crl.base = static_cast<uint64_t>(rows.Integer(5));
  return crl;
}

struct StoredCrl {
  CrlRecord crl;  // without its octets
  bool is_signed = false;
  Digest tbs_sha256{};
  Digest sha256{};  // once it is signed
};

StatusOr<std::optional<StoredCrl>> FindCrl(Connection& connection, const std::string& authority, uint64_t number) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(fmt::format("SELECT {} FROM crls WHERE authority = ?1 AND number = ?2", kColumns),
                                    {authority, static_cast<int64_t>(number)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::optional<StoredCrl>();
  return std::optional(StoredCrl{.crl = ReadList(authority, rows),
                                 .is_signed = rows.Integer(6) != 0,
                                 .tbs_sha256 = rows.Hash(7),
                                 .sha256 = rows.Hash(8)});
}

// Drops the octets of the scope's lists with lower numbers; `which`: a further condition.
Status DropOctets(Connection& connection, const CrlRecord& crl, const std::string& which = "") {
  std::vector<Value> values = ScopeValues(crl.authority, crl.scope());
  values.emplace_back(static_cast<int64_t>(crl.number));
  return connection.Execute(fmt::format("UPDATE crls SET crl = NULL WHERE {}{} AND number < ?4", kOfScope, which),
                            values);
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

// The header of the DER element at the beginning of `octets`: its length, and that of its content.
struct ElementSize {
  size_t header = 0;
  size_t content = 0;
};
std::optional<ElementSize> SizeOfSequence(ByteView octets) {
  const uint8_t* at = octets.data();
  long length = 0;
  int tag = 0;
  int tag_class = 0;
  ERR_set_mark();
  const int form = ASN1_get_object(&at, &length, &tag, &tag_class, static_cast<long>(octets.size()));
  ERR_pop_to_mark();
  if (form != V_ASN1_CONSTRUCTED || tag != V_ASN1_SEQUENCE || tag_class != V_ASN1_UNIVERSAL) return std::nullopt;
  return ElementSize{static_cast<size_t>(at - octets.data()), static_cast<size_t>(length)};
}

}  // namespace

Digest TbsSha256(ByteView list) {
  const std::optional<ElementSize> outer = SizeOfSequence(list);
  if (!outer.has_value()) return Sha256(list);
  const ByteView content = list.subspan(outer->header, outer->content);
  const std::optional<ElementSize> tbs = SizeOfSequence(content);
  return Sha256(tbs.has_value() ? content.first(tbs->header + tbs->content) : list);
}

StatusOr<uint64_t> RevocationCount(Connection& connection, const std::string& authority) {
  ASSIGN_OR_RETURN(
      const int64_t count,
      connection.QueryInteger("SELECT ifnull(sum(revocations), 0) FROM crl_shards WHERE authority = ?1", {authority}));
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
                                    "INDEXED BY certificates_for_lists "
                                    "WHERE authority = ?1 AND crl_shard = ?2 AND revocation_change IS NOT NULL AND "
                                    "not_after >= ?3 AND revoked IS NOT "
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
                                  "certificates INDEXED BY certificates_for_lists "
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
  const Digest tbs_sha256 = TbsSha256(crl.crl);
  ASSIGN_OR_RETURN(const std::optional<StoredCrl> earlier, FindCrl(connection, crl.authority, crl.number));
  if (earlier.has_value()) {
    if (!earlier->is_signed && earlier->tbs_sha256 == tbs_sha256) return absl::OkStatus();  // repeated
    return NumberMisused(Code::kAlreadyExists, crl, "has been used for another list");
  }
  RETURN_IF_ERROR(connection.Execute(
      "INSERT INTO crls (authority, number, this_update, next_update, revocation_count, crl, shard, base, tbs_sha256) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      {crl.authority, static_cast<int64_t>(crl.number), Seconds(crl.this_update), Seconds(crl.next_update),
       static_cast<int64_t>(crl.revocation_count), ByteView(crl.crl), crl.shard,
       crl.base.has_value() ? Value(static_cast<int64_t>(*crl.base)) : Value(nullptr), ByteView(tbs_sha256)}));
  return DropOctets(connection, crl, " AND signed = 0");
}

Status RecordCrl(Transaction& transaction, const std::string& authority, uint64_t number, ByteView crl,
                 const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const std::optional<StoredCrl> intended, FindCrl(connection, authority, number));
  if (!intended.has_value()) {
    return Error(Code::kNotFound, reason::kCrlUnknown,
                 fmt::format("CRL number {} of authority \"{}\" was never intended; intend it before it is signed",
                             number, authority));
  }
  const CrlRecord& list = intended->crl;
  const Digest sha256 = Sha256(crl);
  if (intended->is_signed) {
    if (intended->sha256 == sha256) return absl::OkStatus();  // repeated
    return NumberMisused(Code::kAlreadyExists, list, "has been signed before, with another signature");
  }
  if (intended->tbs_sha256 != TbsSha256(crl)) {
    return NumberMisused(Code::kAlreadyExists, list, "was intended for another list than the signed one");
  }
  ASSIGN_OR_RETURN(
      const int64_t newest,
      connection.QueryInteger(fmt::format("SELECT ifnull(max(number), 0) FROM crls WHERE {} AND signed = 1", kOfScope),
                              ScopeValues(authority, list.scope())));
  const bool replaced = static_cast<uint64_t>(newest) > number;
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE crls SET crl = ?3, signed = 1, sha256 = ?4 WHERE authority = ?1 AND number = ?2",
      {authority, static_cast<int64_t>(number), replaced ? Value(nullptr) : Value(crl), ByteView(sha256)}));
  RETURN_IF_ERROR(DropOctets(connection, list));
  return AppendLeaf(transaction, ledger_entry, list.this_update).status();
}

StatusOr<CrlRecord> LatestCrl(Connection& connection, const std::string& authority, const CrlScope& scope) {
  ASSIGN_OR_RETURN(
      Rows rows,
      connection.Query(fmt::format("SELECT {}, crl FROM crls WHERE {} AND signed = 1 ORDER BY number DESC LIMIT 1",
                                   kColumns, kOfScope),
                       ScopeValues(authority, scope)));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) {
    return Error(Code::kNotFound, reason::kCrlUnknown,
                 fmt::format("authority \"{}\" has no signed {} of shard {} yet; generate one", authority,
                             scope.delta ? "delta CRL" : "CRL", scope.shard));
  }
  CrlRecord latest = ReadList(authority, rows);
  latest.crl = rows.Blob(kOctets);
  return latest;
}

StatusOr<std::map<CrlScope, CrlRecord>> LatestCrls(Connection& connection, const std::string& authority) {
  // One a scope: the others have lost their octets.
  ASSIGN_OR_RETURN(Rows rows, connection.Query(fmt::format("SELECT {} FROM crls INDEXED BY crls_with_octets WHERE "
                                                           "authority = ?1 AND crl IS NOT NULL AND signed = 1",
                                                           kColumns),
                                               {authority}));
  std::map<CrlScope, CrlRecord> latest;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return latest;
    CrlRecord crl = ReadList(authority, rows);
    latest.emplace(crl.scope(), std::move(crl));
  }
}

}  // namespace hallmark::sqlite
