// EC_KEY instead of EVP_PKEY for elliptic curves: importing a point costs 3 us instead of 20 to 200, which is most of
// what reading a CSR costs (docs/decisions/0003-own-csr-reader.md). Deprecated in OpenSSL 3, and used in this file
// only.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ca/public_key.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/der.h"

namespace hallmark {
namespace {

using EcKey = ssl::Owner<EC_KEY, EC_KEY_free>;
using ParamBuilder = ssl::Owner<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = ssl::Owner<OSSL_PARAM, OSSL_PARAM_free>;

constexpr int kModulusBits[] = {2048, 3072, 4096};
// FIPS 186-5 A.1.1: odd, and 2^16 < e < 2^256; of those, 65537 and the few larger ones in use: a huge one only burns
// time.
constexpr int kMinExponentBits = 17;
constexpr int kMaxExponentBits = 33;

struct Scheme {
  SignatureScheme scheme;
  Bytes identifier;
};

Bytes PssIdentifier(const char* digest, uint64_t salt) {
  const Bytes hash = der::Sequence({der::Oid(digest), der::Tlv(der::kNull, {})});
  const Bytes mask = der::Sequence({der::Oid("1.2.840.113549.1.1.8"), hash});
  return der::Sequence(
      {der::Oid("1.2.840.113549.1.1.10"),
       der::Sequence({der::Tlv(der::ContextConstructed(0), hash), der::Tlv(der::ContextConstructed(1), mask),
                      der::Tlv(der::ContextConstructed(2), der::Unsigned(salt))})});
}

const std::vector<Scheme>& Schemes() {
  using Kind = SignatureScheme::Kind;
  static const auto& schemes = *new std::vector<Scheme>([] {
    const Bytes null = der::Tlv(der::kNull, {});
    return std::vector<Scheme>{
        {{Kind::kEcdsa, 256}, der::Sequence({der::Oid("1.2.840.10045.4.3.2")})},
        {{Kind::kEcdsa, 384}, der::Sequence({der::Oid("1.2.840.10045.4.3.3")})},
        {{Kind::kEcdsa, 512}, der::Sequence({der::Oid("1.2.840.10045.4.3.4")})},
        {{Kind::kRsaPkcs1, 256}, der::Sequence({der::Oid("1.2.840.113549.1.1.11"), null})},
        {{Kind::kRsaPkcs1, 384}, der::Sequence({der::Oid("1.2.840.113549.1.1.12"), null})},
        {{Kind::kRsaPkcs1, 512}, der::Sequence({der::Oid("1.2.840.113549.1.1.13"), null})},
        // Absent parameters are to be accepted, too (RFC 4055 5); we never write them so.
        {{Kind::kRsaPkcs1, 256}, der::Sequence({der::Oid("1.2.840.113549.1.1.11")})},
        {{Kind::kRsaPkcs1, 384}, der::Sequence({der::Oid("1.2.840.113549.1.1.12")})},
        {{Kind::kRsaPkcs1, 512}, der::Sequence({der::Oid("1.2.840.113549.1.1.13")})},
        {{Kind::kRsaPss, 256}, PssIdentifier("2.16.840.1.101.3.4.2.1", 32)},
        {{Kind::kRsaPss, 384}, PssIdentifier("2.16.840.1.101.3.4.2.2", 48)},
        {{Kind::kRsaPss, 512}, PssIdentifier("2.16.840.1.101.3.4.2.3", 64)},
    };
  }());
  return schemes;
}

Status Unsupported(const std::string& what) {
  return FieldError(reason::kKeyUnsupported, "csr.public_key",
                    what + "; use EC P-256 or P-384 as a named curve, or RSA 2048, 3072 or 4096");
}
Status Weak(const std::string& what) { return FieldError(reason::kKeyWeak, "csr.public_key", what); }

const EVP_MD* DigestOf(int bits) { return bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512(); }

// SHA-2 of `message`, without EVP's set-up costs.
size_t HashInto(std::array<uint8_t, SHA512_DIGEST_LENGTH>& digest, int bits, ByteView message) {
  if (bits == 256) SHA256(message.data(), message.size(), digest.data());
  if (bits == 384) SHA384(message.data(), message.size(), digest.data());
  if (bits == 512) SHA512(message.data(), message.size(), digest.data());
  return static_cast<size_t>(bits) / 8;
}

struct Curve {
  KeyType type;
  Bytes parameters;  // the namedCurve OID
  ssl::EcGroup group;
  size_t field_octets;
};

// The curves, each with one group for the life of the process.
const Curve* FindCurve(ByteView parameters) {
  static const auto& curves = *new std::array<Curve, 2>{
      Curve{KeyType::kEcP256, der::Oid("1.2.840.10045.3.1.7"),
            ssl::EcGroup(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)), 32},
      Curve{KeyType::kEcP384, der::Oid("1.3.132.0.34"), ssl::EcGroup(EC_GROUP_new_by_curve_name(NID_secp384r1)), 48}};
  const auto found = std::find_if(curves.begin(), curves.end(),
                                  [&](const Curve& curve) { return Equal(curve.parameters, parameters); });
  return found == curves.end() || found->group == nullptr ? nullptr : &*found;
}

StatusOr<EcKey> ReadEcPoint(const Curve& curve, ByteView point) {
  // Uncompressed only: RFC 5480 2.2 lets a CA refuse the rest, and clouds do.
  if (point.empty() || point[0] != POINT_CONVERSION_UNCOMPRESSED || point.size() != 1 + 2 * curve.field_octets) {
    return Unsupported("the EC point is not in uncompressed form");
  }
  EcKey key(EC_KEY_new());
  // EC_KEY_oct2key checks that the point is on the curve; the curves have cofactor 1, so it is in the group.
  if (key == nullptr || EC_KEY_set_group(key.get(), curve.group.get()) != 1 ||
      EC_KEY_oct2key(key.get(), point.data(), point.size(), nullptr) != 1) {
    ERR_clear_error();
    return Weak("the EC point is not on its curve; the key was damaged or forged");
  }
  return key;
}

struct RsaKey {
  KeyType type;
  ByteView modulus;  // within what was read
  ssl::EvpKey key;
};

StatusOr<RsaKey> ReadRsaKey(ByteView key_octets) {
  const StatusOr<ByteView> sequence = der::ReadWhole(key_octets, der::kSequence);
  if (!sequence.ok()) return Unsupported("the RSA key is malformed");
  der::Reader reader(*sequence);
  std::array<ByteView, 2> magnitudes;
  std::array<ssl::Bignum, 2> numbers;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const StatusOr<ByteView> content = reader.Content(der::kInteger);
    const StatusOr<ByteView> magnitude = content.ok() ? der::UnsignedContent(*content) : content.status();
    if (!magnitude.ok()) return Unsupported("the RSA key is malformed");
    magnitudes[i] = *magnitude;
    numbers[i].reset(BN_bin2bn(magnitude->data(), static_cast<int>(magnitude->size()), nullptr));
    if (numbers[i] == nullptr) return absl::ResourceExhaustedError("out of memory");
  }
  if (!reader.ExpectEnd().ok()) return Unsupported("the RSA key is malformed");
  const auto& [modulus, exponent] = numbers;
  const int bits = BN_num_bits(modulus.get());
  const auto size = std::find(std::begin(kModulusBits), std::end(kModulusBits), bits);
  if (size == std::end(kModulusBits))
    return Weak(fmt::format("an RSA modulus of {} bits; use 2048, 3072 or 4096", bits));
  if (BN_is_odd(exponent.get()) == 0 || BN_num_bits(exponent.get()) < kMinExponentBits ||
      BN_num_bits(exponent.get()) > kMaxExponentBits) {
    return Weak("the RSA exponent must be odd and at least 65537, of at most 33 bits; generate the key with 65537");
  }
  if (BN_is_odd(modulus.get()) == 0) return Weak("the RSA modulus is even; it is no key. Make the key again");
  constexpr KeyType kTypes[] = {KeyType::kRsa2048, KeyType::kRsa3072, KeyType::kRsa4096};

  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return absl::InternalError("OpenSSL could not take an RSA key");
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const ssl::EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return absl::InternalError("OpenSSL could not take an RSA key");
  }
  return RsaKey{kTypes[size - std::begin(kModulusBits)], magnitudes[0], ssl::EvpKey(key)};
}

