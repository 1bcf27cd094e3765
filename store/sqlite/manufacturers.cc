#include "store/sqlite/manufacturers.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/columns.h"

namespace hallmark::sqlite {
namespace {

constexpr char kSelect[] =
    "SELECT manufacturer, display_name, certificates, crls, suspended, created, version FROM manufacturers ";

StatusOr<ManufacturerRecord> ReadManufacturer(const Rows& rows) {
  ManufacturerRecord record;
  record.manufacturer = rows.Text(0);
  record.display_name = rows.Text(1);
  RETURN_IF_ERROR(ReadArray(rows.Text(2), record.certificates));
  RETURN_IF_ERROR(ReadArray(rows.Text(3), record.crls));
  record.suspended = rows.Integer(4) != 0;
  record.created = rows.Instant(5);
  record.version = static_cast<uint64_t>(rows.Integer(6));
  return record;
}

}  // namespace

Status AddManufacturer(Transaction& transaction, const ManufacturerRecord& manufacturer,
                       const std::string& ledger_entry) {
  const std::string certificates = ToArray(manufacturer.certificates);
  const std::string crls = ToArray(manufacturer.crls);
  RETURN_IF_ERROR(transaction.connection.Execute(
      "INSERT INTO manufacturers (manufacturer, display_name, certificates, crls, suspended, created) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
      {manufacturer.manufacturer, manufacturer.display_name, certificates, crls, int64_t{manufacturer.suspended},
       Seconds(manufacturer.created)}));
  if (transaction.connection.changes() == 0) {
    return Error(Code::kAlreadyExists, reason::kManufacturerExists,
                 fmt::format("there is a manufacturer \"{}\" already; update that one", manufacturer.manufacturer));
  }
  return AppendLeaf(transaction, ledger_entry, manufacturer.created).status();
}

Status UpdateManufacturer(Transaction& transaction, const ManufacturerRecord& manufacturer,
                          const std::string& ledger_entry, Time time) {
  const std::string certificates = ToArray(manufacturer.certificates);
  const std::string crls = ToArray(manufacturer.crls);
  RETURN_IF_ERROR(transaction.connection.Execute(
      "UPDATE manufacturers SET display_name = ?3, certificates = ?4, crls = ?5, suspended = ?6, version = version + 1 "
      "WHERE manufacturer = ?1 AND version = ?2",
      {manufacturer.manufacturer, static_cast<int64_t>(manufacturer.version), manufacturer.display_name, certificates,
       crls, int64_t{manufacturer.suspended}}));
  if (transaction.connection.changes() == 0) {
    RETURN_IF_ERROR(GetManufacturer(transaction.connection, manufacturer.manufacturer).status());
    return Error(Code::kAborted, reason::kManufacturerChanged,
                 fmt::format("manufacturer \"{}\" was changed since it was read; read it again and decide anew",
                             manufacturer.manufacturer));
  }
  return AppendLeaf(transaction, ledger_entry, time).status();
}

StatusOr<ManufacturerRecord> GetManufacturer(Connection& connection, const std::string& manufacturer) {
  ASSIGN_OR_RETURN(
      Rows rows, connection.Query(std::string(kSelect) + "WHERE manufacturer = ?1", {std::string_view(manufacturer)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (found) return ReadManufacturer(rows);
  return Error(Code::kNotFound, reason::kManufacturerUnknown,
               fmt::format("there is no manufacturer \"{}\"; register it with its certificates first", manufacturer));
}

StatusOr<std::vector<ManufacturerRecord>> ListManufacturers(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelect) + "ORDER BY manufacturer"));
  std::vector<ManufacturerRecord> records;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return records;
    ASSIGN_OR_RETURN(ManufacturerRecord record, ReadManufacturer(rows));
    records.push_back(std::move(record));
  }
}

}  // namespace hallmark::sqlite
