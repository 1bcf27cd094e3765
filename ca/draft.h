// A signed object of X.509 that lacks only its signature, and the one place of the house where a signature joins one.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/public_key.h"
#include "hsm/signer.h"

namespace hallmark {

// SIGNED{ToBeSigned} (RFC 5280 4.1, 5.1; RFC 2986 4; RFC 6960 4.2.1) of a Certificate, CertificateList,
// CertificationRequest or BasicOCSPResponse. Its octets are what was linted and recorded, and what will be signed.
// Move-only: Seal consumes it.
class Draft {
 public:
  // `tbs` is the complete to-be-signed element, `algorithm` will sign it. `after_signature`: the elements that follow
  // the signature, which it does not cover; only a BasicOCSPResponse has one, its certs.
  Draft(Bytes tbs, SignatureAlgorithm algorithm, Bytes after_signature = {})
      : tbs_(std::move(tbs)), algorithm_(algorithm), after_signature_(std::move(after_signature)) {}
  Draft(Draft&&) = default;
  Draft& operator=(Draft&&) = default;

  // Reads back what Unsigned() gave, of a draft that has nothing after its signature. kInternal: it is no such thing
  // (the store was tampered with).
  static StatusOr<Draft> FromUnsigned(ByteView der, SignatureAlgorithm algorithm);

  ByteView tbs() const { return tbs_; }
  SignatureAlgorithm algorithm() const { return algorithm_; }
  ByteView after_signature() const { return after_signature_; }

  // The whole object with an empty signatureValue: parses like the real thing and verifies nowhere.
  Bytes Unsigned() const;

 private:
  Bytes tbs_;
  SignatureAlgorithm algorithm_;
  Bytes after_signature_;
};

// A Signer, perhaps shared, together with its public key, read once. Thread-safe.
class SigningKey {
 public:
  // Fails when the Signer's public key is none that Hallmark signs with, or does not fit its algorithm.
  static StatusOr<std::shared_ptr<const SigningKey>> Create(std::shared_ptr<const Signer> signer);
  SigningKey(std::shared_ptr<const Signer> signer, PublicKey public_key);  // for Create

  const Signer& signer() const { return *signer_; }
  const PublicKey& public_key() const { return public_key_; }

 private:
  std::shared_ptr<const Signer> signer_;
  PublicKey public_key_;
};

// Signs the draft's octets, verifies the signature under `key`'s public key, and joins the two. Returns the object's
// DER. Errors of Signer::Sign; kInternal (HSM_SIGNATURE_INVALID) when the HSM's signature does not verify: nothing was
// released, and the key must be looked at before it is used again.
StatusOr<Bytes> Seal(Draft draft, const SigningKey& key, Time deadline);

}  // namespace hallmark
