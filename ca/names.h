// Distinguished names and general names (RFC 5280 4.1.2.4, 4.2.1.6), between DER and the plain values that policy
// judges.
#pragma once

#include "base/bytes.h"
#include "ca/der.h"
#include "policies/profile.h"

namespace hallmark {

// Reads a Name, each RDN with one attribute, at most 16 of them. Values must be UTF8String, PrintableString or
// IA5String, valid for their type, of characters that are seen, without blanks around them; each attribute says which
// type it is. kInvalidArgument (CSR_MALFORMED) otherwise.
StatusOr<Subject> ReadName(ByteView der);

// A Name. An attribute that does not say its string type is written as its attribute type asks for: PrintableString for
// C, serialNumber and dnQualifier, IA5String for DC and emailAddress, UTF8String otherwise.
Bytes EncodeName(const Subject& subject);

// The identifier octets of GeneralName's kinds (RFC 5280 4.2.1.6).
namespace general_name {
inline constexpr uint8_t kOther = der::ContextConstructed(0);
inline constexpr uint8_t kEmail = der::ContextPrimitive(1);
inline constexpr uint8_t kDns = der::ContextPrimitive(2);
inline constexpr uint8_t kDirectory = der::ContextConstructed(4);
inline constexpr uint8_t kUri = der::ContextPrimitive(6);
inline constexpr uint8_t kIp = der::ContextPrimitive(7);
}  // namespace general_name

// An iPAddress: 4 or 16 octets. kInvalidArgument (EXTENSION_NOT_ALLOWED) for a text that is no address.
StatusOr<Bytes> AddressOctets(const std::string& text);
// Empty for any other number of octets.
std::string AddressText(ByteView octets);

// Reads the content of an extension subjectAltName. Kinds that no profile can grant become kOther, as does a
// hardwareModuleName whose serial number is no visible ASCII.
StatusOr<std::vector<GeneralName>> ReadGeneralNames(ByteView der);

// A GeneralNames. kInvalidArgument for a value that is not of its kind, e.g. an IP address that is none.
StatusOr<Bytes> EncodeGeneralNames(const std::vector<GeneralName>& names);

}  // namespace hallmark
