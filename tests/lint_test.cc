// Lint: each rule has a certificate or a list that breaks it and nothing else, and one that passes.
#include "ca/lint.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "ca/crl.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::AnyExtension;
using testing::House;
using testing::SoftwareSigner;

// A draft whose every part can be replaced.
struct DraftBuilder {
  explicit DraftBuilder(const House& house) {
    const Issuer& issuer = house.issuer("devices");
    algorithm = ToBytes(issuer.lint().algorithm);
    inner_algorithm = algorithm;
    issuer_name = ToBytes(issuer.name());
    subject = EncodeName({{"CN", "device-1"}});
    spki = ToBytes(House::DeviceKey().public_key());
    not_before = der::EncodeTime(house.clock.now);
    not_after = der::EncodeTime(house.clock.now + absl::Hours(1));
    constraints = BasicConstraints(false, std::nullopt);
    usage = KeyUsageExtension({KeyUsage::kDigitalSignature});
    purposes = ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"});
    subject_key = SubjectKeyIdentifier(Bytes(20, 1));
    authority_key = AuthorityKeyIdentifier(issuer.key_identifier());
  }
  Bytes version = der::Tlv(der::ContextConstructed(0), der::Unsigned(uint64_t{2}));
  Bytes serial = der::Unsigned(Bytes(16, 0x41));
  Bytes algorithm, inner_algorithm, issuer_name, subject, spki, not_before, not_after;
  Bytes constraints, usage, purposes, subject_key, authority_key, names, more, unique, trailer;

  Bytes Build() const {
    const Bytes extensions = der::Sequence({constraints, usage, purposes, subject_key, authority_key, names, more});
    const Bytes tbs =
        der::Sequence({version, serial, inner_algorithm, issuer_name, der::Sequence({not_before, not_after}), subject,
                       spki, unique, der::Tlv(der::ContextConstructed(3), extensions)});
    return der::Sequence({tbs, algorithm, der::BitString({}), trailer});
  }
};

std::string Rules(const std::vector<Finding>& findings) {
  std::string rules;
  for (const Finding& finding : findings) rules += (rules.empty() ? "" : " ") + finding.rule;
  return rules;
}

TEST(LintTest, PassesWhatTheHouseComposes) {
  House house;
  EXPECT_EQ(Rules(LintCertificate(DraftBuilder(house).Build(), house.issuer("devices").lint())), "");
  EXPECT_TRUE(Verdict({}).ok());
}

struct Broken {
  const char* name;
  std::function<void(DraftBuilder&, const House&)> change;
  std::string rules;  // all that is found, in the order of lint
};

Bytes Name(uint8_t tag, std::string_view text) { return der::Tlv(tag, AsBytes(text)); }
Bytes Dns(std::string_view text) { return Name(der::ContextPrimitive(2), text); }
Bytes Uri(std::string_view text) { return Name(der::ContextPrimitive(6), text); }
Bytes Names(const Bytes& name, bool critical = false) { return SubjectAltName(der::Sequence({name}), critical); }
// A Name of one attribute with any string type.
Bytes OneAttribute(const char* type, uint8_t tag, std::string_view value) {
  return der::Sequence({der::Constructed(der::kSet, {der::Sequence({der::Oid(type), Name(tag, value)})})});
}
Bytes Algorithm(const char* oid, const Bytes& parameters) { return der::Sequence({der::Oid(oid), parameters}); }
const SoftwareSigner& RsaKey() {
  static const auto& key = *new SoftwareSigner(SignatureAlgorithm::kRsaPkcs1Sha256);
  return key;
}
// Version 3 of a CA below devices' issuer, which allows none.
void MakeCa(DraftBuilder& d) {
  d.constraints = BasicConstraints(true, 0);
  d.usage = KeyUsageExtension({KeyUsage::kKeyCertSign});
  d.purposes.clear();
}
// Of a CA that lint of its own judges well.
constexpr char kBelow[] = "rfc5280_4_2_1_9_path_length";

