// A Signer whose private key is on a token: hashes here, and sends the digest to the HSM.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/key_type.h"
#include "base/status.h"
#include "hsm/key_exception.h"
#include "hsm/key_uri.h"
#include "hsm/signer.h"
#include "hsm/token.h"

namespace hallmark {

struct SignerOptions {
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEcdsaSha256;

  // The SubjectPublicKeyInfo, as DER, of the certificate that the key belongs to; empty for a key that has none yet.
  Bytes expected_public_key = {};

  // What the configuration accepts; those for other keys do no harm.
  std::vector<KeyException> exceptions = {};
};

// Keeps the token. Before it signs for the first time, again whenever the token's handles may have become stale, and
// each time while the last look was a bad one, it finds the key, checks that it is safe but for the exceptions
// (CheckSafe) and compares its public key, in the session that then signs: with another key under the same label and id
// nothing is signed, not even once. After a loss of session, login or handle it heals itself once in a call.
//
// The public key of an EC key is what the token's public key object says, since a token tells nothing more: one that
// was left beside another private key is noticed by whoever verifies the signature. That of an RSA key is the private
// key's.
class Pkcs11Signer : public Signer {
 public:
  Pkcs11Signer(std::shared_ptr<Token> token, KeyUri uri, KeyType type, SignerOptions options);  // for OpenSigner

  ByteView public_key() const override { return options_.expected_public_key; }
  SignatureAlgorithm algorithm() const override { return options_.algorithm; }

  // kFailedPrecondition besides what Signer says: HSM_KEY_NOT_FOUND, HSM_KEY_UNSAFE, HSM_KEY_MISMATCH (the token has
  // another key; the message has the SHA-256 of both), HSM_REFUSED, HSM_SIGNATURE_INVALID. Otherwise as Token::Run.
  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override;

  // Finds, checks and compares the key now, whatever was known of it: for a regular watch of its attributes. Errors as
  // Sign. When the HSM is away or busy, what was known stays.
  Status Examine(Time deadline = absl::InfiniteFuture()) const;

  const KeyUri& uri() const { return uri_; }  // as given

  // What is wrong with the key and accepted, as found when it was last checked; empty before.
  std::vector<AcceptedWeakness> accepted() const;

 private:
  // What a check found.
  struct Finding {
    uint64_t number = 0;      // of the check, in the order in which they began
    uint64_t generation = 0;  // of the token, in which `key` is its handle
    unsigned long key = 0;
    Status verdict;
    std::vector<AcceptedWeakness> accepted;
  };

  StatusOr<ReturnValue> CurrentKey(SessionHandle session, unsigned long& key) const;
  StatusOr<ReturnValue> Check(SessionHandle session, unsigned long& key) const;
  StatusOr<ReturnValue> Inspect(SessionHandle session, Finding& finding) const;

  const std::shared_ptr<Token> token_;
  const KeyUri uri_;
  const KeyType type_;
  const SignerOptions options_;
  const std::string attempted_;  // completes "cannot ..."
  mutable std::mutex mutex_;
  mutable uint64_t checks_ = 0;  // begun
  mutable Finding finding_;      // of the last check that began and told something of the key
};

// Opens the private key that `uri` names. With an expected public key it touches no HSM, so that a token that is away
// does no harm yet; without one it reads the public key now, and the key must be safe.
// kInvalidArgument (CONFIGURATION_INVALID): `uri` names no key of `token`. kFailedPrecondition: HSM_REFUSED when key
// and algorithm do not fit, KEY_UNSUPPORTED when the expected key is none of KeyType. Otherwise as Examine.
StatusOr<std::unique_ptr<Pkcs11Signer>> OpenSigner(std::shared_ptr<Token> token, const KeyUri& uri,
                                                   SignerOptions options);

}  // namespace hallmark
