// Proof to a cloud that an authority's key is ours: a certificate by that authority whose CN is the cloud's code.
#pragma once

#include <string>

#include "base/bytes.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {

// The hexadecimal digits of a code of Azure's, and of AWS IoT Core's.
inline constexpr size_t kAzureCode = 48;
inline constexpr size_t kAwsCode = 64;

// Whether a cloud gives such codes. kInvalidArgument (COMMAND_LINE_INVALID).
Status CheckCode(const std::string& code);

// What is wrong with a certificate as proof of possession: its CN, its key (SubjectPublicKeyInfo), its issuer, its
// signature or its end; empty: nothing. Errors of ReadCertificate.
StatusOr<std::string> FaultOfPossession(ByteView certificate, ByteView issuer, ByteView spki, const std::string& code,
                                        Time now);

// Has a key that is forgotten at once certified for `code` by `authority` ("authorities/devices") under profile
// verification, asking again with the same request id while the service is away, and checks the answer. kInternal
// (LINT_FAILED): it is not what was asked for; else as IssueOne.
StatusOr<Bytes> ProvePossession(Client& client, const Clock& clock, const std::string& authority,
                                const std::string& code);

}  // namespace hallmark::cli