std::vector<Broken> Structure() {
  using D = DraftBuilder;
  return {
      {"serial 0",
       [](D& d, const House&) {
         d.serial = {0x02, 0x01, 0x00};
       },
       "rfc5280_4_1_2_2_serial_number hallmark_house_serial_number"},
      {"negative serial", [](D& d, const House&) { d.serial = {0x02, 0x09, 0x80, 1, 1, 1, 1, 1, 1, 1, 1}; },
       "rfc5280_4_1_2_2_serial_number hallmark_house_serial_number"},
      {"long serial", [](D& d, const House&) { d.serial = der::Unsigned(Bytes(21, 0x41)); },
       "rfc5280_4_1_2_2_serial_number"},
      {"short serial", [](D& d, const House&) { d.serial = der::Unsigned(uint64_t{12345}); },
       "hallmark_serial_entropy hallmark_house_serial_number"},
      {"padded serial", [](D& d, const House&) { d.serial = {0x02, 0x0a, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}; },
       "x690_der rfc5280_4_1_2_2_serial_number hallmark_house_serial_number"},
      {"another inner algorithm",
       [](D& d, const House&) { d.inner_algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384)); },
       "rfc5280_4_1_1_2_signature_algorithm"},
      {"not the issuer's algorithm",
       [](D& d, const House&) {
         d.inner_algorithm = d.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384));
       },
       "hallmark_issuer_algorithm"},
      {"SHA-1", [](D& d, const House&) { d.inner_algorithm = d.algorithm = Algorithm("1.2.840.10045.4.1", {}); },
       "hallmark_sound_signature_algorithm hallmark_issuer_algorithm"},
      {"SHA-1 of one's own",
       [](D& d, const House& h) {
         d.inner_algorithm = d.algorithm = Algorithm("1.2.840.10045.4.1", {});
         d.subject = d.issuer_name;
         d.subject_key = SubjectKeyIdentifier(h.issuer("devices").key_identifier());
       },
       "hallmark_sound_self_signature rfc5280_3_2_self_issued hallmark_issuer_algorithm"},
      {"an unknown algorithm", [](D& d, const House&) { d.inner_algorithm = d.algorithm = Algorithm("1.2.3.4", {}); },
       "hallmark_known_signature_algorithm hallmark_issuer_algorithm"},
      {"ECDSA with NULL",
       [](D& d, const House&) {
         d.inner_algorithm = d.algorithm = Algorithm("1.2.840.10045.4.3.2", {5, 0});
       },
       "rfc4055_rfc5758_parameters hallmark_issuer_algorithm"},
      {"RSA without NULL",
       [](D& d, const House&) { d.inner_algorithm = d.algorithm = Algorithm("1.2.840.113549.1.1.11", {}); },
       "rfc4055_rfc5758_parameters hallmark_issuer_algorithm"},
      {"GeneralizedTime too early",
       [](D& d, const House&) { d.not_before = Name(der::kGeneralizedTime, "20261124000000Z"); },
       "rfc5280_4_1_2_5_time_form"},
      {"a time that is none", [](D& d, const House&) { d.not_before = Name(der::kUtcTime, "260230000000Z"); },
       "rfc5280_4_1_2_5_time_form"},
      {"a time with an offset", [](D& d, const House&) { d.not_before = Name(der::kUtcTime, "260228000000+0100"); },
       "rfc5280_4_1_2_5_time_form"},
      {"ends before it begins",
       [](D& d, const House& h) { d.not_after = der::EncodeTime(h.clock.now - absl::Hours(1)); },
       "rfc5280_4_1_2_5_validity"},
      {"outlives its issuer",
       [](D& d, const House& h) { d.not_after = der::EncodeTime(h.issuer("devices").not_after() + absl::Seconds(1)); },
       "hallmark_validity_within_issuer"},
      {"version 2",
       [](D& d, const House&) { d.version = der::Tlv(der::ContextConstructed(0), der::Unsigned(uint64_t{1})); },
       "rfc5280_4_1_2_1_version rfc5280_4_1_2_1_old_version hallmark_house_extensions"},
      {"version 1 said",
       [](D& d, const House&) { d.version = der::Tlv(der::ContextConstructed(0), der::Unsigned(uint64_t{0})); },
       "rfc5280_4_1_2_1_version rfc5280_4_1_2_1_old_version x690_11_5_default hallmark_house_extensions"},
      {"a unique identifier",
       [](D& d, const House&) {
         d.unique = der::Tlv(der::ContextPrimitive(1), Bytes{0, 1});
       },
       "rfc5280_4_1_2_8_unique_identifiers"},
      {"no extensions, empty",
       [](D& d, const House&) {
         for (Bytes* part : {&d.constraints, &d.usage, &d.purposes, &d.subject_key, &d.authority_key}) part->clear();
       },
       "rfc5280_4_1_2_9_extensions hallmark_basic_constraints hallmark_key_usage "
       "rfc5280_4_2_1_2_no_subject_key_identifier rfc5280_4_2_1_1_authority_key_identifier_form "
       "rfc5280_4_2_1_1_authority_key_identifier hallmark_house_extensions"},
      {"octets at the end",
       [](D& d, const House&) {
         d.trailer = Bytes{0x05, 0x00};
       },
       "x690_der"},
      {"a BOOLEAN of 01",
       [](D& d, const House&) {
         d.constraints = {0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0x01, 0x04, 0x02, 0x30, 0x00};
       },
       "x690_der"},
  };
}

