// The verdict of a profile on the facts of a request, and the two side by side.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/reason.h"
#include "policies/compare.h"
#include "tests/places.h"
#include "tests/profile_files.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::MakeProfile;
using testing::ProfileFields;

const Time kNow = absl::FromUnixSeconds(1'790'000'000);
const IssuerValidity kIssuer = {kNow - absl::Hours(24), kNow + absl::Hours(24 * 365 * 15)};

ProfileMap Shipped() {
  return LoadProfiles(testing::SourceDirectory() + "/policies/profiles", "factory.example").value();
}

Facts DeviceFacts() {
  Facts facts;
  facts.subject = {{"CN", "device-1"}};
  return facts;
}

// The fields at fault, with a blank between them; empty for a verdict that is a plan.
std::string FieldsAtFault(const StatusOr<Plan>& plan) {
  std::string fields;
  for (const FieldViolation& violation : Fields(plan.status())) {
    fields += (fields.empty() ? "" : " ") + violation.field;
  }
  return fields;
}

std::string Extensions(const Plan& plan) {
  std::string text;
  for (const PlannedExtension& extension : plan.extensions) {
    text += (text.empty() ? "" : " ") + extension.oid + (extension.critical ? "!" : "") + "=" +
            (extension.passed.has_value() ? Hex(*extension.passed) : extension.text);
  }
  return text;
}

std::string Names(const Plan& plan) {
  std::string text;
  for (const GeneralName& name : plan.subject_alt_names) {
    text += (text.empty() ? "" : " ") + std::string(Name(name.kind)) + ":" + name.value;
  }
  return text;
}

TEST(DecideTest, ADeviceGetsWhatItsProfileSays) {
  const StatusOr<Plan> plan = Decide(Shipped().at("device-dps"), DeviceFacts(), kNow, kIssuer);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(ToRfc4514(plan->subject), "CN=device-1");
  EXPECT_EQ(plan->not_before, kNow - absl::Minutes(5));
  EXPECT_EQ(plan->not_after, kNow + absl::Hours(24 * 365 * 10) - absl::Seconds(1));
  EXPECT_TRUE(plan->subject_alt_names.empty());
}

struct Refusal {
  const char* name;
  const char* profile;
  std::function<void(Facts&)> change;
  const char* reason;
  const char* field;
};

TEST(DecideTest, RefusesWhatItDoesNotGrant) {
  const std::vector<Refusal> cases = {
      {"no subject", "device-dps", [](Facts& f) { f.subject.clear(); }, reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"CN too long", "device-dps",
       [](Facts& f) {
         f.subject = {{"CN", std::string(65, 'a')}};
       },
       reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"CN ends in a dot", "device-dps",
       [](Facts& f) {
         f.subject = {{"CN", "device."}};
       },
       reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"CN with a blank", "device-dps",
       [](Facts& f) {
         f.subject = {{"CN", "device 1"}};
       },
       reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"CN with a line break inside", "device-dps",
       [](Facts& f) {
         f.subject = {{"CN", "a\nb"}};
       },
       reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"two CNs", "device-dps",
       [](Facts& f) {
         f.subject.push_back({"CN", "device-2"});
       },
       reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"an attribute not granted", "device-dps",
       [](Facts& f) {
         f.subject.push_back({"L", "Graz"});
       },
       reason::kSubjectNotAllowed, "csr.subject.L"},
      {"an unknown attribute", "device-dps",
       [](Facts& f) {
         f.subject.push_back({"1.2.3", "x"});
       },
       reason::kSubjectNotAllowed, "csr.subject.1.2.3"},
      {"a DNS name", "device-dps",
       [](Facts& f) {
         f.subject_alt_names = {{GeneralName::Kind::kDns, "a.example"}};
       },
       reason::kExtensionNotAllowed, "csr.subject_alt_name.dns"},
      {"an odd name", "station",
       [](Facts& f) {
         f.subject_alt_names = {{GeneralName::Kind::kUri, "hallmark://factory.example/station/a"},
                                {GeneralName::Kind::kOther, "x"}};
       },
       reason::kExtensionNotAllowed, "csr.subject_alt_name.other"},
      {"CA:TRUE", "device-dps", [](Facts& f) { f.ca = true; }, reason::kExtensionNotAllowed, "csr.basic_constraints"},
      {"keyCertSign", "device-dps", [](Facts& f) { f.key_usage = {KeyUsage::kKeyCertSign}; },
       reason::kExtensionNotAllowed, "csr.key_usage"},
      {"serverAuth", "device-dps", [](Facts& f) { f.extended_key_usage = {"1.3.6.1.5.5.7.3.1"}; },
       reason::kExtensionNotAllowed, "csr.extended_key_usage"},
      {"another extension", "device-dps",
       [](Facts& f) {
         f.other_extensions = {{"1.2.3.4", false, {}}};
       },
       reason::kExtensionNotAllowed, "csr.extensions.1.2.3.4"},
      {"a role that is not its profile's", "station",
       [](Facts& f) {
         f.subject_alt_names = {{GeneralName::Kind::kUri, "hallmark://factory.example/operator/a"}};
       },
       reason::kExtensionNotAllowed, "csr.subject_alt_name.uri"},
      {"another realm", "station",
       [](Facts& f) {
         f.subject_alt_names = {{GeneralName::Kind::kUri, "hallmark://factoryXexample/station/a"}};
       },
       reason::kExtensionNotAllowed, "csr.subject_alt_name.uri"},
      {"no caller's name", "station", [](Facts&) {}, reason::kExtensionNotAllowed, "csr.subject_alt_name.uri"},
      {"a key type", "tls-server", [](Facts& f) { f.key = KeyType::kRsa2048; }, reason::kKeyNotAllowed,
       "csr.public_key"},
      {"too long a life", "device-dps", [](Facts& f) { f.lifetime = absl::Hours(24 * 365 * 10) + absl::Seconds(1); },
       reason::kValidityNotAllowed, "lifetime"},
      {"no life", "device-dps", [](Facts& f) { f.lifetime = absl::ZeroDuration(); }, reason::kValidityNotAllowed,
       "lifetime"},
      {"a negative life", "device-dps", [](Facts& f) { f.lifetime = absl::Seconds(-5); }, reason::kValidityNotAllowed,
       "lifetime"},
  };
  const ProfileMap profiles = Shipped();
  for (const Refusal& c : cases) {
    Facts facts = DeviceFacts();
    c.change(facts);
    const StatusOr<Plan> plan = Decide(profiles.at(c.profile), facts, kNow, kIssuer);
    EXPECT_THAT(plan, Fails(Code::kInvalidArgument, c.reason)) << c.name;
    ASSERT_FALSE(Fields(plan.status()).empty()) << c.name;
    EXPECT_EQ(Fields(plan.status())[0].field, c.field) << c.name;
  }
}

TEST(DecideTest, NoCertificateOutlivesItsIssuer) {
  Facts facts = DeviceFacts();
  facts.lifetime = absl::Hours(1);
  const Time end = kNow + absl::Hours(1) - absl::Seconds(1);  // inclusive
  EXPECT_THAT(Decide(Shipped().at("device-dps"), facts, kNow, {absl::InfinitePast(), end}), IsOk());
  EXPECT_THAT(Decide(Shipped().at("device-dps"), facts, kNow, {absl::InfinitePast(), end - absl::Seconds(1)}),
              Fails(Code::kInvalidArgument, reason::kValidityNotAllowed));
}

TEST(DecideTest, BackdatingStopsAtTheIssuersBeginning) {
  EXPECT_EQ(Decide(Shipped().at("device-dps"), DeviceFacts(), kNow, {kNow, kIssuer.not_after}).value().not_before,
            kNow);
}

TEST(DecideTest, EscapesNamesAsRfc4514Does) {
  EXPECT_EQ(ToRfc4514({{"O", "A, Inc."}, {"CN", "#x+y\"<>;\\ "}}), "CN=\\#x\\+y\\\"\\<\\>\\;\\\\\\ ,O=A\\, Inc.");
}

using Record = std::map<std::string, std::string>;

// What a request has beside the CSR of device-1.
void FromStation(Facts& facts) { facts.caller = ParseCallerUri("hallmark://factory.example/station/line-7").value(); }
void WithRecord(Facts& facts) { facts.device = Record{{"serial", "SN-1"}, {"model", "M-1"}}; }
void Complete(Facts& facts) {
  FromStation(facts);
  WithRecord(facts);
}

struct Decision {
  const char* name;
  ProfileFields profile;
  std::function<void(Facts&)> change;
  const char* subject;   // of the plan, as RFC 4514 writes it; nullptr: there is none
  const char* at_fault;  // the fields, otherwise
};

void ExpectDecisions(const std::vector<Decision>& cases) {
  for (const Decision& c : cases) {
    Facts facts = DeviceFacts();
    c.change(facts);
    const StatusOr<Plan> plan = Decide(MakeProfile(c.profile), facts, kNow, kIssuer);
    EXPECT_EQ(FieldsAtFault(plan), c.subject != nullptr ? "" : c.at_fault) << c.name << ": " << Message(plan.status());
    if (c.subject == nullptr) continue;
    ASSERT_THAT(plan, IsOk()) << c.name;
    EXPECT_EQ(ToRfc4514(plan->subject), c.subject) << c.name;
  }
}

TEST(DecideTest, ValuesComeFromTheirSources) {
  const auto nothing = [](Facts&) {};
  const auto subject = [](const Subject& asked) { return [asked](Facts& facts) { facts.subject = asked; }; };
  const ProfileFields fixed = {{"subject", "[{type: O, value: Example}, {type: CN, pattern: '.+'}]"}};
  const ProfileFields device = {
      {"subject", "[{type: serialNumber, value: '{device.serial}'}, {type: CN, pattern: .+}]"}};
  const ProfileFields optional = {
      {"subject", "[{type: serialNumber, value: '{device.serial}', required: false}, {type: CN, pattern: .+}]"}};
  const ProfileFields all = {
      {"subject", "[{type: O, value: '{realm}'}, {type: CN, value: '{device.model}/{csr.CN}@{caller.name}'}]"}};
  const ProfileFields from_serial = {{"subject", "[{type: CN, value: 'd-{csr.serialNumber}'}]"}};
  const ProfileFields checked = {{"subject", "[{type: CN, value: 'd-{csr.O}', pattern: 'd-[0-9]+', max_length: 5}]"}};
  const ProfileFields two = {{"subject", "[{type: OU, value: A}, {type: OU, value: B}, {type: CN, pattern: .+}]"}};
  const ProfileFields several = {
      {"subject", "[{type: OU, pattern: '[a-z]', max_count: 2, required: false}, {type: CN, pattern: .+}]"}};
  ExpectDecisions({
      {"the profile's own value", fixed, nothing, "CN=device-1,O=Example", ""},
      {"just that, asked for", fixed, subject({{"CN", "a"}, {"O", "Example"}}), "CN=a,O=Example", ""},
      {"another one", fixed, subject({{"CN", "a"}, {"O", "Else"}}), nullptr, "csr.subject.O"},
      {"that and another one", fixed, subject({{"O", "Example"}, {"O", "Else"}, {"CN", "a"}}), nullptr,
       "csr.subject.O"},
      {"of each source", all, Complete, "CN=M-1/device-1@line-7,O=factory.example", ""},
      {"no caller", all, WithRecord, nullptr, "caller"},
      {"no device", all, FromStation, nullptr, "device"},
      {"a device that lacks the field", all,
       [](Facts& facts) {
         FromStation(facts);
         facts.device = Record{{"serial", "1"}};
       },
       nullptr, "device.model"},
      {"a device", device, WithRecord, "CN=device-1,serialNumber=SN-1", ""},
      {"a device that the CSR agrees with", device,
       [](Facts& facts) {
         WithRecord(facts);
         facts.subject.push_back({"serialNumber", "SN-1"});
       },
       "CN=device-1,serialNumber=SN-1", ""},
      {"a device that the CSR contradicts", device,
       [](Facts& facts) {
         WithRecord(facts);
         facts.subject.push_back({"serialNumber", "SN-2"});
       },
       nullptr, "csr.subject.serialNumber"},
      {"no device, and it may be none", optional, nothing, "CN=device-1", ""},
      {"no device, but asked for", optional, subject({{"CN", "a"}, {"serialNumber", "1"}}), nullptr,
       "csr.subject.serialNumber"},
      {"a device with a control character", device,
       [](Facts& facts) {
         facts.device = Record{{"serial", "a\nb"}};
       },
       nullptr, "csr.subject.serialNumber"},
      {"a device with an empty field", device,
       [](Facts& facts) {
         facts.device = Record{{"serial", ""}};
       },
       nullptr, "csr.subject.serialNumber"},
      {"made of an attribute without a rule", from_serial, subject({{"serialNumber", "1"}}), "CN=d-1", ""},
      {"made of one that is missing", from_serial, subject({}), nullptr, "csr.subject.serialNumber"},
      {"made of one that stands twice", from_serial, subject({{"serialNumber", "1"}, {"serialNumber", "2"}}), nullptr,
       "csr.subject.serialNumber"},
      {"made of one, and asked otherwise", from_serial, subject({{"serialNumber", "1"}, {"CN", "x"}}), nullptr,
       "csr.subject.CN"},
      {"a result that fits", checked, subject({{"O", "12"}}), "CN=d-12", ""},
      {"a result that does not match", checked, subject({{"O", "x"}}), nullptr, "csr.subject.CN"},
      {"a result that is too long", checked, subject({{"O", "1234"}}), nullptr, "csr.subject.CN"},
      {"two of a type", two, nothing, "CN=device-1,OU=B,OU=A", ""},
      {"two of a type, the second asked for", two, subject({{"OU", "B"}, {"CN", "a"}}), "CN=a,OU=B,OU=A", ""},
      {"two of a type, a third asked for", two, subject({{"OU", "C"}, {"CN", "a"}}), nullptr, "csr.subject.OU"},
      {"as many as there may be", several, subject({{"OU", "a"}, {"OU", "b"}, {"CN", "x"}}), "CN=x,OU=b,OU=a", ""},
      {"one more", several, subject({{"OU", "a"}, {"OU", "b"}, {"OU", "c"}, {"CN", "x"}}), nullptr, "csr.subject.OU"},
      {"none", several, subject({{"CN", "x"}}), "CN=x", ""},
  });
}

TEST(DecideTest, ASubjectAsRequestedIsTheCsrs) {
  const ProfileFields as_requested = {{"subject_form", "csr"},
                                      {"subject",
                                       "[{type: O, value: Example}, {type: C, pattern: '..', required: false}, "
                                       "{type: CN, pattern: .+}]"}};
  Facts facts;
  facts.subject = {{"CN", "a", StringType::kPrintable}, {"O", "Example", StringType::kUtf8}};
  const StatusOr<Plan> plan = Decide(MakeProfile(as_requested), facts, kNow, kIssuer);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->subject, facts.subject);
  EXPECT_EQ(plan->subject[0].string_type, StringType::kPrintable);
  facts.subject.pop_back();
  EXPECT_EQ(FieldsAtFault(Decide(MakeProfile(as_requested), facts, kNow, kIssuer)), "csr.subject.O");
  // Otherwise order and types are the profile's.
  facts.subject = {{"CN", "a", StringType::kPrintable}};
  EXPECT_FALSE(Decide(MakeProfile({}), facts, kNow, kIssuer).value().subject[0].string_type.has_value());
}

