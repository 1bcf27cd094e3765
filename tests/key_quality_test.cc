// Keys that nobody should get a certificate for, and the many that must never be taken for one of them.
#include "ca/key_quality.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <functional>

#include "base/file.h"
#include "base/reason.h"
#include "ca/csr.h"
#include "ca/der.h"
#include "ca/draft.h"
#include "ca/roca.h"
#include "tests/command.h"
#include "tests/csr_builder.h"
#include "tests/places.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::CommandResult;
using testing::CsrBuilder;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::RunCommand;
using testing::SoftwareSigner;
using testing::TemporaryDirectory;

// --- Numbers.

void Must(bool done) {
  if (!done) throw std::runtime_error("OpenSSL failed: " + ssl::DrainErrors());
}
BN_CTX* Context() {
  static const auto& context = *new ssl::BignumContext(BN_CTX_new());
  return context.get();
}
ssl::Bignum Number(uint64_t value) {
  ssl::Bignum number(BN_new());
  Must(BN_set_word(number.get(), value) == 1);
  return number;
}
ssl::Bignum Sum(const ssl::Bignum& a, const ssl::Bignum& b) {
  ssl::Bignum sum(BN_new());
  Must(BN_add(sum.get(), a.get(), b.get()) == 1);
  return sum;
}
ssl::Bignum Product(const ssl::Bignum& a, const ssl::Bignum& b) {
  ssl::Bignum product(BN_new());
  Must(BN_mul(product.get(), a.get(), b.get(), Context()) == 1);
  return product;
}
ssl::Bignum Random(int bits) {
  ssl::Bignum number(BN_new());
  Must(BN_rand(number.get(), bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
  return number;
}
// The two highest bits are set, so that the product of two has twice the bits.
ssl::Bignum RandomPrime(int bits) {
  ssl::Bignum prime(BN_new());
  Must(BN_generate_prime_ex(prime.get(), bits, 0, nullptr, nullptr, nullptr) == 1);
  return prime;
}
// The first prime from `start` + 2^`exponent` on.
ssl::Bignum PrimeAfter(const ssl::Bignum& start, int exponent) {
  ssl::Bignum prime(BN_dup(start.get()));
  ssl::Bignum distance = Number(0);
  Must(BN_set_bit(distance.get(), exponent) == 1 && BN_add(prime.get(), prime.get(), distance.get()) == 1);
  if (BN_is_odd(prime.get()) == 0) Must(BN_add_word(prime.get(), 1) == 1);
  while (BN_check_prime(prime.get(), Context(), nullptr) == 0) Must(BN_add_word(prime.get(), 2) == 1);
  return prime;
}
// The number that `make` makes with exactly `bits` bits, which it does once in a few times.
ssl::Bignum OfBits(int bits, const std::function<ssl::Bignum()>& make) {
  while (true) {
    ssl::Bignum number = make();
    if (BN_num_bits(number.get()) == bits) return number;
  }
}

// A prime as the Infineon library made them: k * M + (65537^a mod M), M the product of the first primes.
ssl::Bignum RocaPrime(int bits, int primes_in_m) {
  ssl::Bignum m = Number(1);
  uint64_t prime = 2;
  for (int count = 0; count < primes_in_m; ++prime) {
    if (BN_check_prime(Number(prime).get(), Context(), nullptr) != 1) continue;
    m = Product(m, Number(prime));
    ++count;
  }
  while (true) {
    ssl::Bignum candidate(BN_new());
    ssl::Bignum remainder(BN_new());
    ssl::Bignum power(BN_new());
    Must(BN_rand(candidate.get(), bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY) == 1);
    Must(BN_mod(remainder.get(), candidate.get(), m.get(), Context()) == 1);
    Must(BN_sub(candidate.get(), candidate.get(), remainder.get()) == 1);
    Must(BN_mod_exp(power.get(), Number(65537).get(), Random(64).get(), m.get(), Context()) == 1);
    candidate = Sum(candidate, power);
    if (BN_check_prime(candidate.get(), Context(), nullptr) == 1) return candidate;
  }
}
ssl::Bignum RocaModulus(int bits, int primes_in_m) {
  return Product(RocaPrime(bits / 2, primes_in_m), RocaPrime(bits / 2, primes_in_m));
}

// --- Keys.

Bytes Magnitude(const BIGNUM* number) {
  Bytes octets(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, octets.data());
  return octets;
}
Bytes RsaSpki(const BIGNUM* modulus, uint64_t exponent = 65537) {
  return der::Sequence({der::Sequence({der::Oid("1.2.840.113549.1.1.1"), der::Tlv(der::kNull, {})}),
                        der::BitString(der::Sequence({der::Unsigned(Magnitude(modulus)), der::Unsigned(exponent)}))});
}
constexpr char kP256[] = "1.2.840.10045.3.1.7";
constexpr char kP384[] = "1.3.132.0.34";
Bytes EcSpki(const char* curve, ByteView point) {
  return der::Sequence({der::Sequence({der::Oid("1.2.840.10045.2.1"), der::Oid(curve)}), der::BitString(point)});
}
// The key pair of a private key, from an ECPrivateKey (RFC 5915) without public key.
ssl::EvpKey EcKey(const char* curve, const char* private_key) {
  const Bytes encoded = der::Sequence({der::Unsigned(uint64_t{1}), der::Tlv(der::kOctetString, *FromHex(private_key)),
                                       der::Tlv(der::ContextConstructed(0), der::Oid(curve))});
  const uint8_t* in = encoded.data();
  ssl::EvpKey key(d2i_PrivateKey(EVP_PKEY_EC, nullptr, &in, static_cast<long>(encoded.size())));
  Must(key != nullptr);
  return key;
}
Bytes SpkiOf(EVP_PKEY* key) { return ssl::ToDer(i2d_PUBKEY, key).value(); }

Status CheckSpki(ByteView spki, const BlockedKeys& blocked = BlockedKeys::Shipped()) {
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(spki));
  return CheckKeyQuality(key, blocked);
}

bool OpenSslFindsFault(ByteView spki) {
  const uint8_t* in = spki.data();
  const ssl::EvpKey key(d2i_PUBKEY(nullptr, &in, static_cast<long>(spki.size())));
  Must(key != nullptr);
  const ssl::EvpKeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
  const bool good = EVP_PKEY_public_check(context.get()) == 1;
  ERR_clear_error();
  return !good;
}

// --- RSA moduli that others can factor.

struct BadModulus {
  const char* name;
  std::function<ssl::Bignum()> make;
  const char* message;
  bool openssl_finds;  // by its own check of a public key
};
void PrintTo(const BadModulus& modulus, std::ostream* out) { *out << modulus.name; }

std::vector<BadModulus> BadModuli() {
  const auto times = [](uint64_t factor, int bits) {
    return OfBits(2048, [&] { return Product(Number(factor), Product(RandomPrime(1024), RandomPrime(bits))); });
  };
  const auto close = [](int exponent) {
    const ssl::Bignum prime = RandomPrime(1024);
    return Product(prime, PrimeAfter(prime, exponent));
  };
  return {
      {"DivisibleBy3", [=] { return times(3, 1023); }, "divisible by 3:", true},
      {"DivisibleBy751", [=] { return times(751, 1015); }, "divisible by 751:", true},
      {"MadeByInfineon2048", [] { return RocaModulus(2048, 126); }, "CVE-2017-15361", false},
      {"MadeByInfineon3072", [] { return RocaModulus(3072, 126); }, "CVE-2017-15361", false},
      {"MadeByInfineon4096", [] { return RocaModulus(4096, 225); }, "CVE-2017-15361", false},
      {"NeighbouringPrimes", [=] { return close(1); }, "Fermat", false},
      {"PrimesThatShareTheirFirstHalf", [=] { return close(512); }, "Fermat", false},
      // (q - p)^2 / 8 sqrt(n) is the number of rounds: 32 to 43.
      {"PrimesFoundAfterTensOfRounds", [=] { return close(516); }, "Fermat", false},
      {"SquareOfAPrime",
       [] {
         const ssl::Bignum prime = RandomPrime(1024);
         return Product(prime, prime);
       },
       "Fermat", true},
      {"CubeOfAPrime",
       [] {
         return OfBits(2048, [] {
           const ssl::Bignum prime = RandomPrime(683);
           return Product(prime, Product(prime, prime));
         });
       },
       "is a prime or the power of one", true},
      {"Prime", [] { return RandomPrime(2048); }, "is a prime or the power of one", true},
  };
}

class BadModulusTest : public ::testing::TestWithParam<BadModulus> {};

TEST_P(BadModulusTest, IsRefusedWithTheReason) {
  const Bytes spki = RsaSpki(GetParam().make().get());
  const Status status = CheckSpki(spki);
  EXPECT_THAT(status, Fails(Code::kInvalidArgument, reason::kKeyWeak));
  EXPECT_THAT(Message(status), HasSubstr(GetParam().message));
  EXPECT_THAT(Message(status), HasSubstr("make "));
  EXPECT_EQ(Fields(status).at(0).field, "csr.public_key");
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_EQ(OpenSslFindsFault(spki), GetParam().openssl_finds);
}
INSTANTIATE_TEST_SUITE_P(KeyQualityTest, BadModulusTest, ::testing::ValuesIn(BadModuli()),
                         [](const auto& info) { return info.param.name; });

TEST(KeyQualityTest, PrimesThatAreFurtherApartPass) {
  // 128 to 171 rounds.
  const ssl::Bignum prime = RandomPrime(1024);
  EXPECT_THAT(CheckSpki(RsaSpki(Product(prime, PrimeAfter(prime, 517)).get())), IsOk());
}

TEST(KeyQualityTest, AThousandModuliOfOpenSslsPrimesPass) {
  // Each two of 46 primes make a modulus: 1035 of them for the price of 23 keys.
  std::vector<ssl::Bignum> primes;
  while (primes.size() < 46) {
    const ssl::EvpKey key(EVP_RSA_gen(2048));
    for (const char* factor : {"rsa-factor1", "rsa-factor2"}) {
      BIGNUM* prime = nullptr;
      Must(EVP_PKEY_get_bn_param(key.get(), factor, &prime) == 1);
      primes.emplace_back(prime);
    }
  }
  for (size_t i = 0; i < primes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      ASSERT_THAT(CheckSpki(RsaSpki(Product(primes[i], primes[j]).get())), IsOk());
    }
  }
}

