#include "policies/access.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/glob.h"
#include "base/reason.h"

namespace hallmark {
namespace {

bool Covers(const std::vector<std::string>& granted, const std::string& wanted) {
  return std::any_of(granted.begin(), granted.end(), [&](const std::string& glob) {
    return glob == "*" || (!wanted.empty() && MatchesGlob(glob, wanted));
  });
}

bool CoversAuthority(const Grant& grant, const Resource& resource) {
  return Covers(grant.authorities, resource.authority) ||
         std::any_of(resource.predecessors.begin(), resource.predecessors.end(),
                     [&](const std::string& predecessor) { return Covers(grant.authorities, predecessor); });
}

bool CoversLot(const Grant& grant, const std::string& lot) {
  return grant.lots.empty() || (!lot.empty() && Covers(grant.lots, lot));
}

bool Covers(const Grant& grant, const Caller& caller, std::string_view permission, const Resource& resource) {
  return std::find(grant.permissions.begin(), grant.permissions.end(), permission) != grant.permissions.end() &&
         CoversAuthority(grant, resource) && Covers(grant.profiles, resource.profile) &&
         CoversLot(grant, resource.lot) && (!grant.own || resource.owner == caller.uri);
}

bool Has(const Caller& caller, const std::string& name, const Role& role) {
  if (role.callers.empty()) return caller.role == name;
  return std::any_of(role.callers.begin(), role.callers.end(),
                     [&](const std::string& glob) { return MatchesGlob(glob, caller.uri); });
}

// A grant that covers a call, but not more often than its rate.
struct Limited {
  std::string key;  // of the grant and the caller
  const Rate* rate;
};

Status RateLimited(const Caller& caller, std::string_view permission, const Rate& rate, Duration wait) {
  // Rounded up: who waits for as long finds it there.
  const Duration delay = absl::Ceil(wait, absl::Milliseconds(1));
  return WithRetry(Error(Code::kResourceExhausted, reason::kRateLimited,
                         fmt::format("{} may do {} at a rate of {} and has used that up; ask again in {:.3f} s",
                                     caller.uri, permission, rate.text, absl::ToDoubleSeconds(delay))),
                   delay);
}

}  // namespace

Status Access::Check(const Caller& caller, std::string_view permission, const Resource& resource, Time now) const {
  std::vector<Limited> limited;
  for (const auto& [name, role] : roles_) {
    if (!Has(caller, name, role)) continue;
    for (size_t i = 0; i < role.grants.size(); ++i) {
      const Grant& grant = role.grants[i];
      if (!Covers(grant, caller, permission, resource)) continue;
      if (!grant.rate.has_value()) return absl::OkStatus();
      limited.push_back({fmt::format("{} {} {}", name, i, caller.uri), &*grant.rate});
    }
  }
  Duration shortest = absl::InfiniteDuration();
  for (const Limited& grant : limited) {
    const Duration wait = rates_->Take(grant.key, *grant.rate, now);
    if (wait == absl::ZeroDuration()) return absl::OkStatus();
    shortest = std::min(shortest, wait);
  }
  if (!limited.empty()) return RateLimited(caller, permission, *limited.front().rate, shortest);
  std::string on;
  if (!resource.authority.empty()) on += fmt::format(" on authority '{}'", resource.authority);
  if (!resource.profile.empty()) on += fmt::format(" with profile '{}'", resource.profile);
  if (!resource.lot.empty()) on += fmt::format(" in lot '{}'", resource.lot);
  return Error(Code::kPermissionDenied, reason::kPermissionDenied,
               fmt::format("{} may not {}{}; roles.yaml grants role '{}' no such permission", caller.uri, permission,
                           on, caller.role));
}

Status Access::CheckAtAll(const Caller& caller, std::string_view permission) const {
  for (const auto& [name, role] : roles_) {
    if (!Has(caller, name, role)) continue;
    for (const Grant& grant : role.grants) {
      if (std::find(grant.permissions.begin(), grant.permissions.end(), permission) != grant.permissions.end())
        return absl::OkStatus();
    }
  }
  return Error(Code::kPermissionDenied, reason::kPermissionDenied,
               fmt::format("{} may not {}; roles.yaml grants role '{}' no such permission", caller.uri, permission,
                           caller.role));
}

std::vector<std::string> Access::RolesOf(const Caller& caller) const {
  std::vector<std::string> names;
  for (const auto& [name, role] : roles_) {
    if (Has(caller, name, role)) names.push_back(name);
  }
  return names;
}

}  // namespace hallmark
