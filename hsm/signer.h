// What the rest of the house sees of an HSM: something that signs with one private key that it never reveals.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/key_type.h"
#include "base/status.h"

namespace hallmark {

// The signature algorithms of Hallmark, each with its digest (RFC 5758 3.2, RFC 4055 5, RFC 4055 3.1).
enum class SignatureAlgorithm {
  kEcdsaSha256,
  kEcdsaSha384,
  kRsaPkcs1Sha256,
  kRsaPkcs1Sha384,
  kRsaPssSha256,  // MGF1 with the same digest, salt as long as the digest
  kRsaPssSha384,
};

// What a configuration, a record and a person call it: ecdsa-sha256, ecdsa-sha384, rsa-pkcs1-sha256, rsa-pkcs1-sha384,
// rsa-pss-sha256, rsa-pss-sha384.
const char* Name(SignatureAlgorithm algorithm);

// The algorithm of a Name. kInvalidArgument (CONFIGURATION_INVALID), with the names there are, for any other text.
StatusOr<SignatureAlgorithm> ParseSignatureAlgorithm(const std::string& name);

// Whether keys of `type` sign with `algorithm`: EC keys with ECDSA and either digest, RSA keys with all others.
bool Fits(SignatureAlgorithm algorithm, KeyType type);

// What a key signs with when nobody chose: ECDSA with the digest of its curve's size, RSA PKCS #1 v1.5 with SHA-256.
SignatureAlgorithm DefaultAlgorithm(KeyType type);

// A Signer makes signatures with one private key. Thread-safe: as many threads may sign as the key's owner has
// sessions; further ones wait.
class Signer {
 public:
  virtual ~Signer() = default;

  // The SubjectPublicKeyInfo (RFC 5280 4.1.2.7) that verifies the signatures, as DER. Constant for the Signer's life.
  virtual ByteView public_key() const = 0;

  virtual SignatureAlgorithm algorithm() const = 0;

  // Returns the value of an X.509 signatureValue over `tbs`: for ECDSA a DER Ecdsa-Sig-Value (RFC 3279 2.2.3), for
  // RSA the octets of RFC 8017. Blocks until the HSM answers or `deadline` passes. The caller verifies it.
  // kUnavailable (with a retry delay): the HSM is away or busy. kDeadlineExceeded: no session became free in time.
  // kFailedPrecondition: the key is missing, unsafe or may not sign; an operator has to act.
  virtual StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const = 0;
};

}  // namespace hallmark
