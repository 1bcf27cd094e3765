// The odd primes below 752, the bound of the CA/Browser Forum's Baseline Requirements 6.1.6, and a number's residues
// modulo each: computed once, they answer whether one divides it, and most of two further questions about an RSA
// modulus without another long division.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/openssl.h"

namespace hallmark {

inline constexpr size_t kSmallPrimeCount = 132;
inline constexpr auto kSmallPrimes = [] {
  std::array<uint16_t, kSmallPrimeCount> primes = {};
  size_t count = 0;
  for (uint16_t candidate = 3; count < primes.size(); candidate += 2) {
    const auto divides = [&](uint16_t prime) { return candidate % prime == 0; };
    if (std::none_of(primes.begin(), primes.begin() + count, divides)) primes[count++] = candidate;
  }
  return primes;
}();
static_assert(kSmallPrimes.back() == 751);

// Modulo kSmallPrimes, in their order.
using Residues = std::array<uint16_t, kSmallPrimeCount>;

// About 5 us for a number of 2048 bits.
Residues ResiduesOf(const BIGNUM* number);

}  // namespace hallmark
