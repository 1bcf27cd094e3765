// The JSON Schema of profiles, judged by Debian's validator, against the loader; and `hallmark profile`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "policies/shipped.h"
#include "tests/command.h"
#include "tests/places.h"
#include "tests/profile_files.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::ProfileFields;
using testing::ProfileText;
using testing::RunCommand;

const std::string kSource = testing::SourceDirectory();
const std::string kHallmark = testing::ProgramDirectory() + "/hallmark";

// What the validator says of each file, by line.
std::string Validate(const std::string& files) {
  const auto result = RunCommand("/usr/bin/python3 " + kSource + "/tests/validate_profiles.py " + kSource +
                                 "/policies/profile.schema.json " + files);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  return result.output;
}

TEST(ProfileSchemaTest, EachShippedProfileValidates) {
  const std::string output = Validate(kSource + "/policies/profiles/*.yaml");
  size_t lines = 0;
  std::istringstream stream(output);
  for (std::string line; std::getline(stream, line); ++lines) EXPECT_TRUE(line.ends_with(": valid")) << line;
  EXPECT_EQ(lines, LoadProfiles(kSource + "/policies/profiles", testing::kTestRealm).value().size());
}

struct Case {
  ProfileFields changes;
  bool schema;  // whether the schema accepts it
  bool loader;
};

const std::pair<std::string, std::string> kSigns = {"key_usage", "[keyCertSign, cRLSign]"};
const std::pair<std::string, std::string> kBoth = {"keys", "[ec-p256, rsa-2048]"};

std::vector<Case> Good() {
  std::vector<Case> cases;
  for (const ProfileFields& changes : std::vector<ProfileFields>{
           {},
           {{"subject", "[{type: O, value: 'a{{ {realm} {csr.CN} {csr.1.2.3} {caller.name} {device.serial}'}]"}},
           {{"subject", "[{type: 1.3.6.1.4.1.37244.2.1, fixed: FFF1}, {type: DC, pattern: x, max_count: 3}]"}},
           {{"subject_alt_names", "[{type: hardwareModuleName, pattern: x, max_length: 255, required: false}]"}},
           {{"validity", "{lifetime: forever, backdate: 5m}"}},
           {kBoth, {"key_usage", "{rsa: [digitalSignature, keyEncipherment], ec: [digitalSignature]}"}},
           {{"extended_key_usage", "[clientAuth, 1.3.6.1.4.1.311.20.2.2]"}},
           {kSigns, {"ca", "{}"}, {"self_signed", "true"}},
           {kSigns,
            {"ca",
             "{path_length: 0, name_constraints: {permitted: [{type: directory, attributes: [CN]}], excluded: [{type: "
             "dns, value: ''}, {type: ip, value: 0.0.0.0/0}]}}"}},
           {{"certificate_policies", "[{oid: 1.2.3, cps: 'https://a.example'}]"}},
           {{"extensions",
             "[{oid: 1.2.3, encoding: null}, {oid: 1.2.4, critical: true}, {oid: 1.2.5, value: 7, encoding: integer}, "
             "{oid: 1.2.6, value: true, encoding: boolean}, {oid: 1.2.7, value: 2030-01-01T00:00:00Z, encoding: "
             "time}]"}},
           {{"authorities", "[devices]"},
            {"authority_profiles", "[matter-pai]"},
            {"authority_levels", "[issuing]"},
            {"issuer_keys", "[ec-p256]"},
            {"roles", "[operator]"},
            {"caller_role", "visitor"},
            {"subject_form", "csr"},
            {"csr_extensions", "ignore"},
            {"subject_key_identifier", "sha1"},
            {"crl_distribution_points", "false"},
            {"authority_info_access", "true"},
            {"ocsp", "true"},
            {"standards", "[matter-dac]"}}}) {
    cases.push_back({changes, true, true});
  }
  return cases;
}

