// The names that a ceremony's file and its transcript have for types.
#include <array>

#include "base/named.h"
#include "tools/hallmark/ceremony/ceremony.h"

namespace hallmark::ceremony {
namespace {

constexpr std::array<Named<Type>, 6> kTypes = {{{Type::kRoot, "root"},
                                                {Type::kIntermediate, "intermediate"},
                                                {Type::kSignIntermediate, "sign-intermediate"},
                                                {Type::kCrossSign, "cross-sign"},
                                                {Type::kRootCrl, "root-crl"},
                                                {Type::kRotateKey, "rotate-key"}}};

}  // namespace

const char* Name(Type type) { return NameOf(kTypes, type); }
StatusOr<Type> ParseType(const std::string& name) { return ParseName<Type>(kTypes, "no type of ceremony", name); }

}  // namespace hallmark::ceremony
