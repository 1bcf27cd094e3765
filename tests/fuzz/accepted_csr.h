// A CSR that ReadCsr accepted, as OpenSSL reads it.
#pragma once

#include "base/openssl.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

// The DER of an accepted CSR, which was DER or one PEM block under one of two labels.
inline Bytes DerOf(ByteView octets) {
  if (octets[0] == 0x30) return ToBytes(octets);
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    const StatusOr<std::vector<Bytes>> blocks = PemDecode(label, AsText(octets));
    if (blocks.ok() && blocks->size() == 1) return blocks->front();
  }
  Require(false, "a CSR is DER or one PEM block");
  return {};
}

inline ssl::CertificateRequest OpensslRequest(ByteView octets) {
  const Bytes der = DerOf(octets);
  const uint8_t* in = der.data();
  ssl::CertificateRequest request(d2i_X509_REQ(nullptr, &in, static_cast<long>(der.size())));
  Require(request != nullptr && in == der.data() + der.size(), "OpenSSL reads what ReadCsr accepts");
  return request;
}

}  // namespace hallmark::fuzz
