// The manufacturers' rows. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <string>
#include <vector>

#include "store/lots.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

Status AddManufacturer(Transaction& transaction, const ManufacturerRecord& manufacturer,
                       const std::string& ledger_entry);
Status UpdateManufacturer(Transaction& transaction, const ManufacturerRecord& manufacturer,
                          const std::string& ledger_entry, Time time);
StatusOr<ManufacturerRecord> GetManufacturer(Connection& connection, const std::string& manufacturer);
StatusOr<std::vector<ManufacturerRecord>> ListManufacturers(Connection& connection);

}  // namespace hallmark::sqlite
