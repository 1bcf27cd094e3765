// Certification requests that somebody sends who means no good, or whose program is broken: each wrong in one place and
// otherwise right, signature included. tests/hostile_csr_test.cc says what has to become of them.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/reason.h"
#include "tests/csr_builder.h"

namespace hallmark::testing {

struct HostileCsr {
  std::string name;
  Bytes csr;
  std::string reason = {};  // empty: only looks hostile, and is granted
  std::string fields = {};  // at fault, all of them and in order: "csr.key_usage, csr.extended_key_usage"
  std::string says =
      {};  // part of the message, without which a reason for many things would leave open which one it was
  std::string profile = "device-dps";
};

// The tables, one a file.
std::vector<HostileCsr> HostileEncodings();   // encodings.cc: the DER around everything
std::vector<HostileCsr> HostilePem();         // pem.cc
std::vector<HostileCsr> HostileNames();       // names.cc: values of the subject
std::vector<HostileCsr> HostileSubjects();    // subjects.cc: how the subject is made up
std::vector<HostileCsr> HostileAttributes();  // attributes.cc: what carries the requested extensions
std::vector<HostileCsr> HostileExtensions();  // extensions.cc
std::vector<HostileCsr> HostileAltNames();    // alt_names.cc
std::vector<HostileCsr> HostileKeys();        // keys.cc
std::vector<HostileCsr> HostileSignatures();  // signatures.cc

// The P-256 key of the device that asks.
const SoftwareSigner& DeviceKey();

using Change = std::function<void(CsrBuilder&)>;
Bytes SignedCsr(const Change& change = [](CsrBuilder&) {});

Bytes Octets(const char* hex);
Bytes Join(std::initializer_list<ByteView> parts);
inline Bytes Text(std::string_view text) { return ToBytes(AsBytes(text)); }

// An AttributeTypeAndValue, and the RDN around one.
Bytes NameAttribute(ByteView oid, uint8_t tag, std::string_view value);
inline Bytes Rdn(ByteView attribute) { return der::Constructed(der::kSet, {attribute}); }
// A CSR whose subject is CN alone.
Bytes CsrWithCommonName(uint8_t tag, std::string_view value);
Bytes CsrWithSubject(ByteView name);
// A CSR for device-1 with this content of attributes, or with these requested extensions.
Bytes CsrWithAttributes(ByteView content);
Bytes CsrWithExtensions(std::initializer_list<ByteView> extensions);

// A SubjectPublicKeyInfo of an EC key on a named curve.
Bytes EcSpki(const char* curve, ByteView point);
inline constexpr char kP256[] = "1.2.840.10045.3.1.7";

}  // namespace hallmark::testing
