// The examinations of `hallmark doctor`, on the parts of one instance.
#pragma once

#include <filesystem>
#include <vector>

#include "base/clock.h"
#include "base/examined.h"

namespace hallmark::cli {

// Examines configuration, policies, module, token, login, keys, clock, database, disk, TLS files and ports, in the
// order in which they need each other; what needs a part that is bad is not examined. The database and the authorities
// are examined only when no service has it open; opening it brings its schema up to date, as the service would.
std::vector<Examined> Examine(const std::filesystem::path& config, const Clock& clock);

}  // namespace hallmark::cli
