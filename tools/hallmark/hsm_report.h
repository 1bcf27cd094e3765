// What hallmark doctor --hsm found, for programs.
#pragma once

#include <nlohmann/json.hpp>

#include "hsm/examination.h"

namespace hallmark::cli {

// {"module", "slots", "token", "login", "keys", "objects"}: see docs/operations.md; the findings are not in it.
nlohmann::json HsmJson(const ExaminedHsm& hsm);

// "good", "warning" or "bad".
const char* Name(Judgement verdict);

}  // namespace hallmark::cli
