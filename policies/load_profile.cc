#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"
#include "policies/forms.h"
#include "policies/load.h"
#include "policies/load_parts.h"

namespace hallmark {
namespace {

constexpr char kForeverText[] = "forever";
constexpr Duration kMaxBackdate = absl::Hours(24 * 365);
constexpr Duration kMaxFinite = absl::Hours(24 * 365 * 1000);  // beyond it, somebody means forever

Duration ReadLifetime(yaml::Mapping& validity, const std::string& field) {
  if (validity.Required<std::string>(field) == kForeverText) return kForever;
  const auto lifetime = validity.Required<Duration>(field);
  if (lifetime < absl::Seconds(1)) validity.Fail(field, "must be at least 1s");
  if (lifetime > kMaxFinite) validity.Fail(field, "is more than 1000 years; for what never expires write forever");
  return lifetime;
}

Status ReadValidity(yaml::Mapping& validity, Profile& profile) {
  profile.lifetime = ReadLifetime(validity, "lifetime");
  profile.max_lifetime = validity.Has("max_lifetime") ? ReadLifetime(validity, "max_lifetime") : profile.lifetime;
  profile.backdate = validity.Optional<Duration>("backdate", absl::ZeroDuration());
  if (profile.max_lifetime < profile.lifetime) validity.Fail("max_lifetime", "is shorter than lifetime");
  if (profile.backdate > kMaxBackdate) validity.Fail("backdate", "must be at most 1y");
  return validity.Finish();
}

Status ReadPolicy(yaml::Mapping& mapping, std::vector<CertificatePolicy>& policies) {
  CertificatePolicy policy;
  policy.oid = mapping.Required<std::string>("oid");
  policy.cps = mapping.Optional<std::string>("cps", "");
  if (!IsObjectIdentifier(policy.oid)) mapping.Fail("oid", fmt::format("'{}' is not a dotted OID", policy.oid));
  if (std::any_of(policies.begin(), policies.end(), [&](const auto& other) { return other.oid == policy.oid; })) {
    mapping.Fail("oid", fmt::format("{} stands twice (RFC 5280 4.2.1.4)", policy.oid));
  }
  if (mapping.Has("cps") && !IsUri(policy.cps)) mapping.Fail("cps", "is not an absolute URI in ASCII");
  policies.push_back(std::move(policy));
  return mapping.Finish();
}

void ReadIdentifiersAndPointers(yaml::Mapping& mapping, Profile& profile) {
  const std::string method = mapping.Optional<std::string>("subject_key_identifier", "rfc7093");
  if (method != "rfc7093" && method != "sha1") mapping.Fail("subject_key_identifier", "must be rfc7093 or sha1");
  profile.subject_key_identifier =
      method == "sha1" ? Profile::KeyIdentifierMethod::kSha1 : Profile::KeyIdentifierMethod::kRfc7093;
  // Both at once: how profiles of 0.1 say it, which transcripts of ceremonies hold.
  const bool both = mapping.Optional<bool>("distribution_points", true);
  profile.crl_distribution_points = mapping.Optional<bool>("crl_distribution_points", both);
  profile.authority_info_access = mapping.Optional<bool>("authority_info_access", both);
  profile.ocsp = mapping.Optional<bool>("ocsp", false);
}

// What contradicts itself, though each field alone is well-formed.
void CheckConflicts(yaml::Mapping& mapping, const Profile& profile) {
  const auto signs_certificates = [](const std::vector<KeyUsage>& usages) {
    return std::find(usages.begin(), usages.end(), KeyUsage::kKeyCertSign) != usages.end();
  };
  if (profile.ca != signs_certificates(profile.key_usage) ||
      (!profile.ec_key_usage.empty() && profile.ca != signs_certificates(profile.ec_key_usage))) {
    mapping.Fail("key_usage", "keyCertSign and ca go together (RFC 5280 4.2.1.3)");
  }
  if (mapping.Has("name_constraints")) mapping.Fail("name_constraints", "belongs into ca: only a CA constrains names");
  if (mapping.Has("path_length")) mapping.Fail("path_length", "belongs into ca: only a CA has one");
}

Status ReadProfile(yaml::Mapping& mapping, const std::string& realm, Profile& profile) {
  profile.description = mapping.Required<std::string>("description");
  if (!mapping.Has("keys")) mapping.Fail("keys", "is required: at least one key type");
  profile.keys = ReadList<KeyType>(mapping, "keys", ParseKeyType);
  ReadNameRules(mapping, realm, profile);
  if (!mapping.Has("validity")) mapping.Fail("validity", "is required");
  mapping.Nested("validity", [&](yaml::Mapping& validity) { return ReadValidity(validity, profile); });
  mapping.Nested("ca", [&](yaml::Mapping& ca) { return ReadCa(ca, profile); });
  ReadUsages(mapping, profile);
  mapping.Each("certificate_policies",
               [&](yaml::Mapping& policy) { return ReadPolicy(policy, profile.certificate_policies); });
  if (mapping.Has("certificate_policies")) {
    CheckCount(mapping, "certificate_policies", profile.certificate_policies.size());
  }
  ReadExtensionRules(mapping, realm, profile);
  const std::string requested = mapping.Optional<std::string>("csr_extensions", "error");
  if (requested != "error" && requested != "ignore") mapping.Fail("csr_extensions", "must be error or ignore");
  profile.ignore_requested_extensions = requested == "ignore";
  const std::string admission = mapping.Optional<std::string>("admission", "none");
  if (admission != "none" && admission != "lot") mapping.Fail("admission", "must be none or lot");
  profile.admission = admission == "lot" ? Profile::Admission::kLot : Profile::Admission::kNone;
  ReadIdentifiersAndPointers(mapping, profile);
  ReadIssuers(mapping, profile);
  profile.standards = ReadList<Standard>(mapping, "standards", ParseStandard);
  CheckConflicts(mapping, profile);
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
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kProfileLimit));
    const std::string name = file.stem().string();
    ASSIGN_OR_RETURN(Profile profile, ParseProfile(name, file.string(), text, realm));
    profiles[name] = std::make_shared<const Profile>(std::move(profile));
  }
  return profiles;
}

}  // namespace hallmark
