// Judges what a module says of its slots and tokens (PKCS#11 v2.40 3.2): which token a URI means, what its flags and
// limits mean for a CA, which key types its mechanisms serve. Pure: touches no module.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/examined.h"
#include "hsm/key_uri.h"
#include "hsm/module.h"

namespace hallmark {

// The index in `slots` of the one token that `uri` names, or nothing and a bad finding that says what there is instead,
// e.g. a label spelt nearly alike, several of one label, or none that is initialised. The finding's part is "token".
std::optional<size_t> ChooseToken(const std::vector<SlotInformation>& slots, const KeyUri& uri, Examined& finding);

// What the token is and what its flags mean; good when nothing is wrong, otherwise one finding each. Any that is bad
// means that a login must not be tried. `part` names the token in the findings.
std::vector<Examined> JudgeToken(const std::string& part, const SlotInformation& slot, Time now);

// The sessions that a token allows, against the number that is configured (0: see UsableSessions).
Examined JudgeSessions(const TokenInformation& token, size_t sessions);

// Which key types the mechanisms serve; bad when none.
Examined JudgeMechanisms(const std::string& part, const std::vector<MechanismInformation>& mechanisms);

// Joins names with commas, "none" when there is none.
std::string JoinNames(const std::vector<std::string>& names);

// ", did you mean 'x'?" for the name that is spelt nearly like `wanted`, otherwise "".
std::string DidYouMean(const std::string& wanted, const std::vector<std::string>& names);

}  // namespace hallmark
