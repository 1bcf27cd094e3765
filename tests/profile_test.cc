// What a profile's file can say, and every contradiction that its reader finds.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/reason.h"
#include "policies/forms.h"
#include "policies/shipped.h"
#include "policies/value.h"
#include "tests/places.h"
#include "tests/profile_files.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::ProfileFields;
using testing::ProfileText;

StatusOr<Profile> Parse(const ProfileFields& changes) {
  return ParseProfile("p", "p.yaml", ProfileText(changes), testing::kTestRealm);
}

const ProfileFields kCa = {{"key_usage", "[keyCertSign, cRLSign]"}, {"ca", "{path_length: 0}"}};

ProfileFields Ca(const std::string& constraints) {
  return {{"key_usage", "[keyCertSign, cRLSign]"},
          {"subject", "[{type: O, pattern: x}, {type: OU, pattern: x, required: false}, {type: CN, pattern: x}]"},
          {"ca", "{name_constraints: " + constraints + "}"}};
}

TEST(ProfileTest, ShippedProfilesLoadAndAreTheEmbeddedOnes) {
  const std::string directory = testing::SourceDirectory() + "/policies/profiles";
  const ProfileMap profiles = LoadProfiles(directory, testing::kTestRealm).value();
  for (const auto& [name, profile] : profiles) {
    const auto& embedded = ShippedPolicies();
    const auto file = std::find_if(embedded.begin(), embedded.end(), [&](const ShippedPolicy& policy) {
      return policy.path == std::string("profiles/") + name + ".yaml";
    });
    ASSERT_NE(file, embedded.end()) << name;
    EXPECT_EQ(profile->text, file->text) << name;
    EXPECT_EQ(profile->version, Hex(Sha256(AsBytes(file->text)))) << name;
    EXPECT_TRUE(file->text.starts_with("# yaml-language-server: $schema=../profile.schema.json\n")) << name;
  }
  EXPECT_FALSE(profiles.at("device-dps")->ca);
  EXPECT_EQ(profiles.at("issuing-authority")->path_length, 0);
}

