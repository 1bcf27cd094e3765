// The attributes of a request (RFC 2986 4.1, RFC 2985 5.4): what carries the requested extensions, and what else may
// stand there.
#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

constexpr char kChallengePassword[] = "1.2.840.113549.1.9.7";

Bytes WithValues(const char* type, std::initializer_list<ByteView> values) {
  return der::Sequence({der::Oid(type), der::Constructed(der::kSet, values)});
}

std::vector<HostileCsr> Types() {
  struct Type {
    const char* name;
    const char* oid;
  };
  constexpr Type kTypes[] = {{"challengePassword", kChallengePassword},
                             {"unstructuredName", "1.2.840.113549.1.9.2"},
                             {"unstructuredAddress", "1.2.840.113549.1.9.8"},
                             {"extendedCertificateAttributes", "1.2.840.113549.1.9.9"},
                             {"contentType", "1.2.840.113549.1.9.3"},
                             {"friendlyName", "1.2.840.113549.1.9.20"},
                             {"localKeyId", "1.2.840.113549.1.9.21"},
                             {"smimeCapabilities", "1.2.840.113549.1.9.15"},
                             {"Microsoft's extension request", "1.3.6.1.4.1.311.2.1.14"},
                             {"Microsoft's OS version", "1.3.6.1.4.1.311.13.2.3"},
                             {"Microsoft's enrolment CSP", "1.3.6.1.4.1.311.13.2.2"},
                             {"an attribute of nobody", "2.999.1"}};
  std::vector<HostileCsr> rows;
  for (const auto& [name, oid] : kTypes) {
    rows.push_back({name, CsrWithAttributes(WithValues(oid, {der::Tlv(der::kUtf8String, AsBytes("secret"))})),
                    reason::kCsrMalformed, "csr", std::string(oid) + " is not supported"});
  }
  return rows;
}

std::vector<HostileCsr> Shapes() {
  const Bytes usage = KeyUsageExtension({KeyUsage::kDigitalSignature});
  const Bytes request = RequestExtensions({usage});
  const Bytes type = der::Oid(oid::kExtensionRequest);
  const Bytes extensions = der::Sequence({usage});
  const Bytes password = WithValues(kChallengePassword, {der::Tlv(der::kPrintableString, AsBytes("x"))});
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView attributes, const char* says) {
    rows.push_back({name, CsrWithAttributes(attributes), reason::kCsrMalformed, "csr", says});
  };
  add("extensionRequest twice", Join({request, request}), "stands twice");
  add("extensionRequest twice, for different things",
      Join({request, RequestExtensions({BasicConstraints(true, std::nullopt)})}), "stands twice");
  add("challengePassword after extensionRequest", Join({request, password}), "is not supported");
  add("challengePassword before extensionRequest", Join({password, request}), "is not supported");
  add("extensionRequest without a value", WithValues(oid::kExtensionRequest, {}), "found the end");
  add("extensionRequest with two values", WithValues(oid::kExtensionRequest, {extensions, extensions}),
      "octets too many");
  add("extensionRequest without extensions", RequestExtensions({}), "found the end");
  add("extensionRequest with NULL", WithValues(oid::kExtensionRequest, {Octets("0500")}), "found 0x05");
  add("extensionRequest with a SET of extensions",
      WithValues(oid::kExtensionRequest, {der::Constructed(der::kSet, {usage})}), "expected tag 0x30, found 0x31");
  add("extensionRequest whose values are a SEQUENCE", der::Sequence({type, der::Sequence({extensions})}),
      "expected tag 0x31, found 0x30");
  add("extensionRequest without a SET", der::Sequence({type, extensions}), "expected tag 0x31, found 0x30");
  add("extensionRequest with more after its values", der::Sequence({type, der::Tlv(der::kSet, extensions), type}),
      "11 octets too many");
  add("extensionRequest in a primitive SET", der::Sequence({type, der::Tlv(0x11, extensions)}), "found 0x11");
  add("extensionRequest with an indefinite length", der::Sequence({type, Octets("318030000000")}), "indefinite");
  add("a SET as attribute", der::Constructed(der::kSet, {type, der::Tlv(der::kSet, extensions)}),
      "expected tag 0x30, found 0x31");
  add("an attribute of nothing", der::Sequence({}), "expected tag 0x06, found the end");
  add("an attribute of a type alone", der::Sequence({type}), "expected tag 0x31, found the end");
  add("an attribute with an OID cut off", der::Sequence({Octets("06022a86"), Octets("3100")}), "cut off");
  add("an attribute with an OID of 2,000 octets",
      der::Sequence({der::Tlv(der::kOid, Bytes(2000, 0x2a)), Octets("3100")}), "longer than");
  add("extensions that no attribute is around", extensions, "expected tag 0x06, found 0x30");
  add("NULL as attribute", Octets("0500"), "expected tag 0x30, found 0x05");
  add("a NUL as attribute", Octets("00"), "expected tag 0x30, found 0x00");
  rows.push_back({"no attribute", CsrWithAttributes({}), "", ""});
  return rows;
}

