#include "hsm/signer.h"

#include <fmt/format.h>

#include <array>

#include "base/reason.h"

namespace hallmark {
namespace {

struct NamedAlgorithm {
  SignatureAlgorithm algorithm;
  const char* name;
};
constexpr std::array<NamedAlgorithm, 6> kAlgorithms = {{{SignatureAlgorithm::kEcdsaSha256, "ecdsa-sha256"},
                                                        {SignatureAlgorithm::kEcdsaSha384, "ecdsa-sha384"},
                                                        {SignatureAlgorithm::kRsaPkcs1Sha256, "rsa-pkcs1-sha256"},
                                                        {SignatureAlgorithm::kRsaPkcs1Sha384, "rsa-pkcs1-sha384"},
                                                        {SignatureAlgorithm::kRsaPssSha256, "rsa-pss-sha256"},
                                                        {SignatureAlgorithm::kRsaPssSha384, "rsa-pss-sha384"}}};

bool IsEcdsa(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::kEcdsaSha256 || algorithm == SignatureAlgorithm::kEcdsaSha384;
}

}  // namespace

const char* Name(SignatureAlgorithm algorithm) {
  for (const NamedAlgorithm& row : kAlgorithms) {
    if (row.algorithm == algorithm) return row.name;
  }
  return "unknown";
}

StatusOr<SignatureAlgorithm> ParseSignatureAlgorithm(const std::string& name) {
  std::string known;
  for (const NamedAlgorithm& row : kAlgorithms) {
    if (name == row.name) return row.algorithm;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  }
  return FieldError(reason::kRequestInvalid, "signature_algorithm",
                    fmt::format("'{}' is not a signature algorithm; known: {}", name, known));
}

SignatureAlgorithm DefaultAlgorithm(KeyType type) {
  switch (type) {
    case KeyType::kEcP256: return SignatureAlgorithm::kEcdsaSha256;
    case KeyType::kEcP384: return SignatureAlgorithm::kEcdsaSha384;
    case KeyType::kRsa2048:
    case KeyType::kRsa3072:
    case KeyType::kRsa4096: return SignatureAlgorithm::kRsaPkcs1Sha256;
  }
  return SignatureAlgorithm::kEcdsaSha256;
}

bool Fits(SignatureAlgorithm algorithm, KeyType type) {
  return IsEcdsa(algorithm) == (type == KeyType::kEcP256 || type == KeyType::kEcP384);
}

}  // namespace hallmark
