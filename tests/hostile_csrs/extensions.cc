// Requested extensions (RFC 5280 4.2): authority that nobody grants a device, and values that are malformed.
#include <fmt/format.h>

#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

Bytes Purposes(std::initializer_list<ByteView> purposes) {
  return AnyExtension(oid::kExtendedKeyUsage, der::Constructed(der::kSequence, purposes));
}

std::vector<HostileCsr> Usages() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const std::string& name, std::initializer_list<ByteView> extensions,
                           const std::string& fields) {
    rows.push_back({name, CsrWithExtensions(extensions), reason::kExtensionNotAllowed, fields});
  };
  add("CA:TRUE", {BasicConstraints(true, std::nullopt)}, "csr.basic_constraints");
  add("CA:TRUE that is not critical", {AnyExtension(oid::kBasicConstraints, Octets("30030101ff"))},
      "csr.basic_constraints");
  add("CA:TRUE, pathlen:0", {BasicConstraints(true, 0)}, "csr.basic_constraints");
  add("CA:TRUE, pathlen:255", {BasicConstraints(true, 255)}, "csr.basic_constraints");
  add("an authority: CA:TRUE, keyCertSign, cRLSign",
      {BasicConstraints(true, 3), KeyUsageExtension({KeyUsage::kKeyCertSign, KeyUsage::kCrlSign})},
      "csr.basic_constraints, csr.key_usage, csr.key_usage");
  for (const KeyUsage usage : {KeyUsage::kNonRepudiation, KeyUsage::kKeyEncipherment, KeyUsage::kDataEncipherment,
                               KeyUsage::kKeyAgreement, KeyUsage::kKeyCertSign, KeyUsage::kCrlSign}) {
    add(Name(usage), {KeyUsageExtension({usage})}, "csr.key_usage");
    add(std::string("digitalSignature and ") + Name(usage), {KeyUsageExtension({KeyUsage::kDigitalSignature, usage})},
        "csr.key_usage");
  }
  // serverAuth, codeSigning, emailProtection, ipsecEndSystem, timeStamping, OCSPSigning, ipsecIKE,
  // id-kp-bundleSecurity, any, smart card logon, KDC, document signing, encrypting file system, of nobody.
  for (const char* purpose :
       {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.5", "1.3.6.1.5.5.7.3.8",
        "1.3.6.1.5.5.7.3.9", "1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.7.3.35", "2.5.29.37.0", "1.3.6.1.4.1.311.20.2.2",
        "1.3.6.1.5.2.3.5", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.311.10.3.4", "2.999.1"}) {
    add(std::string("purpose ") + purpose, {ExtendedKeyUsage({purpose})}, "csr.extended_key_usage");
  }
  add("clientAuth and two purposes more",
      {ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3"})},
      "csr.extended_key_usage, csr.extended_key_usage");
  return rows;
}

// Extensions that no field of a profile stands for, or that the issuer alone writes.
std::vector<HostileCsr> Others() {
  struct Type {
    const char* name;
    const char* oid;
    const char* value;
  };
  constexpr Type kTypes[] = {
      {"subjectDirectoryAttributes", "2.5.29.9", "3000"},
      {"privateKeyUsagePeriod", "2.5.29.16", "3000"},
      {"issuerAltName", "2.5.29.18", "30038201 61"},
      {"cRLNumber", "2.5.29.20", "020101"},
      {"nameConstraints", "2.5.29.30", "3009a007300582032e6465"},
      {"cRLDistributionPoints", "2.5.29.31", "300e300ca00aa00886066c6461703a2f"},
      {"certificatePolicies", "2.5.29.32", "300530030601 2a"},
      {"anyPolicy", "2.5.29.32", "3008300606042a550403"},
      {"policyMappings", "2.5.29.33", "3000"},
      {"authorityKeyIdentifier", "2.5.29.35", "3003800101"},
      {"policyConstraints", "2.5.29.36", "3003800100"},
      {"freshestCRL", "2.5.29.46", "3000"},
      {"inhibitAnyPolicy", "2.5.29.54", "020100"},
      {"authorityInfoAccess", "1.3.6.1.5.5.7.1.1", "3000"},
      {"subjectInfoAccess", "1.3.6.1.5.5.7.1.11", "3000"},
      {"TLS feature", "1.3.6.1.5.5.7.1.24", "3003020105"},
      {"OCSP no check", "1.3.6.1.5.5.7.48.1.5", "0500"},
      {"signed certificate timestamps", "1.3.6.1.4.1.11129.2.4.2", "04020000"},
      {"the poison of precertificates", "1.3.6.1.4.1.11129.2.4.3", "0500"},
      {"Microsoft's template name", "1.3.6.1.4.1.311.20.2", "1e0400430041"},
      {"Microsoft's template", "1.3.6.1.4.1.311.21.7", "300306012a"},
      {"Microsoft's CA version", "1.3.6.1.4.1.311.21.1", "020100"},
      {"Netscape's certificate type", "2.16.840.1.113730.1.1", "03020007"},
      {"an extension of nobody", "2.999.1", "0500"},
      {"an extension that is not DER", "2.999.2", "ff"},
      {"an extension of no octets", "2.999.3", ""},
  };
  std::vector<HostileCsr> rows;
  for (const auto& [name, oid, value] : kTypes) {
    for (const bool critical : {false, true}) {
      std::string hex = value;
      std::erase(hex, ' ');
      rows.push_back({std::string(critical ? "critical " : "") + name,
                      CsrWithExtensions({AnyExtension(oid, Octets(hex.c_str()), critical)}),
                      reason::kExtensionNotAllowed, std::string("csr.extensions.") + oid});
    }
  }
  return rows;
}

std::vector<HostileCsr> Malformed() {
  const Bytes client = der::Oid("1.3.6.1.5.5.7.3.2");
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView extension, const char* says) {
    rows.push_back({name, CsrWithExtensions({extension}), reason::kCsrMalformed, "csr", says});
  };
  const auto constraints = [](const char* value) { return AnyExtension(oid::kBasicConstraints, Octets(value)); };
  add("CA:TRUE as 01 (BER)", constraints("3003010101"), "BOOLEAN");
  add("basicConstraints of no octets", constraints(""), "found the end");
  add("basicConstraints without a SEQUENCE", constraints("0101ff"), "expected tag 0x30, found 0x01");
  add("basicConstraints and more", constraints("30000500"), "2 octets too many");
  add("basicConstraints with three fields", constraints("30090101ff020100020100"), "3 octets too many");
  add("basicConstraints in the wrong order", constraints("30060201000101ff"), "3 octets too many");
  add("a path length of -1", constraints("30060101ff0201ff"), "negative");
  add("a path length of 2^64", constraints("300e0101ff0209010000000000000000"), "pathLenConstraint");
  add("a path length in two octets", constraints("30070101ff02020000"), "shortest form");
  add("a path length of no octets", constraints("30050101ff0200"), "empty INTEGER");
  add("a path length without CA:TRUE", constraints("3003020100"), "pathLenConstraint without");
  const auto usage = [](const char* value) { return AnyExtension(oid::kKeyUsage, Octets(value), true); };
  add("keyUsage of no bits", usage("030100"), "no bits");
  add("keyUsage with zeros at the end", usage("03020080"), "trailing zero bits");
  add("keyUsage with bits set that are unused", usage("03020781"), "trailing zero bits");
  add("keyUsage with 8 unused bits", usage("03020880"), "malformed");
  add("keyUsage with unused bits of no octets", usage("030107"), "unused bits");
  add("keyUsage of no octets", usage("0300"), "malformed");
  add("keyUsage of 40 bits", usage("0306000000000001"), "malformed");
  add("keyUsage encipherOnly", usage("03020001"), "nobody grants");
  add("keyUsage decipherOnly", usage("0303070080"), "nobody grants");
  add("keyUsage bit 9, which is none", usage("0303060040"), "nobody grants");
  add("an INTEGER as keyUsage", usage("020101"), "expected tag 0x03, found 0x02");
  add("keyUsage in pieces", usage("230403020780"), "found 0x23");
  add("keyUsage and more", usage("030207800500"), "2 octets too many");
  add("extKeyUsage of no purpose", Purposes({}), "found the end");
  add("a text as purpose", Purposes({der::Tlv(der::kUtf8String, AsBytes("clientAuth"))}), "found 0x0c");
  add("a purpose cut off", Purposes({Octets("06022b86")}), "cut off");
  add("a purpose of no octets", Purposes({Octets("0600")}), "cut off");
  add("a purpose with an arc that begins with zeros", Purposes({Octets("06092b0601050507800302")}), "shortest form");
  add("a purpose and NULL", Purposes({client, Octets("0500")}), "expected tag 0x06, found 0x05");
  add("a SET of purposes", AnyExtension(oid::kExtendedKeyUsage, der::Constructed(der::kSet, {client})), "found 0x31");
  add("1,000 purposes",
      AnyExtension(oid::kExtendedKeyUsage, der::Tlv(der::kSequence,
                                                    [] {
                                                      Bytes all;
                                                      for (int i = 0; i < 1000; ++i) Append(all, Octets("06022a03"));
                                                      return all;
                                                    }())),
      "more than 16 purposes");
  add(
      "500 extensions",
      [] {
        Bytes all;
        for (int i = 0; i < 400; ++i) {
          Append(all, AnyExtension(fmt::format("2.999.{}", i).c_str(), Octets("0500")));
        }
        return all;
      }(),
      "more than 32 extensions");
  const auto identifier = [](const char* value) { return AnyExtension(oid::kSubjectKeyIdentifier, Octets(value)); };
  add("subjectKeyIdentifier without an OCTET STRING", identifier("ffff"), "expected tag 0x04, found 0xff");
  add("subjectKeyIdentifier and more", identifier("0401000500"), "2 octets too many");
  add("subjectKeyIdentifier of no octets", identifier(""), "found the end");
  return rows;
}

std::vector<HostileCsr> Granted() {
  return {
      {"all that device-dps has, asked for",
       CsrWithExtensions({BasicConstraints(false, std::nullopt), KeyUsageExtension({KeyUsage::kDigitalSignature}),
                          ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"})}),
       "", ""},
      {"CA:FALSE spelt out, as old programs do",
       CsrWithExtensions({AnyExtension(oid::kBasicConstraints, Octets("3003010100"))}), "", ""},
      {"clientAuth twice", CsrWithExtensions({ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.2"})}), "", ""},
      {"a subjectKeyIdentifier of its own",
       CsrWithExtensions({AnyExtension(oid::kSubjectKeyIdentifier, Octets("0404deadbeef"))}), "", ""},
  };
}

}  // namespace

std::vector<HostileCsr> HostileExtensions() {
  std::vector<HostileCsr> rows = Usages();
  for (auto table : {Others, Malformed, Granted}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