std::vector<Broken> InNames() {
  using D = DraftBuilder;
  const auto subject = [](Bytes name) { return [name](D& d, const House&) { d.subject = name; }; };
  return {
      {"another issuer", [](D& d, const House& h) { d.issuer_name = ToBytes(h.issuer("root").name()); },
       "rfc5280_4_1_2_4_issuer"},
      {"no issuer", [](D& d, const House&) { d.issuer_name = der::Sequence({}); },
       "rfc5280_4_1_2_4_issuer_not_empty rfc5280_4_1_2_4_issuer"},
      {"its issuer's name", [](D& d, const House& h) { d.subject = ToBytes(h.issuer("devices").name()); },
       "rfc5280_3_2_self_issued"},
      {"no subject", subject(der::Sequence({})), "rfc5280_4_1_2_6_subject"},
      {"long CN", subject(EncodeName({{"CN", std::string(65, 'a')}})), "rfc5280_a_1_upper_bound"},
      {"empty CN", subject(OneAttribute("2.5.4.3", der::kUtf8String, "")), "rfc5280_a_1_upper_bound"},
      {"long C", subject(OneAttribute("2.5.4.6", der::kPrintableString, "AUT")),
       "rfc5280_a_1_upper_bound x520_6_3_1_country"},
      {"small letters in C", subject(OneAttribute("2.5.4.6", der::kPrintableString, "de")), "x520_6_3_1_country"},
      {"C as UTF8String", subject(OneAttribute("2.5.4.6", der::kUtf8String, "DE")), "rfc5280_4_1_2_4_string_type"},
      {"CN as IA5String", subject(OneAttribute("2.5.4.3", der::kIa5String, "a")), "rfc5280_4_1_2_4_string_type"},
      {"CN as BMPString", subject(OneAttribute("2.5.4.3", 0x1e, std::string_view("\0a", 2))),
       "rfc5280_4_1_2_4_old_string"},
      {"UniversalString beyond Unicode", subject(OneAttribute("2.5.4.3", 0x1c, std::string_view("\0\x11\0\0", 4))),
       "rfc5280_4_1_2_4_old_string x690_8_23_string_characters"},
      {"NUL in CN", subject(OneAttribute("2.5.4.3", der::kUtf8String, std::string_view("a\0b", 3))),
       "x690_8_23_string_characters"},
      {"overlong UTF-8", subject(OneAttribute("2.5.4.3", der::kUtf8String, "\xc0\xaf")),
       "x690_8_23_string_characters"},
      {"a star in PrintableString", subject(OneAttribute("2.5.4.3", der::kPrintableString, "a*")),
       "x690_8_23_string_characters"},
      {"a blank at the end", subject(OneAttribute("2.5.4.3", der::kUtf8String, "a ")), "x520_6_1_blanks"},
      {"two CNs", subject(EncodeName({{"CN", "a"}, {"CN", "b"}})), "x520_duplicate_attribute"},
      {"a multi-valued RDN",
       subject(der::Sequence({der::Constructed(der::kSet, {der::Sequence({der::Oid("2.5.4.3"), Name(0x0c, "a")}),
                                                           der::Sequence({der::Oid("2.5.4.10"), Name(0x0c, "b")})})})),
       "rfc5280_4_1_2_4_multi_valued_rdn"},
      {"a SET in the wrong order",
       subject(der::Sequence({der::Constructed(der::kSet, {der::Sequence({der::Oid("2.5.4.10"), Name(0x0c, "b")}),
                                                           der::Sequence({der::Oid("2.5.4.3"), Name(0x0c, "a")})})})),
       "x690_11_6_set_order rfc5280_4_1_2_4_multi_valued_rdn"},
      {"an RDN that is no SET", subject(der::Sequence({der::Sequence({})})), "rfc5280_4_1_2_4_name rfc5280_4_1_2_6_subject"},
      {"a SAN of nobody", [](D& d, const House&) { d.names = AnyExtension(oid::kSubjectAltName, der::Sequence({})); },
       "rfc5280_4_2_1_6_subject_alt_name"},
      {"a GeneralName of no kind", [](D& d, const House&) { d.names = Names(Name(der::ContextPrimitive(9), "x")); },
       "rfc5280_4_2_1_6_subject_alt_name"},
      {"a dNSName with a blank", [](D& d, const House&) { d.names = Names(Dns("a b.example")); },
       "rfc5280_4_2_1_6_dns_name"},
      {"a dNSName with NUL", [](D& d, const House&) { d.names = Names(Dns(std::string_view("a.example\0.b", 12))); },
       "rfc5280_4_2_1_6_dns_name"},
      {"a wildcard", [](D& d, const House&) { d.names = Names(Dns("*.a.example")); }, "rfc9525_6_3_wildcard"},
      {"an underscore", [](D& d, const House&) { d.names = Names(Dns("a_b.example")); }, "rfc1123_2_1_underscore"},
      {"a relative URI", [](D& d, const House&) { d.names = Names(Uri("/a")); }, "rfc5280_4_2_1_6_uri"},
      {"a URI whose host has no dot", [](D& d, const House&) { d.names = Names(Uri("hallmark://local/station/a")); },
       "rfc5280_4_2_1_6_uri_host"},
      {"no mailbox", [](D& d, const House&) { d.names = Names(Name(der::ContextPrimitive(1), "a.example")); },
       "rfc5280_4_2_1_6_email"},
      {"an address of 5 octets", [](D& d, const House&) { d.names = Names(der::Tlv(der::ContextPrimitive(7), Bytes(5))); },
       "rfc5280_4_2_1_6_ip_address"},
      {"a directoryName that is none",
       [](D& d, const House&) { d.names = Names(der::Tlv(der::ContextConstructed(4), Bytes{5, 0})); },
       "rfc5280_4_1_2_4_name"},
      {"a registeredID that is none",
       [](D& d, const House&) { d.names = Names(der::Tlv(der::ContextPrimitive(8), Bytes{0x80})); },
       "rfc5280_4_2_1_6_subject_alt_name"},
      {"an ediPartyName",
       [](D& d, const House&) { d.names = Names(der::Tlv(der::ContextConstructed(5), Bytes{5, 0})); },
       "hallmark_obsolete_name"},
      {"an otherName with two values",
       [](D& d, const House&) {
         d.names = Names(der::Constructed(der::ContextConstructed(0), {der::Oid("1.2.3"), der::Tlv(der::ContextConstructed(0), Bytes{5, 0, 5, 0})}));
       },
       "rfc5280_4_2_1_6_other_name"},
      {"an otherName without a value",
       [](D& d, const House&) { d.names = Names(der::Tlv(der::ContextConstructed(0), der::Oid("1.2.3"))); },
       "rfc5280_4_2_1_6_other_name"},
      {"a hardwareModuleName without a serial number",
       [](D& d, const House&) {
         d.names = Names(der::Constructed(
             der::ContextConstructed(0),
             {der::Oid("1.3.6.1.5.5.7.8.4"), der::Tlv(der::ContextConstructed(0), der::Sequence({der::Oid("1.2.3")}))}));
       },
       "rfc4108_5_hardware_module_name"},
      {"a name twice", [](D& d, const House&) { d.names = SubjectAltName(der::Sequence({Dns("a.example"), Dns("a.example")}), false); },
       "rfc5280_4_2_1_6_duplicate_name"},
  };
}

