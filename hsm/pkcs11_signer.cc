#include "hsm/pkcs11_signer.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <atomic>
#include <mutex>

#include "base/openssl.h"
#include "base/reason.h"
#include "hsm/private_key.h"

namespace hallmark {
namespace {

// The DER of DigestInfo up to the digest (RFC 8017 9.2, note 1).
constexpr uint8_t kSha256Info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
constexpr uint8_t kSha384Info[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};
constexpr size_t kMaxInput = sizeof kSha384Info + SHA384_DIGEST_LENGTH;

// How a SignatureAlgorithm is spelt in PKCS#11.
struct Mechanism {
  SignatureAlgorithm algorithm;
  const char* name;
  CK_MECHANISM_TYPE type;
  bool sha384;
  ByteView prefix;  // of the digest
};
constexpr Mechanism kMechanisms[] = {
    {SignatureAlgorithm::kEcdsaSha256, "ECDSA with SHA-256", CKM_ECDSA, false, {}},
    {SignatureAlgorithm::kEcdsaSha384, "ECDSA with SHA-384", CKM_ECDSA, true, {}},
    {SignatureAlgorithm::kRsaPkcs1Sha256, "RSA PKCS #1 v1.5 with SHA-256", CKM_RSA_PKCS, false, kSha256Info},
    {SignatureAlgorithm::kRsaPkcs1Sha384, "RSA PKCS #1 v1.5 with SHA-384", CKM_RSA_PKCS, true, kSha384Info},
    {SignatureAlgorithm::kRsaPssSha256, "RSASSA-PSS with SHA-256", CKM_RSA_PKCS_PSS, false, {}},
    {SignatureAlgorithm::kRsaPssSha384, "RSASSA-PSS with SHA-384", CKM_RSA_PKCS_PSS, true, {}},
};

size_t SignatureSize(KeyType type) {
  switch (type) {
    case KeyType::kEcP256: return 64;
    case KeyType::kEcP384: return 96;
    case KeyType::kRsa2048: return 256;
    case KeyType::kRsa3072: return 384;
    case KeyType::kRsa4096: return 512;
  }
  return 0;
}

bool IsEc(KeyType type) { return type == KeyType::kEcP256 || type == KeyType::kEcP384; }

// r and s side by side (PKCS#11 v2.40 2.3.1) as Ecdsa-Sig-Value.
StatusOr<Bytes> EcdsaSigValue(ByteView raw) {
  const int half = static_cast<int>(raw.size() / 2);
  ssl::Bignum r(BN_bin2bn(raw.data(), half, nullptr));
  ssl::Bignum s(BN_bin2bn(raw.data() + half, half, nullptr));
  const ssl::EcdsaSignature signature(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || signature == nullptr) {
    return Error(Code::kInternal, reason::kInternal, "cannot encode an ECDSA signature: OpenSSL has no memory");
  }
  if (ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return Error(Code::kInternal, reason::kInternal, "cannot encode an ECDSA signature: OpenSSL refused r and s");
  }
  static_cast<void>(r.release());  // set0 took both
  static_cast<void>(s.release());
  return ssl::ToDer(i2d_ECDSA_SIG, signature.get());
}

// What goes to the HSM: the digest, cut to the curve's order or wrapped as the mechanism wants it.
class Input {
 public:
  Input(const Mechanism& mechanism, KeyType type, ByteView tbs) {
    std::copy(mechanism.prefix.begin(), mechanism.prefix.end(), octets_.begin());
    uint8_t* digest = octets_.data() + mechanism.prefix.size();
    if (mechanism.sha384) {
      SHA384(tbs.data(), tbs.size(), digest);
    } else {
      SHA256(tbs.data(), tbs.size(), digest);
    }
    size_ = mechanism.prefix.size() + (mechanism.sha384 ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH);
    // The leftmost octets of a longer digest (FIPS 186-4 6.4); not every token cuts it itself.
    if (IsEc(type)) size_ = std::min(size_, SignatureSize(type) / 2);
  }
  uint8_t* data() { return octets_.data(); }
  size_t size() const { return size_; }

 private:
  std::array<uint8_t, kMaxInput> octets_;
  size_t size_;
};

class Pkcs11Signer : public Signer {
 public:
  Pkcs11Signer(std::shared_ptr<Token> token, KeyUri uri, KeyType type, const Mechanism& mechanism, Bytes public_key)
      : token_(std::move(token)),
        uri_(std::move(uri)),
        type_(type),
        mechanism_(mechanism),
        public_key_(std::move(public_key)),
        attempted_(fmt::format("sign with {} and the key {}", mechanism.name, uri_.ToString())) {}

