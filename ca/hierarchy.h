// Founding authorities: a root that certifies itself and issuing authorities below it, through the same plan, draft,
// lint, intent, seal and record as every certificate.
#pragma once

#include <memory>
#include <string>

#include "ca/issuer.h"
#include "store/store.h"

namespace hallmark {

struct Founding {
  std::string authority;  // its name, [a-z][a-z0-9-]{0,62}
  std::string profile;    // root, issuing-authority...
  Subject subject;
  std::string key_uri;  // of the key that `key` signs with
  std::string caller;   // who founds it, for the record
};

// Makes an authority and records it. `parent`: who certifies it; nullptr for a root, which the profile must be for.
// kAlreadyExists (AUTHORITY_EXISTS): the name is taken. kInvalidArgument: the name is malformed, or policy refuses.
StatusOr<AuthorityRecord> FoundAuthority(Store& store, const Clock& clock, const ProfileMap& profiles,
                                         const Founding& founding, const SigningKey& key, const Issuer* parent,
                                         Time deadline);

// Everything the store knows as issuers. `open_key` opens the key of a record on its token.
StatusOr<IssuerMap> LoadIssuers(
    Store& store, const ProfileMap& profiles, const std::string& base_url,
    const std::function<StatusOr<std::shared_ptr<const SigningKey>>(const AuthorityRecord&)>& open_key);

}  // namespace hallmark