TEST(DecideTest, EveryFieldAtFaultIsListed) {
  const auto profile =
      MakeProfile({{"subject_alt_names", "[{type: dns, pattern: '[a-z.]+'}]"}, {"extensions", "[{oid: 1.2.3}]"}});
  Facts facts;
  facts.key = KeyType::kRsa2048;
  facts.subject = {{"CN", "A"}, {"O", "x"}};
  facts.subject_alt_names = {{GeneralName::Kind::kDns, "A1"}, {GeneralName::Kind::kOther, "x"}};
  facts.ca = true;
  facts.key_usage = {KeyUsage::kKeyCertSign};
  facts.extended_key_usage = {"1.2.3"};
  facts.other_extensions = {{"1.2.4", false, {}}};
  facts.lifetime = absl::Hours(48);
  const StatusOr<Plan> plan = Decide(profile, facts, kNow, kIssuer);
  EXPECT_THAT(plan, Fails(Code::kInvalidArgument, reason::kKeyNotAllowed));
  EXPECT_EQ(FieldsAtFault(plan),
            "csr.public_key csr.subject.CN csr.subject.O csr.subject_alt_name.dns csr.subject_alt_name.other "
            "csr.basic_constraints csr.key_usage csr.extended_key_usage csr.extensions.1.2.3 csr.extensions.1.2.4 "
            "lifetime");
}