TEST(ProfileTest, ReadsEveryField) {
  const StatusOr<Profile> read = Parse(
      {{"authorities", "[devices]"},
       {"authority_profiles", "[matter-pai]"},
       {"authority_levels", "[issuing, certifying]"},
       {"issuer_keys", "[ec-p256, ec-p384]"},
       {"roles", "[station, operator]"},
       {"caller_role", "visitor"},
       {"keys", "[ec-p256, rsa-2048]"},
       {"subject",
        "[{type: O, value: 'a {{b} {realm} {csr.serialNumber} {caller.name} {device.serial}', required: false}, "
        "{type: 1.3.6.1.4.1.37244.2.1, pattern: '[0-9A-F]{4}', max_length: 4, max_count: 2}, {type: CN, fixed: x}]"},
       {"subject_alt_names", "[{type: hardwareModuleName, pattern: '.*:.*', max_length: 200, required: false}]"},
       {"validity", "{lifetime: 1d, max_lifetime: forever, backdate: 5m}"},
       {"key_usage", "{rsa: [digitalSignature, keyEncipherment], ec: [digitalSignature, keyAgreement]}"},
       {"extended_key_usage", "[clientAuth, 1.3.6.1.4.1.32473.1]"},
       {"certificate_policies", "[{oid: 1.2.3, cps: 'https://ca.example/cps'}, {oid: 1.2.4}]"},
       {"extensions",
        "[{oid: 1.3.6.1.5.5.7.48.1.5, encoding: null}, {oid: 1.2.5, critical: true, max_length: 9, required: "
        "false}, {oid: 1.2.6, value: '{device.serial}', encoding: printable, pattern: '[0-9]+'}]"},
       {"subject_key_identifier", "sha1"},
       {"crl_distribution_points", "false"},
       {"authority_info_access", "false"},
       {"ocsp", "true"},
       {"csr_extensions", "ignore"},
       {"standards", "[azure-dps, ieee-802.1ar]"}});
  ASSERT_THAT(read, IsOk());
  const Profile& p = *read;
  EXPECT_EQ(p.authorities, std::vector<std::string>{"devices"});
  EXPECT_EQ(p.authority_profiles, std::vector<std::string>{"matter-pai"});
  EXPECT_TRUE(p.from_issuing && p.from_certifying);
  EXPECT_EQ(p.issuer_keys, (std::vector<KeyType>{KeyType::kEcP256, KeyType::kEcP384}));
  EXPECT_EQ(p.caller_role, "visitor");
  EXPECT_EQ(p.roles, (std::vector<std::string>{"station", "operator"}));
  ASSERT_EQ(p.subject.size(), 3u);
  ASSERT_EQ(p.subject[0].value.size(), 6u);
  EXPECT_EQ(p.subject[0].value[0].name, "a {b} factory.example ");
  EXPECT_EQ(p.subject[0].value[1].source, Source::kCsr);
  EXPECT_EQ(p.subject[0].value[3].source, Source::kCaller);
  EXPECT_EQ(p.subject[0].value[5].source, Source::kDevice);
  EXPECT_EQ(ValueText(p.subject[0].value), "a {{b} factory.example {csr.serialNumber} {caller.name} {device.serial}");
  EXPECT_FALSE(p.subject[0].required);
  EXPECT_EQ(p.subject[1].max_count, 2u);
  EXPECT_EQ(p.subject[1].max_length, 4u);
  EXPECT_TRUE(IsFixed(p.subject[2].value));
  EXPECT_EQ(p.subject_alt_names[0].max_length, 200u);
  EXPECT_EQ(p.max_lifetime, kForever);
  EXPECT_EQ(p.backdate, absl::Minutes(5));
  EXPECT_EQ(p.KeyUsageOf(KeyType::kRsa2048)[1], KeyUsage::kKeyEncipherment);
  EXPECT_EQ(p.KeyUsageOf(KeyType::kEcP256)[1], KeyUsage::kKeyAgreement);
  EXPECT_EQ(p.extended_key_usage[0], "1.3.6.1.5.5.7.3.2");
  EXPECT_EQ(p.certificate_policies[0].cps, "https://ca.example/cps");
  ASSERT_EQ(p.extensions.size(), 3u);
  EXPECT_EQ(p.extensions[0].encoding, ExtensionRule::Encoding::kNull);
  EXPECT_TRUE(p.extensions[1].critical && p.extensions[1].value.empty() && !p.extensions[1].required);
  EXPECT_EQ(p.extensions[2].encoding, ExtensionRule::Encoding::kPrintable);
  EXPECT_EQ(p.subject_key_identifier, Profile::KeyIdentifierMethod::kSha1);
  EXPECT_FALSE(p.crl_distribution_points || p.authority_info_access);
  EXPECT_TRUE(p.ocsp);
  EXPECT_TRUE(p.ignore_requested_extensions);
  EXPECT_EQ(p.standards, (std::vector<Standard>{Standard::kAzureDps, Standard::kIeee8021Ar}));
}

TEST(ProfileTest, WhatIsLeftOutHasASafeMeaning) {
  const Profile device = Parse({}).value();
  EXPECT_TRUE(device.from_issuing && !device.from_certifying);
  EXPECT_TRUE(device.crl_distribution_points && device.authority_info_access);
  EXPECT_FALSE(device.ocsp);
  EXPECT_FALSE(device.ignore_requested_extensions || device.subject_as_requested || device.ca);
  EXPECT_EQ(device.max_lifetime, absl::Hours(24));
  EXPECT_EQ(device.subject_key_identifier, Profile::KeyIdentifierMethod::kRfc7093);
  const Profile ca = Parse(kCa).value();
  EXPECT_TRUE(ca.ca && ca.from_certifying && !ca.from_issuing);
  // Both at once, as transcripts of ceremonies have it.
  const Profile old = Parse({{"distribution_points", "false"}}).value();
  EXPECT_FALSE(old.crl_distribution_points || old.authority_info_access);
}

TEST(ProfileTest, ReadsNameConstraints) {
  const StatusOr<Profile> read = Parse(
      Ca("{permitted: [{type: directory, attributes: [O]}, {type: dns, value: a.example}], excluded: [{type: ip, "
         "value: 0.0.0.0/0}, {type: ip, value: '::/0'}, {type: email, value: ''}, {type: uri, value: .example}]}"));
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->name_constraints.permitted.size(), 2u);
  EXPECT_EQ(read->name_constraints.permitted[0].attributes, std::vector<std::string>{"O"});
  EXPECT_EQ(read->name_constraints.excluded.size(), 4u);
}

