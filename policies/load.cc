#include "policies/load.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"

namespace hallmark {
namespace {

// RFC 5280 4.2.1.12.
constexpr std::array<std::pair<const char*, const char*>, 5> kPurposes = {{{"serverAuth", "1.3.6.1.5.5.7.3.1"},
                                                                           {"clientAuth", "1.3.6.1.5.5.7.3.2"},
                                                                           {"codeSigning", "1.3.6.1.5.5.7.3.3"},
                                                                           {"emailProtection", "1.3.6.1.5.5.7.3.4"},
                                                                           {"OCSPSigning", "1.3.6.1.5.5.7.3.9"}}};
constexpr std::array<const char*, 7> kAttributeTypes = {"CN", "serialNumber", "O", "OU", "C", "L", "ST"};
constexpr std::array<const char*, 11> kPermissions = {
    permission::kIssue,           permission::kGetCertificate,    permission::kListCertificates,
    permission::kRevoke,          permission::kGetAuthority,      permission::kFetchCsr,
    permission::kCreateAuthority, permission::kActivateAuthority, permission::kUpdateAuthority,
    permission::kGetCrl,          permission::kGenerateCrl};

std::string Replace(std::string text, std::string_view placeholder, const std::string& value) {
  for (size_t at = text.find(placeholder); at != text.npos; at = text.find(placeholder, at + value.size())) {
    text.replace(at, placeholder.size(), value);
  }
  return text;
}

StatusOr<std::string> ParsePurpose(const std::string& name) {
  for (const auto& [known, oid] : kPurposes) {
    if (name == known) return std::string(oid);
  }
  // The second arc is at most 39 below 0 and 1 (X.660).
  static const RE2 kOid("([01]\\.[1-3]?[0-9]|2\\.(0|[1-9][0-9]{0,9}))(\\.(0|[1-9][0-9]{0,9})){1,20}");
  if (RE2::FullMatch(name, kOid)) return name;
  return Error(
      Code::kInvalidArgument, reason::kConfigurationInvalid,
      fmt::format("'{}' is neither a purpose of RFC 5280 4.2.1.12 (serverAuth, clientAuth...) nor a dotted OID", name));
}

// Reads each name of a list with `parse`, reporting the first that is not known.
template <class T, class Parse>
std::vector<T> ReadList(yaml::Mapping& mapping, const std::string& field, Parse parse) {
  std::vector<T> values;
  for (const std::string& name : mapping.Optional<std::vector<std::string>>(field, {})) {
    const StatusOr<T> value = parse(name);
    mapping.Check(value.status(), field);
    if (!value.ok()) break;
    if (std::find(values.begin(), values.end(), *value) != values.end())
      mapping.Fail(field, fmt::format("'{}' stands twice", name));
    values.push_back(*value);
  }
  return values;
}

Status ReadNameRule(yaml::Mapping& mapping, const std::string& realm, NameRule& rule) {
  rule.type = mapping.Required<std::string>("type");
  const std::string value = Replace(mapping.Optional<std::string>("value", ""), "{realm}", realm);
  if (!value.empty()) rule.value = {{Source::kFixed, value}};
  rule.required = mapping.Optional<bool>("required", true);
  rule.max_length = static_cast<size_t>(mapping.Optional<int64_t>("max_length", 64));
  rule.max_count = static_cast<size_t>(mapping.Optional<int64_t>("max_count", 1));
  if (mapping.Has("pattern") == !rule.value.empty()) mapping.Fail("pattern", "give either a pattern or a value");
  if (mapping.Has("pattern")) {
    const std::string pattern = Replace(mapping.Required<std::string>("pattern"), "{realm}", RE2::QuoteMeta(realm));
    auto compiled = std::make_shared<const RE2>(pattern, RE2::Quiet);
    if (!compiled->ok()) mapping.Fail("pattern", "is not a regular expression of RE2: " + compiled->error());
    rule.pattern = std::move(compiled);
  }
  return mapping.Finish();
}

Status ReadValidity(yaml::Mapping& mapping, Profile& profile) {
  profile.lifetime = mapping.Required<Duration>("lifetime");
  profile.max_lifetime = mapping.Optional<Duration>("max_lifetime", profile.lifetime);
  profile.backdate = mapping.Optional<Duration>("backdate", absl::ZeroDuration());
  if (profile.lifetime < absl::Seconds(1)) mapping.Fail("lifetime", "must be at least 1s");
  if (profile.max_lifetime < profile.lifetime) mapping.Fail("max_lifetime", "is shorter than lifetime");
  return mapping.Finish();
}

// What contradicts itself, though each field alone is well-formed.
void CheckConflicts(yaml::Mapping& mapping, const Profile& profile) {
  const auto uses = [&](KeyUsage usage) {
    return std::find(profile.key_usage.begin(), profile.key_usage.end(), usage) != profile.key_usage.end();
  };
  if (profile.keys.empty()) mapping.Fail("keys", "must allow at least one key type");
  if (profile.subject.empty()) mapping.Fail("subject", "must have at least one attribute");
  if (profile.key_usage.empty()) mapping.Fail("key_usage", "must grant at least one usage");
  if (profile.ca != uses(KeyUsage::kKeyCertSign)) {
    mapping.Fail("key_usage", "keyCertSign and ca go together (RFC 5280 4.2.1.3)");
  }
  if (profile.subject_is_issuer && !profile.ca)
    mapping.Fail("self_signed", "only a certificate with ca can be self-signed");
}

Status ReadProfile(yaml::Mapping& mapping, const std::string& realm, Profile& profile) {
  profile.description = mapping.Required<std::string>("description");
  profile.keys = ReadList<KeyType>(mapping, "keys", ParseKeyType);
  mapping.Each("subject", [&](yaml::Mapping& rule) {
    const Status status = ReadNameRule(rule, realm, profile.subject.emplace_back());
    const std::string& type = profile.subject.back().type;
    if (std::find(kAttributeTypes.begin(), kAttributeTypes.end(), type) == kAttributeTypes.end()) {
      rule.Fail("type", fmt::format("'{}' is not one of CN, serialNumber, O, OU, C, L, ST", type));
    }
    return status.ok() ? rule.Finish() : status;
  });
  mapping.Each("subject_alt_names", [&](yaml::Mapping& rule) {
    const Status status = ReadNameRule(rule, realm, profile.subject_alt_names.emplace_back());
    rule.Check(ParseGeneralNameKind(profile.subject_alt_names.back().type).status(), "type");
    return status.ok() ? rule.Finish() : status;
  });
  if (!mapping.Has("validity")) mapping.Fail("validity", "is required");
  mapping.Nested("validity", [&](yaml::Mapping& validity) { return ReadValidity(validity, profile); });
  profile.key_usage = ReadList<KeyUsage>(mapping, "key_usage", ParseKeyUsage);
  profile.extended_key_usage = ReadList<std::string>(mapping, "extended_key_usage", ParsePurpose);
  mapping.Nested("ca", [&](yaml::Mapping& ca) {
    profile.ca = true;
    if (ca.Has("path_length")) {
      profile.path_length = ca.Required<int64_t>("path_length");
      if (*profile.path_length < 0 || *profile.path_length > 8) ca.Fail("path_length", "must be 0 to 8");
    }
    return ca.Finish();
  });
  profile.subject_is_issuer = mapping.Optional<bool>("self_signed", false);
  // Both at once: how profiles of 0.1 say it, which transcripts of ceremonies hold.
  const bool both = mapping.Optional<bool>("distribution_points", true);
  profile.crl_distribution_points = mapping.Optional<bool>("crl_distribution_points", both);
  profile.authority_info_access = mapping.Optional<bool>("authority_info_access", both);
  profile.from_issuing = !profile.ca;
  profile.from_certifying = profile.ca && !profile.subject_is_issuer;
  profile.authorities = mapping.Optional<std::vector<std::string>>("authorities", {});
  CheckConflicts(mapping, profile);
  return mapping.Finish();
}

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

StatusOr<Profile> ParseProfile(const std::string& name, const std::string& file, const std::string& text,
                               const std::string& realm) {
  Profile profile;
  profile.name = name;
  profile.text = text;
  profile.version = Hex(Sha256(AsBytes(text)));
  RETURN_IF_ERROR(yaml::ParseMapping(file, text, [&](yaml::Mapping& top) { return ReadProfile(top, realm, profile); }));
  return profile;
}

StatusOr<ProfileMap> LoadProfiles(const std::filesystem::path& directory, const std::string& realm) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  if (error || files.empty()) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                 fmt::format("no profiles (*.yaml) in {}{}", directory.string(), error ? ": " + error.message() : ""));
  }
  ProfileMap profiles;
  for (const std::filesystem::path& file : files) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file, size_t{1} << 20));
    const std::string name = file.stem().string();
    ASSIGN_OR_RETURN(Profile profile, ParseProfile(name, file.string(), text, realm));
    profiles[name] = std::make_shared<const Profile>(std::move(profile));
  }
  return profiles;
}

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
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, size_t{1} << 20));
  return ParseAccess(file.string(), text);
}

}  // namespace hallmark
