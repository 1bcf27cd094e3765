#include "hsm/memory_signer.h"

#include "base/openssl.h"
#include "base/reason.h"

namespace hallmark {
namespace {

const EVP_MD* DigestOf(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaSha384:
    case SignatureAlgorithm::kRsaPkcs1Sha384:
    case SignatureAlgorithm::kRsaPssSha384: return EVP_sha384();
    default: return EVP_sha256();
  }
}

bool SetPadding(SignatureAlgorithm algorithm, EVP_PKEY_CTX* context) {
  if (algorithm != SignatureAlgorithm::kRsaPssSha256 && algorithm != SignatureAlgorithm::kRsaPssSha384) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

Status Failed(const char* what) {
  return Error(Code::kInternal, reason::kInternal,
               std::string("OpenSSL could not ") + what + ": " + ssl::DrainErrors());
}

class MemorySigner : public Signer {
 public:
  MemorySigner(ssl::EvpKey key, Bytes public_key, SignatureAlgorithm algorithm)
      : key_(std::move(key)), public_key_(std::move(public_key)), algorithm_(algorithm) {}

  ByteView public_key() const override { return public_key_; }
  SignatureAlgorithm algorithm() const override { return algorithm_; }

  StatusOr<Bytes> Sign(ByteView tbs, Time) const override {
    const ssl::EvpDigestContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;  // owned by context
    size_t size = 0;
    if (context == nullptr ||
        EVP_DigestSignInit(context.get(), &parameters, DigestOf(algorithm_), nullptr, key_.get()) != 1 ||
        !SetPadding(algorithm_, parameters) ||
        EVP_DigestSign(context.get(), nullptr, &size, tbs.data(), tbs.size()) != 1) {
      return Failed("sign with a key in memory");
    }
    Bytes signature(size);
    if (EVP_DigestSign(context.get(), signature.data(), &size, tbs.data(), tbs.size()) != 1) {
      return Failed("sign with a key in memory");
    }
    signature.resize(size);
    return signature;
  }

 private:
  const ssl::EvpKey key_;
  const Bytes public_key_;
  const SignatureAlgorithm algorithm_;
};

StatusOr<std::unique_ptr<Signer>> MakeSigner(ssl::EvpKey key, SignatureAlgorithm algorithm) {
  ASSIGN_OR_RETURN(Bytes public_key, ssl::ToDer(i2d_PUBKEY, key.get()));
  return std::make_unique<MemorySigner>(std::move(key), std::move(public_key), algorithm);
}

ssl::EvpKey Generate(KeyType type) {
  switch (type) {
    case KeyType::kEcP256: return ssl::EvpKey(EVP_EC_gen("P-256"));
    case KeyType::kEcP384: return ssl::EvpKey(EVP_EC_gen("P-384"));
    case KeyType::kRsa2048: return ssl::EvpKey(EVP_RSA_gen(2048));
    case KeyType::kRsa3072: return ssl::EvpKey(EVP_RSA_gen(3072));
    case KeyType::kRsa4096: return ssl::EvpKey(EVP_RSA_gen(4096));
  }
  return nullptr;
}

}  // namespace

StatusOr<std::unique_ptr<Signer>> GenerateMemorySigner(KeyType type, SignatureAlgorithm algorithm) {
  ssl::EvpKey key = Generate(type);
  if (key == nullptr) return Failed("generate a key in memory");
  return MakeSigner(std::move(key), algorithm);
}

StatusOr<std::unique_ptr<Signer>> ReadMemorySigner(const Secret& pem, SignatureAlgorithm algorithm) {
  const std::string_view text = pem.Reveal();
  const ssl::Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  // Without a callback OpenSSL would ask the terminal for a passphrase.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  ssl::EvpKey key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key != nullptr) return MakeSigner(std::move(key), algorithm);
  return Error(Code::kInvalidArgument, reason::kRequestInvalid,
               "this is no unencrypted private key in PEM: " + ssl::DrainErrors());
}

}  // namespace hallmark
