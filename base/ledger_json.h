// The form in which the ledger has its entries.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hallmark {

// One line with sorted keys, no white space, and nothing but ASCII, so that an auditor can recompute each leaf from it.
// Octets that are no UTF-8 become U+FFFD.
std::string LedgerJson(const nlohmann::json& entry);

}  // namespace hallmark
