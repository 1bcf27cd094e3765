// Whether a public key that is well-formed (ca/public_key.h) is also one whose private key only its owner has. What is
// found here is what others find, too: keys that are published, and RSA moduli that a known trick factors (CA/Browser
// Forum Baseline Requirements 6.1.1.3 and 6.1.6). docs/decisions/0011-key-quality.md has what each test costs.
#pragma once

#include "ca/blocked_keys.h"
#include "ca/public_key.h"

namespace hallmark {

// OK for a key that may be certified. kInvalidArgument (KEY_WEAK) says what is wrong: the key is blocked; or an RSA
// modulus has a factor below 752, the fingerprint of ROCA (CVE-2017-15361), two primes so close that 100 rounds of
// Fermat's method find them, or is itself a prime or the power of one.
//
// An EC key costs a hash; RSA 2048, 3072 and 4096 cost about 1.2, 3.8 and 8.6 ms, nearly all of it for the last test.
Status CheckKeyQuality(const PublicKey& key, const BlockedKeys& blocked);

}  // namespace hallmark
