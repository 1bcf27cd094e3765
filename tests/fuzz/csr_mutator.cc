// The mutator of targets that read CSRs: it gives most of what it changed a fixed key and that key's signature, so that
// it gets past the proof of possession.
#include "ca/der.h"
#include "ca/public_key.h"
#include "tests/fuzz/custom_mutator.h"
#include "tests/fuzz/mutation.h"
#include "tests/software_signer.h"

namespace hallmark::fuzz {
namespace {

// A P-256 key that anybody can compute (RFC 5915 without the public key, which OpenSSL adds).
ssl::EvpKey FixedKey() {
  const Digest scalar = Sha256(AsBytes("Hallmark fuzzing"));
  const Bytes der = der::Sequence({der::Unsigned(uint64_t{1}), der::Tlv(der::kOctetString, scalar),
                                   der::Tlv(der::ContextConstructed(0), der::Oid("1.2.840.10045.3.1.7"))});
  const uint8_t* in = der.data();
  return ssl::EvpKey(d2i_PrivateKey(EVP_PKEY_EC, nullptr, &in, static_cast<long>(der.size())));
}

const testing::SoftwareSigner& Signer() {
  static const auto& signer = *new testing::SoftwareSigner(SignatureAlgorithm::kEcdsaSha256, FixedKey());
  return signer;
}

// The CertificationRequestInfo with the fixed key in the place of its third element.
Bytes WithFixedKey(const der::Element& info) {
  Bytes content;
  der::Reader reader(info.content);
  for (int index = 0; !reader.empty(); ++index) {
    const StatusOr<der::Element> element = reader.Next();
    if (!element.ok()) return ToBytes(info.whole);
    Append(content, index == 2 ? Signer().public_key() : element->whole);
  }
  return der::Tlv(info.tag, content);
}

// A CSR of the same content; octets that are none stay as they are.
Bytes Resigned(const Bytes& csr) {
  const StatusOr<ByteView> request = der::ReadWhole(csr, der::kSequence);
  if (!request.ok()) return csr;
  const StatusOr<der::Element> info = der::Reader(*request).Next();
  if (!info.ok()) return csr;
  const Bytes to_sign = WithFixedKey(*info);
  const StatusOr<Bytes> signature = Signer().Sign(to_sign, absl::InfiniteFuture());
  if (!signature.ok()) return csr;
  return der::Sequence({to_sign, AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha256), der::BitString(*signature)});
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Random random(seed);
  if (random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  Bytes mutated;
  if (random() % 4 == 0) {
    mutated.assign(data, data + LLVMFuzzerMutate(data, size, max_size));
  } else {
    mutated = MutateElements({data, size}, random);
  }
  return Put(Resigned(mutated), data, max_size);
}

}  // namespace hallmark::fuzz
