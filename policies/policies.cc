#include "policies/policies.h"

#include "base/file.h"
#include "policies/load.h"

namespace hallmark {

StatusOr<PolicyPointer> ReadPolicies(const PolicyFiles& files, const PolicyPointer& earlier) {
  ASSIGN_OR_RETURN(ProfileMap profiles, LoadProfiles(files.profiles, files.realm));
  ASSIGN_OR_RETURN(std::string roles, ReadFile(files.roles, kProfileLimit));
  std::string version = Hex(Sha256(AsBytes(roles)));
  std::shared_ptr<const Access> access;
  if (earlier != nullptr && earlier->roles_version == version) {
    access = earlier->access;
  } else {
    ASSIGN_OR_RETURN(Access changed, ParseAccess(files.roles.string(), roles, files.realm));
    access = std::make_shared<const Access>(std::move(changed));
  }
  return std::make_shared<const PolicySnapshot>(
      PolicySnapshot{std::move(profiles), std::move(access), std::move(roles), std::move(version)});
}

}  // namespace hallmark
