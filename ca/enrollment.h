// The credentials of stations: certified once for an enrollment credential, and renewed by the station itself.
#pragma once

#include "ca/authority.h"

namespace hallmark {

// The profile of both.
inline constexpr char kEnrolledProfile[] = "station-enrolled";

// Certifies the key of a CSR for the station that the caller's enrollment credential names, under the authority that
// certified the caller. A credential is good for one key: the same again has the same answer, another is kAlreadyExists
// (REQUEST_ID_REUSED). kPermissionDenied: the caller has no such credential; and what Issue says. Thread-safe.
StatusOr<Issued> EnrollStation(const CertificateAuthority& authority, const Caller& caller, const Bytes& csr,
                               Time deadline);

// Certifies a further key of the station that calls, under the authority that certified it or, once that is disabled,
// its successor. The certificate that it has stays valid to its end. A repeated request is one with the same key.
StatusOr<Issued> RenewStation(const CertificateAuthority& authority, const Caller& caller,
                              const std::string& request_id, const Bytes& csr, Time deadline);

}  // namespace hallmark