// Refused by both.
std::vector<Case> Broken() {
  std::vector<Case> cases;
  for (const ProfileFields& changes :
       std::vector<ProfileFields>{{{"description", ""}},
                                  {{"keys", ""}},
                                  {{"keys", "[]"}},
                                  {{"keys", "[ec-p256, ec-p256]"}},
                                  {{"keys", "[ed25519]"}},
                                  {{"keys", "ec-p256"}},
                                  {{"keyusage", "[digitalSignature]"}},
                                  {{"subject", ""}},
                                  {{"subject", "[]"}},
                                  {{"subject", "[{type: CN}]"}},
                                  {{"subject", "[{pattern: x}]"}},
                                  {{"subject", "[{type: UID, pattern: x}]"}},
                                  {{"subject", "[{type: 2.5.4.3, pattern: x}]"}},
                                  {{"subject", "[{type: CN, pattern: x, max_length: 65}]"}},
                                  {{"subject", "[{type: C, pattern: x, max_length: 3}]"}},
                                  {{"subject", "[{type: CN, pattern: x, max_count: 0}]"}},
                                  {{"subject", "[{type: CN, pattern: x, maximum: 3}]"}},
                                  {{"subject", "[{type: CN, value: x, max_count: 2}]"}},
                                  {{"subject", "[{type: CN, value: x, fixed: x}]"}},
                                  {{"subject", "[{type: CN, value: ''}]"}},
                                  {{"subject", "[{type: CN, value: '{csr.UID}'}]"}},
                                  {{"subject", "[{type: CN, value: '{serial}'}]"}},
                                  {{"subject", "[{type: CN, value: 'a{realm'}]"}},
                                  {{"subject", "[{type: CN, pattern: x, required: maybe}]"}},
                                  {{"subject_alt_names", "[{type: x400, pattern: x}]"}},
                                  {{"subject_alt_names", "[{type: dns, pattern: x, max_length: 254}]"}},
                                  {{"subject_form", "asked"}},
                                  {{"validity", ""}},
                                  {{"validity", "{}"}},
                                  {{"validity", "{lifetime: 10}"}},
                                  {{"validity", "{lifetime: 10 years}"}},
                                  {{"validity", "{lifetime: 1d, backdate: forever}"}},
                                  {{"key_usage", "[]"}},
                                  {{"key_usage", "[sign]"}},
                                  {{"key_usage", "[keyCertSign]"}},
                                  {{"key_usage", "[keyEncipherment]"}},
                                  {{"keys", "[rsa-2048]"}, {"key_usage", "[keyAgreement]"}},
                                  {kBoth, {"key_usage", "[digitalSignature, keyEncipherment]"}},
                                  {kBoth, {"key_usage", "{rsa: [digitalSignature]}"}},
                                  {kBoth, {"key_usage", "{rsa: [digitalSignature], ec: [keyEncipherment]}"}},
                                  {{"key_usage", "{rsa: [digitalSignature], ec: [digitalSignature]}"}},
                                  {{"ca", "{}"}},
                                  {kSigns, {"ca", "{path_length: 9}"}},
                                  {kSigns, {"ca", "{path_length: zero}"}},
                                  {kSigns, {"ca", "{name_constraints: {}}"}},
                                  {kSigns, {"ca", "{name_constraints: {permitted: []}}"}},
                                  {kSigns, {"ca", "{name_constraints: {permitted: [{type: dns}]}}"}},
                                  {kSigns, {"ca", "{name_constraints: {permitted: [{type: directory, value: x}]}}"}},
                                  {{"self_signed", "true"}},
                                  {kSigns, {"ca", "{}"}, {"self_signed", "true"}, {"authorities", "[root]"}},
                                  {{"name_constraints", "{permitted: [{type: dns, value: a}]}"}},
                                  {{"extended_key_usage", "[clientAuthentication]"}},
                                  {{"extended_key_usage", "[clientAuth, clientAuth]"}},
                                  {{"certificate_policies", "[{oid: anyPolicy}]"}},
                                  {{"certificate_policies", "[{oid: 1.2.3, cps: none}]"}},
                                  {{"extensions", "[{oid: 2.5.29.15}]"}},
                                  {{"extensions", "[{oid: 2.5.29.17, value: x}]"}},
                                  {{"extensions", "[{oid: 1.2.3, encoding: asn1, value: x}]"}},
                                  {{"extensions", "[{oid: 1.2.3, encoding: utf8}]"}},
                                  {{"extensions", "[{oid: 1.2.3, encoding: null, value: x}]"}},
                                  {{"extensions", "[{oid: 1.2.3, encoding: null, required: false}]"}},
                                  {{"extensions", "[{oid: 1.2.3, pattern: x}]"}},
                                  {{"extensions", "[{oid: 1.2.3, max_length: 5000}]"}},
                                  {{"authorities", "[]"}},
                                  {{"authorities", "[Devices]"}},
                                  {{"authority_levels", "[top]"}},
                                  {{"issuer_keys", "[dsa]"}},
                                  {{"roles", "[operator, operator]"}},
                                  {{"csr_extensions", "pass"}},
                                  {{"subject_key_identifier", "md5"}},
                                  {{"crl_distribution_points", "sometimes"}},
                                  {{"standards", "[fips]"}}}) {
    cases.push_back({changes, false, false});
  }
  return cases;
}

