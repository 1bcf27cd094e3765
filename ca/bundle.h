// Bundles of requests from lines without a network: who carries one, and who has signed it.
#pragma once

#include <functional>
#include <string>

#include "ca/authority.h"
#include "factory/request_bundle.h"

namespace hallmark {

// Whether the caller may carry bundles: before it sends one. kPermissionDenied.
Status CheckMayCarry(const CertificateAuthority& authority, const Caller& carrier);

// Who has signed it, identified as if it called now; to be asked for each request, as calls are. kPermissionDenied with
// the reasons of Identify.
StatusOr<Caller> IdentifySigner(const CertificateAuthority& authority, const RequestBundle& bundle,
                                const std::string& realm);

// Opens what `carrier` brought, see factory/request_bundle.h, has all its requests checked, and records in the ledger
// that it did. Its signer is whom its header names, or it is kInvalidArgument (BUNDLE_INVALID).
StatusOr<RequestBundle> AcceptBundle(const CertificateAuthority& authority, const Caller& carrier,
                                     const std::string& realm, const std::filesystem::path& signed_file,
                                     const std::filesystem::path& content_file,
                                     const std::function<Status(const std::string& request)>& check);

}  // namespace hallmark
