// Profiles and roles from YAML files, strictly: an unknown field, a wrong type or a conflict is refused with file, line
// and field (kInvalidArgument, CONFIGURATION_INVALID).
#pragma once

#include <filesystem>
#include <string>

#include "policies/access.h"
#include "policies/profile.h"

namespace hallmark {

inline constexpr size_t kProfileLimit = size_t{1} << 20;  // octets of a profile's file, or of roles.yaml

// Reads each *.yaml of `directory`; a profile's name is its file's. "{realm}" in a pattern or a value becomes
// `realm`.
StatusOr<ProfileMap> LoadProfiles(const std::filesystem::path& directory, const std::string& realm);

// The same for one profile's text; `file` is for errors.
StatusOr<Profile> ParseProfile(const std::string& name, const std::string& file, const std::string& text,
                               const std::string& realm);

// Reads roles.yaml; "{realm}" in a glob of callers becomes `realm`.
StatusOr<Access> LoadAccess(const std::filesystem::path& file, const std::string& realm);
StatusOr<Access> ParseAccess(const std::string& file, const std::string& text, const std::string& realm);

}  // namespace hallmark
