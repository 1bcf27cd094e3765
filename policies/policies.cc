#include "policies/policies.h"

#include "base/file.h"
#include "policies/load.h"

namespace hallmark {

StatusOr<PolicyPointer> ReadPolicies(const PolicyFiles& files) {
  ASSIGN_OR_RETURN(ProfileMap profiles, LoadProfiles(files.profiles, files.realm));
  ASSIGN_OR_RETURN(std::string roles, ReadFile(files.roles, kProfileLimit));
  ASSIGN_OR_RETURN(Access access, ParseAccess(files.roles.string(), roles));
  std::string version = Hex(Sha256(AsBytes(roles)));
  return std::make_shared<const PolicySnapshot>(
      PolicySnapshot{std::move(profiles), std::move(access), std::move(roles), std::move(version)});
}

}  // namespace hallmark
