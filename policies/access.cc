#include "policies/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/reason.h"

namespace hallmark {
namespace {

bool Covers(const std::vector<std::string>& granted, const std::string& wanted) {
  return std::any_of(granted.begin(), granted.end(),
                     [&](const std::string& name) { return name == "*" || (name == wanted && !wanted.empty()); });
}

bool CoversAuthority(const Grant& grant, const Resource& resource) {
  return Covers(grant.authorities, resource.authority) ||
         std::any_of(resource.predecessors.begin(), resource.predecessors.end(),
                     [&](const std::string& predecessor) { return Covers(grant.authorities, predecessor); });
}

bool Covers(const Grant& grant, const Caller& caller, std::string_view permission, const Resource& resource) {
  return std::find(grant.permissions.begin(), grant.permissions.end(), permission) != grant.permissions.end() &&
         CoversAuthority(grant, resource) && Covers(grant.profiles, resource.profile) &&
         (!grant.own || resource.owner == caller.uri);
}

}  // namespace

Status Access::Check(const Caller& caller, std::string_view permission, const Resource& resource) const {
  const auto role = roles_.find(caller.role);
  if (role != roles_.end()) {
    for (const Grant& grant : role->second) {
      if (Covers(grant, caller, permission, resource)) return absl::OkStatus();
    }
  }
  std::string on;
  if (!resource.authority.empty()) on += fmt::format(" on authority '{}'", resource.authority);
  if (!resource.profile.empty()) on += fmt::format(" with profile '{}'", resource.profile);
  return Error(Code::kPermissionDenied, reason::kPermissionDenied,
               fmt::format("{} may not {}{}; roles.yaml grants role '{}' no such permission", caller.uri, permission,
                           on, caller.role));
}

}  // namespace hallmark
