// Keys that nobody may use, each with a signature of its own where it can make one.
#include <openssl/core_names.h>

#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

constexpr char kRsa[] = "1.2.840.113549.1.1.1";

ssl::EvpKey RsaKey(size_t bits, unsigned long exponent) {
  const ssl::EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  const ssl::Bignum number(BN_new());
  EVP_PKEY* key = nullptr;
  if (context == nullptr || number == nullptr || BN_set_word(number.get(), exponent) != 1 ||
      EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits)) != 1 ||
      EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), number.get()) != 1 ||
      EVP_PKEY_generate(context.get(), &key) != 1) {
    throw std::runtime_error("cannot generate a key: " + ssl::DrainErrors());
  }
  return ssl::EvpKey(key);
}

// Asks with `key` and signs with it.
Bytes CsrOf(ssl::EvpKey key, SignatureAlgorithm algorithm) {
  if (key == nullptr) throw std::runtime_error("cannot generate a key: " + ssl::DrainErrors());
  const SoftwareSigner signer(algorithm, std::move(key));
  return CsrBuilder(signer).Build();
}

Bytes WithSpki(ByteView spki) {
  return SignedCsr([&](CsrBuilder& csr) { csr.spki = ToBytes(spki); });
}
// With the octets of a key in the BIT STRING of its SubjectPublicKeyInfo.
Bytes WithRsaKey(std::initializer_list<ByteView> key) {
  return WithSpki(der::Sequence({der::Sequence({der::Oid(kRsa), der::Tlv(der::kNull, {})}),
                                 der::BitString(der::Constructed(der::kSequence, key))}));
}
Bytes WithAlgorithm(std::initializer_list<ByteView> algorithm, ByteView key) {
  return WithSpki(der::Sequence({der::Constructed(der::kSequence, algorithm), der::BitString(key)}));
}

// Odd, of a number of bits that is a multiple of 8, and no product of two primes.
Bytes Modulus(size_t bits) {
  Bytes modulus(bits / 8, 0x5a);
  modulus.front() = 0xda;
  modulus.back() = 0x5b;
  return modulus;
}

std::vector<HostileCsr> RsaKeys() {
  const std::string weak = reason::kKeyWeak;
  const std::string unsupported = reason::kKeyUnsupported;
  const std::string field = "csr.public_key";
  const SignatureAlgorithm pkcs1 = SignatureAlgorithm::kRsaPkcs1Sha256;
  const Bytes exponent = der::Unsigned(uint64_t{65537});
  const Bytes modulus = der::Unsigned(Modulus(2048));
  const Bytes key = der::Sequence({modulus, exponent});
  const auto of = [&](size_t bits) { return WithRsaKey({der::Unsigned(Modulus(bits)), exponent}); };
  const auto raised = [&](uint64_t e) { return WithRsaKey({modulus, der::Unsigned(e)}); };
  Bytes even = Modulus(2048);
  even.back() ^= 1;
  Bytes half = Modulus(2048);
  half.front() = 0x5a;
  return {
      {"RSA 512", CsrOf(RsaKey(512, 65537), pkcs1), weak, field, "512 bits"},
      {"RSA 1024", CsrOf(RsaKey(1024, 65537), pkcs1), weak, field, "1024 bits"},
      {"RSA 2047", WithRsaKey({der::Unsigned(half), exponent}), weak, field, "2047 bits"},
      {"RSA 2056", of(2056), weak, field, "2056 bits"},
      {"RSA 8192", of(8192), weak, field, "8192 bits"},
      {"RSA with an exponent of 3", CsrOf(RsaKey(2048, 3), pkcs1), weak, field, "exponent"},
      {"RSA with an exponent of 0", raised(0), weak, field, "exponent"},
      {"RSA with an exponent of 1", raised(1), weak, field, "exponent"},
      {"RSA with an even exponent", raised(65538), weak, field, "exponent"},
      {"RSA with an exponent of 64 bits", raised(0xffffffffffffffff), weak, field, "exponent"},
      {"RSA with an exponent of 2048 bits", WithRsaKey({modulus, modulus}), weak, field, "exponent"},
      {"RSA with a negative exponent", WithRsaKey({modulus, Octets("0201ff")}), unsupported, field, "malformed"},
      {"RSA with an exponent of no octets", WithRsaKey({modulus, Octets("0200")}), unsupported, field, "malformed"},
      {"RSA with an exponent with zeros before", WithRsaKey({modulus, Octets("020400010001")}), unsupported, field,
       "malformed"},
      {"RSA with an even modulus", WithRsaKey({der::Unsigned(even), exponent}), weak, field, "even"},
      {"RSA with a modulus of 0", WithRsaKey({Octets("020100"), exponent}), weak, field, "0 bits"},
      {"RSA with a negative modulus", WithRsaKey({der::Tlv(der::kInteger, Modulus(2048)), exponent}), unsupported,
       field, "malformed"},
      {"RSA with a modulus with zeros before",
       WithRsaKey({der::Tlv(der::kInteger, Join({Octets("0000"), Modulus(2048)})), exponent}), unsupported, field,
       "malformed"},
      {"RSA without an exponent", WithRsaKey({modulus}), unsupported, field, "malformed"},
      {"RSA with three numbers", WithRsaKey({modulus, exponent, exponent}), unsupported, field, "malformed"},
      {"RSA with something after the key", WithAlgorithm({der::Oid(kRsa), Octets("0500")}, Join({key, Octets("0500")})),
       unsupported, field, "malformed"},
      {"RSA without NULL", WithAlgorithm({der::Oid(kRsa)}, key), unsupported, field, "neither EC nor RSA"},
      {"RSA with a NULL of one octet", WithAlgorithm({der::Oid(kRsa), Octets("050100")}, key), unsupported, field,
       "neither EC nor RSA"},
      {"RSA with a SEQUENCE for NULL", WithAlgorithm({der::Oid(kRsa), Octets("3000")}, key), unsupported, field,
       "neither EC nor RSA"},
      {"RSA with two NULLs", WithAlgorithm({der::Oid(kRsa), Octets("05000500")}, key), unsupported, field,
       "neither EC nor RSA"},
      {"an RSA key for PSS alone", WithAlgorithm({der::Oid("1.2.840.113549.1.1.10")}, key), unsupported, field,
       "neither EC nor RSA"},
      {"an RSA key for OAEP", WithAlgorithm({der::Oid("1.2.840.113549.1.1.7")}, key), unsupported, field,
       "neither EC nor RSA"},
      {"an RSA key under the name of a signature",
       WithAlgorithm({der::Oid("1.2.840.113549.1.1.11"), Octets("0500")}, key), unsupported, field,
       "neither EC nor RSA"},
  };
}