std::vector<Broken> InExtensions() {
  using D = DraftBuilder;
  const auto more = [](const char* type, Bytes value, bool critical = false) {
    return [=](D& d, const House&) { d.more = AnyExtension(type, value, critical); };
  };
  const auto ca_with = [](const char* type, Bytes value, bool critical) {
    return [=](D& d, const House&) {
      MakeCa(d);
      d.more = AnyExtension(type, value, critical);
    };
  };
  const auto below = [](const std::string& rules) { return rules + " " + kBelow; };
  const Bytes dns_base = der::Sequence({der::Sequence({Dns("a.example")})});
  const Bytes permitted = der::Sequence({der::Tlv(der::ContextConstructed(0), der::Sequence({Dns("a.example")}))});
  const auto subtree = [](const Bytes& base) {
    return der::Sequence({der::Tlv(der::ContextConstructed(0), der::Sequence({base}))});
  };
  return {
      {"an Ed25519 key",
       [](D& d, const House&) {
         d.spki = der::Sequence({der::Sequence({der::Oid("1.3.101.112")}), der::BitString(Bytes(32, 1))});
       },
       "hallmark_known_key_algorithm hallmark_house_public_key"},
      {"a point that is on no curve", [](D& d, const House&) { d.spki[d.spki.size() - 1] ^= 1; },
       "hallmark_sound_public_key"},
      {"an EC key without its curve",
       [](D& d, const House&) {
         d.spki = der::Sequence({Algorithm("1.2.840.10045.2.1", {}), der::BitString(Bytes(65, 4))});
       },
       "rfc5280_4_1_2_7_public_key hallmark_house_public_key"},
      {"a curve of others",
       [](D& d, const House&) {
         d.spki =
             der::Sequence({Algorithm("1.2.840.10045.2.1", der::Oid("1.3.132.0.10")), der::BitString(Bytes(65, 4))});
       },
       "hallmark_known_key_algorithm hallmark_house_public_key"},
      {"an EC key that enciphers",
       [](D& d, const House&) {
         d.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kKeyEncipherment});
       },
       "rfc5480_3_key_usage"},
      {"encipherOnly alone",
       [](D& d, const House&) { d.usage = AnyExtension(oid::kKeyUsage, der::NamedBitString(0x81), true); },
       "rfc5280_4_2_1_3_encipher_only"},
      {"an RSA key that agrees",
       [](D& d, const House&) {
         d.spki = ToBytes(RsaKey().public_key());
         d.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kKeyAgreement});
       },
       "rfc3279_2_3_1_key_usage"},
      {"an extension twice", [](D& d, const House&) { d.more = d.purposes; }, "rfc5280_4_2_duplicate_extension"},
      {"an unknown extension", more("1.2.3.4", {5, 0}), "hallmark_known_extension"},
      {"an unknown critical extension", more("1.2.3.4", {5, 0}, true), "rfc5280_4_2_unknown_critical_extension"},
      {"critical authorityInfoAccess",
       more(oid::kAuthorityInfoAccess,
            der::Sequence({der::Sequence({der::Oid("1.3.6.1.5.5.7.48.2"), Uri("http://a.example/a")})}), true),
       "rfc5280_4_2_criticality"},
      {"keyUsage not critical",
       [](D& d, const House&) { d.usage = AnyExtension(oid::kKeyUsage, der::NamedBitString(1)); },
       "rfc5280_4_2_should_be_critical hallmark_house_extensions"},
      {"subjectAltName critical beside a subject", [](D& d, const House&) { d.names = Names(Dns("a.example"), true); },
       "rfc5280_4_2_should_not_be_critical"},
      {"no keyUsage", [](D& d, const House&) { d.usage.clear(); }, "hallmark_key_usage hallmark_house_extensions"},
      {"keyUsage of nothing",
       [](D& d, const House&) {
         d.usage = AnyExtension(oid::kKeyUsage, Bytes{3, 1, 0}, true);
       },
       "rfc5280_4_2_1_3_key_usage rfc5280_4_2_1_12_consistent_usage"},
      {"no basicConstraints", [](D& d, const House&) { d.constraints.clear(); },
       "hallmark_basic_constraints hallmark_house_extensions"},
      {"basicConstraints that say FALSE",
       [](D& d, const House&) {
         d.constraints = AnyExtension(oid::kBasicConstraints, Bytes{0x30, 0x03, 0x01, 0x01, 0x00}, true);
       },
       "rfc5280_4_2_1_9_basic_constraints"},
      {"pathLenConstraint of an end entity",
       [](D& d, const House&) {
         d.constraints = AnyExtension(oid::kBasicConstraints, Bytes{0x30, 0x03, 0x02, 0x01, 0x00}, true);
       },
       "rfc5280_4_2_1_9_path_length_without_ca"},
      {"keyCertSign of an end entity",
       [](D& d, const House&) {
         d.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kKeyCertSign});
       },
       "rfc5280_4_2_1_9_ca_key_usage"},
      {"cRLSign of an end entity",
       [](D& d, const House&) {
         d.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kCrlSign});
       },
       "hallmark_house_crl_sign"},
      {"an authority below one of path length 0", [](D& d, const House&) { MakeCa(d); }, kBelow},
      {"an authority without a key identifier",
       [](D& d, const House&) {
         MakeCa(d);
         d.subject_key.clear();
       },
       below("rfc5280_4_2_1_2_subject_key_identifier") + " hallmark_house_extensions"},
      {"no subjectKeyIdentifier", [](D& d, const House&) { d.subject_key.clear(); },
       "rfc5280_4_2_1_2_no_subject_key_identifier hallmark_house_extensions"},
      {"another key's authorityKeyIdentifier",
       [](D& d, const House&) { d.authority_key = AuthorityKeyIdentifier(Bytes(20, 1)); },
       "rfc5280_4_2_1_1_authority_key_identifier"},
      {"no authorityKeyIdentifier", [](D& d, const House&) { d.authority_key.clear(); },
       "rfc5280_4_2_1_1_authority_key_identifier_form rfc5280_4_2_1_1_authority_key_identifier"},
      {"no purposes", [](D& d, const House&) { d.purposes = AnyExtension(oid::kExtendedKeyUsage, der::Sequence({})); },
       "rfc5280_4_2_1_12_extended_key_usage"},
      {"any purpose", [](D& d, const House&) { d.purposes = ExtendedKeyUsage({"2.5.29.37.0"}); },
       "rfc5280_4_2_1_12_any_purpose"},
      {"a purpose that keyUsage forbids",
       [](D& d, const House&) { d.usage = KeyUsageExtension({KeyUsage::kNonRepudiation}); },
       "rfc5280_4_2_1_12_consistent_usage"},
      {"nocheck of a client", more("1.3.6.1.5.5.7.48.1.5", {5, 0}), "rfc6960_4_2_2_2_1_nocheck"},
      {"a policy twice",
       more("2.5.29.32", der::Sequence({der::Sequence({der::Oid("1.2.3")}), der::Sequence({der::Oid("1.2.3")})})),
       "rfc5280_4_2_1_4_certificate_policies"},
      {"an unknown qualifier",
       more("2.5.29.32", der::Sequence({der::Sequence(
                             {der::Oid("1.2.3"), der::Sequence({der::Sequence({der::Oid("1.2.4"), Bytes{5, 0}})})})})),
       "rfc5280_4_2_1_4_policy_qualifiers"},
      {"policyMappings of anyPolicy",
       ca_with("2.5.29.33", der::Sequence({der::Sequence({der::Oid("2.5.29.32.0"), der::Oid("1.2.3")})}), true),
       below("rfc5280_4_2_1_5_policy_mappings")},
      {"policyConstraints of nothing", ca_with("2.5.29.36", der::Sequence({}), true),
       below("rfc5280_4_2_1_11_policy_constraints")},
      {"inhibitAnyPolicy of an end entity", more("2.5.29.54", der::Unsigned(uint64_t{0}), true),
       "rfc5280_4_2_1_14_inhibit_any_policy"},
      {"nameConstraints of an end entity", more("2.5.29.30", permitted, true), "rfc5280_4_2_1_10_name_constraints"},
      {"nameConstraints not critical", ca_with("2.5.29.30", permitted, false), below("rfc5280_4_2_criticality")},
      {"nameConstraints of nothing", ca_with("2.5.29.30", der::Sequence({}), true),
       below("rfc5280_4_2_1_10_name_constraints")},
      {"a mask with a hole",
       ca_with("2.5.29.30", subtree(der::Tlv(der::ContextPrimitive(7), Bytes{10, 0, 0, 0, 255, 0, 255, 0})), true),
       below("rfc5280_4_2_1_10_ip_range")},
      {"a subtree that is no domain", ca_with("2.5.29.30", subtree(Dns("a b")), true),
       below("rfc5280_4_2_1_10_subtree_form")},
      {"no distribution points", more(oid::kCrlDistributionPoints, der::Sequence({})),
       "rfc5280_4_2_1_13_distribution_points"},
      {"a distribution point of https",
       [](D& d, const House&) { d.more = CrlDistributionPoints("https://a.example/a"); },
       "rfc5280_4_2_1_13_distribution_point_uri"},
      {"no access", more(oid::kAuthorityInfoAccess, der::Sequence({})), "rfc5280_4_2_2_information_access"},
      {"caIssuers of https", [](D& d, const House&) { d.more = AuthorityInfoAccess("https://a.example/a"); },
       "rfc5280_4_2_2_1_access_uri"},
  };
}