bool VerifyEcdsa(EC_KEY* key, SignatureScheme scheme, ByteView message, ByteView signature) {
  std::array<uint8_t, SHA512_DIGEST_LENGTH> digest;
  const size_t size = HashInto(digest, scheme.digest_bits, message);
  return ECDSA_verify(0, digest.data(), static_cast<int>(size), signature.data(), static_cast<int>(signature.size()),
                      key) == 1;
}

bool VerifyRsa(EVP_PKEY* key, SignatureScheme scheme, ByteView message, ByteView signature) {
  const ssl::EvpDigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // belongs to `context`
  if (context == nullptr ||
      EVP_DigestVerifyInit(context.get(), &key_context, DigestOf(scheme.digest_bits), nullptr, key) != 1) {
    return false;
  }
  if (scheme.kind == SignatureScheme::Kind::kRsaPss &&
      (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace

SignatureScheme SchemeOf(SignatureAlgorithm algorithm) {
  using Kind = SignatureScheme::Kind;
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaSha256: return {Kind::kEcdsa, 256};
    case SignatureAlgorithm::kEcdsaSha384: return {Kind::kEcdsa, 384};
    case SignatureAlgorithm::kRsaPkcs1Sha256: return {Kind::kRsaPkcs1, 256};
    case SignatureAlgorithm::kRsaPkcs1Sha384: return {Kind::kRsaPkcs1, 384};
    case SignatureAlgorithm::kRsaPssSha256: return {Kind::kRsaPss, 256};
    case SignatureAlgorithm::kRsaPssSha384: return {Kind::kRsaPss, 384};
  }
  return {Kind::kEcdsa, 256};
}

ByteView AlgorithmIdentifier(SignatureAlgorithm algorithm) {
  const SignatureScheme wanted = SchemeOf(algorithm);
  const auto& schemes = Schemes();
  return std::find_if(schemes.begin(), schemes.end(),
                      [&](const Scheme& scheme) {
                        return scheme.scheme.kind == wanted.kind && scheme.scheme.digest_bits == wanted.digest_bits;
                      })
      ->identifier;
}

std::optional<SignatureScheme> FindScheme(ByteView algorithm_identifier) {
  for (const Scheme& scheme : Schemes()) {
    if (Equal(scheme.identifier, algorithm_identifier)) return scheme.scheme;
  }
  return std::nullopt;
}

struct PublicKey::Parts {
  KeyType type = KeyType::kEcP256;
  Bytes spki;
  ByteView key_octets;  // within spki
  ByteView modulus;     // within key_octets; of an RSA key
  EcKey ec;             // one of the two
  ssl::EvpKey rsa;
};

PublicKey::PublicKey(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

KeyType PublicKey::type() const { return parts_->type; }
ByteView PublicKey::spki() const { return parts_->spki; }
ByteView PublicKey::key_octets() const { return parts_->key_octets; }
ByteView PublicKey::modulus() const { return parts_->modulus; }

StatusOr<PublicKey> PublicKey::FromSpki(ByteView der) {
  static const Bytes kEcPublicKey = der::Oid("1.2.840.10045.2.1");
  static const Bytes kRsaIdentifier = der::Sequence({der::Oid("1.2.840.113549.1.1.1"), der::Tlv(der::kNull, {})});
  auto parts = std::make_unique<Parts>();
  parts->spki = ToBytes(der);
  const auto malformed = [](const Status& status) {
    return Unsupported("the SubjectPublicKeyInfo is malformed (" + Message(status) + ")");
  };

  const StatusOr<ByteView> sequence = der::ReadWhole(parts->spki, der::kSequence);
  if (!sequence.ok()) return malformed(sequence.status());
  der::Reader reader(*sequence);
  const StatusOr<der::Element> algorithm = reader.Next(der::kSequence);
  if (!algorithm.ok()) return malformed(algorithm.status());
  const StatusOr<ByteView> bits = reader.Content(der::kBitString);
  if (!bits.ok()) return malformed(bits.status());
  const StatusOr<ByteView> octets = der::BitStringOctets(*bits);
  if (!octets.ok()) return malformed(octets.status());
  if (const Status end = reader.ExpectEnd(); !end.ok()) return malformed(end);
  parts->key_octets = *octets;

  if (Equal(algorithm->whole, kRsaIdentifier)) {
    ASSIGN_OR_RETURN(RsaKey key, ReadRsaKey(*octets));
    parts->type = key.type;
    parts->modulus = key.modulus;
    parts->rsa = std::move(key.key);
    return PublicKey(std::move(parts));
  }
  der::Reader identifier(algorithm->content);
  const StatusOr<der::Element> oid = identifier.Next(der::kOid);
  if (!oid.ok() || !Equal(oid->whole, kEcPublicKey)) return Unsupported("the key's algorithm is neither EC nor RSA");
  const StatusOr<der::Element> parameters = identifier.Next();
  if (!parameters.ok() || !identifier.empty() || parameters->tag != der::kOid) {
    return Unsupported("the EC key does not name its curve (explicit or missing parameters)");
  }
  const Curve* curve = FindCurve(parameters->whole);
  if (curve == nullptr) return Unsupported("the EC key's curve is not P-256 or P-384");
  parts->type = curve->type;
  ASSIGN_OR_RETURN(parts->ec, ReadEcPoint(*curve, *octets));
  return PublicKey(std::move(parts));
}

bool PublicKey::Verify(SignatureScheme scheme, ByteView message, ByteView signature) const {
  if ((scheme.kind == SignatureScheme::Kind::kEcdsa) != (parts_->ec != nullptr)) return false;
  const bool verified = parts_->ec != nullptr ? VerifyEcdsa(parts_->ec.get(), scheme, message, signature)
                                              : VerifyRsa(parts_->rsa.get(), scheme, message, signature);
  // What OpenSSL leaves in this thread's error queue would end the TLS connection that gRPC serves on it next.
  if (!verified) ERR_clear_error();
  return verified;
}

}  // namespace hallmark
