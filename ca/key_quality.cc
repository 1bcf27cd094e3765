#include "ca/key_quality.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/roca.h"
#include "ca/small_primes.h"

namespace hallmark {
namespace {

constexpr uint32_t kFermatRounds = 100;  // Baseline Requirements 6.1.1.3

Status Weak(const std::string& what) { return FieldError(reason::kKeyWeak, "csr.public_key", what); }
Status OutOfMemory() { return absl::ResourceExhaustedError("out of memory"); }

// The largest integer whose square is not above `number`: Newton's iteration, from above. Null: out of memory.
ssl::Bignum SquareRoot(const BIGNUM* number, BN_CTX* context) {
  ssl::Bignum root(BN_new());
  ssl::Bignum next(BN_new());
  if (root == nullptr || next == nullptr) return nullptr;
  if (BN_is_zero(number)) return root;
  if (BN_set_bit(root.get(), (BN_num_bits(number) + 1) / 2) != 1) return nullptr;
  while (true) {
    if (BN_div(next.get(), nullptr, number, root.get(), context) != 1 ||
        BN_add(next.get(), next.get(), root.get()) != 1 || BN_rshift1(next.get(), next.get()) != 1) {
      return nullptr;
    }
    if (BN_cmp(next.get(), root.get()) >= 0) return root;
    std::swap(root, next);
  }
}

// number^2. Null: out of memory.
ssl::Bignum Square(const BIGNUM* number, BN_CTX* context) {
  ssl::Bignum square(BN_new());
  return square != nullptr && BN_sqr(square.get(), number, context) == 1 ? std::move(square) : nullptr;
}

// The squares modulo each of the first small primes. A number that is no square passes all of them once in 2^17.
constexpr size_t kSievePrimes = 17;
constexpr auto kIsSquare = [] {
  std::array<std::array<bool, kSmallPrimes[kSievePrimes - 1]>, kSievePrimes> is_square = {};
  for (size_t i = 0; i < kSievePrimes; ++i) {
    for (uint32_t root = 0; root < kSmallPrimes[i]; ++root) is_square[i][root * root % kSmallPrimes[i]] = true;
  }
  return is_square;
}();

// Whether (a + round)^2 - n may be a square, by the residues of `a` and `n`.
bool MayBeSquare(const Residues& a, const Residues& n, uint32_t round) {
  for (size_t i = 0; i < kSievePrimes; ++i) {
    const uint32_t prime = kSmallPrimes[i];
    const uint32_t root = a[i] + round;
    if (!kIsSquare[i][(root * root + prime - n[i]) % prime]) return false;
  }
  return true;
}

// Whether a^2 - n is a square b^2, so that n = (a + b)(a - b).
StatusOr<bool> IsDifferenceOfSquares(const BIGNUM* a, const BIGNUM* n, BN_CTX* context) {
  const ssl::Bignum difference = Square(a, context);
  if (difference == nullptr || BN_sub(difference.get(), difference.get(), n) != 1) return OutOfMemory();
  const ssl::Bignum b = SquareRoot(difference.get(), context);
  const ssl::Bignum square = b == nullptr ? nullptr : Square(b.get(), context);
  if (square == nullptr) return OutOfMemory();
  return BN_cmp(square.get(), difference.get()) == 0;
}

// Fermat's method: a = ceil(sqrt(n)), a + 1... until a^2 - n is a square. It finds a square of a prime at once.
StatusOr<bool> HasClosePrimes(const BIGNUM* n, const Residues& residues, BN_CTX* context) {
  const ssl::Bignum a = SquareRoot(n, context);
  const ssl::Bignum square = a == nullptr ? nullptr : Square(a.get(), context);
  if (square == nullptr) return OutOfMemory();
  if (BN_cmp(square.get(), n) < 0 && BN_add_word(a.get(), 1) != 1) return OutOfMemory();
  const Residues start = ResiduesOf(a.get());
  uint32_t added = 0;
  for (uint32_t round = 0; round < kFermatRounds; ++round) {
    if (!MayBeSquare(start, residues, round)) continue;
    if (BN_add_word(a.get(), round - added) != 1) return OutOfMemory();
    added = round;
    ASSIGN_OR_RETURN(const bool found, IsDifferenceOfSquares(a.get(), n, context));
    if (found) return true;
  }
  return false;
}

// Fermat's test to base 2, as a common factor of n and 2^(n-1) - 1: n itself if it is a prime, p if it is a power of
// the prime p (p - 1 divides p^k - 1), and none if it is the product of two primes that were drawn at random.
StatusOr<bool> IsPrimeOrPowerOfOne(const BIGNUM* n, BN_CTX* context) {
  const ssl::Bignum exponent(BN_dup(n));
  const ssl::Bignum two(BN_new());
  const ssl::Bignum power(BN_new());
  if (exponent == nullptr || two == nullptr || power == nullptr || BN_set_word(two.get(), 2) != 1 ||
      BN_sub_word(exponent.get(), 1) != 1 || BN_mod_exp(power.get(), two.get(), exponent.get(), n, context) != 1 ||
      BN_sub_word(power.get(), 1) != 1) {
    return OutOfMemory();
  }
  // The Jacobi symbol is 0 if and only if the two have a common factor. BN_gcd runs in constant time, which nothing
  // here needs, and takes four times as long.
  const int symbol = BN_kronecker(power.get(), n, context);
  if (symbol < -1) return OutOfMemory();
  return symbol == 0;
}

Status CheckModulus(ByteView octets) {
  const ssl::Bignum n(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
  const ssl::BignumContext context(BN_CTX_new());
  if (n == nullptr || context == nullptr) return OutOfMemory();
  const Residues residues = ResiduesOf(n.get());
  const auto zero = std::find(residues.begin(), residues.end(), 0);
  if (zero != residues.end()) {
    return Weak(
        fmt::format("the RSA modulus is divisible by {}: it was damaged, or made by a faulty program; make the "
                    "key again, with another one",
                    kSmallPrimes[zero - residues.begin()]));
  }
  if (HasRocaFingerprint(residues)) {
    return Weak(
        "the RSA key was made by the Infineon library of CVE-2017-15361 (ROCA), and others can compute its private "
        "key; make a new key with another library or updated firmware, or an EC key");
  }
  ASSIGN_OR_RETURN(const bool close_primes, HasClosePrimes(n.get(), residues, context.get()));
  if (close_primes) {
    return Weak(
        fmt::format("the RSA modulus was factored within {} rounds of Fermat's method, since its two primes "
                    "are too close together; make a new key with a library that draws both at random",
                    kFermatRounds));
  }
  ASSIGN_OR_RETURN(const bool prime, IsPrimeOrPowerOfOne(n.get(), context.get()));
  if (prime) {
    return Weak(
        "the RSA modulus is a prime or the power of one instead of a product of two, and others can compute the "
        "private key; make a new key with another library");
  }
  return absl::OkStatus();
}

}  // namespace

Status CheckKeyQuality(const PublicKey& key, const BlockedKeys& blocked) {
  const Digest digest = Sha256(key.spki());
  if (blocked.Contains(digest)) {
    return Weak(
        fmt::format("others have the private key of this public key, which is on the list of blocked keys (SHA-256 of "
                    "its SubjectPublicKeyInfo {}); make a new key",
                    Hex(digest)));
  }
  return key.modulus().empty() ? absl::OkStatus() : CheckModulus(key.modulus());
}

}  // namespace hallmark
