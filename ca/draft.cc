#include "ca/draft.h"

#include "base/reason.h"
#include "ca/der.h"
#include "ca/key_quality.h"

namespace hallmark {

StatusOr<Draft> Draft::FromUnsigned(ByteView der, SignatureAlgorithm algorithm) {
  const auto refuse = [] {
    return Error(Code::kInternal, reason::kInternal,
                 "a recorded draft is not what was written; the store was changed by something else");
  };
  const StatusOr<ByteView> content = der::ReadWhole(der, der::kSequence);
  if (!content.ok()) return refuse();
  der::Reader reader(*content);
  const StatusOr<der::Element> tbs = reader.Next(der::kSequence);
  if (!tbs.ok()) return refuse();
  Draft draft(ToBytes(tbs->whole), algorithm);
  if (!Equal(draft.Unsigned(), der)) return refuse();
  return draft;
}

Bytes Draft::Unsigned() const {
  return der::Sequence({tbs_, AlgorithmIdentifier(algorithm_), der::BitString({}), after_signature_});
}

SigningKey::SigningKey(std::shared_ptr<const Signer> signer, PublicKey public_key)
    : signer_(std::move(signer)), public_key_(std::move(public_key)) {}

StatusOr<std::shared_ptr<const SigningKey>> SigningKey::Create(std::shared_ptr<const Signer> signer) {
  const auto refuse = [](const Status& status) {
    return Error(Code::kFailedPrecondition, reason::kHsmRefused, "the token's public key: " + Message(status));
  };
  StatusOr<PublicKey> public_key = PublicKey::FromSpki(signer->public_key());
  if (!public_key.ok()) return refuse(public_key.status());
  // A token makes weak keys, too: CVE-2017-15361 was one's.
  const Status quality = CheckKeyQuality(*public_key, BlockedKeys::Shipped());
  if (!quality.ok()) return refuse(quality);
  const bool ec = public_key->type() == KeyType::kEcP256 || public_key->type() == KeyType::kEcP384;
  if (ec != (SchemeOf(signer->algorithm()).kind == SignatureScheme::Kind::kEcdsa)) {
    return Error(Code::kFailedPrecondition, reason::kHsmRefused, "the signature algorithm does not fit the key's type");
  }
  return std::make_shared<const SigningKey>(std::move(signer), std::move(*public_key));
}

StatusOr<Bytes> Seal(Draft draft, const SigningKey& key, Time deadline) {
  ASSIGN_OR_RETURN(const Bytes signature, key.signer().Sign(draft.tbs(), deadline));
  if (draft.algorithm() != key.signer().algorithm() ||
      !key.public_key().Verify(SchemeOf(draft.algorithm()), draft.tbs(), signature)) {
    return Error(Code::kInternal, reason::kHsmSignatureInvalid,
                 "the HSM returned a signature that its own public key does not verify; nothing was released. Take the "
                 "authority out of service and examine the token");
  }
  return der::Sequence(
      {draft.tbs(), AlgorithmIdentifier(draft.algorithm()), der::BitString(signature), draft.after_signature()});
}

}  // namespace hallmark