Bytes Point() { return ToBytes(PublicKey::FromSpki(DeviceKey().public_key()).value().key_octets()); }

// The same point in another form (SEC 1 2.3.3): `first` for an even y, `first` + 1 for an odd one.
Bytes PointAs(uint8_t first, size_t octets) {
  Bytes point = Point();
  const bool odd = (point.back() & 1) != 0;
  point.resize(octets);
  point[0] = static_cast<uint8_t>(first + (odd ? 1 : 0));
  return point;
}

Bytes ExplicitParameters() {
  const ssl::EvpKey key(EVP_PKEY_dup(DeviceKey().key()));
  if (key == nullptr ||
      EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT) != 1) {
    throw std::runtime_error("cannot write explicit parameters: " + ssl::DrainErrors());
  }
  return ssl::ToDer(i2d_PUBKEY, key.get()).value();
}

std::vector<HostileCsr> EcPoints() {
  const std::string weak = reason::kKeyWeak;
  const std::string unsupported = reason::kKeyUnsupported;
  const std::string field = "csr.public_key";
  const std::string form = "not in uncompressed form";
  const auto with = [](ByteView point) { return WithSpki(EcSpki(kP256, point)); };
  Bytes off = Point();
  off.back() ^= 1;
  Bytes swapped = {0x04};
  Append(swapped, ByteView(off).subspan(33));
  Append(swapped, ByteView(off).subspan(1, 32));
  // The point with x = 0, whose x is written as the field's prime.
  const Bytes beyond = Octets(
      "04ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
      "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
  return {
      {"a compressed point", with(PointAs(0x02, 33)), unsupported, field, form},
      {"a hybrid point", with(PointAs(0x06, 65)), unsupported, field, form},
      {"the point at infinity", with(Octets("00")), unsupported, field, form},
      {"the point at infinity, filled up", with(Bytes(65)), unsupported, field, form},
      {"no point", with({}), unsupported, field, form},
      {"half a point", with(ByteView(off).first(33)), unsupported, field, form},
      {"a point and a zero", with(Join({Point(), Octets("00")})), unsupported, field, form},
      {"a point in an OCTET STRING", with(der::Tlv(der::kOctetString, Point())), unsupported, field, form},
      {"a point off the curve", with(off), weak, field, "not on its curve"},
      {"a point with x and y swapped", with(swapped), weak, field, "not on its curve"},
      {"the point 0, 0", with(Join({Octets("04"), Bytes(64)})), weak, field, "not on its curve"},
      {"a point of ones", with(Join({Octets("04"), Bytes(64, 0xff)})), weak, field, "not on its curve"},
      {"a point whose x is the field's prime", with(beyond), weak, field, "not on its curve"},
      {"a point of P-256 on P-384", WithSpki(EcSpki("1.3.132.0.34", Point())), unsupported, field, form},
  };
}

std::vector<HostileCsr> EcParameters() {
  const std::string unsupported = reason::kKeyUnsupported;
  const std::string field = "csr.public_key";
  const std::string curve = "curve is not P-256 or P-384";
  const std::string unnamed = "does not name its curve";
  const Bytes ec = der::Oid("1.2.840.10045.2.1");
  const auto of = [](const char* name) {
    return CsrOf(ssl::EvpKey(EVP_EC_gen(name)), SignatureAlgorithm::kEcdsaSha256);
  };
  const auto parameters = [&](const char* hex) { return WithAlgorithm({ec, Octets(hex)}, Point()); };
  return {
      {"P-192", of("prime192v1"), unsupported, field, curve},
      {"P-224", of("secp224r1"), unsupported, field, curve},
      {"P-521", of("secp521r1"), unsupported, field, curve},
      {"secp256k1", of("secp256k1"), unsupported, field, curve},
      {"brainpoolP256r1", of("brainpoolP256r1"), unsupported, field, curve},
      {"SM2's curve", WithSpki(EcSpki("1.2.156.10197.1.301", Point())), unsupported, field, curve},
      {"P-256 in explicit parameters", WithSpki(ExplicitParameters()), unsupported, field, unnamed},
      {"EC parameters of the issuer (implicitCurve)", parameters("0500"), unsupported, field, unnamed},
      {"no EC parameters", parameters(""), unsupported, field, unnamed},
      {"two EC parameters", parameters("06082a8648ce3d0301070500"), unsupported, field, unnamed},
      {"P-256's OID with an arc that begins with zeros", parameters("06092a8648ce3d03018007"), unsupported, field,
       curve},
      {"a curve's OID cut off", parameters("06072a8648ce3d0381"), unsupported, field, curve},
      {"a P-256 key for ECDH alone", WithAlgorithm({der::Oid("1.3.132.1.12"), der::Oid(kP256)}, Point()), unsupported,
       field, "neither EC nor RSA"},
  };
}

std::vector<HostileCsr> OtherKeys() {
  const std::string unsupported = reason::kKeyUnsupported;
  const std::string field = "csr.public_key";
  const std::string algorithm = "neither EC nor RSA";
  const Bytes good = ToBytes(DeviceKey().public_key());
  const Bytes ec = der::Sequence({der::Oid("1.2.840.10045.2.1"), der::Oid(kP256)});
  const auto generated = [](const char* name) {
    const ssl::EvpKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, name));
    return WithSpki(ssl::ToDer(i2d_PUBKEY, key.get()).value());
  };
  return {
      {"Ed25519", generated("ED25519"), unsupported, field, algorithm},
      {"Ed448", generated("ED448"), unsupported, field, algorithm},
      {"X25519", generated("X25519"), unsupported, field, algorithm},
      {"DSA", WithAlgorithm({der::Oid("1.2.840.10040.4.1"), Octets("3000")}, Octets("020105")), unsupported, field,
       algorithm},
      {"Diffie-Hellman", WithAlgorithm({der::Oid("1.2.840.113549.1.3.1"), Octets("3000")}, Octets("020105")),
       unsupported, field, algorithm},
      {"ML-DSA-44", WithAlgorithm({der::Oid("2.16.840.1.101.3.4.3.17")}, Bytes(1312, 0x11)), unsupported, field,
       algorithm},
      {"a key without an algorithm", WithAlgorithm({}, Point()), unsupported, field, algorithm},
      {"a key of nothing", WithSpki(Octets("3000")), unsupported, field, "malformed"},
      {"an algorithm without a key", WithSpki(der::Sequence({ec})), unsupported, field, "malformed"},
      {"a key in an OCTET STRING", WithSpki(der::Sequence({ec, der::Tlv(der::kOctetString, Point())})), unsupported,
       field, "malformed"},
      {"a key with unused bits",
       WithSpki(der::Sequence({ec, der::Tlv(der::kBitString, Join({Octets("01"), Point()}))})), unsupported, field,
       "unused bits"},
      {"two keys", WithSpki(der::Sequence({ec, der::BitString(Point()), der::BitString(Point())})), unsupported, field,
       "too many"},
      {"a key in a SEQUENCE more", WithSpki(der::Sequence({good})), unsupported, field, "malformed"},
  };
}

}  // namespace

std::vector<HostileCsr> HostileKeys() {
  std::vector<HostileCsr> rows = RsaKeys();
  for (auto table : {EcPoints, EcParameters, OtherKeys}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
