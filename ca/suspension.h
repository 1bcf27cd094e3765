// Callers that are kept out although their certificates are good, until they are resumed.
#pragma once

#include <string>
#include <vector>

#include "ca/authority.h"

namespace hallmark {

// Durable with its entry in the ledger when it returns; Identify refuses the caller from then on, and nothing that it
// asked for before is intended any more. Idempotent: the first suspension stands and is returned. kInvalidArgument
// (REQUEST_INVALID): `suspended` is no caller's URI of `caller`'s realm, or the caller itself; a reason that is empty,
// longer than 256 octets or not printable. kPermissionDenied. Thread-safe, as are the others.
StatusOr<SuspensionRecord> SuspendCaller(const CertificateAuthority& authority, const Caller& caller,
                                         const std::string& suspended, const std::string& reason);

// Idempotent: whoever is not suspended is left alone.
Status ResumeCaller(const CertificateAuthority& authority, const Caller& caller, const std::string& suspended);

StatusOr<std::vector<SuspensionRecord>> ListSuspensions(const CertificateAuthority& authority, const Caller& caller);

}  // namespace hallmark
