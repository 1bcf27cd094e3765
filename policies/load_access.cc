#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "policies/load.h"

namespace hallmark {
namespace {

constexpr std::string_view kRealm = "{realm}";
constexpr std::array kPermissions = {
    permission::kIssue,           permission::kGetCertificate,     permission::kListCertificates,
    permission::kRevoke,          permission::kGetAuthority,       permission::kFetchCsr,
    permission::kCreateAuthority, permission::kActivateAuthority,  permission::kUpdateAuthority,
    permission::kGetProfile,      permission::kListProfiles,       permission::kReplayProfile,
    permission::kGetCrl,          permission::kGenerateCrl,        permission::kImportLot,
    permission::kGetLot,          permission::kListLots,           permission::kCloseLot,
    permission::kReconcileLot,    permission::kGetDevice,          permission::kListDevices,
    permission::kConfirmDevice,   permission::kCreateManufacturer, permission::kUpdateManufacturer,
    permission::kGetManufacturer, permission::kListManufacturers,  permission::kEnrollStation,
    permission::kRenewStation,    permission::kSuspendCaller,      permission::kListSuspensions,
    permission::kIssueBundle,     permission::kRevokeByKey,        permission::kRelease,
    permission::kRevokeMany,      permission::kRevokeAuthority,    permission::kImportCrl,
    permission::kGetTarget,       permission::kUpdateTarget,       permission::kPublishTarget,
    permission::kExportBundle};

// A list of globs over names of `allowed` characters.
std::vector<std::string> ReadGlobs(yaml::Mapping& mapping, const std::string& field, std::string_view allowed,
                                   std::vector<std::string> otherwise) {
  if (!mapping.Has(field)) return otherwise;
  const auto globs = mapping.Required<std::vector<std::string>>(field);
  if (globs.empty()) mapping.Fail(field, "is empty and grants nothing; name something, or leave the field out for all");
  for (const std::string& glob : globs) {
    if (!glob.empty() && glob.find_first_not_of(allowed) == glob.npos) continue;
    mapping.Fail(field, fmt::format("'{}' matches no name; it is to be of {}", glob, allowed));
  }
  return globs;
}

Status ReadGrant(yaml::Mapping& mapping, Grant& grant) {
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyz0123456789.-*";
  constexpr std::string_view kLot = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-*";
  grant.permissions = mapping.Required<std::vector<std::string>>("permissions");
  for (const std::string& name : grant.permissions) {
    if (std::find(kPermissions.begin(), kPermissions.end(), name) != kPermissions.end()) continue;
    std::string known;
    for (const char* permission : kPermissions) known += (known.empty() ? "" : ", ") + std::string(permission);
    mapping.Fail("permissions", fmt::format("'{}' is not a permission; known: {}", name, known));
  }
  grant.authorities = ReadGlobs(mapping, "authorities", kName, {"*"});
  grant.profiles = ReadGlobs(mapping, "profiles", kName, {"*"});
  grant.lots = ReadGlobs(mapping, "lots", kLot, {});
  grant.own = mapping.Optional<bool>("own", false);
  if (mapping.Has("rate")) {
    StatusOr<Rate> rate = ParseRate(mapping.Required<std::string>("rate"));
    mapping.Check(rate.status(), "rate");
    if (rate.ok()) grant.rate = *std::move(rate);
  }
  return mapping.Finish();
}

// Globs of callers' URIs: what is no URI once its stars are letters can match none.
std::vector<std::string> ReadCallers(yaml::Mapping& role, const std::string& realm) {
  std::vector<std::string> globs;
  if (!role.Has("callers")) return globs;
  for (std::string glob : role.Required<std::vector<std::string>>("callers")) {
    if (const size_t at = glob.find(kRealm); at != glob.npos) glob.replace(at, kRealm.size(), realm);
    std::string example = glob;
    std::replace(example.begin(), example.end(), '*', 'x');
    if (!ParseCallerUri(example).ok()) {
      role.Fail("callers", fmt::format("'{}' matches no caller; they are hallmark://<realm>/<role>/<name>, and a * "
                                       "stays between two slashes",
                                       glob));
    }
    globs.push_back(std::move(glob));
  }
  if (globs.empty()) role.Fail("callers", "is empty: nobody would have the role; leave it out for who bears its name");
  return globs;
}

Status ReadRole(yaml::Mapping& mapping, const std::string& realm, Role& role) {
  role.callers = ReadCallers(mapping, realm);
  if (!mapping.Has("grants")) mapping.Fail("grants", "is required");
  mapping.Each("grants", [&](yaml::Mapping& grant) { return ReadGrant(grant, role.grants.emplace_back()); });
  return mapping.Finish();
}

}  // namespace

StatusOr<Access> ParseAccess(const std::string& file, const std::string& text, const std::string& realm) {
  std::map<std::string, Role> roles;
  RETURN_IF_ERROR(yaml::ParseMapping(file, text, [&](yaml::Mapping& top) {
    if (!top.Has("roles")) top.Fail("roles", "is required");
    top.Nested("roles", [&](yaml::Mapping& mapping) {
      mapping.Entries([&](const std::string& name, yaml::Mapping& role) { return ReadRole(role, realm, roles[name]); });
      return mapping.Finish();
    });
    return top.Finish();
  }));
  return Access(std::move(roles));
}

StatusOr<Access> LoadAccess(const std::filesystem::path& file, const std::string& realm) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kProfileLimit));
  return ParseAccess(file.string(), text, realm);
}

}  // namespace hallmark
