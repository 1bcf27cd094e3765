// Tables of values and what people and files call them.
#pragma once

#include <fmt/format.h>

#include <string>

#include "base/reason.h"
#include "base/status.h"

namespace hallmark {

template <class T>
struct Named {
  T value;
  const char* name;
};

// The name of a value in a table of Named; "unknown" if it is not there.
template <class Table, class T>
const char* NameOf(const Table& table, T value) {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return "unknown";
}

// The value of a name. kInvalidArgument (CONFIGURATION_INVALID), with the names there are, for any other text; `denial`
// completes "'...' is ", e.g. "not a key type".
template <class T, class Table>
StatusOr<T> ParseName(const Table& table, const char* denial, const std::string& name) {
  std::string known;
  for (const auto& row : table) {
    if (name == row.name) return row.value;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("'{}' is {}; known: {}", name, denial, known));
}

}  // namespace hallmark
