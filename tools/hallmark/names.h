// What people write for a certificate, an authority or a reason, as the service's names; and files of certificates.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "hallmark/v1/authorities.pb.h"
#include "hallmark/v1/resources.pb.h"

namespace hallmark::cli {

// "devices" and "authorities/devices" as "authorities/devices".
std::string AuthorityName(const std::string& text);
// "devices" of "authorities/devices" or of the name of one of its certificates; `name` itself otherwise.
std::string ShortAuthority(const std::string& name);

// A certificate that a command line names.
struct CertificateReference {
  std::string name;   // "authorities/{authority}/certificates/{serial}"
  Bytes certificate;  // DER, if it was named by a file: what the service has must be the same
};

// Reads a resource name; a serial number in hexadecimal, of either case, with or without colons or "0x", of
// `authority`; or a file with a certificate, PEM (its first one) or DER, that `authority` issued. kInvalidArgument
// (COMMAND_LINE_INVALID) when `text` is none of these, or what ReadFile says.
StatusOr<CertificateReference> ReadReference(const std::string& text, const std::string& authority);

// A reason by its name in RFC 5280 5.3.1 ("keyCompromise"; case and underscores do not matter) or its number there.
// kInvalidArgument (COMMAND_LINE_INVALID), with those that there are, otherwise.
StatusOr<v1::RevocationReason> ParseReason(const std::string& text);
const char* ReasonName(v1::RevocationReason reason);

// Of "2026-11-28T10:00:00Z", in whole seconds and not after `now`. kInvalidArgument (COMMAND_LINE_INVALID) names
// `option`.
StatusOr<Time> ParsePast(const std::string& option, const std::string& text, Time now);
// The SHA-256 of a SubjectPublicKeyInfo in hexadecimal: as it is written, or of a file with a public key or a
// certificate, PEM or DER.
StatusOr<std::string> ReadKeyDigest(const std::string& text);
// A request id that nobody else has.
StatusOr<std::string> NewRequestId();

// The serial number of a certificate, in lower-case hexadecimal. kInvalidArgument (REQUEST_INVALID) if it is not one.
StatusOr<std::string> SerialOf(ByteView certificate);
// Its last commonName, or "" when it has none or is not a certificate.
std::string CommonName(ByteView certificate);

// A subject as people write it, "O=Example, CN=Plant B": types and values in this order, a comma in a value as "\,".
// kInvalidArgument (COMMAND_LINE_INVALID) otherwise.
StatusOr<std::vector<v1::Attribute>> ParseSubject(const std::string& text);

// The certificates of files in PEM, with whatever text stands around them, or DER, one after the other in DER; or the
// only file as it is, if it is a PKCS#7.
StatusOr<std::string> ReadCertificates(const std::vector<std::string>& paths);

// PEM: of the certificate, and of the certificate with its chain up to the root, leaf first.
std::string CertificatePem(const v1::Certificate& certificate);
std::string ChainPem(const v1::Certificate& certificate);

// Whether a CRL (DER) lists the certificate of that serial number. kInvalidArgument (REQUEST_INVALID) for what is no
// CRL.
StatusOr<bool> Lists(ByteView crl, const std::string& serial);

}  // namespace hallmark::cli