TEST(KeyQualityTest, KeysOfOtherTypesAndSizesPass) {
  for (const unsigned bits : {3072, 4096}) EXPECT_THAT(CheckSpki(SpkiOf(ssl::EvpKey(EVP_RSA_gen(bits)).get())), IsOk());
  for (const char* curve : {"P-256", "P-384"}) {
    EXPECT_THAT(CheckSpki(SpkiOf(ssl::EvpKey(EVP_EC_gen(curve)).get())), IsOk()) << curve;
  }
}

TEST(KeyQualityTest, KeysOfSoftHsmPass) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "tokens");
  ASSERT_THAT(WriteFile(directory / "softhsm2.conf",
                        AsBytes(fmt::format("directories.tokendir = {}\n", (directory / "tokens").string()))),
              IsOk());
  const std::string in = fmt::format("cd {} && export SOFTHSM2_CONF=$PWD/softhsm2.conf && ", directory.path().string());
  const std::string tool = "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label t --login --pin 1234";
  const CommandResult token = RunCommand(in + "softhsm2-util --init-token --free --label t --pin 1234 --so-pin 1234");
  ASSERT_EQ(token.exit_code, 0) << token.output;
  for (const char* type : {"rsa:2048", "rsa:2048", "rsa:2048", "rsa:2048", "EC:secp256r1"}) {
    const CommandResult made = RunCommand(fmt::format(
        "{0}rm -f k && {1} --keypairgen --key-type {2} --id 01 && {1} --read-object --type pubkey --id 01 -o k && "
        "{1} --delete-object --type pubkey --id 01 && openssl pkey -pubin -inform DER -in k -outform DER -out spki",
        in, tool, type));
    ASSERT_EQ(made.exit_code, 0) << made.output;
    EXPECT_THAT(CheckSpki(AsBytes(ReadFile(directory / "spki").value())), IsOk()) << type;
  }
}

