#include "hsm/signer.h"

#include <fmt/format.h>

#include "base/named.h"
#include "base/reason.h"

namespace hallmark {
namespace {

constexpr Named<SignatureAlgorithm> kNames[] = {
    {SignatureAlgorithm::kEcdsaSha256, "ecdsa-sha256"},
    {SignatureAlgorithm::kEcdsaSha384, "ecdsa-sha384"},
    {SignatureAlgorithm::kRsaPkcs1Sha256, "rsa-pkcs1-sha256"},
    {SignatureAlgorithm::kRsaPkcs1Sha384, "rsa-pkcs1-sha384"},
    {SignatureAlgorithm::kRsaPssSha256, "rsa-pss-sha256"},
    {SignatureAlgorithm::kRsaPssSha384, "rsa-pss-sha384"},
};

}  // namespace

const char* Name(SignatureAlgorithm algorithm) { return NameOf(kNames, algorithm); }

StatusOr<SignatureAlgorithm> ParseSignatureAlgorithm(const std::string& name) {
  std::string names;
  for (const auto& known : kNames) {
    if (name == known.name) return known.value;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  }
  return Error(
      Code::kInvalidArgument, reason::kConfigurationInvalid,
      fmt::format("cannot sign with \"{}\": there is no such signature algorithm; choose one of {}", name, names));
}

bool Fits(SignatureAlgorithm algorithm, KeyType type) {
  const bool is_ecdsa = algorithm == SignatureAlgorithm::kEcdsaSha256 || algorithm == SignatureAlgorithm::kEcdsaSha384;
  return is_ecdsa == (type == KeyType::kEcP256 || type == KeyType::kEcP384);
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

}  // namespace hallmark