// Where the loader is stricter: what needs more than one field's form to tell.
std::vector<Case> BeyondTheSchema() {
  std::vector<Case> cases;
  for (const ProfileFields& changes : std::vector<ProfileFields>{
           {{"subject", "[{type: CN, pattern: '['}]"}},                               // RE2's syntax
           {{"subject", "[{type: CN, value: abc, pattern: '[0-9]+'}]"}},              // can never match
           {{"subject", "[{type: CN, fixed: '{csr.O}'}]"}},                           // fixed has no placeholder
           {{"subject", "[{type: CN, value: x}, {type: CN, fixed: x}]"}},             // the same twice
           {{"subject", "[{type: C, value: AUT}]"}},                                  // the form of a value
           {{"subject_alt_names", "[{type: ip, value: 1.2.3}]"}},                     //
           {{"extensions", "[{oid: 1.2.3, encoding: integer, value: x}]"}},           //
           {{"extensions", "[{oid: 1.2.3}, {oid: 1.2.3, critical: true}]"}},          // an extension stands once
           {{"validity", "{lifetime: 2d, max_lifetime: 1d}"}},                        // durations compared
           {{"validity", "{lifetime: 0s}"}},                                          //
           {{"extended_key_usage", "[clientAuth, 1.3.6.1.5.5.7.3.2]"}},               // the same by another name
           {{"certificate_policies", "[{oid: 1.2.3}, {oid: 1.2.3, cps: 'urn:a'}]"}},  // a policy stands once
           {kSigns, {"ca", "{name_constraints: {permitted: [{type: ip, value: 10.0.0.1/8}]}}"}},
           {kSigns, {"ca", "{name_constraints: {permitted: [{type: directory, attributes: [O]}]}}"}}}) {
    cases.push_back({changes, true, false});
  }
  return cases;
}

TEST(ProfileSchemaTest, SchemaAndLoaderAgreeButWhereTheLoaderIsStricter) {
  testing::TemporaryDirectory directory;
  std::vector<Case> cases = Good();
  for (const auto& more : {Broken(), BeyondTheSchema()}) cases.insert(cases.end(), more.begin(), more.end());
  std::string files;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string path = (directory.path() / (std::to_string(i) + ".yaml")).string();
    ASSERT_THAT(WriteFile(path, AsBytes(ProfileText(cases[i].changes)), 0644), IsOk());
    files += " " + path;
  }
  std::istringstream verdicts(Validate(files));
  for (const Case& c : cases) {
    std::string verdict;
    ASSERT_TRUE(std::getline(verdicts, verdict));
    const std::string text = ProfileText(c.changes);
    EXPECT_EQ(verdict.ends_with(": valid"), c.schema) << text << verdict;
    const StatusOr<Profile> profile = ParseProfile("p", "p.yaml", text, testing::kTestRealm);
    EXPECT_EQ(profile.ok(), c.loader) << text << Message(profile.status());
  }
}

TEST(ProfileCommandTest, SaysOfEachFileWhetherItIsAProfile) {
  testing::TemporaryDirectory directory;
  const std::string good = (directory.path() / "good.yaml").string();
  const std::string bad = (directory.path() / "bad.yaml").string();
  ASSERT_THAT(WriteFile(good, AsBytes(ProfileText({})), 0644), IsOk());
  ASSERT_THAT(WriteFile(bad, AsBytes(ProfileText({{"validity", "{lifetime: 2d, max_lifetime: 1d}"}})), 0644), IsOk());
  auto result = RunCommand(kHallmark + " profile check " + good);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, good + ": OK, good version " + Hex(Sha256(AsBytes(ProfileText({})))).substr(0, 12) + "\n");
  result = RunCommand(kHallmark + " profile check " + good + " " + bad + " " + bad + ".absent");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr(good + ": OK"));
  EXPECT_THAT(result.output, HasSubstr(bad + ":4: validity.max_lifetime: is shorter than lifetime\n"));
  EXPECT_THAT(result.output, HasSubstr(bad + ".absent"));
  result = RunCommand(kHallmark + " profile check --output json " + good + " " + bad);
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_FALSE(json["valid"].get<bool>());
  EXPECT_EQ(json["profiles"][0]["name"], "good");
  EXPECT_EQ(json["profiles"][0]["version"].get<std::string>().size(), 64u);
  EXPECT_EQ(json["profiles"][1]["line"], 4);
  EXPECT_EQ(json["profiles"][1]["error"]["reason"], "CONFIGURATION_INVALID");
  EXPECT_EQ(RunCommand(kHallmark + " profile check").exit_code, 2);
}

TEST(ProfileCommandTest, PrintsTheSchemaThatShips) {
  const auto result = RunCommand(kHallmark + " profile schema");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, ReadFile(kSource + "/policies/profile.schema.json", size_t{1} << 20).value());
  // And `hallmark init` writes it beside the profiles, where their first line looks for it.
  const auto& shipped = ShippedPolicies();
  const auto schema = std::find_if(shipped.begin(), shipped.end(),
                                   [](const ShippedPolicy& policy) { return policy.path == "profile.schema.json"; });
  ASSERT_NE(schema, shipped.end());
  EXPECT_EQ(schema->text, result.output);
}

}  // namespace
}  // namespace hallmark