TEST(DecideTest, ExtensionsAreMadeOrPassed) {
  const std::string rules =
      "[{oid: 1.2.1, encoding: null}, {oid: 1.2.2, critical: true, encoding: ia5, value: 'sn-{device.serial}', "
      "pattern: "
      "'sn-.*'}, {oid: 1.2.3, max_length: 2, required: false}, {oid: 1.2.4, value: '{device.lot}', required: false}]";
  struct Case {
    const char* name;
    std::function<void(Facts&)> change;
    const char* extensions;  // of the plan; empty: there is none
    const char* at_fault;
    const char* ignored;  // the plan's with csr_extensions: ignore; empty: there is none
  };
  const std::vector<Case> cases = {
      {"what the profile has", [](Facts&) {}, "1.2.1= 1.2.2!=sn-SN-1", "", "1.2.1= 1.2.2!=sn-SN-1"},
      {"passed",
       [](Facts& f) {
         f.other_extensions = {{"1.2.3", false, {5, 0}}};
       },
       "1.2.1= 1.2.2!=sn-SN-1 1.2.3=0500", "", "1.2.1= 1.2.2!=sn-SN-1 1.2.3=0500"},
      {"passed, but too long",
       [](Facts& f) {
         f.other_extensions = {{"1.2.3", false, {5, 0, 0}}};
       },
       "", "csr.extensions.1.2.3", ""},
      {"passed, but critical",
       [](Facts& f) {
         f.other_extensions = {{"1.2.3", true, {5, 0}}};
       },
       "", "csr.extensions.1.2.3", "1.2.1= 1.2.2!=sn-SN-1 1.2.3=0500"},
      {"the null that is there",
       [](Facts& f) {
         f.other_extensions = {{"1.2.1", false, {5, 0}}};
       },
       "1.2.1= 1.2.2!=sn-SN-1", "", "1.2.1= 1.2.2!=sn-SN-1"},
      {"another null",
       [](Facts& f) {
         f.other_extensions = {{"1.2.1", false, {5, 1, 0}}};
       },
       "", "csr.extensions.1.2.1", "1.2.1= 1.2.2!=sn-SN-1"},
      {"a value that is made",
       [](Facts& f) {
         f.other_extensions = {{"1.2.2", true, {22, 1, 'x'}}};
       },
       "", "csr.extensions.1.2.2", "1.2.1= 1.2.2!=sn-SN-1"},
      {"a value without its source",
       [](Facts& f) {
         f.other_extensions = {{"1.2.4", false, {5, 0}}};
       },
       "", "csr.extensions.1.2.4", "1.2.1= 1.2.2!=sn-SN-1"},
      {"not granted",
       [](Facts& f) {
         f.other_extensions = {{"1.2.9", false, {5, 0}}};
       },
       "", "csr.extensions.1.2.9", "1.2.1= 1.2.2!=sn-SN-1"},
      {"no device", [](Facts& f) { f.device.reset(); }, "", "device", ""},
      {"a text that is no IA5String",
       [](Facts& f) {
         f.device = Record{{"serial", "\xc3\xa4"}};
       },
       "", "csr.extensions.1.2.2", ""},
  };
  for (const Case& c : cases) {
    Facts facts = DeviceFacts();
    WithRecord(facts);
    c.change(facts);
    const StatusOr<Plan> plan = Decide(MakeProfile({{"extensions", rules}}), facts, kNow, kIssuer);
    EXPECT_EQ(FieldsAtFault(plan), c.at_fault) << c.name;
    EXPECT_EQ(plan.ok() ? Extensions(*plan) : "", c.extensions) << c.name;
    const StatusOr<Plan> overridden =
        Decide(MakeProfile({{"extensions", rules}, {"csr_extensions", "ignore"}}), facts, kNow, kIssuer);
    EXPECT_EQ(overridden.ok() ? Extensions(*overridden) : "", c.ignored) << c.name;
  }
}

