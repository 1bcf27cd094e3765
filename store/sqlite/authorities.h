// The authorities' rows. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

Status AddAuthority(Transaction& transaction, const AuthorityRecord& authority, const std::string& ledger_entry);
StatusOr<std::vector<AuthorityRecord>> ListAuthorities(Connection& connection);

}  // namespace hallmark::sqlite
