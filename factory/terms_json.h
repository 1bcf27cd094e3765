// The JSON of a lot's terms, which a manifest has for its header and the store keeps.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "factory/manifest_fields.h"
#include "factory/terms.h"

namespace hallmark {

inline constexpr int64_t kQuantityLimit = 10'000'000;

// Asks `fields`, a manifest's or kept terms', for all that terms say, and checks what can be judged without the lines.
LotTerms ReadTerms(ObjectFields& fields, Violations& violations);

nlohmann::json TermsJson(const LotTerms& terms);

// Calls with each literal text and the placeholder after it, without its braces; the last may have none.
void ForEachPart(std::string_view form,
                 const std::function<void(std::string_view literal, std::string_view placeholder)>& call);

// What a registration id is: 1 to 128 octets as of serial numbers; for the Device Provisioning Service at most 64,
// which a certificate's common name holds, of a smaller set.
bool IsRegistrationId(std::string_view text);
bool IsDpsRegistrationId(std::string_view text);
inline constexpr char kRegistrationIdForm[] =
    "not a registration id: 1 to 128 octets of printable ASCII without blanks, /, \\ and \"";
inline constexpr char kDpsRegistrationIdForm[] =
    "not a registration id for azure-dps: 1 to 64 of A-Z, a-z, 0-9, -, ., _ and :, the last a letter, digit or -";

}  // namespace hallmark