  ByteView public_key() const override { return public_key_; }
  SignatureAlgorithm algorithm() const override { return mechanism_.algorithm; }

  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override {
    Input input(mechanism_, type_, tbs);
    Bytes signature;
    RETURN_IF_ERROR(token_->Run(attempted_, deadline, [&](SessionHandle session) -> StatusOr<ReturnValue> {
      return SignInput(session, input, signature);
    }));
    if (signature.size() != SignatureSize(type_)) {
      return Error(
          Code::kFailedPrecondition, reason::kHsmSignatureInvalid,
          fmt::format("cannot {}: the HSM's signature has {} octets instead of {}; take the HSM out of service",
                      attempted_, signature.size(), SignatureSize(type_)));
    }
    if (IsEc(type_)) return EcdsaSigValue(signature);
    return signature;
  }

 private:
  // An object handle, and the generation of the token in which it was found.
  struct Handle {
    CK_OBJECT_HANDLE key = 0;
    uint64_t generation = 0;
  };

  StatusOr<ReturnValue> SignInput(SessionHandle session, Input& input, Bytes& signature) const {
    CK_OBJECT_HANDLE key = 0;
    ASSIGN_OR_RETURN(ReturnValue rv, CurrentKey(session, key));
    if (rv != CKR_OK) return rv;
    const CK_MECHANISM_TYPE hash = mechanism_.sha384 ? CKM_SHA384 : CKM_SHA256;
    CK_RSA_PKCS_PSS_PARAMS pss = {hash, mechanism_.sha384 ? CK_RSA_PKCS_MGF_TYPE{CKG_MGF1_SHA384} : CKG_MGF1_SHA256,
                                  input.size()};
    CK_MECHANISM mechanism = {mechanism_.type, nullptr, 0};
    if (mechanism_.type == CKM_RSA_PKCS_PSS) mechanism = {mechanism_.type, &pss, sizeof pss};
    const CK_FUNCTION_LIST& functions = token_->module().functions();
    rv = functions.C_SignInit(session, &mechanism, key);
    if (rv != CKR_OK) return rv;
    signature.resize(SignatureSize(type_));
    CK_ULONG size = signature.size();
    rv = functions.C_Sign(session, input.data(), input.size(), signature.data(), &size);
    if (rv == CKR_OK) signature.resize(std::min<size_t>(size, signature.size()));
    return rv;
  }

  // The key's handle, found and checked again when the token's generation says that it may be stale.
  StatusOr<ReturnValue> CurrentKey(SessionHandle session, CK_OBJECT_HANDLE& key) const {
    const uint64_t generation = token_->generation();
    {
      const std::lock_guard lock(mutex_);
      if (handle_.generation == generation) {
        key = handle_.key;
        return CKR_OK;
      }
    }
    ASSIGN_OR_RETURN(ReturnValue rv, FindPrivateKey(*token_, session, uri_, key));
    KeyAttributes attributes;
    if (rv == CKR_OK) rv = ReadKey(*token_, session, key, attributes);
    if (rv != CKR_OK) return rv;
    RETURN_IF_ERROR(CheckSafe(attributes));
    const std::lock_guard lock(mutex_);
    handle_ = {key, generation};
    return CKR_OK;
  }

  const std::shared_ptr<Token> token_;
  const KeyUri uri_;
  const KeyType type_;
  const Mechanism& mechanism_;
  const Bytes public_key_;
  const std::string attempted_;  // completes "cannot ..."
  mutable std::mutex mutex_;
  mutable Handle handle_;
};

}  // namespace

StatusOr<std::unique_ptr<Signer>> OpenSigner(std::shared_ptr<Token> token, const KeyUri& uri,
                                             SignatureAlgorithm algorithm) {
  ASSIGN_OR_RETURN(KeyAttributes key, ReadKeyAttributes(*token, uri));
  RETURN_IF_ERROR(CheckSafe(key));
  const auto* mechanism = std::find_if(std::begin(kMechanisms), std::end(kMechanisms),
                                       [&](const Mechanism& known) { return known.algorithm == algorithm; });
  if (!key.type.has_value() || IsEc(*key.type) != (mechanism->type == CKM_ECDSA)) {
    return Error(Code::kFailedPrecondition, reason::kHsmRefused,
                 fmt::format("cannot sign with {} and the key {}, which is {}; choose the algorithm of the key's type",
                             mechanism->name, uri.ToString(), key.type ? KeyTypeName(*key.type) : "of another type"));
  }
  ASSIGN_OR_RETURN(Bytes public_key, ReadPublicKey(*token, key.uri));
  return std::make_unique<Pkcs11Signer>(std::move(token), std::move(key.uri), *key.type, *mechanism,
                                        std::move(public_key));
}

}  // namespace hallmark