TEST(DecideTest, IgnoringOverridesWhatTheCsrAsksForButNotItsSubject) {
  const ProfileFields ignore = {
      {"csr_extensions", "ignore"},
      {"subject_alt_names",
       "[{type: dns, pattern: '[a-z.]+', required: false}, {type: uri, value: 'urn:dev:{csr.CN}'}]"}};
  Facts facts = DeviceFacts();
  facts.ca = true;
  facts.key_usage = {KeyUsage::kKeyCertSign};
  facts.extended_key_usage = {"1.2.3"};
  facts.other_extensions = {{"1.2.4", true, {}}};
  facts.subject_alt_names = {{GeneralName::Kind::kDns, "A"},
                             {GeneralName::Kind::kDns, "a.example"},
                             {GeneralName::Kind::kUri, "urn:x"},
                             {GeneralName::Kind::kEmail, "a@b"}};
  const StatusOr<Plan> plan = Decide(MakeProfile(ignore), facts, kNow, kIssuer);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(Names(*plan), "dns:a.example uri:urn:dev:device-1");
  EXPECT_EQ(Extensions(*plan), "");
  facts.subject.push_back({"O", "x"});
  EXPECT_EQ(FieldsAtFault(Decide(MakeProfile(ignore), facts, kNow, kIssuer)), "csr.subject.O");
}

