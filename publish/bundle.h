// What a person needs who publishes an authority by hand, in a cloud's portal or with its command line.
#pragma once

#include <map>
#include <string>

#include "ca/authority.h"

namespace hallmark {

// Files by name, with their octets:
//   root.pem, intermediates.pem (not of a root), chain.pem: what a device sends after its own certificate
//   NAME.cer: each of them alone, DER, NAME fit for a portal
//   STEPS.md, publish.sh: what to do, for people and for Azure's command line
//   manifest.json: what the bundle is, and the digests of the files above
//   manifest.p7s: a detached CMS signature (RFC 5652 5.2), DER, over manifest.json (ca/report.h)
//   signer-root.pem: the root of that signature, where it is not root.pem
//   SHA256SUMS: the digests of all others, for sha256sum -c
using Bundle = std::map<std::string, std::string>;

inline constexpr char kBundleManifest[] = "manifest.json";
inline constexpr char kBundleSums[] = "SHA256SUMS";
// The manifest's "what".
inline constexpr char kBundleKind[] = "Hallmark bundle of an authority";

// Makes the bundle of an authority and signs its manifest with a key that the authority that certified the caller
// certifies. Only manifest.json, manifest.p7s and SHA256SUMS differ from one time to the next as long as the chain is
// the same. kPermissionDenied: `publications.export`, on the authority and on its caller's; kNotFound
// (AUTHORITY_UNKNOWN); kFailedPrecondition (AUTHORITY_NOT_ISSUING): it has no certificate, or one that nobody should
// publish, expired or revoked; else as SignReport. Thread-safe.
StatusOr<Bundle> MakeBundle(const CertificateAuthority& authority, const Caller& caller, const std::string& name,
                            Time deadline);

// The same without the three that differ from one time to the next: nothing is signed.
StatusOr<Bundle> MakeUnsignedBundle(const CertificateAuthority& authority, const Caller& caller,
                                    const std::string& name);

}  // namespace hallmark