// --- The parts.

TEST(SmallPrimesTest, AreAllOddPrimesUpToTheBoundAndTheResiduesAreOpenSsls) {
  size_t count = 0;
  for (uint64_t number = 3; number < 752; ++number) {
    if (BN_check_prime(Number(number).get(), Context(), nullptr) != 1) continue;
    ASSERT_LT(count, kSmallPrimes.size());
    EXPECT_EQ(kSmallPrimes[count++], number);
  }
  EXPECT_EQ(count, kSmallPrimes.size());
  for (const int bits : {1, 64, 1024, 4096}) {
    const ssl::Bignum number = Random(bits);
    const Residues residues = ResiduesOf(number.get());
    for (size_t i = 0; i < residues.size(); ++i) EXPECT_EQ(residues[i], BN_mod_word(number.get(), kSmallPrimes[i]));
  }
}

// The residues of a number that is 65537^exponent(i) modulo the i-th prime.
Residues PowersOf65537(const std::function<uint64_t(size_t)>& exponent) {
  Residues residues;
  for (size_t i = 0; i < residues.size(); ++i) {
    uint64_t power = 1;
    for (uint64_t n = exponent(i); n > 0; --n) power = power * 65537 % kSmallPrimes[i];
    residues[i] = static_cast<uint16_t>(power);
  }
  return residues;
}

