#include "ca/roca.h"

#include <numeric>

namespace hallmark {
namespace {

constexpr uint32_t kGenerator = 65537;
// The primes up to 167: of the M of each size of key these 38 and 2 are factors. Modulo 2 every odd number is a power.
constexpr size_t kPrimeCount = 38;
static_assert(kSmallPrimes[kPrimeCount - 1] == 167);

// The powers of 65537 modulo one prime.
struct Powers {
  int order = 0;
  std::array<int16_t, 167> logarithm;  // of each residue; -1: is no power
};
constexpr auto kPowers = [] {
  std::array<Powers, kPrimeCount> all = {};
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].logarithm.fill(-1);
    for (uint32_t power = 1; all[i].logarithm[power] < 0; power = power * kGenerator % kSmallPrimes[i]) {
      all[i].logarithm[power] = static_cast<int16_t>(all[i].order++);
    }
  }
  return all;
}();

}  // namespace

bool HasRocaFingerprint(const Residues& modulus) {
  std::array<int, kPrimeCount> logarithms;
  for (size_t i = 0; i < kPrimeCount; ++i) {
    logarithms[i] = kPowers[i].logarithm[modulus[i]];
    if (logarithms[i] < 0) return false;
  }
  // A power modulo each prime, which one honest modulus in 2^27.8 is. It is one modulo their product if a single
  // exponent fits all the logarithms, and one does if any two of them agree (Chinese remainder theorem).
  for (size_t i = 0; i < kPrimeCount; ++i) {
    for (size_t j = 0; j < i; ++j) {
      if ((logarithms[i] - logarithms[j]) % std::gcd(kPowers[i].order, kPowers[j].order) != 0) return false;
    }
  }
  return true;
}

}  // namespace hallmark
