// A Signer over a key of OpenSSL, for tests that are about what is signed rather than about an HSM.
#pragma once

#include <stdexcept>

#include "base/openssl.h"
#include "hsm/signer.h"

namespace hallmark::testing {

class SoftwareSigner : public Signer {
 public:
  // Makes a fresh key that fits: P-256 or P-384 after the digest of ECDSA, RSA 2048 otherwise.
  explicit SoftwareSigner(SignatureAlgorithm algorithm) : SoftwareSigner(algorithm, Generate(algorithm)) {}

  SoftwareSigner(SignatureAlgorithm algorithm, ssl::EvpKey key)
      : algorithm_(algorithm), key_(std::move(key)), public_key_(ssl::ToDer(i2d_PUBKEY, key_.get()).value()) {}

  ByteView public_key() const override { return public_key_; }
  SignatureAlgorithm algorithm() const override { return algorithm_; }
  EVP_PKEY* key() const { return key_.get(); }

  StatusOr<Bytes> Sign(ByteView tbs, Time) const override {
    const ssl::EvpDigestContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;  // owned by context
    size_t size = 0;
    if (EVP_DigestSignInit(context.get(), &parameters, DigestOf(algorithm_), nullptr, key_.get()) != 1 ||
        !SetPadding(algorithm_, parameters) ||
        EVP_DigestSign(context.get(), nullptr, &size, tbs.data(), tbs.size()) != 1) {
      return absl::InternalError("the software signer failed: " + ssl::DrainErrors());
    }
    Bytes signature(size);
    if (EVP_DigestSign(context.get(), signature.data(), &size, tbs.data(), tbs.size()) != 1) {
      return absl::InternalError("the software signer failed: " + ssl::DrainErrors());
    }
    signature.resize(size);
    return signature;
  }

  static bool IsEcdsa(SignatureAlgorithm algorithm) {
    return algorithm == SignatureAlgorithm::kEcdsaSha256 || algorithm == SignatureAlgorithm::kEcdsaSha384;
  }
  static bool IsPss(SignatureAlgorithm algorithm) {
    return algorithm == SignatureAlgorithm::kRsaPssSha256 || algorithm == SignatureAlgorithm::kRsaPssSha384;
  }
  static const EVP_MD* DigestOf(SignatureAlgorithm algorithm) {
    const bool sha384 = algorithm == SignatureAlgorithm::kEcdsaSha384 ||
                        algorithm == SignatureAlgorithm::kRsaPkcs1Sha384 ||
                        algorithm == SignatureAlgorithm::kRsaPssSha384;
    return sha384 ? EVP_sha384() : EVP_sha256();
  }
  // The padding of `algorithm`, in a context for signing or for verifying.
  static bool SetPadding(SignatureAlgorithm algorithm, EVP_PKEY_CTX* context) {
    if (!IsPss(algorithm)) return true;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
  }

 private:
  static ssl::EvpKey Generate(SignatureAlgorithm algorithm) {
    constexpr size_t kRsaBits = 2048;
    const bool is_p384 = algorithm == SignatureAlgorithm::kEcdsaSha384;
    ssl::EvpKey key(IsEcdsa(algorithm) ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", is_p384 ? "P-384" : "P-256")
                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", kRsaBits));
    if (key == nullptr) throw std::runtime_error("cannot generate a key: " + ssl::DrainErrors());
    return key;
  }

  const SignatureAlgorithm algorithm_;
  const ssl::EvpKey key_;
  const Bytes public_key_;
};

// Whether OpenSSL accepts `signature` over `tbs` under the SubjectPublicKeyInfo of a Signer.
inline bool Verifies(const Signer& signer, ByteView tbs, ByteView signature) {
  const uint8_t* in = signer.public_key().data();
  const ssl::EvpKey key(d2i_PUBKEY(nullptr, &in, static_cast<long>(signer.public_key().size())));
  const ssl::EvpDigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;  // owned by context
  return key != nullptr &&
         EVP_DigestVerifyInit(context.get(), &parameters, SoftwareSigner::DigestOf(signer.algorithm()), nullptr,
                              key.get()) == 1 &&
         SoftwareSigner::SetPadding(signer.algorithm(), parameters) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), tbs.data(), tbs.size()) == 1;
}

}  // namespace hallmark::testing