TEST(RocaTest, OnlyAPowerWithOneExponentForAllPrimesHasTheFingerprint) {
  for (const uint64_t exponent : {0, 1, 2, 1000, 99991}) {
    EXPECT_TRUE(HasRocaFingerprint(PowersOf65537([&](size_t) { return exponent; }))) << exponent;
  }
  // A power modulo each prime, but of several exponents: what a test of each prime for itself takes for ROCA.
  EXPECT_FALSE(HasRocaFingerprint(PowersOf65537([](size_t i) { return i % 2; })));
  EXPECT_FALSE(HasRocaFingerprint(PowersOf65537([](size_t i) { return i == 20 ? 1001u : 1000u; })));
  Residues no_power = PowersOf65537([](size_t) { return 1000; });
  no_power[3] = 2;  // modulo 11, whose powers are 1 and 10
  EXPECT_FALSE(HasRocaFingerprint(no_power));
  Residues with_factor = PowersOf65537([](size_t) { return 1000; });
  with_factor[0] = 0;
  EXPECT_FALSE(HasRocaFingerprint(with_factor));
}

// --- The form of a key: what FromSpki refuses before quality is asked.

TEST(RsaFormTest, TheExponentIsOddAndFrom17To33Bits) {
  const ssl::Bignum modulus = Product(RandomPrime(1024), RandomPrime(1024));
  for (const uint64_t exponent : {uint64_t{65537}, uint64_t{65539}, (uint64_t{1} << 32) + 1, (uint64_t{1} << 33) - 1}) {
    EXPECT_THAT(CheckSpki(RsaSpki(modulus.get(), exponent)), IsOk()) << exponent;
  }
  for (const uint64_t exponent : {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{17}, uint64_t{65535}, uint64_t{65536},
                                  uint64_t{65538}, (uint64_t{1} << 33) + 1}) {
    EXPECT_THAT(CheckSpki(RsaSpki(modulus.get(), exponent)), Fails(Code::kInvalidArgument, reason::kKeyWeak))
        << exponent;
  }
}

TEST(RsaFormTest, TheModulusIsOddAndOfAnUsualSize) {
  ssl::Bignum even = Random(2048);
  Must(BN_clear_bit(even.get(), 0) == 1);
  EXPECT_THAT(CheckSpki(RsaSpki(even.get())), Fails(Code::kInvalidArgument, reason::kKeyWeak));
  for (const int bits : {512, 1024, 2047, 2049, 2056, 8192}) {
    ssl::Bignum odd = Random(bits);
    Must(BN_set_bit(odd.get(), 0) == 1);
    EXPECT_THAT(CheckSpki(RsaSpki(odd.get())), Fails(Code::kInvalidArgument, reason::kKeyWeak)) << bits;
  }
}

struct BadPoint {
  const char* name;
  const char* curve;
  Bytes point;
  const char* reason;
};

