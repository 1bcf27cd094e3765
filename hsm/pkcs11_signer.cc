#include "hsm/pkcs11_signer.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>

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

const Mechanism& MechanismOf(SignatureAlgorithm algorithm) {
  return *std::find_if(std::begin(kMechanisms), std::end(kMechanisms),
                       [&](const Mechanism& known) { return known.algorithm == algorithm; });
}

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

// Signs `input` in a session.
ReturnValue SignInput(const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE key,
                      const Mechanism& signature_mechanism, Input& input, Bytes& signature) {
  const bool sha384 = signature_mechanism.sha384;
  CK_RSA_PKCS_PSS_PARAMS pss = {sha384 ? CK_MECHANISM_TYPE{CKM_SHA384} : CKM_SHA256,
                                sha384 ? CK_RSA_PKCS_MGF_TYPE{CKG_MGF1_SHA384} : CKG_MGF1_SHA256, input.size()};
  CK_MECHANISM mechanism = {signature_mechanism.type, nullptr, 0};
  if (mechanism.mechanism == CKM_RSA_PKCS_PSS) mechanism = {mechanism.mechanism, &pss, sizeof pss};
  CK_RV rv = functions.C_SignInit(session, &mechanism, key);
  if (rv != CKR_OK) return rv;
  CK_ULONG size = signature.size();
  rv = functions.C_Sign(session, input.data(), input.size(), signature.data(), &size);
  if (rv == CKR_OK) signature.resize(std::min<size_t>(size, signature.size()));
  return rv;
}

}  // namespace

Pkcs11Signer::Pkcs11Signer(std::shared_ptr<Token> token, KeyUri uri, KeyType type, SignerOptions options)
    : token_(std::move(token)),
      uri_(std::move(uri)),
      type_(type),
      options_(std::move(options)),
      attempted_(fmt::format("sign with {} and the key {}", MechanismOf(options_.algorithm).name, uri_.ToString())) {}

StatusOr<Bytes> Pkcs11Signer::Sign(ByteView tbs, Time deadline) const {
  const Mechanism& mechanism = MechanismOf(options_.algorithm);
  Input input(mechanism, type_, tbs);
  Bytes signature;
  RETURN_IF_ERROR(token_->Run(attempted_, deadline, [&](SessionHandle session) -> StatusOr<ReturnValue> {
    CK_OBJECT_HANDLE key = 0;
    ASSIGN_OR_RETURN(const ReturnValue rv, CurrentKey(session, key));
    if (rv != CKR_OK) return rv;
    signature.resize(SignatureSize(type_));
    return SignInput(token_->module().functions(), session, key, mechanism, input, signature);
  }));
  if (signature.size() != SignatureSize(type_)) {
    return Error(Code::kFailedPrecondition, reason::kHsmSignatureInvalid,
                 fmt::format("cannot {}: the HSM's signature has {} octets instead of {}; take the HSM out of service",
                             attempted_, signature.size(), SignatureSize(type_)));
  }
  if (IsEc(type_)) return EcdsaSigValue(signature);
  return signature;
}

Status Pkcs11Signer::Examine(Time deadline) const {
  return token_->Run("examine the key " + uri_.ToString(), deadline,
                     [&](SessionHandle session) -> StatusOr<ReturnValue> {
                       CK_OBJECT_HANDLE key = 0;
                       return Check(session, key);
                     });
}

std::vector<AcceptedWeakness> Pkcs11Signer::accepted() const {
  const std::lock_guard lock(mutex_);
  return finding_.accepted;
}

// The key's handle, found and checked again when the token's generation says that it may be stale.
StatusOr<ReturnValue> Pkcs11Signer::CurrentKey(SessionHandle session, unsigned long& key) const {
  const uint64_t generation = token_->generation();
  {
    const std::lock_guard lock(mutex_);
    if (finding_.generation == generation && finding_.verdict.ok()) {
      key = finding_.key;
      return CKR_OK;
    }
  }
  return Check(session, key);
}

StatusOr<ReturnValue> Pkcs11Signer::Check(SessionHandle session, unsigned long& key) const {
  Finding finding;
  {
    const std::lock_guard lock(mutex_);
    finding.number = ++checks_;
    finding.generation = token_->generation();
  }
  const StatusOr<ReturnValue> inspected = Inspect(session, finding);
  if (inspected.ok() && *inspected != CKR_OK) return *inspected;
  finding.verdict = inspected.status();
  const uint64_t generation = finding.generation;
  const std::lock_guard lock(mutex_);
  // Of two checks at the same time, the one that began later knows better.
  if (finding_.number < finding.number) finding_ = std::move(finding);
  if (finding_.generation != generation) return CKR_KEY_HANDLE_INVALID;  // ours is stale already
  RETURN_IF_ERROR(finding_.verdict);
  key = finding_.key;
  return CKR_OK;
}

StatusOr<ReturnValue> Pkcs11Signer::Inspect(SessionHandle session, Finding& finding) const {
  ASSIGN_OR_RETURN(ReturnValue rv, FindPrivateKey(*token_, session, uri_, finding.key));
  KeyAttributes attributes;
  if (rv == CKR_OK) rv = ReadKey(*token_, session, finding.key, attributes);
  if (rv != CKR_OK) return rv;
  finding.accepted = AcceptedWeaknesses(attributes, options_.exceptions);
  RETURN_IF_ERROR(CheckSafe(attributes, options_.exceptions));
  Bytes public_key;
  ASSIGN_OR_RETURN(rv, ReadSubjectPublicKeyInfo(*token_, session, finding.key, attributes, public_key));
  if (rv != CKR_OK || public_key == options_.expected_public_key) return rv;
  return Error(
      Code::kFailedPrecondition, reason::kHsmKeyMismatch,
      fmt::format("cannot use the key {}: it is another key, the SHA-256 of its SubjectPublicKeyInfo is {}, and "
                  "that of the authority's certificate is {}; bring the right key back, or correct the URI",
                  uri_.ToString(), Hex(Sha256(public_key)), Hex(Sha256(options_.expected_public_key))));
}

StatusOr<std::unique_ptr<Pkcs11Signer>> OpenSigner(std::shared_ptr<Token> token, const KeyUri& uri,
                                                   SignerOptions options) {
  RETURN_IF_ERROR(CheckNamesKey(token->uri(), uri));
  const bool is_new = options.expected_public_key.empty();
  if (is_new) {
    ASSIGN_OR_RETURN(options.expected_public_key, ReadPublicKey(*token, uri));
  }
  ASSIGN_OR_RETURN(const KeyType type, PublicKeyType(options.expected_public_key));
  if (!Fits(options.algorithm, type)) {
    return Error(Code::kFailedPrecondition, reason::kHsmRefused,
                 fmt::format("cannot sign with {} and the key {}, which is {}; choose the algorithm of the key's type",
                             MechanismOf(options.algorithm).name, uri.ToString(), KeyTypeName(type)));
  }
  auto signer = std::make_unique<Pkcs11Signer>(std::move(token), uri, type, std::move(options));
  if (is_new) RETURN_IF_ERROR(signer->Examine());
  return signer;
}

}  // namespace hallmark
