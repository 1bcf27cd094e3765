#include "base/ledger_json.h"

#include <nlohmann/json.hpp>

namespace hallmark {

std::string LedgerJson(const nlohmann::json& entry) {
  return entry.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace hallmark
