// The names that a ceremony's file and its transcript have for types and algorithms.
#include <fmt/format.h>

#include <array>

#include "base/reason.h"
#include "tools/hallmark/ceremony/ceremony.h"

namespace hallmark::ceremony {
namespace {

template <class T>
struct Named {
  T value;
  const char* name;
};
constexpr std::array<Named<Type>, 6> kTypes = {{{Type::kRoot, "root"},
                                                {Type::kIntermediate, "intermediate"},
                                                {Type::kSignIntermediate, "sign-intermediate"},
                                                {Type::kCrossSign, "cross-sign"},
                                                {Type::kRootCrl, "root-crl"},
                                                {Type::kRotateKey, "rotate-key"}}};

template <class Table, class T>
const char* NameOf(const Table& table, T value) {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return "unknown";
}

template <class T, class Table>
StatusOr<T> ParseOne(const Table& table, const char* what, const std::string& name) {
  std::string known;
  for (const auto& row : table) {
    if (name == row.name) return row.value;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("'{}' is no {}; known: {}", name, what, known));
}

}  // namespace

const char* Name(Type type) { return NameOf(kTypes, type); }
StatusOr<Type> ParseType(const std::string& name) { return ParseOne<Type>(kTypes, "type of ceremony", name); }

}  // namespace hallmark::ceremony
