// Callers who are kept out. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/lots.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

Status Suspend(Transaction& transaction, const SuspensionRecord& suspension, const std::string& ledger_entry);
Status Resume(Transaction& transaction, const std::string& caller, const std::string& ledger_entry, Time time);
StatusOr<std::optional<SuspensionRecord>> FindSuspension(Connection& connection, const std::string& caller);
StatusOr<std::vector<SuspensionRecord>> ListSuspensions(Connection& connection);

}  // namespace hallmark::sqlite
