// The service's log: one JSON object a line on standard error, made by spdlog and nlohmann::json, so that whatever
// comes from outside is escaped and one event is one line. Never given a PIN, a key or a whole CSR.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/status.h"

namespace hallmark::log {

using Fields = nlohmann::json;  // an object: {{"authority", "devices"}, {"serial", serial}}

// Thread-safe. `event` is a short stable name, e.g. "certificate_issued".
void Info(std::string_view event, const Fields& fields = Fields::object());
void Warning(std::string_view event, const Fields& fields = Fields::object());
void Error(std::string_view event, const Fields& fields = Fields::object());

// The code, reason and message of a status, for a log line.
Fields Describe(const Status& status);

// Nothing below Warning from here on (tests, command-line tools).
void Quiet();

}  // namespace hallmark::log
