// How a subject is made up (RFC 5280 4.1.2.4): RDNs, attributes and their types.
#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

const Bytes& CommonName() {
  static const auto& oid = *new Bytes(der::Oid("2.5.4.3"));
  return oid;
}

Bytes Device() { return NameAttribute(CommonName(), der::kUtf8String, "device-1"); }

Bytes Repeated(ByteView part, size_t count) {
  Bytes all;
  for (size_t i = 0; i < count; ++i) Append(all, part);
  return all;
}

std::vector<HostileCsr> Shapes() {
  const Bytes device = Device();
  const Bytes serial = NameAttribute(der::Oid("2.5.4.5"), der::kPrintableString, "1");
  const Bytes text = der::Tlv(der::kUtf8String, AsBytes("x"));
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView rdns, const char* says) {
    rows.push_back({name, CsrWithSubject(der::Tlv(der::kSequence, rdns)), reason::kCsrMalformed, "csr.subject", says});
  };
  add("an RDN of nothing", Octets("3100"), "expected tag 0x30, found the end");
  add("an RDN of two attributes", der::Constructed(der::kSet, {device, serial}), "more than one attribute");
  add("an RDN of an attribute twice", der::Constructed(der::kSet, {device, device}), "more than one attribute");
  add("an RDN and more in it", der::Constructed(der::kSet, {device, Octets("0500")}), "more than one attribute");
  add("a SEQUENCE as RDN", der::Sequence({device}), "expected tag 0x31, found 0x30");
  add("an attribute without an RDN", device, "expected tag 0x31, found 0x30");
  add("a SET as attribute", Rdn(der::Constructed(der::kSet, {CommonName(), text})), "expected tag 0x30, found 0x31");
  add("an attribute of nothing", Rdn(der::Sequence({})), "expected tag 0x06, found the end");
  add("an attribute without a type", Rdn(der::Sequence({text})), "expected tag 0x06, found 0x0c");
  add("an attribute without a value", Rdn(der::Sequence({CommonName()})), "is missing at the end");
  add("an attribute of two values", Rdn(der::Sequence({CommonName(), text, text})), "3 octets too many");
  add("a value longer than its attribute", Rdn(der::Sequence({CommonName(), Octets("0c0561")})), "beyond the end");
  add("a value of indefinite length", Rdn(der::Sequence({CommonName(), Octets("2c800c016100000000")})), "indefinite");
  add("a value with a tag of two octets", Rdn(der::Sequence({CommonName(), Octets("1f810c0161")})),
      "more than one octet");
  add("17 attributes", Repeated(Rdn(device), 17), "more than 16");
  add("300 RDNs", Repeated(Rdn(device), 300), "more than 16");
  rows.push_back({"10,000 RDNs", CsrWithSubject(der::Tlv(der::kSequence, Repeated(Rdn(device), 10000))),
                  reason::kCsrTooLarge, "csr"});
  return rows;
}

std::vector<HostileCsr> MalformedTypes() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, ByteView oid, const char* says) {
    const Bytes attribute = NameAttribute(oid, der::kUtf8String, "device-1");
    rows.push_back({name, CsrWithSubject(der::Sequence({Rdn(attribute)})), reason::kCsrMalformed, "csr.subject", says});
  };
  add("an OID of nothing", Octets("0600"), "cut off");
  add("an OID cut off in an arc", Octets("0603550483"), "cut off");
  add("CN's OID with an arc that begins with zeros", Octets("060455048003"), "shortest form");
  add("CN's OID with a first arc that begins with zeros", Octets("060480550403"), "shortest form");
  add("an arc beyond 64 bits", Octets("060d5504ffffffffffffffffffff7f"), "beyond 64 bits");
  add("an OID of 1,000 octets", der::Tlv(der::kOid, Bytes(1000, 0x55)), "longer than");
  add("a relative OID", Octets("0d03550403"), "expected tag 0x06, found 0x0d");
  add("an OID in pieces", Octets("2603550403"), "expected tag 0x06, found 0x26");
  add("an OID as text", der::Tlv(der::kUtf8String, AsBytes("2.5.4.3")), "expected tag 0x06, found 0x0c");
  return rows;
}

