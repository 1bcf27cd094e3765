// What is served under an authority's name, by HTTP and by gRPC alike: of an authority of this instance, and of one
// above it whose key is elsewhere (Issuers::Snapshot::elsewhere).
#pragma once

#include <string>

#include "ca/authority.h"

namespace hallmark {

bool IsElsewhere(const CertificateAuthority& authority, const std::string& name);
// Whether it has a certificate to serve. Thread-safe, as are the others.
bool IsServed(const CertificateAuthority& authority, const std::string& name);
// Its certificate, DER. kNotFound (AUTHORITY_UNKNOWN).
StatusOr<Bytes> ServedCertificate(const CertificateAuthority& authority, const std::string& name);
// Its newest list of that scope: made here, or imported. kNotFound (CRL_UNKNOWN).
StatusOr<CrlRecord> ServedCrl(const CertificateAuthority& authority, const std::string& name, const CrlScope& scope);

}  // namespace hallmark
