// Whether an answer is what was asked for, before a device gets it.
#pragma once

#include <string>

#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"

namespace hallmark::cli::station {

// That the certificate certifies the key of the CSR. kInternal (INTERNAL) otherwise.
Status CheckKey(const v1::IssueCertificateRequest& request, const v1::Certificate& certificate);

// Besides, that it leads by its chain to one of `roots` (PEM), as RFC 5280 6.1 has it at the moment of its notBefore: a
// line without a network may not know the time, or have been offline for long. kInvalidArgument (CHAIN_INVALID).
Status CheckChain(const v1::Certificate& certificate, const std::string& roots);

}  // namespace hallmark::cli::station
