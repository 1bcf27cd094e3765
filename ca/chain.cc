#include "ca/chain.h"

#include "ca/der.h"

namespace hallmark {

Bytes EncodeCertsOnly(const std::vector<Bytes>& certificates) {
  Bytes all;
  for (const Bytes& certificate : certificates) Append(all, certificate);
  const Bytes no_content = der::Sequence({der::Oid("1.2.840.113549.1.7.1")});
  const Bytes empty_set = der::Tlv(der::kSet, {});
  // digestAlgorithms and signerInfos are empty: nothing is signed.
  const Bytes signed_data = der::Sequence(
      {der::Unsigned(uint64_t{1}), empty_set, no_content, der::Tlv(der::ContextConstructed(0), all), empty_set});
  return der::Sequence({der::Oid("1.2.840.113549.1.7.2"), der::Tlv(der::ContextConstructed(0), signed_data)});
}

}  // namespace hallmark
