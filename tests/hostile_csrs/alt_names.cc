// Requested subject alternative names (RFC 5280 4.2.1.6), of a device, which has none, a service and a station.
#include <fmt/format.h>

#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

constexpr uint8_t kEmail = der::ContextPrimitive(1);
constexpr uint8_t kDns = der::ContextPrimitive(2);
constexpr uint8_t kUri = der::ContextPrimitive(6);
constexpr uint8_t kIp = der::ContextPrimitive(7);
constexpr char kField[] = "csr.subject_alt_name.";
constexpr char kUriField[] = "csr.subject_alt_name.uri";

Bytes WithNames(ByteView names) { return CsrWithExtensions({SubjectAltName(der::Tlv(der::kSequence, names), false)}); }
Bytes WithName(uint8_t tag, std::string_view value) { return WithNames(der::Tlv(tag, AsBytes(value))); }

// UTF8String in an otherName.
Bytes OtherName(const char* type, std::string_view value) {
  return der::Tlv(
      der::ContextConstructed(0),
      Join({der::Oid(type), der::Tlv(der::ContextConstructed(0), der::Tlv(der::kUtf8String, AsBytes(value)))}));
}

std::vector<HostileCsr> OfADevice() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView general_name, const char* kind) {
    rows.push_back({name, WithNames(general_name), reason::kExtensionNotAllowed, std::string(kField) + kind});
  };
  add("a DNS name", der::Tlv(kDns, AsBytes("a.example")), "dns");
  add("an IP address", der::Tlv(kIp, Octets("0a000001")), "ip");
  add("a URI", der::Tlv(kUri, AsBytes("urn:x")), "uri");
  add("a caller's URI", der::Tlv(kUri, AsBytes("hallmark://test/operator/eve")), "uri");
  add("an e-mail address", der::Tlv(kEmail, AsBytes("a@example.com")), "email");
  add("a user principal name", OtherName("1.3.6.1.4.1.311.20.2.3", "root@example.com"), "other");
  add("a directory name", der::Tlv(der::ContextConstructed(4), EncodeName({{"CN", "root"}})), "other");
  add("a registered ID", Octets("88032a0304"), "other");
  add("an X.400 address", Octets("a3023000"), "other");
  add("an EDI party", Octets("a504a1020c00"), "other");
  rows.push_back({"a critical DNS name",
                  CsrWithExtensions({SubjectAltName(der::Sequence({der::Tlv(kDns, AsBytes("a.example"))}), true)}),
                  reason::kExtensionNotAllowed, std::string(kField) + "dns"});
  return rows;
}

std::vector<HostileCsr> Malformed() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView value, const char* says) {
    rows.push_back(
        {name, CsrWithExtensions({AnyExtension(oid::kSubjectAltName, value)}), reason::kCsrMalformed, "csr", says});
  };
  const Bytes dns = der::Tlv(kDns, AsBytes("a.example"));
  Bytes names;
  for (int i = 0; i < 1000; ++i) Append(names, der::Tlv(kDns, AsBytes("a.b")));
  add("subjectAltName of no octets", {}, "found the end");
  add("subjectAltName of no names", der::Sequence({}), "empty subjectAltName");
  add("subjectAltName without a SEQUENCE", dns, "expected tag 0x30, found 0x82");
  add("subjectAltName as a SET", der::Constructed(der::kSet, {dns}), "expected tag 0x30, found 0x31");
  add("subjectAltName and more", Join({der::Sequence({dns}), Octets("0500")}), "2 octets too many");
  add("a name longer than what is around", Octets("3003820561"), "beyond the end");
  add("a name of indefinite length", Octets("3006a28082000000"), "indefinite");
  add("a name with a tag of two octets", Octets("30049f820161"), "more than one octet");
  add("1,000 names", der::Tlv(der::kSequence, names), "more than 64 names");
  return rows;
}

