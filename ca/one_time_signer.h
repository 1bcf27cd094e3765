// A key for one purpose, which dies with it: of a report's signature, or of a certificate that only its issuer's
// signature matters of.
#pragma once

#include <memory>

#include "base/openssl.h"
#include "hsm/signer.h"
#include "policies/profile.h"

namespace hallmark {

// ECDSA with P-256 and SHA-256. Thread-safe.
class OneTimeSigner : public Signer {
 public:
  static StatusOr<std::shared_ptr<OneTimeSigner>> Generate();  // kInternal
  OneTimeSigner(ssl::EvpKey key, Bytes spki) : key_(std::move(key)), spki_(std::move(spki)) {}

  EVP_PKEY* key() const { return key_.get(); }
  ByteView public_key() const override { return spki_; }
  SignatureAlgorithm algorithm() const override { return SignatureAlgorithm::kEcdsaSha256; }
  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override;

 private:
  ssl::EvpKey key_;
  Bytes spki_;
};

// The request (PKCS#10, DER) for a certificate of that key and subject.
StatusOr<Bytes> MakeCsr(const std::shared_ptr<OneTimeSigner>& signer, const Subject& subject, Time deadline);

}  // namespace hallmark
