#include "store/sqlite/imported_crls.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/authorities.h"

namespace hallmark::sqlite {
namespace {

ImportedCrlRecord ReadImported(const Rows& rows) {
  return {.name = rows.Text(0),
          .issuer = rows.Hash(1),
          .issuer_name = rows.Text(2),
          .number = static_cast<uint64_t>(rows.Integer(3)),
          .this_update = rows.Instant(4),
          .next_update = rows.Instant(5),
          .crl = rows.Blob(8),
          .imported = rows.Instant(6),
          .imported_by = rows.Text(7)};
}

Status CheckFollows(const ImportedCrlRecord& stands, const ImportedCrlRecord& next) {
  if (stands.issuer != next.issuer) {
    return Error(Code::kFailedPrecondition, reason::kCrlOfAnother,
                 fmt::format("\"{}\" is the CRL of {}, and this one is of another key; give it another name", next.name,
                             stands.issuer_name));
  }
  if (next.number > stands.number && next.this_update >= stands.this_update) return absl::OkStatus();
  return Error(
      Code::kFailedPrecondition, reason::kCrlOlder,
      fmt::format("\"{}\" has CRL number {} of {} already, and this one is number {} of {}; import the newest",
                  next.name, stands.number, Rfc3339(stands.this_update), next.number, Rfc3339(next.this_update)));
}

}  // namespace

Status ImportCrl(Transaction& transaction, const ImportedCrlRecord& crl,
                 const std::vector<AuthorityRecord>& authorities, const std::string& ledger_entry) {
  const StatusOr<ImportedCrlRecord> stands = GetImportedCrl(transaction.connection, crl.name);
  if (!stands.ok() && !absl::IsNotFound(stands.status())) return stands.status();
  const bool repeated = stands.ok() && stands->crl == crl.crl;
  if (repeated && authorities.empty()) return absl::OkStatus();
  if (stands.ok() && !repeated) RETURN_IF_ERROR(CheckFollows(*stands, crl));
  RETURN_IF_ERROR(transaction.connection.Execute(
      "INSERT OR REPLACE INTO imported_crls (name, issuer, issuer_name, number, this_update, next_update, imported, "
      "imported_by, crl) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      {crl.name, ByteView(crl.issuer), crl.issuer_name, static_cast<int64_t>(crl.number), Seconds(crl.this_update),
       Seconds(crl.next_update), Seconds(crl.imported), crl.imported_by, ByteView(crl.crl)}));
  return UpdateAuthorities(transaction, authorities, ledger_entry, crl.imported);
}

StatusOr<ImportedCrlRecord> GetImportedCrl(Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT name, issuer, issuer_name, number, this_update, next_update, imported, "
                                    "imported_by, crl FROM imported_crls WHERE name = ?1",
                                    {std::string_view(name)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (found) return ReadImported(rows);
  return Error(Code::kNotFound, reason::kCrlUnknown, fmt::format("no CRL was imported as \"{}\"; import one", name));
}

StatusOr<std::vector<ImportedCrlRecord>> ListImportedCrls(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT name, issuer, issuer_name, number, this_update, next_update, "
                                               "imported, imported_by, x'' FROM imported_crls ORDER BY name"));
  return ReadAll(rows, ReadImported);
}

}  // namespace hallmark::sqlite