// What the tables of this file found, of all rules.
std::set<std::string>& Seen() {
  static auto& seen = *new std::set<std::string>();
  return seen;
}

void ExpectEach(const std::vector<Broken>& cases) {
  House house;
  for (const Broken& c : cases) {
    DraftBuilder draft(house);
    c.change(draft, house);
    const std::vector<Finding> findings = LintCertificate(draft.Build(), house.issuer("devices").lint());
    EXPECT_EQ(Rules(findings), c.rules) << c.name;
    bool error = false;
    for (const Finding& finding : findings) {
      Seen().insert(finding.rule);
      error |= finding.severity == Severity::kError;
      EXPECT_FALSE(finding.citation.empty() || finding.message.empty()) << finding.rule;
    }
    EXPECT_EQ(Verdict(findings).ok(), !error) << c.name;
    if (error) {
      EXPECT_THAT(Verdict(findings), testing::Fails(Code::kFailedPrecondition, "LINT_FAILED")) << c.name;
    }
  }
}

TEST(LintTest, FindsEachFlawOfTheStructure) { ExpectEach(Structure()); }
TEST(LintTest, FindsEachFlawOfNames) { ExpectEach(InNames()); }
TEST(LintTest, FindsEachFlawOfExtensions) { ExpectEach(InExtensions()); }

// An issuer whose certificate is known, and what is below it.
struct Pair {
  const char* name;
  std::function<void(DraftBuilder& issuer, DraftBuilder& subject)> change;
  std::vector<Standard> standards;
  std::string rules;
};

std::string FindBelow(const House& house, const Pair& c) {
  DraftBuilder above(house);
  MakeCa(above);
  above.subject = EncodeName({{"O", "Acme"}, {"CN", "Issuer"}});
  above.subject_key = SubjectKeyIdentifier(Bytes(20, 7));
  DraftBuilder below(house);
  below.issuer_name = above.subject;
  below.subject = EncodeName({{"O", "Acme"}, {"CN", "device-1"}});
  below.authority_key = AuthorityKeyIdentifier(Bytes(20, 7));
  below.not_after = der::EncodeTime(house.clock.now + absl::Minutes(1));
  c.change(above, below);
  const std::vector<Finding> findings = LintAnyCertificate(below.Build(), above.Build(), c.standards);
  for (const Finding& finding : findings) Seen().insert(finding.rule);
  return Rules(findings);
}

Bytes Constraints(uint8_t list, const Bytes& base) {
  return AnyExtension("2.5.29.30", der::Sequence({der::Tlv(der::ContextConstructed(list), der::Sequence({base}))}),
                      true);
}

std::vector<Pair> UnderConstraints() {
  using D = DraftBuilder;
  constexpr char kPermitted[] = "rfc5280_6_1_3_b_permitted_names";
  constexpr char kExcluded[] = "rfc5280_6_1_3_c_excluded_names";
  const auto names = [](uint8_t list, Bytes base, Bytes name) {
    return [=](D& issuer, D& subject) {
      issuer.more = Constraints(list, base);
      subject.names = Names(name);
    };
  };
  const auto email = [](std::string_view text) { return Name(der::ContextPrimitive(1), text); };
  const auto ip = [](Bytes octets) { return der::Tlv(der::ContextPrimitive(7), octets); };
  const auto directory = [](const Subject& subject) {
    return der::Tlv(der::ContextConstructed(4), EncodeName(subject));
  };
  return {
      {"no constraints", [](D&, D&) {}, {}, ""},
      {"a host", names(0, Dns("a.example"), Dns("a.example")), {}, ""},
      {"below it, in capitals", names(0, Dns("a.example"), Dns("X.A.Example")), {}, ""},
      {"beside it", names(0, Dns("a.example"), Dns("ba.example")), {}, kPermitted},
      {"another kind is free", names(0, Dns("a.example"), ip({10, 0, 0, 1})), {}, ""},
      {"excluded", names(1, Dns("a.example"), Dns("b.a.example")), {}, kExcluded},
      {"every name excluded", names(1, Dns(""), Dns("b.example")), {}, kExcluded},
      {"a mailbox", names(0, email("a@b.example"), email("a@B.example")), {}, ""},
      {"another mailbox of the host", names(0, email("a@b.example"), email("c@b.example")), {}, kPermitted},
      {"a host of mailboxes", names(0, email("b.example"), email("c@b.example")), {}, ""},
      {"not its domain", names(0, email("b.example"), email("c@d.b.example")), {}, kPermitted},
      {"a domain of mailboxes", names(0, email(".b.example"), email("c@d.b.example")), {}, ""},
      {"a host of URIs", names(0, Uri("b.example"), Uri("https://b.example:8443/x")), {}, ""},
      {"not below a host of URIs", names(0, Uri("b.example"), Uri("https://a.b.example/x")), {}, kPermitted},
      {"a domain of URIs", names(0, Uri(".b.example"), Uri("https://a.b.example/x")), {}, ""},
      {"a URI without a host", names(0, Uri("b.example"), Uri("urn:x:y")), {}, kPermitted},
      {"an address", names(0, ip({10, 0, 0, 0, 255, 0, 0, 0}), ip({10, 1, 2, 3})), {}, ""},
      {"an address outside", names(0, ip({10, 0, 0, 0, 255, 0, 0, 0}), ip({11, 1, 2, 3})), {}, kPermitted},
      {"an address of the other family", names(0, ip({10, 0, 0, 0, 255, 0, 0, 0}), ip(Bytes(16, 1))), {}, kPermitted},
      {"the subject",
       [=](D& i, D&) {
         i.more = Constraints(0, directory({{"O", "ACME"}}));
       },
       {},
       ""},
      {"the subject outside",
       [=](D& i, D&) {
         i.more = Constraints(0, directory({{"O", "Other"}}));
       },
       {},
       kPermitted},
      {"the subject excluded",
       [=](D& i, D&) {
         i.more = Constraints(1, directory({{"O", "acme"}}));
       },
       {},
       kExcluded},
      {"an e-mail address in the subject",
       [=](D& i, D& s) {
         i.more = Constraints(0, email("b.example"));
         s.subject = OneAttribute("1.2.840.113549.1.9.1", der::kIa5String, "a@c.example");
       },
       {},
       kPermitted},
      {"an issuer that is no authority",
       [](D& i, D&) {
         i.constraints = BasicConstraints(false, std::nullopt);
         i.usage = KeyUsageExtension({KeyUsage::kDigitalSignature});
       },
       {},
       "rfc5280_6_1_4_issuer_may_sign"},
      {"a purpose that the issuer has not",
       [](D& i, D&) { i.purposes = ExtendedKeyUsage({"1.3.6.1.5.5.7.3.1"}); },
       {},
       "hallmark_nested_purposes"},
  };
}