TEST(DecideTest, KeyUsageDependsOnTheKey) {
  const auto profile =
      MakeProfile({{"keys", "[ec-p256, rsa-2048]"},
                   {"key_usage", "{rsa: [digitalSignature, keyEncipherment], ec: [digitalSignature]}"}});
  Facts facts = DeviceFacts();
  facts.key_usage = {KeyUsage::kDigitalSignature, KeyUsage::kKeyEncipherment};
  EXPECT_EQ(FieldsAtFault(Decide(profile, facts, kNow, kIssuer)), "csr.key_usage");
  facts.key = KeyType::kRsa2048;
  EXPECT_THAT(Decide(profile, facts, kNow, kIssuer), IsOk());
}

TEST(DecideTest, SomebodyIsNamed) {
  Facts facts;
  const ProfileFields nobody = {{"subject", "[{type: CN, pattern: x, required: false}]"}};
  EXPECT_EQ(FieldsAtFault(Decide(MakeProfile(nobody), facts, kNow, kIssuer)), "csr.subject");
  ProfileFields by_name = nobody;
  by_name.emplace_back("subject_alt_names", "[{type: dns, value: a.example}]");
  EXPECT_THAT(Decide(MakeProfile(by_name), facts, kNow, kIssuer), IsOk());
  by_name.emplace_back("ca", "{}");
  by_name.emplace_back("key_usage", "[keyCertSign]");
  EXPECT_EQ(FieldsAtFault(Decide(MakeProfile(by_name), facts, kNow, kIssuer)), "csr.subject");
}

