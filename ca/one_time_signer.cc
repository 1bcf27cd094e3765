#include "ca/one_time_signer.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/certification_request.h"
#include "ca/names.h"

namespace hallmark {
namespace {

Status Failed(const char* what) {
  return Error(Code::kInternal, reason::kInternal, fmt::format("OpenSSL cannot {}: {}", what, ssl::DrainErrors()));
}

}  // namespace

StatusOr<std::shared_ptr<OneTimeSigner>> OneTimeSigner::Generate() {
  ssl::EvpKey key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("generate a key");
  ASSIGN_OR_RETURN(Bytes spki, ssl::ToDer(i2d_PUBKEY, key.get()));
  return std::make_shared<OneTimeSigner>(std::move(key), std::move(spki));
}

StatusOr<Bytes> OneTimeSigner::Sign(ByteView tbs, Time) const {
  const ssl::EvpDigestContext context(EVP_MD_CTX_new());
  Bytes signature(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
  size_t size = signature.size();
  if (context == nullptr || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, tbs.data(), tbs.size()) != 1) {
    return Failed("sign");
  }
  signature.resize(size);
  return signature;
}

StatusOr<Bytes> MakeCsr(const std::shared_ptr<OneTimeSigner>& signer, const Subject& subject, Time deadline) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SigningKey> key, SigningKey::Create(signer));
  Draft draft = ComposeCertificationRequest(EncodeName(subject), key->public_key(), signer->algorithm());
  return Seal(std::move(draft), *key, deadline);
}

}  // namespace hallmark