struct Refusal {
  ProfileFields changes;
  const char* message;  // what the error says, with the file, the line and the field
};

void ExpectRefused(const std::vector<Refusal>& cases) {
  for (const Refusal& c : cases) {
    const StatusOr<Profile> profile = Parse(c.changes);
    EXPECT_THAT(profile, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << ProfileText(c.changes);
    EXPECT_THAT(Message(profile.status()), HasSubstr(c.message));
  }
}

TEST(ProfileTest, RefusesAFileThatContradictsItself) {
  ExpectRefused({
      {{{"description", ""}}, "description: is required"},
      {{{"keyusage", "[digitalSignature]"}}, "p.yaml:6: keyusage: unknown field"},
      {{{"name_constraints", "{}"}}, "name_constraints: belongs into ca"},
      {{{"path_length", "0"}}, "path_length: belongs into ca"},
      {{{"ca", "{path_length: 0}"}}, "p.yaml:5: key_usage: keyCertSign and ca go together"},
      {{{"key_usage", "[keyCertSign]"}}, "keyCertSign and ca go together"},
      {{{"ca", "{path_length: -1}"}}, "ca.path_length: must be 0 to 8"},
      {{{"self_signed", "true"}}, "only a certificate with ca"},
      {{kCa[0], kCa[1], {"self_signed", "true"}, {"authorities", "[root]"}}, "authorities: a self-signed certificate"},
      {{kCa[0], kCa[1], {"self_signed", "true"}, {"issuer_keys", "[ec-p256]"}}, "issuer_keys: a self-signed"},
      {{{"authorities", "[]"}}, "authorities: is empty"},
      {{{"authorities", "[Devices]"}}, "'Devices' is no name"},
      {{{"authority_levels", "[top]"}}, "'top' is neither issuing"},
      {{{"roles", "['a b']"}}, "'a b' is no name"},
      {{{"caller_role", "A b"}}, "'A b' is no name"},
      {{{"standards", "[ieee-802.1x]"}}, "'ieee-802.1x' is not a standard"},
      {{{"csr_extensions", "pass"}}, "csr_extensions: must be error or ignore"},
      {{{"subject_form", "asked"}}, "subject_form: must be profile or csr"},
      {{{"subject_key_identifier", "md5"}}, "subject_key_identifier: must be rfc7093 or sha1"},
      {{{"certificate_policies", "[{oid: 1.2.3}, {oid: 1.2.3}]"}}, "certificate_policies[1].oid: 1.2.3 stands twice"},
      {{{"certificate_policies", "[{oid: x}]"}}, "'x' is not a dotted OID"},
      {{{"certificate_policies", "[{oid: 1.2.3, cps: a b}]"}}, "cps: is not an absolute URI"},
      {{{"certificate_policies", "[]"}}, "certificate_policies: is empty"},
  });
}

TEST(ProfileTest, RefusesAValidityThatIsNone) {
  ExpectRefused({
      {{{"validity", ""}}, "validity: is required"},
      {{{"validity", "{lifetime: 2d, max_lifetime: 1d}"}}, "p.yaml:4: validity.max_lifetime: is shorter than lifetime"},
      {{{"validity", "{lifetime: forever, max_lifetime: 1d}"}}, "is shorter than lifetime"},
      {{{"validity", "{lifetime: never}"}}, "'never' is not a duration"},
      {{{"validity", "{lifetime: 0s}"}}, "must be at least 1s"},
      {{{"validity", "{lifetime: 2000y}"}}, "for what never expires write forever"},
      {{{"validity", "{lifetime: 1d, backdate: 2y}"}}, "backdate: must be at most 1y"},
  });
}

TEST(ProfileTest, RefusesUsagesThatAKeyCannotHave) {
  const std::pair<std::string, std::string> both = {"keys", "[ec-p256, rsa-2048]"};
  const std::pair<std::string, std::string> rsa = {"keys", "[rsa-2048]"};
  ExpectRefused({
      {{{"keys", ""}}, "keys: is required"},
      {{{"keys", "[]"}}, "keys: is empty"},
      {{{"keys", "[ec-p224]"}}, "'ec-p224' is not a key type"},
      {{{"key_usage", ""}}, "key_usage: is required"},
      {{{"key_usage", "[]"}}, "key_usage: is empty"},
      {{{"key_usage", "[sign]"}}, "'sign' is not a key usage"},
      {{{"key_usage", "[keyEncipherment]"}}, "an EC key cannot do keyEncipherment (RFC 8813 3)"},
      {{{"key_usage", "[dataEncipherment]"}}, "an EC key cannot do dataEncipherment"},
      {{both, {"key_usage", "[keyEncipherment]"}}, "write key_usage: {rsa: [...], ec: [...]}"},
      {{rsa, {"key_usage", "[keyAgreement]"}}, "an RSA key cannot do keyAgreement"},
      {{both, {"key_usage", "{rsa: [keyEncipherment], ec: [keyEncipherment]}"}}, "key_usage.ec: an EC key cannot"},
      {{both, {"key_usage", "{rsa: [keyAgreement], ec: [keyAgreement]}"}}, "key_usage.rsa: an RSA key cannot"},
      {{both, {"key_usage", "{rsa: [keyEncipherment]}"}}, "key_usage.ec: is required"},
      {{rsa, {"key_usage", "{rsa: [digitalSignature], ec: [digitalSignature]}"}}, "key_usage.ec: stands here, but"},
      {{{"key_usage", "{rsa: [digitalSignature], ec: [digitalSignature]}"}}, "key_usage.rsa: stands here, but"},
      {{both, {"key_usage", "{rsa: [keyCertSign], ec: [digitalSignature]}"}, {"ca", "{}"}}, "go together"},
      {{{"extended_key_usage", "[clientAuthentication]"}}, "neither a purpose"},
      {{{"extended_key_usage", "[clientAuth, clientAuth]"}}, "stands twice"},
      {{{"extended_key_usage", "[clientAuth, 1.3.6.1.5.5.7.3.2]"}}, "stands twice"},
      {{{"extended_key_usage", "[1.50.1]"}}, "neither a purpose"},
      {{{"extended_key_usage", "[0.40.1]"}}, "neither a purpose"},
      {{{"extended_key_usage", "[3.1.1]"}}, "neither a purpose"},
      {{{"extended_key_usage", "['1.03.1']"}}, "neither a purpose"},
  });
}

std::string Rules(const std::string& rule) { return "[" + rule + "]"; }

TEST(ProfileTest, RefusesRulesOfNamesThatCannotHold) {
  std::string many = "[";
  for (int i = 0; i < 65; ++i) many += "{type: OU, pattern: a" + std::to_string(i) + "}, ";
  const std::vector<std::pair<std::string, const char*>> subjects = {
      {"[]", "subject: is empty"},
      {many + "]", "subject: has 65 entries; the limit is 64"},
      {Rules("{type: CN}"), "subject[0].pattern: give a pattern for what the CSR asks for, or a value"},
      {Rules("{pattern: x}"), "subject[0].type: is required"},
      {Rules("{type: CN, pattern: '['}"), "is not a regular expression"},
      {Rules("{type: UID, pattern: x}"), "'UID' is neither CN"},
      {Rules("{type: 2.5.4.3, pattern: x}"), "2.5.4.3 is CN; write that"},
      {Rules("{type: CN, pattern: x, max_length: 65}"), "max_length: must be 1 to 64"},
      {Rules("{type: C, pattern: x, max_length: 3}"), "max_length: must be 1 to 2"},
      {Rules("{type: L, pattern: x, max_length: 129}"), "max_length: must be 1 to 128"},
      {Rules("{type: CN, pattern: x, max_length: 0}"), "max_length: must be"},
      {Rules("{type: CN, pattern: x, max_count: 65}"), "max_count: must be 1 to 64"},
      {Rules("{type: CN, value: x, max_count: 2}"), "a value is one"},
      {Rules("{type: CN, value: ''}"), "subject[0].value: is empty"},
      {Rules("{type: CN, value: x, fixed: x}"), "is another name of value"},
      {Rules("{type: CN, fixed: '{csr.O}'}"), "has a placeholder; write it as value"},
      {Rules("{type: CN, value: '{csr.Q}'}"), "'{csr.Q}' is no source; known: {realm}"},
      {Rules("{type: CN, value: '{csr.2.5.4.3}'}"), "is no source"},
      {Rules("{type: CN, value: '{caller.serial}'}"), "is no source"},
      {Rules("{type: CN, value: '{device.Serial}'}"), "is no source"},
      {Rules("{type: CN, value: '{device}'}"), "is no source"},
      {Rules("{type: CN, value: '{serial}'}"), "is no source"},
      {Rules("{type: CN, value: 'a{realm'}"), "a placeholder is not closed"},
      {Rules("{type: CN, value: abc, pattern: '[0-9]+'}"), "can never match the value, which is always 'abc'"},
      {Rules("{type: CN, value: abcde, max_length: 4}"), "value: is longer than max_length"},
      {Rules("{type: C, value: AUT}"), "'AUT' has 3 characters"},
      {Rules("{type: C, value: A}"), "is not a code of two letters"},
      {Rules("{type: serialNumber, value: 'a_b'}"), "has characters that a PrintableString has not"},
      {Rules("{type: DC, value: 'ä'}"), "is not ASCII"},
      {Rules("{type: CN, value: \"a\\x01\"}"), "is not UTF-8 of characters that are seen"},
      {Rules("{type: CN, value: x}, {type: CN, fixed: x}"), "subject[1].type: another rule of CN says the same"},
      {Rules("{type: CN, pattern: x}, {type: CN, pattern: x, max_length: 3}"), "another rule of CN says the same"},
  };
  for (const auto& [rules, message] : subjects) ExpectRefused({{{{"subject", rules}}, message}});
  const std::vector<std::pair<std::string, const char*>> names = {
      {"[]", "subject_alt_names: is empty"},
      {Rules("{type: x400, pattern: x}"), "'x400' is not a kind of name"},
      {Rules("{type: other, pattern: x}"), "'other' is not a kind of name"},
      {Rules("{type: CN, pattern: x}"), "'CN' is not a kind of name"},
      {Rules("{type: dns, value: 'a b'}"), "is not a name of the DNS"},
      {Rules("{type: ip, value: 1.2.3}"), "is not an IP address"},
      {Rules("{type: uri, value: abc}"), "is not an absolute URI"},
      {Rules("{type: email, value: abc}"), "is not an e-mail address"},
      {Rules("{type: hardwareModuleName, value: abc}"), "is not the OID of a hardware type"},
      {Rules("{type: dns, pattern: x, max_length: 254}"), "must be 1 to 253"},
  };
  for (const auto& [rules, message] : names) ExpectRefused({{{{"subject_alt_names", rules}}, message}});
}

TEST(ProfileTest, RefusesRulesOfExtensionsThatCannotHold) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"[]", "extensions: is empty"},
      {Rules("{oid: x}"), "'x' is not a dotted OID"},
      {Rules("{encoding: utf8, value: x}"), "extensions[0].oid: is required"},
      {Rules("{oid: 2.5.29.15}"), "2.5.29.15 is keyUsage; use the field key_usage"},
      {Rules("{oid: 2.5.29.17}"), "use the field subject_alt_names"},
      {Rules("{oid: 2.5.29.19}"), "use the field ca"},
      {Rules("{oid: 2.5.29.30}"), "use the field ca.name_constraints"},
      {Rules("{oid: 2.5.29.14}"), "use the field subject_key_identifier"},
      {Rules("{oid: 2.5.29.35}"), "it is always there"},
      {Rules("{oid: 2.5.29.37}"), "use the field extended_key_usage"},
      {Rules("{oid: 2.5.29.31}"), "use the field crl_distribution_points"},
      {Rules("{oid: 2.5.29.32}"), "use the field certificate_policies"},
      {Rules("{oid: 1.3.6.1.5.5.7.1.1}"), "use the fields authority_info_access and ocsp"},
      {Rules("{oid: 1.2.3}, {oid: 1.2.3}"), "extensions[1].oid: 1.2.3 stands twice"},
      {Rules("{oid: 1.2.3, encoding: asn1, value: x}"), "'asn1' is not an encoding"},
      {Rules("{oid: 1.2.3, encoding: utf8}"), "without a value the extension is passed"},
      {Rules("{oid: 1.2.3, pattern: x}"), "judges a value; there is none"},
      {Rules("{oid: 1.2.3, encoding: null, value: x}"), "value: null has none"},
      {Rules("{oid: 1.2.3, encoding: null, required: false}"), "null is always there"},
      {Rules("{oid: 1.2.3, encoding: boolean, value: 'yes'}"), "'yes' is neither true nor false"},
      {Rules("{oid: 1.2.3, encoding: integer, value: 0x10}"), "'0x10' is not a decimal number"},
      {Rules("{oid: 1.2.3, encoding: integer, value: '01'}"), "'01' is not a decimal number"},
      {Rules("{oid: 1.2.3, encoding: integer, value: '9223372036854775808'}"), "is not a decimal number of 64 bits"},
      {Rules("{oid: 1.2.3, encoding: oid, value: 1.x}"), "is not a dotted OID"},
      {Rules("{oid: 1.2.3, encoding: time, value: '2030-02-30T00:00:00Z'}"), "is not a time of RFC 3339"},
      {Rules("{oid: 1.2.3, encoding: time, value: '2030-02-28T00:00:00.5Z'}"), "is not a time of RFC 3339"},
      {Rules("{oid: 1.2.3, encoding: octets, value: abc}"), "is not hexadecimal"},
      {Rules("{oid: 1.2.3, encoding: der, value: '0500ff'}"), "is not one element of DER"},
      {Rules("{oid: 1.2.3, encoding: der, value: '0480'}"), "is not one element of DER"},
      {Rules("{oid: 1.2.3, encoding: der, value: '048101ff'}"), "is not one element of DER"},
      {Rules("{oid: 1.2.3, encoding: printable, value: 'a@b'}"), "has characters that a PrintableString has not"},
      {Rules("{oid: 1.2.3, encoding: ia5, value: 'ä'}"), "is not ASCII"},
      {Rules("{oid: 1.2.3, value: abc, pattern: '[0-9]+'}"), "can never match"},
      {Rules("{oid: 1.2.3, value: abc, max_length: 2}"), "is longer than max_length"},
      {Rules("{oid: 1.2.3, max_length: 5000}"), "max_length: must be 1 to 4096"},
  };
  for (const auto& [rules, message] : cases) ExpectRefused({{{{"extensions", rules}}, message}});
}

