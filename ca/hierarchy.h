// Certifying authorities of our own: a root that certifies itself, and authorities below it, through the same plan,
// draft, lint, intend, seal and record as every certificate.
#pragma once

#include <optional>
#include <string>

#include "ca/issuer.h"
#include "store/store.h"

namespace hallmark {

struct Founding {
  std::string authority;  // its name, [a-z][a-z0-9-]{0,62}
  std::string profile;    // root, issuing-authority...
  Subject subject;
  std::string key_uri;                              // of the key that `key` signs with
  std::string caller;                               // who founds it, for the record
  std::optional<Duration> lifetime = std::nullopt;  // absent: the profile's
};

// kInvalidArgument (REQUEST_INVALID) for a name that no authority may have.
Status CheckAuthorityName(const std::string& authority);

// The verdict of policy on an authority with a key of `type`, before there is one. `parent`: who certifies it; nullptr
// for a root, which the profile must be for. kInvalidArgument: policy refuses. kFailedPrecondition (PROFILE_UNKNOWN):
// the parent does not certify under the profile.
StatusOr<Plan> PlanAuthority(Time now, const ProfileMap& profiles, const Founding& founding, KeyType type,
                             const Issuer* parent);

// Certifies an authority's key and records the certificate under who signed it. Repeated with the same name, key and
// caller it returns the first certificate. Errors as PlanAuthority, and of the steps from lint to record.
StatusOr<CertificateRecord> CertifyAuthority(Store& store, const Clock& clock, const ProfileMap& profiles,
                                             const Founding& founding, const SigningKey& key, const Issuer* parent,
                                             Time deadline);

// Makes an authority and records it as ENABLED: CheckAuthorityName, CertifyAuthority, AddAuthority. kAlreadyExists
// (AUTHORITY_EXISTS): the name is taken.
StatusOr<AuthorityRecord> FoundAuthority(Store& store, const Clock& clock, const ProfileMap& profiles,
                                         const Founding& founding, const SigningKey& key, const Issuer* parent,
                                         Time deadline);

}  // namespace hallmark
