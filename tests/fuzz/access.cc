// Roles that load grant what they list to those who have them, as often as they say, and nothing to anybody else.
#include "policies/access.h"

#include "policies/load.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

constexpr char kRealm[] = "test";

// Each grant is asked an hour after the one before, so that no call counts for a rate of another grant.
void CheckGrant(const Access& access, const Caller& caller, const Grant& grant, Time now) {
  Resource resource{grant.authorities.front(), grant.profiles.front(), caller.uri};
  if (!grant.lots.empty()) resource.lot = grant.lots.front();
  for (const std::string& permission : grant.permissions) {
    Require(access.Check(caller, permission, resource, now += absl::Hours(24)).ok(), "what is listed is granted");
    // Twice at once is more than one a day.
    const Status again = access.Check(caller, permission, resource, now);
    Require(again.ok() || absl::IsResourceExhausted(again), "what is listed is granted, or at most used up");
    Require(again.ok() || RetryDelay(again).has_value(), "what is used up comes back");
  }
}

Caller CallerOf(const std::string& name, const Role& role) {
  Caller caller;
  caller.uri = role.callers.empty() ? "hallmark://test/role/one" : role.callers.front();  // a glob matches itself
  caller.role = role.callers.empty() ? name : "";
  return caller;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<Access> access = ParseAccess("fuzzed.yaml", ToString({data, size}), kRealm);
  if (!Accepted(access)) return 0;
  Time now = absl::FromUnixSeconds(1'795'514'400);
  std::string last;
  for (const auto& [name, role] : access->roles()) {
    const Caller caller = CallerOf(name, role);
    for (const Grant& grant : role.grants) CheckGrant(*access, caller, grant, now += absl::Hours(24 * 365));
    Require(!access->Check(caller, "no.such.permission", {}, now).ok(), "what is not listed is refused");
    last = name;
  }
  Caller nobody;
  nobody.uri = "https://test/nobody";  // no glob of a caller's URI matches it
  nobody.role = last + "?";            // after the last one, hence none
  Require(!access->Check(nobody, permission::kIssue, {}, now).ok(), "a role that is not there has no permission");
  return 0;
}

}  // namespace hallmark::fuzz
