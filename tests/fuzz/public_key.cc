// What FromSpki accepts is the same key to OpenSSL, octet for octet, and OpenSSL finds nothing wrong with it that
// CheckKeyQuality does not find.
#include <openssl/err.h>

#include "base/openssl.h"
#include "ca/key_quality.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

bool IsOfType(EVP_PKEY* key, KeyType type) {
  const int bits = EVP_PKEY_get_bits(key);
  switch (type) {
    case KeyType::kEcP256: return EVP_PKEY_is_a(key, "EC") == 1 && bits == 256;
    case KeyType::kEcP384: return EVP_PKEY_is_a(key, "EC") == 1 && bits == 384;
    case KeyType::kRsa2048: return EVP_PKEY_is_a(key, "RSA") == 1 && bits == 2048;
    case KeyType::kRsa3072: return EVP_PKEY_is_a(key, "RSA") == 1 && bits == 3072;
    case KeyType::kRsa4096: return EVP_PKEY_is_a(key, "RSA") == 1 && bits == 4096;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<PublicKey> key = PublicKey::FromSpki({data, size});
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (!Accepted(key)) return 0;
  const uint8_t* in = data;
  const ssl::EvpKey reference(d2i_PUBKEY(nullptr, &in, static_cast<long>(size)));
  Require(reference != nullptr && in == data + size, "OpenSSL reads what FromSpki accepts");
  Require(IsOfType(reference.get(), key->type()), "the key is of the same type and size");
  const bool is_ec = key->type() == KeyType::kEcP256 || key->type() == KeyType::kEcP384;
  // OpenSSL's check of RSA draws random bases, so that what it says of a modulus of several factors changes.
  if (CheckKeyQuality(*key, BlockedKeys::Shipped()).ok() && is_ec) {
    const ssl::EvpKeyContext context(EVP_PKEY_CTX_new(reference.get(), nullptr));
    Require(EVP_PKEY_public_check(context.get()) == 1, "OpenSSL finds nothing wrong with a good key");
  }
  Require(ssl::ToDer(i2d_PUBKEY, reference.get()).value() == ToBytes(key->spki()), "OpenSSL encodes the same octets");
  for (const auto kind :
       {SignatureScheme::Kind::kEcdsa, SignatureScheme::Kind::kRsaPkcs1, SignatureScheme::Kind::kRsaPss}) {
    Require(!key->Verify({kind, 256}, {data, size}, {data, size}), "the input is no signature of its own");
  }
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty after a signature that is none");
  return 0;
}

}  // namespace hallmark::fuzz
