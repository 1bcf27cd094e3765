// Roles that load grant what they list to those who have them, and nothing to anybody else.
#include "policies/access.h"

#include "policies/load.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

void CheckGrant(const Access& access, const Caller& caller, const Grant& grant) {
  if (grant.authorities.empty() || grant.profiles.empty()) return;
  for (const std::string& permission : grant.permissions) {
    Require(access.Check(caller, permission, {grant.authorities.front(), grant.profiles.front(), caller.uri}).ok(),
            "what is listed is granted");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<Access> access = ParseAccess("fuzzed.yaml", ToString({data, size}));
  if (!Accepted(access)) return 0;
  Caller caller;
  caller.uri = "hallmark://test/role/one";
  for (const auto& [role, grants] : access->roles()) {
    caller.role = role;
    for (const Grant& grant : grants) CheckGrant(*access, caller, grant);
    Require(!access->Check(caller, "no.such.permission", {}).ok(), "what is not listed is refused");
  }
  caller.role += "?";  // after the last one, hence none
  Require(!access->Check(caller, permission::kIssue, {}).ok(), "a role that is not there has no permission");
  return 0;
}

}  // namespace hallmark::fuzz
