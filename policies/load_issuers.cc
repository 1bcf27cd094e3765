// Which authorities may issue under a profile, and who may ask for it.
#include <fmt/format.h>
#include <re2/re2.h>

#include "base/reason.h"
#include "policies/load_parts.h"

namespace hallmark {
namespace {

// Names of authorities, profiles and roles.
StatusOr<std::string> ParseIdentifier(const std::string& name) {
  static const RE2 kName("[a-z0-9][a-z0-9.-]{0,62}");
  if (RE2::FullMatch(name, kName)) return name;
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("'{}' is no name: 1 to 63 of a-z 0-9 . - that begin with a letter or a digit", name));
}

StatusOr<std::string> ParseLevel(const std::string& name) {
  if (name == "issuing" || name == "certifying") return name;
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("'{}' is neither issuing (certifies no authorities) nor certifying (does)", name));
}

}  // namespace

void ReadIssuers(yaml::Mapping& mapping, Profile& profile) {
  profile.authorities = ReadList<std::string>(mapping, "authorities", ParseIdentifier);
  profile.authority_profiles = ReadList<std::string>(mapping, "authority_profiles", ParseIdentifier);
  profile.issuer_keys = ReadList<KeyType>(mapping, "issuer_keys", ParseKeyType);
  profile.roles = ReadList<std::string>(mapping, "roles", ParseIdentifier);
  if (mapping.Has("caller_role")) {
    const StatusOr<std::string> role = ParseIdentifier(mapping.Required<std::string>("caller_role"));
    mapping.Check(role.status(), "caller_role");
    profile.caller_role = role.value_or("");
  }
  const auto levels = ReadList<std::string>(mapping, "authority_levels", ParseLevel);
  const auto has = [&](const char* level) { return std::find(levels.begin(), levels.end(), level) != levels.end(); };
  profile.from_issuing = levels.empty() ? !profile.ca : has("issuing");
  profile.from_certifying = levels.empty() ? profile.ca : has("certifying");
  profile.subject_is_issuer = mapping.Optional<bool>("self_signed", false);
  if (!profile.subject_is_issuer) return;
  profile.from_issuing = profile.from_certifying = false;
  if (!profile.ca) mapping.Fail("self_signed", "only a certificate with ca can be self-signed");
  for (const char* field : {"authorities", "authority_profiles", "authority_levels", "issuer_keys"}) {
    if (mapping.Has(field)) mapping.Fail(field, "a self-signed certificate has no other issuer; leave this out");
  }
}

}  // namespace hallmark