TEST(DecideTest, AValueIsOfItsTypesFormWhateverThePatternAllows) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"dns", "a_b."},
      {"dns", "a b"},
      {"ip", "1.2.3"},
      {"uri", "no-scheme"},
      {"email", "a"},
      {"uri", "urn:a\"b"},
      {"hardwareModuleName", "1:2"},
      {"email", "a@b c"},
  };
  for (const auto& [type, value] : cases) {
    Facts facts = DeviceFacts();
    facts.subject_alt_names = {{ParseGeneralNameKind(type).value(), value}};
    const auto profile = MakeProfile({{"subject_alt_names", "[{type: " + type + ", pattern: '.*', max_length: 40}]"}});
    EXPECT_EQ(FieldsAtFault(Decide(profile, facts, kNow, kIssuer)), "csr.subject_alt_name." + type) << value;
  }
}

TEST(DecideTest, WhatNeverExpiresEndsWhereX509Does) {
  const ProfileFields forever = {{"validity", "{lifetime: forever}"}};
  const IssuerValidity never = {kNow - absl::Hours(1), NeverExpires()};
  const StatusOr<Plan> plan = Decide(MakeProfile(forever), DeviceFacts(), kNow, never);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(Rfc3339(plan->not_after), "9999-12-31T23:59:59Z");
  EXPECT_THAT(Decide(MakeProfile(forever), DeviceFacts(), kNow, kIssuer),
              Fails(Code::kInvalidArgument, reason::kValidityNotAllowed));
  Facts facts = DeviceFacts();
  facts.lifetime = absl::Hours(24);
  EXPECT_EQ(Decide(MakeProfile(forever), facts, kNow, never).value().not_after,
            kNow + absl::Hours(24) - absl::Seconds(1));
  // Longer than X.509 can say, though a request may ask for anything.
  facts.lifetime = absl::Hours(24 * 365 * int64_t{9000});
  EXPECT_EQ(FieldsAtFault(Decide(MakeProfile(forever), facts, kNow, never)), "lifetime");
  // Forever is no lifetime of a profile that is for a day.
  facts.lifetime = kForever;
  EXPECT_EQ(FieldsAtFault(Decide(MakeProfile({}), facts, kNow, never)), "lifetime");
  EXPECT_EQ(Decide(MakeProfile({{"validity", "{lifetime: 1d, max_lifetime: forever}"}}), facts, kNow, never)
                .value()
                .not_after,
            NeverExpires());
}