Bytes Hardware(std::string_view serial) {
  return der::Constructed(
      der::ContextConstructed(0),
      {der::Oid("1.3.6.1.5.5.7.8.4"),
       der::Tlv(der::ContextConstructed(0),
                der::Sequence({der::Oid("1.3.6.1.4.1.32473.1"), der::Tlv(der::kOctetString, AsBytes(serial))}))});
}

std::vector<Pair> OfStandards() {
  using D = DraftBuilder;
  constexpr char kVid[] = "1.3.6.1.4.1.37244.2.1";
  constexpr char kPid[] = "1.3.6.1.4.1.37244.2.2";
  // What each begins with is right.
  const auto dev_id = [](D&, D& s) {
    s.subject = EncodeName({{"serialNumber", "SN-1"}, {"CN", "device-1"}});
    s.names = Names(Hardware("SN-1"));
    s.purposes.clear();
  };
  const auto dac = [=](D& i, D& s) {
    i.subject = s.issuer_name = EncodeName({{"CN", "PAI"}, {kVid, "FFF1"}});
    s.subject = EncodeName({{"CN", "DAC"}, {kVid, "FFF1"}, {kPid, "8000"}});
    s.purposes.clear();
  };
  const auto pai = [=](D& i, D& s) {
    i.constraints = BasicConstraints(true, 1);
    i.subject = s.issuer_name = EncodeName({{"CN", "PAA"}});
    MakeCa(s);
    s.usage = KeyUsageExtension({KeyUsage::kKeyCertSign, KeyUsage::kCrlSign});
    s.subject = EncodeName({{"CN", "PAI"}, {kVid, "FFF1"}});
  };
  const auto opc = [](D&, D& s) {
    s.names = SubjectAltName(der::Sequence({Uri("urn:acme:plc:1"), Dns("plc.acme.example")}), false);
  };
  const auto registry = [](D& i, D& s) {
    i.constraints = BasicConstraints(true, 1);
    i.not_after = s.not_after = der::EncodeTime(absl::FromCivil(absl::CivilYear(2040), absl::UTCTimeZone()));
    MakeCa(s);
    s.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kKeyCertSign, KeyUsage::kCrlSign});
  };
  const auto then = [](auto first, std::function<void(D&, D&)> second) {
    return [=](D& issuer, D& subject) {
      first(issuer, subject);
      second(issuer, subject);
    };
  };
  using enum Standard;
  const std::string no_expiry = "ieee8021ar_8_7_no_expiry";
  return {
      {"a DevID", dev_id, {kIeee8021Ar}, no_expiry},
      {"without a serial number",
       then(dev_id,
            [](D&, D& s) {
              s.subject = EncodeName({{"CN", "a"}});
            }),
       {kIeee8021Ar},
       "ieee8021ar_8_6_serial_number ieee8021ar_8_10_hardware_serial " + no_expiry},
      {"of another hardware",
       then(dev_id, [](D&, D& s) { s.names = Names(Hardware("SN-2")); }),
       {kIeee8021Ar},
       "ieee8021ar_8_10_hardware_serial " + no_expiry},
      {"that is an authority's",
       then(dev_id,
            [](D& i, D& s) {
              i.constraints = BasicConstraints(true, 1);
              MakeCa(s);
            }),
       {kIeee8021Ar},
       "ieee8021ar_8_10_key_usage ieee8021ar_8_10_end_entity " + no_expiry},
      {"a DAC", dac, {kMatterDac}, ""},
      {"of P-384",
       then(dac,
            [](D&, D& s) {
              s.inner_algorithm = s.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384));
            }),
       {kMatterDac},
       "matter_6_2_2_p256"},
      {"without a product",
       then(dac,
            [=](D&, D& s) {
              s.subject = EncodeName({{"CN", "DAC"}, {kVid, "FFF1"}});
            }),
       {kMatterDac},
       "matter_6_2_2_product_id"},
      {"with ids in its common name",
       then(dac,
            [](D&, D& s) {
              s.subject = EncodeName({{"CN", "DAC Mvid:FFF1 Mpid:8000"}});
            }),
       {kMatterDac},
       ""},
      {"with a vendor id in small letters",
       then(dac,
            [=](D&, D& s) {
              s.subject = EncodeName({{"CN", "DAC"}, {kVid, "fff1"}, {kPid, "8000"}});
            }),
       {kMatterDac},
       "matter_6_2_2_vendor_id matter_6_2_3_issuer"},
      {"of another vendor than its PAI",
       then(dac,
            [=](D&, D& s) {
              s.subject = EncodeName({{"CN", "DAC"}, {kVid, "FFF2"}, {kPid, "8000"}});
            }),
       {kMatterDac},
       "matter_6_2_3_issuer"},
      {"with more usages",
       then(dac,
            [](D&, D& s) {
              s.usage = KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kKeyAgreement});
            }),
       {kMatterDac},
       "matter_6_2_2_key_usage"},
      {"a PAI as DAC",
       pai,
       {kMatterDac},
       "matter_6_2_2_product_id matter_6_2_2_key_usage matter_6_2_2_basic_constraints"},
      {"a PAI", pai, {kMatterPai}, ""},
      {"without a key identifier",
       then(dac, [](D&, D& s) { s.subject_key.clear(); }),
       {kMatterDac},
       "rfc5280_4_2_1_2_no_subject_key_identifier matter_6_2_2_key_identifiers"},
      {"with another extension",
       then(dac,
            [](D&, D& s) {
              s.more = AnyExtension("1.2.3.4", Bytes{5, 0});
            }),
       {kMatterDac},
       "hallmark_known_extension matter_6_2_2_other_extensions"},
      {"too large",
       then(dac, [](D&, D& s) { s.more = CrlDistributionPoints("http://a.example/" + std::string(300, 'a')); }),
       {kMatterDac},
       "matter_6_1_3_size"},
      {"an OPC UA application of EC", opc, {kOpcUa}, ""},
      {"without applicationUri",
       then(opc, [](D&, D& s) { s.names = Names(Dns("plc.acme.example")); }),
       {kOpcUa},
       "opcua_6_2_2_application_uri"},
      {"without a host",
       then(opc, [](D&, D& s) { s.names = Names(Uri("urn:acme:plc:1")); }),
       {kOpcUa},
       "opcua_6_2_2_host"},
      {"of RSA that enciphers nothing",
       then(opc, [](D&, D& s) { s.spki = ToBytes(RsaKey().public_key()); }),
       {kOpcUa},
       "opcua_6_2_2_key_usage"},
      {"for nobody", then(opc, [](D&, D& s) { s.purposes.clear(); }), {kOpcUa}, "opcua_6_2_2_extended_key_usage"},
      {"without a common name",
       then(opc,
            [](D&, D& s) {
              s.subject = EncodeName({{"O", "Acme"}});
            }),
       {kOpcUa},
       "opcua_6_2_2_common_name"},
      {"a device of DPS", [](D&, D&) {}, {kAzureDps}, ""},
      {"with a dot at the end",
       [](D&, D& s) {
         s.subject = EncodeName({{"CN", "device."}});
       },
       {kAzureDps},
       "azure_dps_registration_id"},
      {"that is no client", [](D&, D& s) { s.purposes.clear(); }, {kAzureDps}, "azure_dps_client_auth"},
      {"that signs nothing",
       [](D&, D& s) { s.usage = KeyUsageExtension({KeyUsage::kKeyAgreement}); },
       {kAzureDps},
       "azure_dps_key_usage"},
      {"an authority of Device Registry", registry, {kAzureDeviceRegistry}, ""},
      {"that is none",
       [](D&, D& s) { s.purposes = ExtendedKeyUsage({"1.3.6.1.5.5.7.3.1"}); },
       {kAzureDeviceRegistry},
       "azure_adr_authority azure_adr_key_usage azure_adr_extended_key_usage azure_adr_validity"},
      {"without its key identifier",
       then(registry, [](D&, D& s) { s.subject_key.clear(); }),
       {kAzureDeviceRegistry},
       "rfc5280_4_2_1_2_subject_key_identifier azure_adr_subject_key_identifier"},
      {"under an RSA issuer",
       then(registry, [](D& i, D&) { i.spki = ToBytes(RsaKey().public_key()); }),
       {kAzureDeviceRegistry},
       "azure_adr_issuer_key"},
  };
}

