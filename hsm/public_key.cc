#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/openssl.h"
#include "base/reason.h"
#include "hsm/key.h"
#include "hsm/private_key.h"

namespace hallmark {
namespace {

using ParameterBuilder = ssl::Owner<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Parameters = ssl::Owner<OSSL_PARAM, OSSL_PARAM_free>;
using OctetString = ssl::Owner<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;

// The attributes of a public key.
struct PublicKeyValue {
  Bytes point;  // EC
  Bytes modulus, public_exponent;
};

Status PublicKeyError(const KeyAttributes& key, const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kHsmKeyUnsafe,
               fmt::format("cannot read the public key of {}: {}", key.uri.ToString(), what));
}

// CKA_EC_POINT is the DER of an OCTET STRING around the point (PKCS#11 v2.40 2.3.3), and on some tokens the point.
Bytes UnwrapPoint(const Bytes& value, size_t point_size) {
  const uint8_t* in = value.data();
  const OctetString octets(
      value.size() == point_size ? nullptr : d2i_ASN1_OCTET_STRING(nullptr, &in, static_cast<long>(value.size())));
  if (octets == nullptr) return value;
  const uint8_t* data = ASN1_STRING_get0_data(octets.get());
  return Bytes(data, data + ASN1_STRING_length(octets.get()));
}

StatusOr<Bytes> SubjectPublicKeyInfo(const KeyAttributes& key, const PublicKeyValue& value) {
  const bool is_ec = !EcParameters(*key.type).empty();
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  const ssl::EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, is_ec ? "EC" : "RSA", nullptr));
  if (builder == nullptr || context == nullptr) return PublicKeyError(key, "OpenSSL failed: " + ssl::DrainErrors());
  const ssl::Bignum n(BN_bin2bn(value.modulus.data(), static_cast<int>(value.modulus.size()), nullptr));
  const ssl::Bignum e(BN_bin2bn(value.public_exponent.data(), static_cast<int>(value.public_exponent.size()), nullptr));
  const size_t point_size = *key.type == KeyType::kEcP256 ? 65 : 97;  // uncompressed, SEC 1 2.3.3
  const Bytes point = UnwrapPoint(value.point, point_size);
  const char* curve = *key.type == KeyType::kEcP256 ? "P-256" : "P-384";
  bool built = n != nullptr && e != nullptr;
  if (is_ec) {
    built = built && OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1;
  } else {
    built = built && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
            OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
  }
  const Parameters parameters(built ? OSSL_PARAM_BLD_to_param(builder.get()) : nullptr);
  EVP_PKEY* made = nullptr;
  const bool imported = parameters != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  const ssl::EvpKey public_key(made);
  const ssl::EvpKeyContext check(imported ? EVP_PKEY_CTX_new(public_key.get(), nullptr) : nullptr);
  if (check == nullptr || EVP_PKEY_public_check(check.get()) != 1) {
    return PublicKeyError(key, "its value is not a key: " + ssl::DrainErrors());
  }
  return ssl::ToDer(i2d_PUBKEY, public_key.get());
}

// Sets `found` to the public key object that belongs to a private key.
StatusOr<ReturnValue> FindPublicKey(const Token& token, SessionHandle session, const KeyAttributes& key,
                                    CK_OBJECT_HANDLE& found) {
  const CK_OBJECT_CLASS object_class = CKO_PUBLIC_KEY;
  const CK_KEY_TYPE key_type = EcParameters(*key.type).empty() ? CKK_RSA : CKK_EC;
  CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_KEY_TYPE, key_type),
                           Attribute(CKA_ID, key.uri.id)};
  std::vector<CK_OBJECT_HANDLE> all;
  const CK_RV rv = FindObjects(token.module().functions(), session, wanted, all);
  if (rv != CKR_OK) return rv;
  if (all.size() == 1) {
    found = all.front();
    return CKR_OK;
  }
  return Error(Code::kFailedPrecondition, reason::kHsmKeyNotFound,
               fmt::format("cannot read the public key of {}: the token has {} public keys with this id, and one is "
                           "needed; write the public key beside the private one",
                           key.uri.ToString(), all.size()));
}

