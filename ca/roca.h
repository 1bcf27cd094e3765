// The fingerprint of RSA keys made by the Infineon library of CVE-2017-15361, ROCA ("The Return of Coppersmith's
// Attack", Nemec et al., ACM CCS 2017): its primes are k * M + (65537^a mod M), M a product of the first primes, and
// whoever knows that can factor the modulus.
#pragma once

#include "ca/small_primes.h"

namespace hallmark {

// Whether a modulus, given by its residues, is a power of 65537 modulo the product of the primes up to 167, as the
// product of two such primes is whatever its size. The powers are one in 2^154.9 of the numbers that have no small
// factor, so an honest modulus is never taken for one.
bool HasRocaFingerprint(const Residues& modulus);

}  // namespace hallmark
