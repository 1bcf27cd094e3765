// Keys and certification requests of Hallmark's own services and callers, made in software: gRPC wants them as PEM.
#pragma once

#include <string>
#include <vector>

#include "base/openssl.h"
#include "base/secret.h"
#include "policies/profile.h"

namespace hallmark {

// A fresh EC P-256 key.
StatusOr<ssl::EvpKey> GenerateSoftwareKey();

// The private key as unencrypted PKCS#8 PEM.
StatusOr<Secret> PrivateKeyPem(EVP_PKEY* key);

// A CSR (DER) for `key` with the common name and the names as a requested subjectAltName.
StatusOr<Bytes> MakeCsr(EVP_PKEY* key, const std::string& common_name, const std::vector<GeneralName>& names);

}  // namespace hallmark
