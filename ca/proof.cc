#include "ca/proof.h"

#include "ca/certificate.h"
#include "ca/public_key.h"

namespace hallmark {

std::string InstallationChallenge(ByteView certificate) {
  return "hallmark-installation-v1:" + Hex(Sha256(certificate));
}

std::string RevocationChallenge(ByteView certificate) { return "hallmark-revocation-v1:" + Hex(Sha256(certificate)); }

StatusOr<bool> IsSignedByCertified(ByteView certificate, const std::string& challenge, ByteView signature) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(certificate));
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(parts.spki));
  const bool ec = key.type() == KeyType::kEcP256 || key.type() == KeyType::kEcP384;
  const SignatureScheme scheme{ec ? SignatureScheme::Kind::kEcdsa : SignatureScheme::Kind::kRsaPkcs1, 256};
  return key.Verify(scheme, AsBytes(challenge), signature);
}

}  // namespace hallmark