// What the private key tells is the truth about it, whatever the object beside it says.
StatusOr<ReturnValue> ReadRsaValue(const Token& token, SessionHandle session, CK_OBJECT_HANDLE key,
                                   const KeyAttributes& attributes, PublicKeyValue& value) {
  const CK_FUNCTION_LIST& functions = token.module().functions();
  CK_RV rv = ReadAttribute(functions, session, key, CKA_MODULUS, value.modulus);
  if (rv == CKR_OK) rv = ReadIfPresent(functions, session, key, CKA_PUBLIC_EXPONENT, value.public_exponent);
  if (rv != CKR_OK || !value.public_exponent.empty()) return rv;
  CK_OBJECT_HANDLE public_key = 0;
  ASSIGN_OR_RETURN(rv, FindPublicKey(token, session, attributes, public_key));
  return rv == CKR_OK ? ReadAttribute(functions, session, public_key, CKA_PUBLIC_EXPONENT, value.public_exponent) : rv;
}

StatusOr<ReturnValue> ReadEcValue(const Token& token, SessionHandle session, const KeyAttributes& attributes,
                                  PublicKeyValue& value) {
  CK_OBJECT_HANDLE public_key = 0;
  ASSIGN_OR_RETURN(const ReturnValue rv, FindPublicKey(token, session, attributes, public_key));
  return rv == CKR_OK ? ReadAttribute(token.module().functions(), session, public_key, CKA_EC_POINT, value.point) : rv;
}

}  // namespace

StatusOr<ReturnValue> ReadSubjectPublicKeyInfo(const Token& token, SessionHandle session, CK_OBJECT_HANDLE key,
                                               const KeyAttributes& attributes, Bytes& spki) {
  if (!attributes.type.has_value()) {
    return PublicKeyError(attributes, "Hallmark uses EC P-256 and P-384 and RSA 2048, 3072 and 4096, and this is none");
  }
  PublicKeyValue value;
  ReturnValue rv = CKR_OK;
  if (EcParameters(*attributes.type).empty()) {
    ASSIGN_OR_RETURN(rv, ReadRsaValue(token, session, key, attributes, value));
  } else {
    ASSIGN_OR_RETURN(rv, ReadEcValue(token, session, attributes, value));
  }
  if (rv != CKR_OK) return rv;
  ASSIGN_OR_RETURN(spki, SubjectPublicKeyInfo(attributes, value));
  return CKR_OK;
}

StatusOr<Bytes> ReadPublicKey(Token& token, const KeyUri& uri) {
  Bytes spki;
  RETURN_IF_ERROR(token.Run("read the public key of " + uri.ToString(), absl::InfiniteFuture(),
                            [&](SessionHandle session) -> StatusOr<ReturnValue> {
                              CK_OBJECT_HANDLE key = 0;
                              KeyAttributes attributes;
                              ASSIGN_OR_RETURN(ReturnValue rv, FindPrivateKey(token, session, uri, key));
                              if (rv == CKR_OK) rv = ReadKey(token, session, key, attributes);
                              if (rv != CKR_OK) return rv;
                              return ReadSubjectPublicKeyInfo(token, session, key, attributes, spki);
                            }));
  return spki;
}

StatusOr<KeyType> PublicKeyType(ByteView spki) {
  const uint8_t* in = spki.data();
  const ssl::EvpKey key(d2i_PUBKEY(nullptr, &in, static_cast<long>(spki.size())));
  char group[16] = "";
  if (key != nullptr && EVP_PKEY_is_a(key.get(), "EC") == 1 &&
      EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) == 1) {
    if (std::string_view(group) == "prime256v1") return KeyType::kEcP256;
    if (std::string_view(group) == "secp384r1") return KeyType::kEcP384;
  }
  if (key != nullptr && EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    switch (EVP_PKEY_get_bits(key.get())) {
      case 2048: return KeyType::kRsa2048;
      case 3072: return KeyType::kRsa3072;
      case 4096: return KeyType::kRsa4096;
      default: break;
    }
  }
  return Error(Code::kFailedPrecondition, reason::kKeyUnsupported,
               fmt::format("cannot use the public key with the SHA-256 {}: it is not one of EC P-256 and P-384 and RSA "
                           "2048, 3072 and 4096; issue the authority's certificate for such a key",
                           Hex(Sha256(spki))));
}

}  // namespace hallmark
