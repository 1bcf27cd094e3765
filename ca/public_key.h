// A public key as certificates carry it, read strictly and checked to be well-formed (whether it is also a good one
// says ca/key_quality.h); and the signature algorithms that may be verified with it.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/key_type.h"
#include "hsm/signer.h"

namespace hallmark {

// One signature algorithm as an AlgorithmIdentifier names it. SHA-1 and older have none.
struct SignatureScheme {
  enum class Kind { kEcdsa, kRsaPkcs1, kRsaPss };
  Kind kind;
  int digest_bits;  // SHA-2: 256, 384 or 512
};
SignatureScheme SchemeOf(SignatureAlgorithm algorithm);

// The complete AlgorithmIdentifier, DER (RFC 5758 3.2, RFC 4055). The view lives for ever.
ByteView AlgorithmIdentifier(SignatureAlgorithm algorithm);

// The scheme that a complete AlgorithmIdentifier names, by its exact octets: parameters must be as the standard has
// them. nullopt: not one that Hallmark accepts.
std::optional<SignatureScheme> FindScheme(ByteView algorithm_identifier);

// Thread-safe; cheap to move, not to copy.
class PublicKey {
 public:
  // Reads a SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 5480, RFC 3279 2.3.1). kInvalidArgument: KEY_UNSUPPORTED for
  // an algorithm, curve, parameters or point form that nobody may use, KEY_WEAK for a size, an exponent (FIPS 186-5
  // A.1.1), an even modulus, or a point that is not on the curve.
  static StatusOr<PublicKey> FromSpki(ByteView der);

  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();

  KeyType type() const;
  ByteView spki() const;
  // The octets of subjectPublicKey, of which the key identifiers are made (RFC 5280 4.2.1.2).
  ByteView key_octets() const;
  // The modulus of an RSA key, big-endian without leading zero; empty for an EC key.
  ByteView modulus() const;

  // True when `signature` is the key's over `message`; false also when the scheme does not fit the key.
  bool Verify(SignatureScheme scheme, ByteView message, ByteView signature) const;

 private:
  struct Parts;
  explicit PublicKey(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hallmark
