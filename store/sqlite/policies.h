// The texts of policies that were ever in force. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

StatusOr<std::vector<PolicyRecord>> LoadPolicies(Transaction& transaction, const std::vector<PolicyRecord>& policies,
                                                 Time time);
StatusOr<PolicyRecord> GetPolicy(Connection& connection, const std::string& profile, const std::string& version);

}  // namespace hallmark::sqlite
