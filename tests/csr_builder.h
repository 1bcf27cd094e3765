// Certification requests for tests, right or wrong in one place at a time: every part can be replaced before it is
// signed, and the whole after.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "base/openssl.h"
#include "ca/der.h"
#include "ca/extensions.h"
#include "ca/names.h"
#include "ca/public_key.h"
#include "tests/software_signer.h"

namespace hallmark::testing {

// extensionRequest (RFC 2985 5.4.2) as the only attribute.
inline Bytes RequestExtensions(std::initializer_list<ByteView> extensions) {
  return der::Sequence(
      {der::Oid(oid::kExtensionRequest), der::Constructed(der::kSet, {der::Constructed(der::kSequence, extensions)})});
}
// An Extension of any type and value.
inline Bytes AnyExtension(const char* type, ByteView value, bool critical = false) {
  const Bytes flag = critical ? Bytes{0x01, 0x01, 0xff} : Bytes();
  return der::Sequence({der::Oid(type), flag, der::Tlv(der::kOctetString, value)});
}

// The EC P-256 key of the device of this Name, the same for the whole test program: one key is one device's.
inline const SoftwareSigner& DeviceKeyOf(ByteView subject) {
  static auto& keys = *new std::map<Bytes, std::unique_ptr<const SoftwareSigner>>();
  static auto& mutex = *new std::mutex();
  const std::lock_guard lock(mutex);
  auto& key = keys[ToBytes(subject)];
  if (key == nullptr) key = std::make_unique<const SoftwareSigner>(SignatureAlgorithm::kEcdsaSha256);
  return *key;
}

struct CsrBuilder {
  explicit CsrBuilder(const SoftwareSigner& key)
      : signer(key), spki(ToBytes(key.public_key())), algorithm(ToBytes(AlgorithmIdentifier(key.algorithm()))) {}

  const SoftwareSigner& signer;
  Bytes version = der::Unsigned(uint64_t{0});
  Bytes subject = EncodeName({{"CN", "device-1"}});
  Bytes spki;
  std::optional<Bytes> attributes = Bytes();  // content of [0]; absent: no [0]
  Bytes algorithm;

  // The CertificationRequestInfo, what is signed.
  Bytes Info() const {
    const Bytes tagged = attributes.has_value() ? der::Tlv(der::ContextConstructed(0), *attributes) : Bytes();
    return der::Sequence({version, subject, spki, tagged});
  }
  Bytes Sign(ByteView octets) const {
    const StatusOr<Bytes> signature = signer.Sign(octets, absl::InfiniteFuture());
    if (!signature.ok()) throw std::runtime_error("cannot sign");
    return *signature;
  }
  Bytes Build() const { return BuildWith(der::BitString(Sign(Info()))); }
  // With whatever stands in the place of the signature's BIT STRING.
  Bytes BuildWith(ByteView signature) const { return der::Sequence({Info(), algorithm, signature}); }
};

}  // namespace hallmark::testing
