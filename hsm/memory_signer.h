// A Signer whose key is in this process's memory: the throw-away twin of a token's key in a rehearsal, or the key of a
// person in a PEM file. Never an authority's key.
#pragma once

#include <memory>

#include "base/key_type.h"
#include "base/secret.h"
#include "base/status.h"
#include "hsm/signer.h"

namespace hallmark {

// Generates a key of `type` that dies with the Signer. kInternal (INTERNAL) when OpenSSL cannot.
StatusOr<std::unique_ptr<Signer>> GenerateMemorySigner(KeyType type, SignatureAlgorithm algorithm);

// Reads an unencrypted PEM private key. kInvalidArgument (REQUEST_INVALID): it is none, or encrypted.
StatusOr<std::unique_ptr<Signer>> ReadMemorySigner(const Secret& pem, SignatureAlgorithm algorithm);

}  // namespace hallmark