void ExpectEach(const std::vector<Pair>& cases) {
  House house;
  for (const Pair& c : cases) EXPECT_EQ(FindBelow(house, c), c.rules) << c.name;
}

TEST(LintTest, HoldsNamesToTheConstraintsOfTheIssuer) { ExpectEach(UnderConstraints()); }
TEST(LintTest, HoldsEachStandardToItsRules) { ExpectEach(OfStandards()); }

TEST(LintTest, SaysWhenTheIssuerCannotBeRead) {
  House house;
  EXPECT_EQ(Rules(LintAnyCertificate(DraftBuilder(house).Build(), Bytes{1, 2, 3}, {})), "hallmark_issuer_readable");
}

TEST(LintTest, DetectsStandards) {
  House house;
  DraftBuilder draft(house);
  EXPECT_TRUE(DetectStandards(draft.Build()).empty());
  draft.names = Names(Hardware("SN-1"));
  EXPECT_EQ(DetectStandards(draft.Build()), std::vector{Standard::kIeee8021Ar});
  draft.names.clear();
  draft.subject = EncodeName({{"1.3.6.1.4.1.37244.2.1", "FFF1"}});
  EXPECT_EQ(DetectStandards(draft.Build()), std::vector{Standard::kMatterDac});
  MakeCa(draft);
  EXPECT_EQ(DetectStandards(draft.Build()), std::vector{Standard::kMatterPai});
  EXPECT_TRUE(DetectStandards(Bytes{1, 2, 3}).empty());
}