// A point of P-256 with a small x, and the same with x + p, which is the same modulo p and fits into 256 bits.
std::pair<Bytes, Bytes> PointWithTwoEncodings() {
  const ssl::EcGroup group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  const ssl::EcPoint point(EC_POINT_new(group.get()));
  ssl::Bignum x = Number(1);
  while (EC_POINT_set_compressed_coordinates(group.get(), point.get(), x.get(), 0, Context()) != 1)
    Must(BN_add_word(x.get(), 1) == 1);
  ERR_clear_error();
  Bytes encoded(65);
  Must(EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(), encoded.size(),
                          Context()) == encoded.size());
  ssl::Bignum p(BN_new());
  Must(EC_GROUP_get_curve(group.get(), p.get(), nullptr, nullptr, Context()) == 1);
  Bytes above = {0x04};
  Append(above, Magnitude(Sum(x, p).get()));
  Append(above, ByteView(encoded).subspan(33));
  return {encoded, above};
}

TEST(EcFormTest, OnlyAPointOfTheCurveInItsOneEncodingPasses) {
  const auto [point, above_p] = PointWithTwoEncodings();
  ASSERT_THAT(CheckSpki(EcSpki(kP256, point)), IsOk());
  ASSERT_EQ(above_p.size(), point.size());
  const auto with = [&](const std::function<void(Bytes&)>& change) {
    Bytes copy = point;
    change(copy);
    return copy;
  };
  const uint8_t sign = point.back() & 1;
  const std::vector<BadPoint> cases = {
      {"not on the curve", kP256, with([](Bytes& p) { p.back() ^= 1; }), reason::kKeyWeak},
      {"of another curve", kP384, Bytes(97, 0x04), reason::kKeyWeak},
      {"infinity", kP256, {0x00}, reason::kKeyUnsupported},
      {"infinity as (0, 0)", kP256, with([](Bytes& p) { std::fill(p.begin() + 1, p.end(), 0); }), reason::kKeyWeak},
      {"x of p or more", kP256, above_p, reason::kKeyWeak},
      {"y of p or more", kP256, with([](Bytes& p) { std::fill(p.begin() + 33, p.end(), 0xff); }), reason::kKeyWeak},
      {"compressed", kP256, with([&](Bytes& p) {
         p.resize(33);
         p[0] = 0x02 | sign;
       }),
       reason::kKeyUnsupported},
      {"hybrid", kP256, with([&](Bytes& p) { p[0] = 0x06 | sign; }), reason::kKeyUnsupported},
      {"an octet short", kP256, with([](Bytes& p) { p.pop_back(); }), reason::kKeyUnsupported},
      {"an octet long", kP256, with([](Bytes& p) { p.push_back(0); }), reason::kKeyUnsupported},
      {"empty", kP256, {}, reason::kKeyUnsupported},
      {"of P-256 under P-384", kP384, point, reason::kKeyUnsupported},
      {"of P-521", "1.3.132.0.35", Bytes(133, 0x04), reason::kKeyUnsupported},
  };
  for (const BadPoint& c : cases) {
    EXPECT_THAT(CheckSpki(EcSpki(c.curve, c.point)), Fails(Code::kInvalidArgument, c.reason)) << c.name;
    EXPECT_EQ(ERR_peek_error(), 0u) << c.name;
  }
}

TEST(EcFormTest, OddEncodingsThatOpenSslWritesAreRefused) {
  const TemporaryDirectory directory;
  const std::string key = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
  for (const std::string& command : {key + " -pkeyopt ec_param_enc:explicit | openssl pkey -pubout -outform DER",
                                     key + " | openssl ec -pubout -conv_form compressed -outform DER",
                                     key + " | openssl ec -pubout -conv_form hybrid -outform DER"}) {
    const CommandResult result = RunCommand(fmt::format("cd {} && {} -out spki", directory.path().string(), command));
    ASSERT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(CheckSpki(AsBytes(ReadFile(directory / "spki").value())),
                Fails(Code::kInvalidArgument, reason::kKeyUnsupported))
        << command;
  }
}

// --- The list of blocked keys.

