// Reading a certification request from outside (PKCS#10, RFC 2986): a size limit, strict DER, proof of possession, and
// a key that only its owner has. Our own reader, compared with OpenSSL's in tests and by a differential fuzz target
// (docs/decisions/0003-own-csr-reader.md).
#pragma once

#include "base/bytes.h"
#include "ca/blocked_keys.h"
#include "ca/public_key.h"
#include "policies/profile.h"

namespace hallmark {

inline constexpr size_t kCsrLimit = 8192;  // octets, DER or PEM

struct Csr {
  Facts facts;  // what it asks for; `lifetime` is not a CSR's to ask
  PublicKey key;
};

// Reads a CSR in DER, or in PEM with nothing around the block. kInvalidArgument with the field at fault:
// CSR_TOO_LARGE, CSR_MALFORMED, CSR_ALGORITHM_UNSUPPORTED, CSR_SIGNATURE_INVALID, KEY_UNSUPPORTED, KEY_WEAK.
StatusOr<Csr> ReadCsr(ByteView octets, const BlockedKeys& blocked = BlockedKeys::Shipped());

}  // namespace hallmark
