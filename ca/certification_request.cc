#include "ca/certification_request.h"

#include "ca/der.h"

namespace hallmark {

Draft ComposeCertificationRequest(ByteView subject, const PublicKey& key, SignatureAlgorithm algorithm) {
  const Bytes version1 = der::Unsigned(uint64_t{0});
  const Bytes attributes = der::Tlv(der::ContextConstructed(0), {});
  return Draft(der::Sequence({version1, subject, key.spki(), attributes}), algorithm);
}

}  // namespace hallmark
