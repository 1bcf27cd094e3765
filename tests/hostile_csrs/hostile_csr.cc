#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {

const SoftwareSigner& DeviceKey() {
  static const auto& key = *new SoftwareSigner(SignatureAlgorithm::kEcdsaSha256);
  return key;
}

Bytes SignedCsr(const Change& change) {
  CsrBuilder csr(DeviceKey());
  change(csr);
  return csr.Build();
}

Bytes Octets(const char* hex) { return FromHex(hex).value(); }

Bytes Join(std::initializer_list<ByteView> parts) {
  Bytes all;
  for (const ByteView part : parts) Append(all, part);
  return all;
}

Bytes NameAttribute(ByteView oid, uint8_t tag, std::string_view value) {
  return der::Sequence({oid, der::Tlv(tag, AsBytes(value))});
}

Bytes CsrWithCommonName(uint8_t tag, std::string_view value) {
  return CsrWithSubject(der::Sequence({Rdn(NameAttribute(der::Oid("2.5.4.3"), tag, value))}));
}

Bytes CsrWithSubject(ByteView name) {
  return SignedCsr([&](CsrBuilder& csr) { csr.subject = ToBytes(name); });
}

Bytes CsrWithAttributes(ByteView content) {
  return SignedCsr([&](CsrBuilder& csr) { csr.attributes = ToBytes(content); });
}

Bytes CsrWithExtensions(std::initializer_list<ByteView> extensions) {
  return CsrWithAttributes(RequestExtensions(extensions));
}

Bytes EcSpki(const char* curve, ByteView point) {
  return der::Sequence({der::Sequence({der::Oid("1.2.840.10045.2.1"), der::Oid(curve)}), der::BitString(point)});
}

}  // namespace hallmark::testing
