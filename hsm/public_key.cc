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

// The attributes of a public key object.
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

}  // namespace

StatusOr<Bytes> ReadPublicKey(Token& token, const KeyUri& uri) {
  const CK_FUNCTION_LIST& functions = token.module().functions();
  KeyAttributes attributes;
  PublicKeyValue value;
  const auto read = [&](SessionHandle session) -> StatusOr<ReturnValue> {
    CK_OBJECT_HANDLE key = 0;
    ASSIGN_OR_RETURN(ReturnValue rv, FindPrivateKey(token, session, uri, key));
    if (rv == CKR_OK) rv = ReadKey(token, session, key, attributes);
    if (rv != CKR_OK) return rv;
    if (!attributes.type.has_value()) {
      return PublicKeyError(attributes,
                            "Hallmark uses EC P-256 and P-384 and RSA 2048, 3072 and 4096, and this is none");
    }
    const bool is_ec = !EcParameters(*attributes.type).empty();
    const CK_OBJECT_CLASS object_class = CKO_PUBLIC_KEY;
    const CK_KEY_TYPE key_type = is_ec ? CKK_EC : CKK_RSA;
    CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_KEY_TYPE, key_type),
                             Attribute(CKA_ID, attributes.uri.id)};
    std::vector<CK_OBJECT_HANDLE> found;
    rv = FindObjects(functions, session, wanted, found);
    if (rv != CKR_OK) return rv;
    if (found.size() != 1) {
      return Error(
          Code::kFailedPrecondition, reason::kHsmKeyNotFound,
          fmt::format("cannot read the public key of {}: the token has {} public keys with this id, and one is "
                      "needed",
                      attributes.uri.ToString(), found.size()));
    }
    if (is_ec) return ReadAttribute(functions, session, found.front(), CKA_EC_POINT, value.point);
    rv = ReadAttribute(functions, session, found.front(), CKA_MODULUS, value.modulus);
    if (rv != CKR_OK) return rv;
    return ReadAttribute(functions, session, found.front(), CKA_PUBLIC_EXPONENT, value.public_exponent);
  };
  RETURN_IF_ERROR(token.Run("read the public key of " + uri.ToString(), absl::InfiniteFuture(), read));
  return SubjectPublicKeyInfo(attributes, value);
}

}  // namespace hallmark