TEST(ProfileTest, AcceptsValuesOfEveryEncoding) {
  for (const char* rule : {"encoding: utf8, value: 'ä'", "encoding: printable, value: 'a b'",
                           "encoding: ia5, value: 'a@b'", "encoding: boolean, value: 'true'",
                           "encoding: integer, value: '-9223372036854775808'", "encoding: oid, value: 1.2.840.113549",
                           "encoding: time, value: '9999-12-31T23:59:59Z'", "encoding: octets, value: 00ff",
                           "encoding: null", "encoding: 'null'", "encoding: der, value: '0500'", "encoding: der"}) {
    EXPECT_THAT(Parse({{"extensions", std::string("[{oid: 1.2.3, ") + rule + "}]"}}), IsOk()) << rule;
  }
}

TEST(ProfileTest, RefusesNameConstraintsThatConstrainNothingThatIs) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"{}", "constrains nothing"},
      {"{permitted: []}", "permitted: is empty"},
      {"{permitted: [{type: x400, value: a}]}", "'x400' is not a kind of name that can be constrained"},
      {"{permitted: [{type: dns}]}", "ca.name_constraints.permitted[0].value: is required"},
      {"{permitted: [{type: dns, value: .a.example}]}", "without a dot before it"},
      {"{permitted: [{type: uri, value: 'https://a.example'}]}", "is neither a host nor .domain"},
      {"{permitted: [{type: email, value: 'a@b@c'}]}", "is not an e-mail address"},
      {"{permitted: [{type: ip, value: 10.0.0.1}]}", "is not a network in CIDR notation"},
      {"{permitted: [{type: ip, value: 10.0.0.0/33}]}", "is not a network in CIDR notation"},
      {"{permitted: [{type: ip, value: 10.0.0.1/8}]}", "has bits beyond its prefix"},
      {"{permitted: [{type: directory}]}", "attributes: is required"},
      {"{permitted: [{type: directory, attributes: [L]}]}", "'L' is no required attribute"},
      {"{permitted: [{type: directory, attributes: [OU]}]}", "'OU' is no required attribute"},
      {"{permitted: [{type: directory, attributes: [O], value: x}]}", "value: unknown field"},
  };
  for (const auto& [constraints, message] : cases) ExpectRefused({{Ca(constraints), message}});
}

}  // namespace
}  // namespace hallmark
