// What the targets for certificates and for CRLs share: how OpenSSL's values compare with ours.
#pragma once

#include <ctime>

#include "base/openssl.h"
#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/names.h"

namespace hallmark::fuzz {

inline bool IsAt(const ASN1_TIME* time, Time expected) {
  std::tm broken_down = {};
  return ASN1_TIME_to_tm(time, &broken_down) == 1 && timegm(&broken_down) == absl::ToUnixSeconds(expected);
}

// The keyIdentifier of authorityKeyIdentifier (RFC 5280 4.2.1.1); empty: there is none.
inline ByteView IssuerKeyIdentifier(const std::vector<Extension>& extensions) {
  const Extension* extension = FindExtension(extensions, oid::kAuthorityKeyIdentifier);
  if (extension == nullptr) return {};
  const StatusOr<ByteView> fields = der::ReadWhole(extension->value, der::kSequence);
  return fields.ok() ? der::Reader(*fields).Content(der::ContextPrimitive(0)).value_or(ByteView()) : ByteView();
}

// Whether an issuer could be what `issuer` and `algorithm` say; lint takes that for granted.
inline bool IsIssuer(ByteView issuer, ByteView algorithm) {
  return ReadName(issuer).ok() && FindScheme(algorithm).has_value();
}

}  // namespace hallmark::fuzz
