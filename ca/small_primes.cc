#include "ca/small_primes.h"

#include <limits>

namespace hallmark {

Residues ResiduesOf(const BIGNUM* number) {
  // BN_mod_word costs the same for any divisor below 2^32, so one call serves the product of a few primes; it cannot
  // fail for such a divisor.
  Residues residues;
  for (size_t begin = 0, end = 0; begin < kSmallPrimes.size(); begin = end) {
    uint64_t product = 1;
    while (end < kSmallPrimes.size() && product * kSmallPrimes[end] <= std::numeric_limits<uint32_t>::max()) {
      product *= kSmallPrimes[end++];
    }
    const BN_ULONG remainder = BN_mod_word(number, product);
    for (size_t i = begin; i < end; ++i) residues[i] = static_cast<uint16_t>(remainder % kSmallPrimes[i]);
  }
  return residues;
}

}  // namespace hallmark
