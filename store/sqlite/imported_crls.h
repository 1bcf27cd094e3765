// Lists that were made elsewhere and are served here. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

Status ImportCrl(Transaction& transaction, const ImportedCrlRecord& crl,
                 const std::vector<AuthorityRecord>& authorities, const std::string& ledger_entry);
StatusOr<ImportedCrlRecord> GetImportedCrl(Connection& connection, const std::string& name);
StatusOr<std::vector<ImportedCrlRecord>> ListImportedCrls(Connection& connection);

}  // namespace hallmark::sqlite