TEST(DecideTest, AProfileIsForItsRoles) {
  const Caller caller = ParseCallerUri("hallmark://factory.example/station/line-7").value();
  EXPECT_THAT(CheckRole(*MakeProfile({}), caller, {}), IsOk());
  const auto profile = MakeProfile({{"roles", "[operator, line-lead]"}});
  EXPECT_THAT(CheckRole(*profile, caller, {"station", "line-lead"}), IsOk());
  const Status denied = CheckRole(*profile, caller, {"station"});
  EXPECT_THAT(denied, Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(Message(denied), HasSubstr("for the roles operator, line-lead"));
}

std::string Row(const std::vector<Comparison>& rows, const std::string& field) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Comparison& r) { return r.field == field; });
  return row == rows.end() ? "none" : row->asked + " | " + row->allowed + " | " + row->result + " | " + row->problem;
}

TEST(CompareTest, ShowsAskedAllowedAndResultSideBySide) {
  const auto profile = MakeProfile({{"subject", "[{type: O, value: Example}, {type: CN, pattern: '[a-z0-9-]+'}]"},
                                    {"subject_alt_names", "[{type: uri, value: 'urn:{csr.CN}'}]"},
                                    {"extended_key_usage", "[clientAuth]"},
                                    {"extensions", "[{oid: 1.2.3, critical: true, required: false}]"},
                                    {"validity", "{lifetime: 1d, max_lifetime: 1y}"}});
  Facts facts = DeviceFacts();
  facts.other_extensions = {{"1.2.3", true, {5, 0}}};
  facts.lifetime = absl::Hours(36);
  const std::vector<Comparison> rows = Compare(*profile, facts, Decide(profile, facts, kNow, kIssuer));
  EXPECT_EQ(Row(rows, "key"), "ec-p256 | ec-p256 | ec-p256 | ");
  EXPECT_EQ(Row(rows, "subject.O"), " | 'Example' | Example | ");
  EXPECT_EQ(Row(rows, "subject.CN"), "device-1 | matching [a-z0-9-]+, at most 64 characters | device-1 | ");
  EXPECT_EQ(Row(rows, "subject_alt_name.uri"), " | 'urn:{csr.CN}' | urn:device-1 | ");
  EXPECT_EQ(Row(rows, "basic_constraints"), "none");
  EXPECT_EQ(Row(rows, "key_usage"), " | digitalSignature | digitalSignature | ");
  EXPECT_EQ(Row(rows, "extension 1.2.3"),
            "critical, 0500 | critical, as the CSR has it, at most 256 octets, optional | critical, 0500 | ");
  EXPECT_EQ(Row(rows, "lifetime"), "36h | 1d, at most 1y | 2026-09-21T14:13:20Z to 2026-09-23T02:13:19Z | ");
}

TEST(CompareTest, ShowsEachProblemAtItsField) {
  const auto profile =
      MakeProfile({{"subject", "[{type: O, value: '{device.maker}'}, {type: CN, pattern: '[a-z]+'}]"}});
  Facts facts = DeviceFacts();
  facts.key = KeyType::kRsa2048;
  facts.ca = true;
  facts.subject_alt_names = {{GeneralName::Kind::kDns, "a"}, {GeneralName::Kind::kDns, "b"}};
  facts.other_extensions = {{"1.2.3", false, {5, 0}}};
  const std::vector<Comparison> rows = Compare(*profile, facts, Decide(profile, facts, kNow, kIssuer));
  EXPECT_EQ(Row(rows, "key"), "rsa-2048 | ec-p256 |  | profile 'p' allows ec-p256, not rsa-2048");
  EXPECT_EQ(Row(rows, "subject.CN"),
            "device-1 | matching [a-z]+, at most 64 characters |  | does not match the profile's "
            "pattern [a-z]+");
  EXPECT_EQ(Row(rows, "subject_alt_name.dns"),
            "a, b |  |  | is not granted by the profile; is not granted by the profile");
  EXPECT_EQ(Row(rows, "basic_constraints"), "CA:TRUE |  |  | asks for CA:TRUE, which the profile does not grant");
  EXPECT_EQ(Row(rows, "extension 1.2.3"), "0500 |  |  | is asked for, and the profile does not grant it");
  EXPECT_THAT(Row(rows, "device"), HasSubstr("this device has none"));
  EXPECT_EQ(Row(rows, "lifetime"), " | 1d, at most 1d |  | ");
}

}  // namespace
}  // namespace hallmark