std::vector<HostileCsr> OfAService() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const std::string& name, ByteView csr, const char* kind) {
    rows.push_back({name, ToBytes(csr), reason::kExtensionNotAllowed, std::string(kField) + kind, "", "tls-server"});
  };
  using namespace std::string_view_literals;
  const auto dns = [&](const char* name, std::string_view value, const char* kind = "dns") {
    add(std::string("a DNS name ") + name, WithName(kDns, value), kind);
  };
  dns("with a NUL that hides what follows", "good.example\0.evil.example"sv, "other");
  dns("with a NUL at the end", "good.example\0"sv, "other");
  dns("with a line break", "good.example\n", "other");
  dns("with a blank", "good example", "other");
  dns("of no octets", "", "other");
  dns("in UTF-8", "k\xc3\xa4se.example", "other");
  dns("in Latin-1", "k\xe4se.example", "other");
  dns("with a right-to-left override", "good\xe2\x80\xae.example", "other");
  dns("that is a wildcard", "*.example.com");
  dns("that is a wildcard alone", "*");
  dns("with a wildcard in a label", "a*.example.com");
  dns("in capitals", "GOOD.example");
  dns("that begins with a dot", ".example.com");
  dns("that ends with a dot", "good.example.");
  dns("with a label of nothing", "good..example");
  dns("with a label that begins with a dash", "-good.example");
  dns("with a label that ends with a dash", "good-.example");
  dns("with a label of 64 characters", std::string(64, 'a') + ".example");
  dns("of 254 characters", std::string(50, 'a') + "." + std::string(50, 'b') + "." + std::string(50, 'c') + "." +
                               std::string(50, 'd') + "." + std::string(50, 'e'));
  dns("that is a URI", "https://good.example/");
  dns("with a port", "good.example:443");
  dns("with a user", "user@good.example");
  dns("that is a list", "good.example,DNS:evil.example");
  dns("with a percent sign", "good%2eexample");
  dns("with an underscore", "_acme-challenge.example");
  add("a DNS name in pieces", WithNames(Octets("a20a8208612e6578616d706c")), "other");
  add("a DNS name under the tag of all", WithName(der::kIa5String, "good.example"), "other");
  add("a URI of a service", WithName(kUri, "https://good.example/"), "uri");
  add("an e-mail address with a header after it", WithName(kEmail, "a@b.example\r\nBcc: c@d.example"), "other");
  add("an e-mail address of a service", WithName(kEmail, "a@b.example"), "email");
  add("a DNS name in an otherName", WithNames(OtherName("1.3.6.1.5.5.7.8.7", "good.example")), "other");
  for (const size_t size : {0, 1, 3, 5, 8, 15, 17, 32}) {
    add(fmt::format("an IP address of {} octets", size), WithNames(der::Tlv(kIp, Bytes(size, 1))), "other");
  }
  add("an IP address as text", WithName(kIp, "10.0.0.1"), "other");
  Bytes nine;
  for (char c = 'a'; c <= 'i'; ++c) Append(nine, der::Tlv(kDns, AsBytes(std::string(1, c) + ".example")));
  add("nine DNS names of eight", WithNames(nine), "dns");
  Bytes many;
  for (int i = 0; i < 64; ++i) Append(many, der::Tlv(kUri, AsBytes("urn:x")));
  std::string told = kUriField;
  for (int i = 1; i < 27; ++i) told += std::string(", ") + kUriField;
  rows.push_back({"64 URIs", WithNames(many), reason::kExtensionNotAllowed, told, "and 37 more", "tls-server"});
  rows.push_back({"an IPv4 address in an IPv6 address",
                  WithNames(der::Tlv(kIp, Octets("00000000000000000000ffff0a000001"))), "", "", "", "tls-server"});
  rows.push_back({"a DNS name in punycode", WithName(kDns, "xn--kse-qla.example"), "", "", "", "tls-server"});
  return rows;
}

std::vector<HostileCsr> OfAStation() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView csr, const std::string& kinds) {
    rows.push_back({name, ToBytes(csr), reason::kExtensionNotAllowed, kField + kinds, "", "station"});
  };
  using namespace std::string_view_literals;
  add("a station without a URI", SignedCsr(), "uri");
  add("a station that is an operator", WithName(kUri, "hallmark://test/operator/eve"), "uri");
  add("a station of another realm", WithName(kUri, "hallmark://other/station/a"), "uri");
  add("a station of a realm that begins alike", WithName(kUri, "hallmark://test.evil/station/a"), "uri");
  add("a station with a user", WithName(kUri, "hallmark://test@evil/station/a"), "uri");
  add("a station with a way up", WithName(kUri, "hallmark://test/station/../operator/eve"), "uri");
  add("a station with a way up in hexadecimal", WithName(kUri, "hallmark://test/station/%2e%2e%2foperator"), "uri");
  add("a station with a query", WithName(kUri, "hallmark://test/station/a?role=operator"), "uri");
  add("a station with a fragment", WithName(kUri, "hallmark://test/station/a#operator"), "uri");
  add("a station in capitals", WithName(kUri, "HALLMARK://TEST/STATION/A"), "uri");
  add("a station whose name begins with a dot", WithName(kUri, "hallmark://test/station/.a"), "uri");
  add("a station of no name", WithName(kUri, "hallmark://test/station/"), "uri");
  add("a station with a name of 300 characters", WithName(kUri, "hallmark://test/station/" + std::string(300, 'a')),
      "uri");
  add("a station with a NUL", WithName(kUri, "hallmark://test/station/a\0"sv), "other, csr.subject_alt_name.uri");
  add("a station with a line break", WithName(kUri, "hallmark://test/station/a\n"), "other, csr.subject_alt_name.uri");
  add("a station in UTF-8", WithName(kUri, "hallmark://test/station/k\xc3\xa4se"), "other, csr.subject_alt_name.uri");
  add("a station and an operator",
      WithNames(Join({der::Tlv(kUri, AsBytes("hallmark://test/station/a")),
                      der::Tlv(kUri, AsBytes("hallmark://test/operator/a"))})),
      "uri");
  add("a station twice",
      WithNames(Join({der::Tlv(kUri, AsBytes("hallmark://test/station/a")),
                      der::Tlv(kUri, AsBytes("hallmark://test/station/b"))})),
      "uri");
  add("a station and a DNS name",
      WithNames(Join({der::Tlv(kUri, AsBytes("hallmark://test/station/a")), der::Tlv(kDns, AsBytes("a.example"))})),
      "dns");
  rows.push_back({"a station", WithName(kUri, "hallmark://test/station/a"), "", "", "", "station"});
  return rows;
}

}  // namespace

std::vector<HostileCsr> HostileAltNames() {
  std::vector<HostileCsr> rows = OfADevice();
  for (auto table : {Malformed, OfAService, OfAStation}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