struct PublishedKey {
  const char* name;
  const char* curve;
  const char* private_key;
};
constexpr PublishedKey kPublishedKeys[] = {
    {"RFC 6605 6.1", kP256, "194e929d0fcebbec42e51ba6b88508b8966d7974f6cf43bfa24d6cdfc12dea64"},
    {"RFC 6605 6.2", kP384,
     "59446058709c6086143d681e2e688f6360c9264d36be0ae64df8adc60a9c2f8bf05bb04eadb6b056655ed1df55f78491"},
    {"RFC 6979 A.2.5", kP256, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"},
    {"RFC 6979 A.2.6", kP384,
     "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5"},
    {"RFC 7515 A.3", kP256, "8e9b109e719098bf980487df1f5d77e9cb29606ebed2263b5f57c213df84f4b2"},
    {"RFC 7517 A.2", kP256, "f3bd0c07a81fb932781ed52752f60cc89a6be5e51934fe01938ddb55d8f77801"},
    {"RFC 7520 5.4", kP384,
     "893c76a64ef05be1aa2641dc1241506f6105c9870eed1ba099a5b7991ad054039488fa26993d0876760adb10e5661fa3"},
    {"RFC 7520 5.5", kP256, "aff907c99f9ad3aae6c4cdf21122bce2bd68b5283e6907154ad911840fa208cf"},
    {"RFC 9500 testECCP256", kP256, "e6cb5bdd80aa45ae9c95e8c15476679ffec953c16851e711e743939589c64fc1"},
    {"RFC 9500 testECCP384", kP384,
     "e2563328dfabf68188606b91324281c1d58a4456431b09d510b35fecc9f307ca1822846fa2671371a9a81bac0e35749d"},
    {"1 of P-256", kP256, "0000000000000000000000000000000000000000000000000000000000000001"},
    {"n - 1 of P-256", kP256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"},
    {"1 of P-384", kP384,
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001"},
    {"n - 1 of P-384", kP384,
     "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52972"},
};
const PublishedKey& TestEccP256() { return kPublishedKeys[8]; }

TEST(BlockedKeysTest, TheListThatShipsIsThatOfThePublishedKeys) {
  const std::string file = testing::SourceDirectory() + "/tests/testdata/published-rsa-keys.pem";
  const std::vector<Bytes> rsa_keys = PemDecode("PUBLIC KEY", ReadFile(file).value()).value();
  for (const PublishedKey& key : kPublishedKeys) {
    const Status status = CheckSpki(SpkiOf(EcKey(key.curve, key.private_key).get()));
    EXPECT_THAT(status, Fails(Code::kInvalidArgument, reason::kKeyWeak)) << key.name;
    EXPECT_THAT(Message(status), HasSubstr("list of blocked keys")) << key.name;
  }
  for (const Bytes& spki : rsa_keys) {
    const Status status = CheckSpki(spki);
    EXPECT_THAT(status, Fails(Code::kInvalidArgument, reason::kKeyWeak)) << Hex(Sha256(spki));
    EXPECT_THAT(Message(status), HasSubstr(Hex(Sha256(spki))));
    EXPECT_THAT(CheckSpki(spki, BlockedKeys::Parse("none", "").value()), IsOk()) << "no other fault hides this one";
  }
  EXPECT_EQ(BlockedKeys::Shipped().size(), std::size(kPublishedKeys) + rsa_keys.size());
}

TEST(BlockedKeysTest, ALineIsAHashAndCommentsAreSkipped) {
  const std::string a(64, 'a');
  const std::string b = std::string(62, '0') + "bB";
  const StatusOr<BlockedKeys> keys = BlockedKeys::Parse(
      "keys.txt", "# a comment\n\n" + b + "\r\n \t" + a + "  # leaked\n" + a + "\n   \n" + std::string(64, 'F'));
  ASSERT_THAT(keys, IsOk());
  EXPECT_EQ(keys->size(), 3u);
  Digest digest;
  digest.fill(0xaa);
  EXPECT_TRUE(keys->Contains(digest));
  digest.fill(0xff);
  EXPECT_TRUE(keys->Contains(digest));
  digest.fill(0x00);
  EXPECT_FALSE(keys->Contains(digest));
  digest.back() = 0xbb;
  EXPECT_TRUE(keys->Contains(digest));
  EXPECT_EQ(BlockedKeys::Parse("keys.txt", "").value().size(), 0u);
}

TEST(BlockedKeysTest, ABadLineIsNamed) {
  const std::string good(64, 'a');
  for (const std::string& line :
       {std::string(63, 'a'), std::string(65, 'a'), std::string(66, 'a'), std::string(40, 'a'), std::string(64, 'g'),
        good + " " + good, good + ",", "0x" + std::string(62, 'a'), "sha256:" + good, std::string(64, '\0')}) {
    const StatusOr<BlockedKeys> keys =
        BlockedKeys::Parse("keys.txt", "# first\n" + good + "\n" + line + "\n" + good + "\n");
    EXPECT_THAT(keys, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << line;
    EXPECT_THAT(Message(keys.status()), HasSubstr("keys.txt:3: ")) << line;
  }
}

TEST(BlockedKeysTest, AFileAddsToTheListThatShips) {
  const TemporaryDirectory directory;
  ASSERT_THAT(WriteFile(directory / "keys.txt", AsBytes(std::string(64, 'a') + "\n")), IsOk());
  const StatusOr<BlockedKeys> keys = BlockedKeys::Load(directory / "keys.txt");
  ASSERT_THAT(keys, IsOk());
  EXPECT_EQ(keys->size(), BlockedKeys::Shipped().size() + 1);
  EXPECT_THAT(CheckSpki(SpkiOf(EcKey(TestEccP256().curve, TestEccP256().private_key).get()), *keys),
              Fails(Code::kInvalidArgument, reason::kKeyWeak));

  EXPECT_THAT(BlockedKeys::Load(directory / "missing"), Fails(Code::kNotFound, reason::kFileUnreadable));
  std::filesystem::resize_file(directory / "keys.txt", kBlockedKeysLimit + 1);
  EXPECT_THAT(BlockedKeys::Load(directory / "keys.txt"), Fails(Code::kInvalidArgument, reason::kFileUnreadable));
}

TEST(BlockedKeysTest, TheHashIsTheOneThatOpenSslPrints) {
  const TemporaryDirectory directory;
  const SoftwareSigner signer(SignatureAlgorithm::kEcdsaSha256);
  ASSERT_THAT(WriteFile(directory / "key.pem", AsBytes(PemEncode("PUBLIC KEY", signer.public_key()))), IsOk());
  const CommandResult list = RunCommand(fmt::format(
      "cd {} && openssl pkey -pubin -in key.pem -outform DER | openssl dgst -sha256 -r | cut -d ' ' -f 1 > keys.txt",
      directory.path().string()));
  ASSERT_EQ(list.exit_code, 0) << list.output;
  const Bytes csr = CsrBuilder(signer).Build();
  EXPECT_THAT(ReadCsr(csr), IsOk());
  EXPECT_THAT(ReadCsr(csr, BlockedKeys::Load(directory / "keys.txt").value()),
              Fails(Code::kInvalidArgument, reason::kKeyWeak));
}

// --- Where the quality of a key is asked.

TEST(KeyQualityTest, ARequestForAPublishedKeyIsRefused) {
  const SoftwareSigner signer(SignatureAlgorithm::kEcdsaSha256, EcKey(TestEccP256().curve, TestEccP256().private_key));
  EXPECT_THAT(ReadCsr(CsrBuilder(signer).Build()), Fails(Code::kInvalidArgument, reason::kKeyWeak));
}

TEST(KeyQualityTest, AnAuthorityDoesNotSignWithAPublishedKey) {
  const auto signing_key = [](ssl::EvpKey key) {
    return SigningKey::Create(std::make_unique<SoftwareSigner>(SignatureAlgorithm::kEcdsaSha256, std::move(key)));
  };
  EXPECT_THAT(signing_key(EcKey(TestEccP256().curve, TestEccP256().private_key)),
              Fails(Code::kFailedPrecondition, reason::kHsmRefused));
  EXPECT_THAT(signing_key(ssl::EvpKey(EVP_EC_gen("P-256"))), IsOk());
}

}  // namespace
}  // namespace hallmark