std::vector<HostileCsr> NotGranted() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, const Subject& subject, const std::string& fields) {
    rows.push_back({name, CsrWithSubject(EncodeName(subject)), reason::kSubjectNotAllowed, fields});
  };
  add("no subject", {}, "csr.subject.CN");
  add("no CN", {{"O", "Example"}}, "csr.subject.CN");
  add("CN twice", {{"CN", "device-1"}, {"CN", "device-2"}}, "csr.subject.CN");
  add("the same CN twice", {{"CN", "device-1"}, {"CN", "device-1"}}, "csr.subject.CN");
  add("O twice", {{"O", "a"}, {"O", "b"}, {"CN", "device-1"}}, "csr.subject.O");
  add("serialNumber three times", {{"serialNumber", "1"}, {"serialNumber", "2"}, {"serialNumber", "3"}, {"CN", "a"}},
      "csr.subject.serialNumber, csr.subject.serialNumber");
  add("16 CNs", Subject(16, {"CN", "device-1"}),
      "csr.subject.CN, csr.subject.CN, csr.subject.CN, csr.subject.CN, csr.subject.CN, csr.subject.CN, "
      "csr.subject.CN, csr.subject.CN, csr.subject.CN, csr.subject.CN, csr.subject.CN, csr.subject.CN, "
      "csr.subject.CN, csr.subject.CN, csr.subject.CN");
  add("an O of 65 characters", {{"O", std::string(65, 'a')}, {"CN", "a"}}, "csr.subject.O");
  add("an O that is not ASCII", {{"O", "K\xc3\xa4se"}, {"CN", "a"}}, "csr.subject.O");
  add("a serialNumber with an apostrophe", {{"serialNumber", "1'2"}, {"CN", "a"}}, "csr.subject.serialNumber");
  add("all that device-dps grants, each wrong",
      {{"O", std::string(65, 'a')}, {"OU", "\xc3\xa4"}, {"serialNumber", "("}, {"CN", "a."}},
      "csr.subject.O, csr.subject.OU, csr.subject.serialNumber, csr.subject.CN");
  for (const char* type : {"C", "L", "ST"}) {
    add(type, {{type, "DE"}, {"CN", "device-1"}}, std::string("csr.subject.") + type);
  }
  // surname, title, dnQualifier, x500UniqueIdentifier, pseudonym, emailAddress, unstructuredName, userid,
  // Matter's node and fabric, one of nobody, and the largest arc that is read.
  for (const char* type : {"2.5.4.4", "2.5.4.12", "2.5.4.46", "2.5.4.45", "2.5.4.65", "1.2.840.113549.1.9.1",
                           "1.2.840.113549.1.9.2", "0.9.2342.19200300.100.1.1", "1.3.6.1.4.1.37244.1.1",
                           "1.3.6.1.4.1.37244.1.5", "2.999.1", "1.2.18446744073709551615"}) {
    add(type, {{type, "x"}, {"CN", "device-1"}}, std::string("csr.subject.") + type);
  }
  rows.push_back({"all that device-dps grants, in another order",
                  CsrWithSubject(EncodeName({{"CN", "device-1"}, {"serialNumber", "1"}, {"OU", "b"}, {"O", "a"}})), "",
                  ""});
  return rows;
}

// Of an authority whose subject stays as its CSR has it, strings included.
std::vector<HostileCsr> AsRequested() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, const Subject& subject, const std::string& fields) {
    const std::string reason = fields.empty() ? "" : reason::kSubjectNotAllowed;
    rows.push_back({name, CsrWithSubject(EncodeName(subject)), reason, fields, "", "adr-byor"});
  };
  add("as requested: a CN as IA5String", {{"CN", "a", StringType::kIa5}}, "csr.subject.CN");
  add("as requested: an O as IA5String", {{"O", "a", StringType::kIa5}, {"CN", "a"}}, "csr.subject.O");
  add("as requested: a C as UTF8String", {{"C", "DE", StringType::kUtf8}, {"CN", "a"}}, "csr.subject.C");
  add("as requested: a C of three letters", {{"C", "DEU"}, {"CN", "a"}}, "csr.subject.C");
  add("as requested: a DC as UTF8String", {{"DC", "example", StringType::kUtf8}, {"CN", "a"}}, "csr.subject.DC");
  add("as requested: an O of 65 characters", {{"O", std::string(65, 'a')}, {"CN", "a"}}, "csr.subject.O");
  add("as requested: five OUs of four", {{"OU", "a"}, {"OU", "b"}, {"OU", "c"}, {"OU", "d"}, {"OU", "e"}, {"CN", "a"}},
      "csr.subject.OU");
  add("as requested: an attribute more", {{"serialNumber", "1"}, {"CN", "a"}}, "csr.subject.serialNumber");
  add("as requested: an order of its own",
      {{"CN", "K\xc3\xa4se"}, {"OU", "a"}, {"OU", "b", StringType::kPrintable}, {"C", "DE"}}, "");
  return rows;
}

}  // namespace

std::vector<HostileCsr> HostileSubjects() {
  std::vector<HostileCsr> rows = Shapes();
  for (auto table : {MalformedTypes, NotGranted, AsRequested}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
