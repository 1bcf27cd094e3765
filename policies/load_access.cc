#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "policies/load.h"

namespace hallmark {
namespace {

constexpr std::array kPermissions = {
    permission::kIssue,           permission::kGetCertificate,    permission::kListCertificates,
    permission::kRevoke,          permission::kGetAuthority,      permission::kFetchCsr,
    permission::kCreateAuthority, permission::kActivateAuthority, permission::kUpdateAuthority,
    permission::kGetProfile,      permission::kListProfiles,      permission::kReplayProfile,
    permission::kGetCrl,          permission::kGenerateCrl};

Status ReadGrant(yaml::Mapping& mapping, Grant& grant) {
  grant.permissions = mapping.Required<std::vector<std::string>>("permissions");
  for (const std::string& name : grant.permissions) {
    if (std::find(kPermissions.begin(), kPermissions.end(), name) != kPermissions.end()) continue;
    std::string known;
    for (const char* permission : kPermissions) known += (known.empty() ? "" : ", ") + std::string(permission);
    mapping.Fail("permissions", fmt::format("'{}' is not a permission; known: {}", name, known));
  }
  grant.authorities = mapping.Optional<std::vector<std::string>>("authorities", {"*"});
  grant.profiles = mapping.Optional<std::vector<std::string>>("profiles", {"*"});
  grant.own = mapping.Optional<bool>("own", false);
  return mapping.Finish();
}

}  // namespace

StatusOr<Access> ParseAccess(const std::string& file, const std::string& text) {
  std::map<std::string, std::vector<Grant>> roles;
  RETURN_IF_ERROR(yaml::ParseMapping(file, text, [&](yaml::Mapping& top) {
    if (!top.Has("roles")) top.Fail("roles", "is required");
    top.Nested("roles", [&](yaml::Mapping& mapping) {
      mapping.Entries([&](const std::string& name, yaml::Mapping& role) {
        std::vector<Grant>& grants = roles[name];
        if (!role.Has("grants")) role.Fail("grants", "is required");
        role.Each("grants", [&](yaml::Mapping& grant) { return ReadGrant(grant, grants.emplace_back()); });
        return role.Finish();
      });
      return mapping.Finish();
    });
    return top.Finish();
  }));
  return Access(std::move(roles));
}

StatusOr<Access> LoadAccess(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kProfileLimit));
  return ParseAccess(file.string(), text);
}

}  // namespace hallmark
