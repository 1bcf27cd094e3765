#include "policies/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr std::string_view kScheme = "hallmark://";
constexpr size_t kUriLimit = 255;

bool IsName(std::string_view part) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  return !part.empty() && part.find_first_not_of(kAllowed) == part.npos && part.front() != '.' && part.front() != '-';
}

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

StatusOr<Caller> ParseCallerUri(const std::string& uri) {
  const auto refuse = [&] {
    return Error(Code::kUnauthenticated, reason::kCallerUnauthenticated,
                 fmt::format("the client certificate's URI SAN is not {}<realm>/<role>/<name>; ask an operator for a "
                             "credential of the profile operator, station or auditor",
                             kScheme));
  };
  if (!uri.starts_with(kScheme) || uri.size() > kUriLimit) return refuse();
  const std::string_view rest = std::string_view(uri).substr(kScheme.size());
  const size_t first = rest.find('/');
  const size_t second = first == rest.npos ? rest.npos : rest.find('/', first + 1);
  if (second == rest.npos) return refuse();
  Caller caller;
  caller.uri = uri;
  caller.realm = rest.substr(0, first);
  caller.role = rest.substr(first + 1, second - first - 1);
  caller.name = rest.substr(second + 1);
  if (!IsName(caller.realm) || !IsName(caller.role) || !IsName(caller.name)) return refuse();
  return caller;
}

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