void ExpectEachOfCrls() {
  House house;
  const Issuer& issuer = house.issuer("devices");
  const Bytes algorithm = ToBytes(issuer.lint().algorithm);
  struct Parts {
    Bytes version, inner, name, this_update, next_update, revoked, extensions;
  };
  const Bytes key = AuthorityKeyIdentifier(issuer.key_identifier());
  const Parts good{der::Unsigned(uint64_t{1}),
                   algorithm,
                   ToBytes(issuer.name()),
                   der::EncodeTime(house.clock.now),
                   der::EncodeTime(house.clock.now + absl::Hours(1)),
                   {},
                   der::Sequence({key, CrlNumber(7)})};
  const auto build = [&](const Parts& p) {
    const Bytes tbs = der::Sequence({p.version, p.inner, p.name, p.this_update, p.next_update, p.revoked,
                                     der::Tlv(der::ContextConstructed(0), p.extensions)});
    return der::Sequence({tbs, algorithm, der::BitString({})});
  };
  // One entry with an extension.
  const auto entry = [&house](const Bytes& extension) {
    const Bytes date = der::EncodeTime(house.clock.now);
    return der::Sequence({der::Sequence({der::Unsigned(uint64_t{9}), date, der::Sequence({extension})})});
  };
  const auto reason = [&entry](uint8_t number, bool critical = false) {
    return entry(AnyExtension(oid::kReasonCode, Bytes{der::kEnumerated, 1, number}, critical));
  };
  EXPECT_EQ(Rules(LintCrl(build(good), issuer.lint())), "");
  CrlEntries unordered;
  unordered.Add({Bytes(16, 0x41), house.clock.now, RevocationReason::kSuperseded});
  unordered.Add({Bytes(8, 0x41), house.clock.now, RevocationReason::kUnspecified});
  Parts of_others = good;
  of_others.revoked = der::Tlv(der::kSequence, unordered.der());
  EXPECT_EQ(Rules(LintCrl(build(of_others), issuer.lint())), "");
  EXPECT_EQ(Rules(LintAnyCrl(build(of_others), {})), "");
  CrlEntries twice;
  twice.Add({Bytes(16, 0x41), house.clock.now, RevocationReason::kSuperseded});
  twice.Add({Bytes(16, 0x41), house.clock.now, RevocationReason::kSuperseded});
  const std::vector<std::pair<std::function<void(Parts&)>, const char*>> cases = {
      {[](Parts& p) { p.inner = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384)); },
       "rfc5280_5_1_1_2_signature_algorithm"},
      {[&](Parts& p) { p.name = ToBytes(house.issuer("root").name()); }, "rfc5280_5_1_2_3_issuer"},
      {[](Parts& p) { p.next_update = p.this_update; }, "rfc5280_5_1_2_5_next_update"},
      {[&](Parts& p) { p.extensions = der::Sequence({AuthorityKeyIdentifier(issuer.key_identifier())}); },
       "rfc5280_5_2_3_crl_number"},
      {[&](Parts& p) { p.extensions = der::Sequence({CrlNumber(7)}); }, "rfc5280_5_2_1_authority_key_identifier"},
      {[](Parts& p) { p.revoked = der::Sequence({}); }, "rfc5280_5_1_2_6_revoked_certificates"},
      {[&](Parts& p) { p.revoked = der::Tlv(der::kSequence, twice.der()); }, "rfc5280_5_1_2_6_revoked_certificates"},
      {[](Parts& p) { p.this_update = der::Tlv(der::kUtcTime, AsBytes("2611240000Z")); }, "rfc5280_5_1_2_4_time_form"},
      {[](Parts& p) { p.version.clear(); }, "rfc5280_5_1_2_1_version"},
      {[](Parts& p) { p.next_update.clear(); }, "rfc5280_5_1_2_5_next_update"},
      {[](Parts& p) { p.revoked = der::Sequence({der::Sequence({der::Unsigned(uint64_t{9})})}); },
       "rfc5280_5_1_2_6_revoked_certificates"},
      {[&](Parts& p) {
         p.extensions = der::Sequence({key, CrlNumber(7), CrlNumber(8)});
       },
       "rfc5280_5_2_duplicate_extension"},
      {[&](Parts& p) {
         p.extensions = der::Sequence({key, CrlNumber(7), AnyExtension("1.2.3", Bytes{5, 0}, true)});
       },
       "rfc5280_5_2_criticality"},
      {[&](Parts& p) { p.revoked = reason(1, true); }, "rfc5280_5_3_entry_extensions"},
      {[&](Parts& p) { p.revoked = entry({}); }, "rfc5280_5_3_entry_extensions"},
      {[&](Parts& p) { p.revoked = reason(7); }, "rfc5280_5_3_1_reason_code"},
      {[&](Parts& p) { p.revoked = reason(8); }, "rfc5280_5_3_1_reason_code"},
      {[&](Parts& p) { p.revoked = reason(0); }, "rfc5280_5_3_1_unspecified"},
      {[](Parts& p) { p.inner = {}; }, "x690_der"},
  };
  for (const auto& [change, rules] : cases) {
    Parts parts = good;
    change(parts);
    EXPECT_EQ(Rules(LintCrl(build(parts), issuer.lint())), rules);
    Seen().insert(rules);
  }
  DraftBuilder certificate(house);
  MakeCa(certificate);
  certificate.subject = ToBytes(issuer.name());
  certificate.subject_key = SubjectKeyIdentifier(issuer.key_identifier());
  EXPECT_EQ(Rules(LintAnyCrl(build(good), certificate.Build())), "rfc5280_6_3_3_issuer_may_sign");
  Seen().insert("rfc5280_6_3_3_issuer_may_sign");
}

TEST(LintTest, FindsEachBrokenRuleOfACrl) { ExpectEachOfCrls(); }

TEST(LintTest, EveryRuleIsBrokenSomewhereHereAndEveryFindingIsOfARule) {
  ExpectEach(Structure());
  ExpectEach(InNames());
  ExpectEach(InExtensions());
  ExpectEach(UnderConstraints());
  ExpectEach(OfStandards());
  ExpectEachOfCrls();
  Seen().insert("hallmark_issuer_readable");  // SaysWhenTheIssuerCannotBeRead
  std::set<std::string> names;
  for (const LintRule& rule : LintRules()) {
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name << " stands twice";
    EXPECT_TRUE(*rule.citation != '\0' && *rule.requirement != '\0') << rule.name;
    EXPECT_TRUE(Seen().contains(rule.name)) << "nothing here breaks " << rule.name;
  }
  for (const std::string& rule : Seen()) EXPECT_TRUE(names.contains(rule)) << rule;
}

}  // namespace
}  // namespace hallmark
