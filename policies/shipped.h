// The profiles, their schema and the roles that ship with Hallmark, as the build embedded policies/: what `hallmark
// init` starts from.
#pragma once

#include <string_view>
#include <vector>

namespace hallmark {

struct ShippedPolicy {
  std::string_view path;  // "roles.yaml", "profile.schema.json", "profiles/device-dps.yaml"
  std::string_view text;
};
const std::vector<ShippedPolicy>& ShippedPolicies();

// The text of policies/blocked-keys.txt (ca/blocked_keys.h), which holds in every instance and is not copied to any.
std::string_view ShippedBlockedKeys();

}  // namespace hallmark
