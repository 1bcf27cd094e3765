#include "ca/issuer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/reason.h"

namespace hallmark {
namespace {

Status Unfit(const AuthorityRecord& record, const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
               fmt::format("authority '{}': {}", record.authority, what));
}

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What the profiles ask of an issuer.
struct Candidate {
  const AuthorityRecord& record;
  const std::vector<std::string>& predecessors;
  int64_t path_length;
  KeyType key;
};

// Whether the profile names the authority, one that it succeeds, or the profile that it was made under, which its
// predecessors share; or the authority the profile.
bool IsNamed(const Candidate& issuer, const Profile& profile) {
  if (profile.authorities.empty() && profile.authority_profiles.empty()) return true;
  return Contains(profile.authorities, issuer.record.authority) ||
         Contains(profile.authority_profiles, issuer.record.profile) ||
         Contains(issuer.record.profiles, profile.name) ||
         std::any_of(issuer.predecessors.begin(), issuer.predecessors.end(),
                     [&](const std::string& name) { return Contains(profile.authorities, name); });
}

// An authority whose pathLenConstraint is 0 certifies no authorities, and a root's key is not for devices: each profile
// says which of the two it is for. A self-signed certificate has no issuer but itself.
bool MayIssue(const Candidate& issuer, const Profile& profile) {
  if (profile.subject_is_issuer) return false;
  if (issuer.path_length > 0 ? !profile.from_certifying : !profile.from_issuing) return false;
  const std::vector<KeyType>& keys = profile.issuer_keys;
  if (!keys.empty() && std::find(keys.begin(), keys.end(), issuer.key) == keys.end()) return false;
  return IsNamed(issuer, profile);
}

// Of its certificate, or the smaller one of the profile that it was made for: who certifies it elsewhere may leave the
// constraint out.
int64_t PathLength(const BasicConstraintsValue& constraints, const AuthorityRecord& record,
                   const ProfileMap& profiles) {
  const int64_t own = constraints.path_length.value_or(kNoPathLength);
  const auto profile = profiles.find(record.profile);
  if (profile == profiles.end()) return own;
  return std::min(own, profile->second->path_length.value_or(kNoPathLength));
}

StatusOr<SignatureAlgorithm> AlgorithmOf(const AuthorityRecord& record, KeyType key) {
  if (!record.signature_algorithm.empty()) return ParseSignatureAlgorithm(record.signature_algorithm);
  return DefaultAlgorithm(key);
}

}  // namespace

std::string CrlUrl(const std::string& base, const std::string& authority, const CrlScope& scope) {
  if (scope.delta) return fmt::format("{}/crl/{}/{}-delta.crl", base, authority, scope.shard);
  return scope.shard == 0 ? fmt::format("{}/crl/{}.crl", base, authority)
                          : fmt::format("{}/crl/{}/{}.crl", base, authority, scope.shard);
}
std::string OcspUrl(const std::string& base) { return base + "/ocsp"; }

std::string AiaUrl(const std::string& base, const std::string& authority) {
  return fmt::format("{}/aia/{}.cer", base, authority);
}

StatusOr<std::shared_ptr<const Issuer>> Issuer::Create(AuthorityRecord record, std::vector<Bytes> chain,
                                                       StatusOr<std::shared_ptr<const SigningKey>> key,
                                                       const std::string& base_url, const ProfileMap& profiles,
                                                       std::vector<std::string> predecessors) {
  std::shared_ptr<Issuer> issuer(new Issuer());  // the constructor is private
  const StatusOr<CertificateParts> parts = ReadCertificate(record.certificate);
  if (!parts.ok()) return Unfit(record, "its certificate cannot be read: " + Message(parts.status()));
  if (key.ok() && !Equal(parts->spki, (*key)->public_key().spki())) {
    key = Unfit(record, fmt::format("the key {} on the token is not the one in its certificate; it will not sign. "
                                    "Restore the right token, or correct the key's URI",
                                    fmt::join(record.key_uris, ", ")));
  }
  const Extension* constraints = FindExtension(parts->extensions, oid::kBasicConstraints);
  BasicConstraintsValue value;
  if (constraints != nullptr) {
    const StatusOr<BasicConstraintsValue> read = ReadBasicConstraints(constraints->value);
    if (read.ok()) value = *read;
  }
  const Extension* usage = FindExtension(parts->extensions, oid::kKeyUsage);
  const auto usages =
      usage == nullptr ? std::vector<KeyUsage>() : ReadKeyUsage(usage->value).value_or(std::vector<KeyUsage>());
  if (!value.ca || std::find(usages.begin(), usages.end(), KeyUsage::kKeyCertSign) == usages.end()) {
    return Unfit(record, "its certificate is no authority's (basicConstraints CA:TRUE and keyUsage keyCertSign)");
  }
  const Extension* identifier = FindExtension(parts->extensions, oid::kSubjectKeyIdentifier);
  const StatusOr<ByteView> octets =
      identifier == nullptr ? StatusOr<ByteView>(absl::NotFoundError("")) : ReadSubjectKeyIdentifier(identifier->value);
  if (!octets.ok()) return Unfit(record, "its certificate has no subjectKeyIdentifier");

  issuer->names_ = {ToBytes(parts->subject), ToBytes(*octets), CrlUrl(base_url, record.authority),
                    AiaUrl(base_url, record.authority), OcspUrl(base_url)};
  issuer->base_url_ = base_url;
  issuer->serial_ = ToBytes(parts->serial);
  issuer->not_before_ = parts->not_before;
  issuer->not_after_ = parts->not_after;
  issuer->path_length_ = PathLength(value, record, profiles);
  const StatusOr<PublicKey> public_key = PublicKey::FromSpki(parts->spki);
  if (!public_key.ok()) return Unfit(record, "the key in its certificate: " + Message(public_key.status()));
  ASSIGN_OR_RETURN(issuer->algorithm_, key.ok() ? StatusOr<SignatureAlgorithm>((*key)->signer().algorithm())
                                                : AlgorithmOf(record, public_key->type()));
  const Candidate candidate{record, predecessors, issuer->path_length_, public_key->type()};
  for (const auto& [name, profile] : profiles) {
    if (!MayIssue(candidate, *profile)) continue;
    issuer->templates_.emplace(name, CertificateTemplate(*profile, issuer->names_, issuer->algorithm_));
  }
  issuer->record_ = std::move(record);
  issuer->predecessors_ = std::move(predecessors);
  issuer->chain_ = std::move(chain);
  issuer->key_ = std::move(key);
  return std::shared_ptr<const Issuer>(std::move(issuer));
}

const CertificateTemplate* Issuer::FindTemplate(const std::string& profile) const {
  const auto found = templates_.find(profile);
  return found == templates_.end() ? nullptr : &found->second;
}

LintIssuer Issuer::lint() const {
  return {.certificate = record_.certificate,
          .subject = names_.name,
          .key_identifier = names_.key_identifier,
          .algorithm = AlgorithmIdentifier(algorithm_),
          .not_after = not_after_,
          .path_length = path_length_,
          .self = false};
}

}  // namespace hallmark
