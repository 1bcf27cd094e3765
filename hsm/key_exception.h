// The weaknesses of a private key that a configuration accepts: a wrapped or cloned copy, for one, was not generated on
// its token.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "hsm/key_uri.h"

namespace hallmark {

// One key, what is accepted of it, and why. A weakness is named after the attribute (PKCS#11 v2.40 4.9) that CheckSafe
// finds at fault: not_on_token, not_private, not_sensitive, not_always_sensitive, extractable, not_never_extractable,
// not_local, not_sign, decrypt, unwrap, derive.
struct KeyException {
  KeyUri uri;  // the token and id=, object= or both; covers each key that has all that it names
  std::vector<std::string> attributes;
  std::string reason;  // for people: the log and `authority show`

  // kInvalidArgument (CONFIGURATION_INVALID): the URI is malformed or names no key, a weakness is unknown or none is
  // named, or the reason is empty. That the key has the weakness is not asked.
  static StatusOr<KeyException> Create(const std::string& uri, std::vector<std::string> attributes, std::string reason);
};

// A weakness that a key has and that an exception accepts.
struct AcceptedWeakness {
  std::string attribute;
  std::string reason;

  friend bool operator==(const AcceptedWeakness&, const AcceptedWeakness&) = default;
};

}  // namespace hallmark
