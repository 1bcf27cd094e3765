// The key pairs on a token: made so that the private key never leaves it, listed, checked and destroyed.
//
// Every function logs in when needed and waits for a session of the token. Errors, besides those of Token::Run:
// kFailedPrecondition (HSM_KEY_NOT_FOUND) when a URI matches no private key or several, kInvalidArgument
// (CONFIGURATION_INVALID) when it names no key, or a key of another token.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/key_type.h"
#include "base/status.h"
#include "hsm/key_exception.h"
#include "hsm/key_uri.h"
#include "hsm/token.h"

namespace hallmark {

std::string KeyTypeName(KeyType type);  // "EC P-256", "RSA 2048", ...

// What a token says of a private key (PKCS#11 v2.40 4.9). An attribute that it does not have counts as the worse value.
struct KeyAttributes {
  KeyUri uri;                   // token (with serial= if the Token's has it), object, id and type
  std::optional<KeyType> type;  // absent: none of the above
  bool on_token = false;        // CKA_TOKEN
  bool is_private = false;      // CKA_PRIVATE: seen only after a login
  bool sensitive = false;
  bool always_sensitive = false;
  bool extractable = true;
  bool never_extractable = false;
  bool local = false;  // generated on the token
  bool sign = false;
  bool decrypt = false;
  bool unwrap = false;
  bool derive = false;
};

// kFailedPrecondition (HSM_KEY_UNSAFE), with the attributes at fault, unless the key was generated on the token, could
// never leave it and does nothing but sign; but for what `exceptions` accept of this key.
Status CheckSafe(const KeyAttributes& key, const std::vector<KeyException>& exceptions = {});

// What CheckSafe passed over, in the order of the attributes above.
std::vector<AcceptedWeakness> AcceptedWeaknesses(const KeyAttributes& key, const std::vector<KeyException>& exceptions);

// Generates a key pair with a fresh random CKA_ID, reads its attributes back, and destroys it again if they are not
// safe. Returns its URI: token, object, id and type=private. kAlreadyExists (HSM_REFUSED): the label is taken.
StatusOr<KeyUri> GenerateKey(Token& token, KeyType type, const std::string& label);

// Destroys the private key and the public key with the same CKA_ID, for ever.
Status DestroyKey(Token& token, const KeyUri& uri);

StatusOr<KeyAttributes> ReadKeyAttributes(Token& token, const KeyUri& uri);

// All private keys on the token, in no order.
StatusOr<std::vector<KeyAttributes>> ListKeys(Token& token);

// The SubjectPublicKeyInfo (RFC 5280 4.1.2.7) of a private key, as DER. An RSA private key tells its modulus and mostly
// its exponent; whatever it does not tell comes from the public key object with its CKA_ID, so an EC key needs one.
// kFailedPrecondition: HSM_KEY_NOT_FOUND when there is no such object or several, HSM_KEY_UNSAFE when the key's type is
// none of KeyType or its value is not a key.
StatusOr<Bytes> ReadPublicKey(Token& token, const KeyUri& uri);

// The type of a SubjectPublicKeyInfo. kFailedPrecondition (KEY_UNSUPPORTED): it is no key, or of another type.
StatusOr<KeyType> PublicKeyType(ByteView spki);

}  // namespace hallmark
