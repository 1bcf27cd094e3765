// KeyUri names a token, or a key on it, by a PKCS#11 URI (RFC 7512).
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark {

// A value; an empty field is an attribute that was not given. Never holds a PIN.
struct KeyUri {
  // The token (2.3). `token` is its label, never empty; the four are at most 32, 32, 16 and 16 octets.
  std::string token;
  std::string manufacturer;
  std::string model;
  std::string serial;

  // The object on it.
  std::string object;  // CKA_LABEL
  Bytes id;            // CKA_ID
  std::string type;    // CKA_CLASS: "private", "public", ... as the RFC spells them

  // Where the module and the PIN come from (2.4), as given.
  std::string module_name;
  std::string module_path;
  std::string pin_source;

  // Reads a URI. Strict: kInvalidArgument (CONFIGURATION_INVALID) for pin-value, since a PIN in a URI reaches logs, for
  // an attribute that is unknown, given twice or not one of the above (a slot number changes under us), and for a URI
  // without a token. No message holds a PIN.
  static StatusOr<KeyUri> Parse(const std::string& uri);

  std::string ToString() const;

  friend bool operator==(const KeyUri&, const KeyUri&) = default;
};

// Whether both can mean the same token: what they both say of it is equal.
bool MeanTheSameToken(const KeyUri& a, const KeyUri& b);

}  // namespace hallmark
