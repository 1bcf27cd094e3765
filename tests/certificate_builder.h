// Certificates of authorities that are not ours, right or wrong in one place at a time: every part can be replaced
// before it is signed, and the whole after.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "ca/der.h"
#include "ca/extensions.h"
#include "ca/names.h"
#include "ca/public_key.h"
#include "tests/csr_builder.h"
#include "tests/software_signer.h"

namespace hallmark::testing {

struct CertificateBuilder {
  // A certificate for `spki` that `key` signs: below "O=Elsewhere, CN=Root", an authority in all respects.
  CertificateBuilder(const SoftwareSigner& key, ByteView spki_octets, ByteView subject_name, Time now)
      : signer(&key),
        subject(ToBytes(subject_name)),
        not_before(TruncateToSecond(now) - absl::Hours(1)),
        not_after(TruncateToSecond(now) + absl::Hours(24 * 365)),
        spki(ToBytes(spki_octets)),
        algorithm(ToBytes(AlgorithmIdentifier(key.algorithm()))),
        inner_algorithm(algorithm),
        basic_constraints(BasicConstraints(true, 0)),
        key_usage(KeyUsageExtension({KeyUsage::kKeyCertSign, KeyUsage::kCrlSign})),
        subject_key_identifier(SubjectKeyIdentifier(IdentifierOf(spki))),
        authority_key_identifier(AuthorityKeyIdentifier(IdentifierOf(key.public_key()))) {}

  static Bytes RootName() { return EncodeName({{"O", "Elsewhere"}, {"CN", "Root"}}); }
  static CertificateBuilder Root(const SoftwareSigner& key, Time now) {
    CertificateBuilder root(key, key.public_key(), RootName(), now);
    root.basic_constraints = BasicConstraints(true, std::nullopt);
    root.not_before -= absl::Hours(1);
    root.not_after += absl::Hours(1);
    return root;
  }
  // Any identifier will do, as long as both certificates have the same.
  static Bytes IdentifierOf(ByteView spki) { return KeyIdentifier(spki); }

  const SoftwareSigner* signer;
  Bytes serial = RandomBytes(16).value();
  Bytes issuer = RootName();
  Bytes subject;
  Time not_before;
  Time not_after;
  Bytes spki;
  Bytes algorithm;
  Bytes inner_algorithm;
  Bytes basic_constraints;
  Bytes key_usage;
  Bytes subject_key_identifier;
  Bytes authority_key_identifier;
  Bytes further;  // extensions

  Bytes Build() const {
    Bytes positive = serial;
    positive[0] = (positive[0] & 0x3f) | 0x40;
    const Bytes extensions =
        der::Sequence({basic_constraints, key_usage, subject_key_identifier, authority_key_identifier, further});
    const Bytes tbs = der::Sequence({der::Tlv(der::ContextConstructed(0), der::Unsigned(uint64_t{2})),
                                     der::Unsigned(positive), inner_algorithm, issuer,
                                     der::Sequence({der::EncodeTime(not_before), der::EncodeTime(not_after)}), subject,
                                     spki, der::Tlv(der::ContextConstructed(3), extensions)});
    const StatusOr<Bytes> signature = signer->Sign(tbs, absl::InfiniteFuture());
    if (!signature.ok()) throw std::runtime_error("cannot sign");
    return der::Sequence({tbs, algorithm, der::BitString(*signature)});
  }
};

}  // namespace hallmark::testing