// The Extension around a value (RFC 5280 4.1).
std::vector<HostileCsr> ExtensionShapes() {
  const Bytes type = der::Oid("1.2.3.4");
  const Bytes value = der::Tlv(der::kOctetString, Octets("0500"));
  const Bytes usage = KeyUsageExtension({KeyUsage::kDigitalSignature});
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, std::initializer_list<ByteView> extensions, const char* says) {
    rows.push_back({name, CsrWithExtensions(extensions), reason::kCsrMalformed, "csr", says});
  };
  add("keyUsage twice", {usage, usage}, "2.5.29.15 stands twice");
  add("keyUsage twice, for different things", {usage, KeyUsageExtension({KeyUsage::kKeyCertSign})}, "stands twice");
  add("an unknown extension twice", {der::Sequence({type, value}), der::Sequence({type, value})}, "stands twice");
  add("critical FALSE, which is the default", {der::Sequence({type, Octets("010100"), value})}, "critical FALSE");
  add("critical 01, which is TRUE in BER", {der::Sequence({type, Octets("010101"), value})}, "BOOLEAN");
  add("critical of two octets", {der::Sequence({type, Octets("0102ffff"), value})}, "BOOLEAN");
  add("critical of no octets", {der::Sequence({type, Octets("0100"), value})}, "BOOLEAN");
  add("an INTEGER as critical", {der::Sequence({type, Octets("020101"), value})}, "expected tag 0x04, found 0x02");
  add("critical twice", {der::Sequence({type, Octets("0101ff0101ff"), value})}, "expected tag 0x04, found 0x01");
  add("an extension without a value", {der::Sequence({type})}, "expected tag 0x04, found the end");
  add("an extension whose value has no OCTET STRING", {der::Sequence({type, Octets("0500")})}, "found 0x05");
  add("an extension whose value is in pieces", {der::Sequence({type, Octets("240404020500")})}, "found 0x24");
  add("an extension of two values", {der::Sequence({type, value, value})}, "4 octets too many");
  add("an extension without a type", {der::Sequence({value})}, "expected tag 0x06, found 0x04");
  add("an extension with an OID of nothing", {der::Sequence({Octets("0600"), value})}, "cut off");
  add("an extension with an OID of 2,000 octets", {der::Sequence({der::Tlv(der::kOid, Bytes(2000, 0x2a)), value})},
      "longer than");
  add("an extension of nothing", {der::Sequence({})}, "expected tag 0x06, found the end");
  add("a SET as extension", {der::Constructed(der::kSet, {type, value})}, "expected tag 0x30, found 0x31");
  return rows;
}

}  // namespace

std::vector<HostileCsr> HostileAttributes() {
  std::vector<HostileCsr> rows = Types();
  for (auto table : {Shapes, ExtensionShapes}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
