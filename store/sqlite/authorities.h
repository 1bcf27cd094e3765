// The authorities' rows. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

Status AddAuthority(Transaction& transaction, const AuthorityRecord& authority, const std::string& ledger_entry);
Status UpdateAuthorities(Transaction& transaction, const std::vector<AuthorityRecord>& authorities,
                         const std::string& ledger_entry, Time time, const RevokedWithAuthorities& revoked = {});
StatusOr<AuthorityRecord> GetAuthority(Connection& connection, const std::string& authority);
StatusOr<std::vector<AuthorityRecord>> ListAuthorities(Connection& connection);

}  // namespace hallmark::sqlite
