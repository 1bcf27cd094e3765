// The manufacturer's signature of a manifest: CMS SignedData (RFC 5652), attached or detached, DER or BER, as
// `openssl cms -sign` makes it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "store/lots.h"

namespace hallmark {

inline constexpr size_t kSignatureLimit = 256 * 1024;  // octets of a SignedData without its content

// Splits SignedData that has its content within: writes the content to `content_file` and returns the SignedData
// without it, DER or BER. Reads and writes as a stream. PEM (-----BEGIN CMS-----) is read as well, S/MIME is not.
// kInvalidArgument (MANIFEST_SIGNATURE_INVALID): it is no SignedData, or has no content, or is cut off.
StatusOr<Bytes> SplitSignedData(const std::filesystem::path& signed_file, const std::filesystem::path& content_file);

// Reads a detached signature, likewise.
StatusOr<Bytes> ReadDetachedSignature(const std::filesystem::path& file);

struct VerifiedSignature {
  Bytes signer;              // its certificate, DER
  std::string sha256;        // of it, lower-case hexadecimal
  std::string subject;       // RFC 4514
  std::optional<Time> time;  // signing time, if it is among the signed attributes; what the signer says
};

// Verifies that `content_file` was signed for `manufacturer` at `now`:
// - one signer at least, all of them good; SHA-256 or better, RSA of 2048 bits or EC P-256 or better; Ed25519
//   where OpenSSL takes it in CMS, which 3.0 does not;
// - over signed attributes (RFC 5652 5.3), not over the content itself;
// - its certificate is registered for the manufacturer, or chains to one that is (RFC 5280 6.1), within its validity,
//   with a keyUsage that has digitalSignature or nonRepudiation (or no keyUsage), and an extendedKeyUsage that has
//   documentSigning (RFC 9336) or emailProtection (or none); not a CA's, unless it is itself registered;
// - not revoked: of each certificate below a registered one there is a CRL of its issuer, registered or in the
//   SignedData, current, and without it. A registered certificate ends by being taken out of the register.
// kPermissionDenied (MANIFEST_SIGNATURE_INVALID, MANUFACTURER_SUSPENDED) that says which of these it was;
// kInvalidArgument (MANIFEST_SIGNATURE_INVALID): `signature` is no SignedData without content, DER or BER. The
// content is read as a stream.
StatusOr<VerifiedSignature> VerifyManifest(const std::filesystem::path& content_file, ByteView signature,
                                           const ManufacturerRecord& manufacturer, Time now);

// Checks what is to be registered: certificates (DER) that can be ends of chains, CRLs that one of them, or a CA below,
// has signed (whose signature is verified in VerifyManifest, which has its certificate) and that are current.
// kInvalidArgument (REQUEST_INVALID) with the field.
Status CheckManufacturer(const ManufacturerRecord& manufacturer, Time now);

}  // namespace hallmark
