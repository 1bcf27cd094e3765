// What a request asks for, what its profile allows and what the certificate will have, side by side: for people who
// wonder why a request was refused, or what will come of it.
#pragma once

#include <string>
#include <vector>

#include "policies/profile.h"

namespace hallmark {

struct Comparison {
  // "key", "subject.CN", "subject_alt_name.dns", "basic_constraints", "key_usage", "extended_key_usage",
  // "extension 1.2.3", "lifetime"; and where a source has nothing "caller", "device", "device.serial".
  std::string field;
  std::string asked;    // empty: nothing
  std::string allowed;  // empty: nothing
  std::string result;   // empty: nothing, or there is no plan
  std::string problem;  // empty: none
};

// One row for each field that the request or the profile mentions, in the order of the fields above. `plan` is what
// Decide said to these very facts.
std::vector<Comparison> Compare(const Profile& profile, const Facts& facts, const StatusOr<Plan>& plan);

}  // namespace hallmark
