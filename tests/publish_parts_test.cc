// The parts of publication that need no service: what a description may say, whether a device comes in by what was
// certified and revoked for it, what an answer means, how many operations are sent, and how a service would judge.
#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "base/reason.h"
#include "base/text.h"
#include "publish/admission_check.h"
#include "publish/description.h"
#include "publish/device_admission.h"
#include "publish/dps_answer.h"
#include "publish/operation_budget.h"
#include "publish/wanted_chain.h"
#include "tests/certificate_builder.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::CertificateBuilder;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::Field;
using ::testing::HasSubstr;
using testing::House;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using ::testing::SizeIs;
using testing::SoftwareSigner;

const Time kNow = absl::FromUnixSeconds(1'795'514'400);  // Tue, 24 Nov 2026 10:00:00 GMT

// --- Descriptions.

using Changes = std::map<std::string, std::string>;

// A small target, with other values of some fields; "-": without the field.
std::string Described(const std::string& more, const Changes& changes = {}) {
  static const std::vector<std::pair<std::string, std::string>> kFields = {
      {"target", "contoso"},
      {"kind", "dps"},
      {"service", "contoso-dps"},
      {"id_scope", "0ne00ABCDEF"},
      {"subscription", "11111111-2222-3333-4444-555555555555"},
      {"resource_group", "factory"},
      {"credential", "azure"}};
  std::string text;
  for (const auto& [field, value] : kFields) {
    const auto changed = changes.find(field);
    const std::string& now = changed == changes.end() ? value : changed->second;
    if (now != "-") text += fmt::format("{}: {}\n", field, now);
  }
  return text + more;
}

constexpr char kDevices[] = "certificates: [{authority: devices}]\n";

std::string InGroup(const std::string& more) {
  return Described(fmt::format("groups: [{{group: line, authority: devices, {}}}]\n", more));
}

TEST(TargetDescriptionTest, ReadsEveryField) {
  const auto read = ReadDescription(Described(R"(
api_versions: {management: "2026-08-31", service: "2026-11-01", hub: "2020-05-31-preview"}
certificates:
  - {authority: devices, verified: proof}
  - {authority: plant-b, verified: claimed}
groups:
  - group: line:1.devices_a-
    authority: devices
    by: reference
    enabled: false
    allocation: geoLatency
    hubs: [b.azure-devices.net, a.azure-devices.net]
    initial_twin: {tags: {line: a}}
    reprovision: {update_hub_assignment: true, migrate_device_data: false}
    edge: true
  - {group: inline, authority: plant-c, by: certificate}
revocation:
  entry: registration_id
  hubs: [contoso.azure-devices.net, contoso-2.azure-devices.us, contoso.azure-devices.cn]
  operations_per_minute: 1000
)"));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->target, "contoso");
  const DpsDescription* dps = read->dps();
  ASSERT_NE(dps, nullptr);
  EXPECT_EQ(dps->service, "contoso-dps");
  EXPECT_EQ(dps->id_scope, "0ne00ABCDEF");
  EXPECT_EQ(dps->subscription, "11111111-2222-3333-4444-555555555555");
  EXPECT_EQ(dps->resource_group, "factory");
  EXPECT_EQ(dps->credential, "azure");
  EXPECT_EQ(dps->management_version, "2026-08-31");
  EXPECT_EQ(dps->service_version, "2026-11-01");
  EXPECT_EQ(dps->hub_version, "2020-05-31-preview");
  ASSERT_THAT(dps->certificates, SizeIs(2));
  EXPECT_EQ(dps->certificates[0].authority, "devices");
  EXPECT_TRUE(dps->certificates[0].proof);
  EXPECT_EQ(dps->certificates[1].authority, "plant-b");
  EXPECT_FALSE(dps->certificates[1].proof);
  EXPECT_FALSE(dps->with_leaf);
  EXPECT_THAT(dps->hubs,
              ElementsAre("contoso.azure-devices.net", "contoso-2.azure-devices.us", "contoso.azure-devices.cn"));
  EXPECT_EQ(dps->operations, 1000);

  ASSERT_THAT(dps->groups, SizeIs(2));
  const DescribedGroup& full = dps->groups[0];
  EXPECT_EQ(full.group, "line:1.devices_a-");
  EXPECT_EQ(full.authority, "devices");
  EXPECT_TRUE(full.by_reference);
  EXPECT_FALSE(full.enabled);
  EXPECT_EQ(full.allocation, "geoLatency");
  EXPECT_THAT(full.hubs, ElementsAre("b.azure-devices.net", "a.azure-devices.net"));
  EXPECT_EQ(full.initial_twin, json::parse(R"({"tags": {"line": "a"}})"));
  EXPECT_EQ(full.update_hub_assignment, true);
  EXPECT_EQ(full.migrate_device_data, false);
  EXPECT_EQ(full.edge, true);
  const DescribedGroup& small = dps->groups[1];
  EXPECT_FALSE(small.by_reference);
  EXPECT_TRUE(small.enabled);
  EXPECT_EQ(small.allocation, std::nullopt);
  EXPECT_THAT(small.hubs, IsEmpty());
  EXPECT_TRUE(small.initial_twin.is_null());
  EXPECT_EQ(small.update_hub_assignment, std::nullopt);
  EXPECT_EQ(small.migrate_device_data, std::nullopt);
  EXPECT_EQ(small.edge, std::nullopt);
}

TEST(TargetDescriptionTest, HasCarefulDefaults) {
  const auto read = ReadDescription(Described(kDevices));
  ASSERT_THAT(read, IsOk());
  const DpsDescription& dps = *read->dps();
  EXPECT_EQ(dps.management_version, "2022-12-12");
  EXPECT_EQ(dps.service_version, "2021-10-01");
  EXPECT_EQ(dps.hub_version, "2021-04-12");
  EXPECT_TRUE(dps.certificates[0].proof);
  EXPECT_THAT(dps.groups, IsEmpty());
  EXPECT_TRUE(dps.with_leaf);
  EXPECT_THAT(dps.hubs, IsEmpty());
  EXPECT_EQ(dps.operations, 600);
}

TEST(TargetDescriptionTest, OneApiVersionMayBeGivenAlone) {
  const auto read = ReadDescription(Described(std::string(kDevices) + "api_versions: {service: \"2026-11-01\"}\n"));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->dps()->management_version, "2022-12-12");
  EXPECT_EQ(read->dps()->service_version, "2026-11-01");
}

TEST(TargetDescriptionTest, ACertificateThatAGroupRefersToNeedNotBeNamed) {
  const auto read = ReadDescription(Described(
      "certificates: [{authority: root, verified: claimed}]\n"
      "groups:\n- {group: a, authority: devices}\n- {group: b, authority: devices}\n- {group: c, authority: root}\n"
      "- {group: d, authority: plant-b, by: certificate}\n"));
  ASSERT_THAT(read, IsOk());
  const DpsDescription& dps = *read->dps();
  ASSERT_THAT(dps.certificates, SizeIs(2));
  EXPECT_EQ(dps.certificates[0].authority, "root");
  EXPECT_FALSE(dps.certificates[0].proof);
  EXPECT_EQ(dps.certificates[1].authority, "devices");
  EXPECT_TRUE(dps.certificates[1].proof);
}

TEST(TargetDescriptionTest, ADirectoryHasAnAuthorityOnly) {
  const auto read = ReadDescription("target: by-hand\nkind: directory\nauthority: devices\n");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->target, "by-hand");
  EXPECT_EQ(read->dps(), nullptr);
  EXPECT_EQ(std::get<DirectoryDescription>(read->kind).authority, "devices");
}

TEST(TargetDescriptionTest, TakesNamesOfEveryLengthThatIsAllowed) {
  EXPECT_THAT(ReadDescription(Described(kDevices, {{"target", "a"}})), IsOk());
  EXPECT_THAT(ReadDescription(Described(kDevices, {{"target", "a" + std::string(62, '-')}})), IsOk());
  EXPECT_THAT(
      ReadDescription(Described(fmt::format("groups: [{{group: {}, authority: devices}}]\n", std::string(128, 'a')))),
      IsOk());
  const std::string whole = Described(kDevices);
  EXPECT_THAT(ReadDescription(whole + std::string(kDescriptionLimit - whole.size(), '\n')), IsOk());
}

struct Wrong {
  const char* name;
  std::string text;
  const char* says;
};

std::string InRevocation(const std::string& more) {
  return Described(fmt::format("{}revocation: {{{}}}\n", kDevices, more));
}

std::vector<Wrong> WrongDescriptions() {
  return {
      {"an unknown field", Described(std::string(kDevices) + "hubs: []\n"), ":9: hubs: unknown field"},
      {"an unknown field of a certificate", Described("certificates: [{authority: a, verify: proof}]\n"),
       ":8: certificates[0].verify: unknown field"},
      {"an unknown field of a group", InGroup("hub: a"), "groups[0].hub: unknown field"},
      {"an unknown field of reprovision",
       InGroup("reprovision: {update_hub_assignment: true, migrate_device_data: "
               "true, migrate: true}"),
       "groups[0].reprovision.migrate: unknown field"},
      {"an unknown field of revocation", InRevocation("hub: a"), "revocation.hub: unknown field"},
      {"an unknown version", Described(std::string(kDevices) + "api_versions: {device: \"2021-10-01\"}\n"),
       "api_versions.device: unknown field"},
      {"a field of a directory", Described(std::string(kDevices) + "authority: devices\n"), "authority: unknown field"},
      {"a service's field in a directory", "target: a\nkind: directory\nauthority: devices\nservice: b\n",
       ":4: service: unknown field"},
      {"a field twice", Described(std::string(kDevices) + "credential: other\n"), ":9: credential: stands here twice"},
      {"a merge key", Described("groups:\n- &a {group: a, authority: devices}\n- {<<: *a, group: b}\n"), "groups[1]."},

      {"no target", Described(kDevices, {{"target", "-"}}), "target: is required"},
      {"no kind", Described(kDevices, {{"kind", "-"}}), "kind: is required"},
      {"another kind", Described(kDevices, {{"kind", "aws"}}), ":2: kind: must be dps or directory"},
      {"no service", Described(kDevices, {{"service", "-"}}), "service: is required"},
      {"no id scope", Described(kDevices, {{"id_scope", "-"}}), "id_scope: is required"},
      {"no subscription", Described(kDevices, {{"subscription", "-"}}), "subscription: is required"},
      {"no resource group", Described(kDevices, {{"resource_group", "-"}}), "resource_group: is required"},
      {"no credential", Described(kDevices, {{"credential", "-"}}), "credential: is required"},
      {"no authority of a directory", "target: a\nkind: directory\n", "authority: is required"},
      {"no authority of a certificate", Described("certificates: [{verified: proof}]\n"),
       "certificates[0].authority: is required"},
      {"no authority of a group", Described("groups: [{group: a}]\n"), "groups[0].authority: is required"},
      {"no id of a group", Described("groups: [{authority: a}]\n"), "groups[0].group: is required"},
      {"half a reprovision", InGroup("reprovision: {update_hub_assignment: true}"),
       "groups[0].reprovision.migrate_device_data: is required"},

      {"a target in capitals", Described(kDevices, {{"target", "Contoso"}}), ":1: target: must be"},
      {"a target that begins with a digit", Described(kDevices, {{"target", "1a"}}), "target: must be"},
      {"a target that is too long", Described(kDevices, {{"target", std::string(64, 'a')}}), "target: must be"},
      {"a target in a path", Described(kDevices, {{"target", "a/b"}}), "target: must be"},
      {"a service with its domain", Described(kDevices, {{"service", "contoso.azure-devices-provisioning.net"}}),
       ":3: service: must be its name alone"},
      {"a service in a path", Described(kDevices, {{"service", "a/b"}}), "service: must be 1 to 128"},
      {"an id scope with a blank", Described(kDevices, {{"id_scope", "0ne 1"}}), "id_scope: must be 1 to 128"},
      {"a subscription with a query", Described(kDevices, {{"subscription", "a?b=c"}}), "subscription: must be"},
      {"a resource group in a path", Described(kDevices, {{"resource_group", "a/../b"}}), "resource_group: must be"},
      {"a version with a query", Described(std::string(kDevices) + "api_versions: {hub: \"2021&a=b\"}\n"),
       "api_versions.hub: must be a version"},

      {"an empty target", Described(kDevices, {{"target", "\"\""}}), "target: "},
      {"an empty service", Described(kDevices, {{"service", "\"\""}}), "service: "},
      {"an empty id scope", Described(kDevices, {{"id_scope", "\"\""}}), "id_scope: "},
      {"an empty subscription", Described(kDevices, {{"subscription", "\"\""}}), "subscription: "},
      {"an empty resource group", Described(kDevices, {{"resource_group", "\"\""}}), "resource_group: "},
      {"an empty credential", Described(kDevices, {{"credential", "\"\""}}), "credential: "},
      {"an empty group", Described("groups: [{group: \"\", authority: devices}]\n"), "groups[0].group: "},
      {"an empty authority", Described("groups: [{group: a, authority: \"\"}]\n"), "groups[0].authority: "},
      {"an empty authority of a directory", "target: a\nkind: directory\nauthority: \"\"\n", "authority: "},
      {"nothing after a colon", Described(kDevices, {{"service", ""}}), "service: expected a value, found nothing"},

      {"certificates that are no list", Described("certificates: devices\n"), "certificates: expected a list"},
      {"certificates that are names", Described("certificates: [devices]\n"),
       "certificates[0]: expected a mapping, found a value"},
      {"groups that are a mapping", Described(std::string(kDevices) + "groups: {group: a}\n"),
       "groups: expected a list, found a mapping"},
      {"a service that is a list", Described(kDevices, {{"service", "[a]"}}),
       "service: expected a value, found a list"},
      {"versions that are a list", Described(std::string(kDevices) + "api_versions: [a]\n"),
       "api_versions: expected a mapping"},
      {"revocation that is a value", Described(std::string(kDevices) + "revocation: true\n"),
       "revocation: expected a mapping"},
      {"enabled: yes", InGroup("enabled: yes"), "groups[0].enabled: expected true or false"},
      {"edge: 1", InGroup("edge: 1"), "groups[0].edge: expected true or false"},
      {"a reprovision of words", InGroup("reprovision: {update_hub_assignment: no, migrate_device_data: no}"),
       "groups[0].reprovision.update_hub_assignment: expected true or false"},
      {"hubs that are a value", InGroup("allocation: hashed, hubs: a.azure-devices.net"),
       "groups[0].hubs: expected a list"},
      {"operations that are a word", InRevocation("operations_per_minute: many"),
       "revocation.operations_per_minute: expected a whole number"},
      {"a fraction of operations", InRevocation("operations_per_minute: 1.5"),
       "revocation.operations_per_minute: expected a whole number"},
      {"no operations", InRevocation("operations_per_minute: 0"),
       "revocation.operations_per_minute: must be 1 to 1000"},
      {"too many operations", InRevocation("operations_per_minute: 1001"),
       "revocation.operations_per_minute: must be 1 to 1000"},
      {"operations beyond numbers", InRevocation("operations_per_minute: 99999999999999999999"),
       "revocation.operations_per_minute: expected a whole number"},

      {"a claim under an old version",
       Described("certificates: [{authority: a, verified: claimed}]\napi_versions: {management: \"2021-10-15\"}\n"),
       "certificates: say verified: claimed"},
      {"another proof", Described("certificates: [{authority: a, verified: true}]\n"),
       "certificates[0].verified: must be proof"},
      {"another way to bind", InGroup("by: name"), "groups[0].by: must be reference"},
      {"another allocation", InGroup("allocation: geolatency, hubs: [a.azure-devices.net]"),
       "groups[0].allocation: must be hashed"},
      {"hubs without allocation", InGroup("hubs: [a.azure-devices.net]"), "groups[0].hubs: and allocation go together"},
      {"allocation without hubs", InGroup("allocation: hashed"), "groups[0].hubs: and allocation go together"},
      {"allocation with no hub", InGroup("allocation: hashed, hubs: []"), "groups[0].hubs: and allocation go together"},
      {"another entry", InRevocation("entry: leaf"), "revocation.entry: must be certificate"},
      {"a twin that is a list", InGroup("initial_twin: [tags]"), "groups[0].initial_twin: must be a mapping"},
      {"a twin that is text", InGroup("initial_twin: tags"), "groups[0].initial_twin: must be a mapping"},
      {"a twin with a tag", InGroup("initial_twin: {tag: {line: a}}"), "groups[0].initial_twin.tag: unknown field"},
      {"a twin that is desired", InGroup("initial_twin: {desired: {interval: 60}}"),
       "groups[0].initial_twin.desired: unknown field"},
      {"tags that are a list", InGroup("initial_twin: {tags: [line]}"),
       "groups[0].initial_twin.tags: must be a mapping"},
      {"tags that are nothing", InGroup("initial_twin: {tags: }"), "groups[0].initial_twin.tags: must be a mapping"},
      {"properties that are text", InGroup("initial_twin: {properties: desired}"),
       "groups[0].initial_twin.properties: expected a mapping, found a value"},
      {"properties of the device", InGroup("initial_twin: {properties: {desired: {}, reported: {}}}"),
       "groups[0].initial_twin.properties.reported: unknown field"},
      {"properties that nobody desires", InGroup("initial_twin: {properties: {interval: 60}}"),
       "groups[0].initial_twin.properties.desired: is required"},
      {"desired properties that are text", InGroup("initial_twin: {properties: {desired: all}}"),
       "groups[0].initial_twin.properties.desired: is required, and must be a mapping"},

      {"a group's id with a dot at its end", Described("groups: [{group: a., authority: devices}]\n"),
       "groups[0].group: must be 1 to 128"},
      {"a group's id with a blank", Described("groups: [{group: a b, authority: devices}]\n"),
       "groups[0].group: must be 1 to 128"},
      {"a group's id in a path", Described("groups: [{group: a/b, authority: devices}]\n"),
       "groups[0].group: must be 1 to 128"},
      {"a group's id that is too long",
       Described(fmt::format("groups: [{{group: {}, authority: devices}}]\n", std::string(129, 'a'))),
       "groups[0].group: must be 1 to 128"},
      {"two groups of one id", Described("groups: [{group: a, authority: b}, {group: a, authority: c}]\n"),
       "groups: name a twice"},
      {"two groups of one id in another case",
       Described("groups: [{group: A, authority: b}, {group: a, authority: c}]\n"), "groups: name a twice"},
      {"two certificates of one authority",
       Described("certificates: [{authority: a}, {authority: a, verified: claimed}]\n"), "certificates: name a twice"},
      {"no certificate at all", Described(""), "certificates: must name an authority"},
      {"groups that refer to none", Described("groups: [{group: a, authority: b, by: certificate}]\n"),
       "certificates: must name an authority"},

      {"a foreign hub", InRevocation("hubs: [evil.example]"), "revocation.hubs: \"evil.example\" is no hub"},
      {"a hub below a foreign domain", InRevocation("hubs: [contoso.azure-devices.net.evil.example]"),
       "revocation.hubs: "},
      {"a hub with a port", InRevocation("hubs: [\"contoso.azure-devices.net:444\"]"), "revocation.hubs: "},
      {"a hub with a user", InRevocation("hubs: [\"a@contoso.azure-devices.net\"]"), "revocation.hubs: "},
      {"a hub with a path", InRevocation("hubs: [\"evil.example/contoso.azure-devices.net\"]"), "revocation.hubs: "},
      {"a hub with a line break", InRevocation("hubs: [\"contoso.azure-devices.net\\n\"]"), "revocation.hubs: "},
      {"a hub with a label more", InRevocation("hubs: [evil.contoso.azure-devices.net]"), "revocation.hubs: "},
      {"a service's host as a hub", InRevocation("hubs: [contoso.azure-devices-provisioning.net]"),
       "revocation.hubs: "},
      {"a hub's short name", InRevocation("hubs: [contoso]"), "revocation.hubs: "},

      {"no YAML", "target: [\n", "not YAML"},
      {"nothing", "", "expected a mapping, found nothing"},
      {"a list", "- target: a\n", "expected a mapping, found a list"},
      {"an unknown anchor", Described("certificates: *c\n"), "not YAML"},
      {"64 KiB and an octet", Described(kDevices) + std::string(kDescriptionLimit, '\n'), "at most 65536 are read"},
  };
}

TEST(TargetDescriptionTest, RefusesWhatIsWrongAndNamesTheField) {
  for (const Wrong& wrong : WrongDescriptions()) {
    const auto read = ReadDescription(wrong.text);
    EXPECT_THAT(read.status(), Fails(Code::kInvalidArgument, reason::kTargetInvalid)) << wrong.name;
    const std::vector<FieldViolation> fields = Fields(read.status());
    EXPECT_EQ(fields.empty(), read.ok()) << wrong.name;
    for (const FieldViolation& violation : fields) {
      EXPECT_EQ(violation.field, "description") << wrong.name;
      EXPECT_THAT(violation.description, HasSubstr(wrong.says)) << wrong.name;
    }
  }
}

TEST(TargetDescriptionTest, NoPartOfAPathLeadsOutOfIt) {
  for (const char* field : {"subscription", "resource_group", "id_scope"}) {
    for (const char* dots : {".", ".."}) {
      EXPECT_THAT(ReadDescription(Described(kDevices, {{field, dots}})).status(),
                  Fails(Code::kInvalidArgument, reason::kTargetInvalid))
          << field << " " << dots;
    }
  }
}

StatusOr<TargetDescription> WithTwin(const std::string& twin) {
  return ReadDescription(InGroup("initial_twin: " + twin));
}

TEST(TargetDescriptionTest, ATwinKeepsItsTypes) {
  const auto read = ReadDescription(Described(R"(
groups:
  - group: line
    authority: devices
    initial_twin:
      tags:
        quoted: "1"
        single: '1'
        number: 1
        negative: -2
        ratio: 1.5
        truth: true
        lie: false
        quoted truth: "true"
        word: plain words
        date: 2026-11-24
        version: 1.2.3
        empty: ""
        block: |
          1
        folded: >-
          true
      properties:
        desired:
          list: [1, "1", [true, "true", {a: -2, b: "x"}], 0.5]
          none: {}
          nothing: []
  - {group: other, authority: devices, initial_twin: {tags: {line: b}}}
  - {group: bare, authority: devices}
)"));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->dps()->groups[0].initial_twin, json::parse(R"({
    "tags": {"quoted": "1", "single": "1", "number": 1, "negative": -2, "ratio": 1.5, "truth": true, "lie": false,
             "quoted truth": "true", "word": "plain words", "date": "2026-11-24", "version": "1.2.3", "empty": "",
             "block": "1\n", "folded": "true"},
    "properties": {"desired": {"list": [1, "1", [true, "true", {"a": -2, "b": "x"}], 0.5], "none": {}, "nothing": []}}
  })"));
  const json& twin = read->dps()->groups[0].initial_twin;
  EXPECT_TRUE(twin["tags"]["number"].is_number_integer());
  EXPECT_EQ(read->dps()->groups[1].initial_twin, json::parse(R"({"tags": {"line": "b"}})"));
  EXPECT_TRUE(read->dps()->groups[2].initial_twin.is_null());
}

TEST(TargetDescriptionTest, WordsOfATwinAreNoTruths) {
  for (const char* word : {"no", "NO", "yes", "on", "off", "n", "y", "True"}) {
    const auto read = WithTwin(fmt::format("{{tags: {{country: {}}}}}", word));
    ASSERT_THAT(read, IsOk()) << word;
    EXPECT_EQ(read->dps()->groups[0].initial_twin["tags"]["country"], json(word));
  }
}

TEST(TargetDescriptionTest, ATextOfATwinThatSaysItIsOneStaysText) {
  const auto read = WithTwin("{tags: {line: !!str 1}}");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->dps()->groups[0].initial_twin["tags"]["line"], json("1"));
}

// What is sent is JSON, and what comes back is compared with what was described.
TEST(TargetDescriptionTest, ATwinThatIsReadCanBeSentAndComesBackTheSame) {
  for (const char* value :
       {".nan", ".inf", "-.inf", "1e999", "18446744073709551615", "0x10", "010", "~", "null", "+1"}) {
    const auto read = WithTwin(fmt::format("{{tags: {{value: {}}}}}", value));
    if (!read.ok()) continue;
    const json& twin = read->dps()->groups[0].initial_twin;
    EXPECT_EQ(json::parse(twin.dump()), twin) << value;
  }
}

TEST(TargetDescriptionTest, ATwinWhoseNamesAreNoNamesIsRefused) {
  for (const char* twin : {"{tags: {? [a] : 1}}", "{tags: {? {a: b} : 1}}", "{? [a] : 1}"}) {
    StatusOr<TargetDescription> read = absl::UnknownError("");
    EXPECT_NO_THROW(read = WithTwin(twin)) << twin;
    EXPECT_THAT(read.status(), Fails(Code::kInvalidArgument, reason::kTargetInvalid)) << twin;
  }
}

TEST(TargetDescriptionTest, ATwinThatContainsItselfIsRefused) {
  EXPECT_THAT(WithTwin("&twin {tags: *twin}").status(), Fails(Code::kInvalidArgument, reason::kTargetInvalid));
  EXPECT_THAT(WithTwin("{tags: &tags {list: [*tags]}}").status(),
              Fails(Code::kInvalidArgument, reason::kTargetInvalid));
}

TEST(TargetDescriptionTest, AFewOctetsBecomeNoHugeTwin) {
  std::string twin = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]";
  for (int i = 1; i < 6; ++i) {
    twin +=
        fmt::format(", a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]", i, i - 1);
  }
  EXPECT_THAT(WithTwin("{tags: {" + twin + "}}").status(), Fails(Code::kInvalidArgument, reason::kTargetInvalid));
}

TEST(TargetDescriptionTest, TooDeepATwinIsRefused) {
  const size_t depth = 20'000;
  EXPECT_THAT(WithTwin("{tags: " + std::string(depth, '[') + std::string(depth, ']') + "}").status(),
              Fails(Code::kInvalidArgument, reason::kTargetInvalid));
}

// --- Devices.

CertificateRecord Certified(uint8_t number, Time not_after, std::optional<RevocationReason> revoked = std::nullopt,
                            const std::string& authority = "devices") {
  CertificateRecord record;
  record.authority = authority;
  record.certificate = {number};
  record.not_after = not_after;
  if (revoked.has_value()) record.revocation = Revocation{.revoked = kNow, .reason = *revoked, .revoked_by = "one"};
  return record;
}

// The service's clock may be behind ours.
constexpr Duration kMargin = absl::Hours(1);

TEST(DeviceAdmissionTest, FollowsWhatWasCertifiedAndRevoked) {
  using Kind = DeviceAdmission::Kind;
  constexpr auto kHeld = RevocationReason::kCertificateHold;
  constexpr auto kReplaced = RevocationReason::kSuperseded;
  const Time year = kNow + absl::Hours(24 * 365);
  const Time later = year + absl::Hours(1);
  const Time past = kNow - kMargin - absl::Seconds(1);
  struct Case {
    const char* name;
    std::vector<CertificateRecord> certificates;
    Kind kind;
    std::vector<Bytes> named;
    std::optional<Time> collect;
    std::string authority = "devices";
    std::set<std::string> revoked_authorities = {};
  };
  const std::vector<Case> cases = {
      {"never certified", {}, Kind::kByGroup, {}, std::nullopt, ""},
      {"one that is good", {Certified(1, year)}, Kind::kByGroup, {}, std::nullopt, ""},
      {"several that are good", {Certified(1, year), Certified(2, year)}, Kind::kByGroup, {}, std::nullopt, ""},
      {"held", {Certified(1, year, kHeld)}, Kind::kBlocked, {{1}}, year},
      {"revoked", {Certified(1, year, kReplaced)}, Kind::kBlocked, {{1}}, year},
      {"two revoked, the newest first",
       {Certified(1, later, kReplaced), Certified(2, year, kHeld)},
       Kind::kBlocked,
       {{2}, {1}},
       later},
      {"three revoked, and two slots",
       {Certified(1, year, kReplaced), Certified(2, later, kReplaced), Certified(3, year, kReplaced)},
       Kind::kBlocked,
       {{3}, {2}},
       later},
      {"reissued", {Certified(1, year, kReplaced), Certified(2, later)}, Kind::kPinned, {{2}}, year},
      {"reissued while held", {Certified(1, year, kHeld), Certified(2, later)}, Kind::kPinned, {{2}}, year},
      {"reissued twice, both good",
       {Certified(1, year, kReplaced), Certified(2, year), Certified(3, later)},
       Kind::kPinned,
       {{3}, {2}},
       year},
      {"three good ones, and two slots",
       {Certified(1, year), Certified(2, year, kReplaced), Certified(3, year), Certified(4, year)},
       Kind::kPinned,
       {{4}, {3}},
       year},
      {"the newest revoked, an older one good",
       {Certified(1, later), Certified(2, year, kReplaced)},
       Kind::kPinned,
       {{1}},
       year},
      {"the reissued one revoked, too",
       {Certified(1, year, kReplaced), Certified(2, later, kReplaced)},
       Kind::kBlocked,
       {{2}, {1}},
       later},
      {"the revoked one expired", {Certified(1, past, kReplaced)}, Kind::kByGroup, {}, std::nullopt, ""},
      {"the revoked one has just expired by any clock",
       {Certified(1, kNow - kMargin, kReplaced)},
       Kind::kByGroup,
       {},
       std::nullopt,
       ""},
      {"the revoked one expires now, by our clock", {Certified(1, kNow, kReplaced)}, Kind::kBlocked, {{1}}, kNow},
      {"the revoked one expired, another is good",
       {Certified(1, past, kReplaced), Certified(2, year)},
       Kind::kByGroup,
       {},
       std::nullopt,
       ""},
      {"the good one expired", {Certified(1, year, kReplaced), Certified(2, past)}, Kind::kBlocked, {{1}}, year},
      {"an expired revoked one is not named",
       {Certified(1, past, kReplaced), Certified(2, year, kReplaced)},
       Kind::kBlocked,
       {{2}},
       year},
      {"an expired one is not waited for",
       {Certified(1, past, kReplaced), Certified(2, year, kReplaced), Certified(3, later)},
       Kind::kPinned,
       {{3}},
       year},
      {"under a successor",
       {Certified(1, year, kReplaced, "devices"), Certified(2, later, std::nullopt, "devices-2")},
       Kind::kPinned,
       {{2}},
       year,
       "devices-2"},
      {"revoked under two authorities",
       {Certified(1, year, kReplaced, "devices-2"), Certified(2, year, kReplaced, "devices")},
       Kind::kBlocked,
       {{2}, {1}},
       year},
      {"its authority is revoked", {Certified(1, year)}, Kind::kBlocked, {{1}}, year, "devices", {"devices", "other"}},
      {"another authority is revoked", {Certified(1, year)}, Kind::kByGroup, {}, std::nullopt, "", {"other"}},
      {"its authority is revoked, and it has one of the successor",
       {Certified(1, year), Certified(2, later, std::nullopt, "devices-2")},
       Kind::kPinned,
       {{2}},
       year,
       "devices-2",
       {"devices"}},
      {"both are revoked, one by its authority",
       {Certified(1, year), Certified(2, later, kReplaced, "devices-2")},
       Kind::kBlocked,
       {{2}, {1}},
       later,
       "devices-2",
       {"devices"}},
  };
  for (const Case& one : cases) {
    const DeviceAdmission admission = AdmissionOf("Device-1", one.certificates, one.revoked_authorities, kNow);
    EXPECT_EQ(admission.registration_id, "Device-1") << one.name;
    EXPECT_EQ(admission.kind, one.kind) << one.name;
    EXPECT_EQ(admission.certificates, one.named) << one.name;
    const std::optional<Time> collect = one.collect.has_value() ? std::optional(*one.collect + kMargin) : std::nullopt;
    EXPECT_EQ(admission.collect, collect) << one.name;
    EXPECT_EQ(admission.authority, one.authority) << one.name;
    EXPECT_FALSE(admission.alone) << one.name;
  }
}

TEST(DeviceAdmissionTest, ADeviceIsLiveWhileItHasAGoodCertificate) {
  const Time year = kNow + absl::Hours(24 * 365);
  constexpr auto kReplaced = RevocationReason::kSuperseded;
  EXPECT_FALSE(AdmissionOf("a", {}, {}, kNow).live);
  EXPECT_TRUE(AdmissionOf("a", {Certified(1, year)}, {}, kNow).live);
  EXPECT_TRUE(AdmissionOf("a", {Certified(1, year, kReplaced), Certified(2, year)}, {}, kNow).live);
  EXPECT_FALSE(AdmissionOf("a", {Certified(1, year, kReplaced)}, {}, kNow).live);
  EXPECT_FALSE(AdmissionOf("a", {Certified(1, kNow - kMargin)}, {}, kNow).live);
  EXPECT_FALSE(AdmissionOf("a", {Certified(1, year)}, {"devices"}, kNow).live);
}

TEST(DeviceAdmissionTest, AReleaseUndoesAHold) {
  const Time year = kNow + absl::Hours(24 * 365);
  std::vector<CertificateRecord> certificates = {Certified(1, year, RevocationReason::kCertificateHold)};
  EXPECT_EQ(AdmissionOf("a", certificates, {}, kNow).kind, DeviceAdmission::Kind::kBlocked);
  certificates[0].revocation.reset();
  EXPECT_EQ(AdmissionOf("a", certificates, {}, kNow).kind, DeviceAdmission::Kind::kByGroup);
}

TEST(DeviceAdmissionTest, APinEndsWhenTheRevokedOnesHaveExpired) {
  const Time year = kNow + absl::Hours(24 * 365);
  const std::vector<CertificateRecord> certificates = {Certified(1, year, RevocationReason::kSuperseded),
                                                       Certified(2, year + absl::Hours(24))};
  const DeviceAdmission now = AdmissionOf("a", certificates, {}, kNow);
  ASSERT_EQ(now.kind, DeviceAdmission::Kind::kPinned);
  EXPECT_EQ(AdmissionOf("a", certificates, {}, *now.collect - absl::Seconds(1)).kind, DeviceAdmission::Kind::kPinned);
  EXPECT_EQ(AdmissionOf("a", certificates, {}, *now.collect).kind, DeviceAdmission::Kind::kByGroup);
}

// --- Answers.

Status Answered(int status, const std::string& body = "", const std::string& retry_after = "") {
  WebResponse response{.status = status, .headers = {}, .body = body};
  if (!retry_after.empty()) response.headers["retry-after"] = retry_after;
  return CheckAnswer(response, "setting the group line", kNow);
}

TEST(DpsAnswerTest, EveryStatusHasAMeaning) {
  struct Case {
    int status;
    Code code;
    const char* reason;
  };
  for (const Case& one : std::vector<Case>{
           {301, Code::kFailedPrecondition, reason::kTargetRefused},
           {302, Code::kFailedPrecondition, reason::kTargetRefused},
           {400, Code::kFailedPrecondition, reason::kTargetRefused},
           {401, Code::kFailedPrecondition, reason::kTargetCredentialRefused},
           {403, Code::kFailedPrecondition, reason::kTargetCredentialRefused},
           {404, Code::kNotFound, reason::kTargetObjectUnknown},
           {405, Code::kFailedPrecondition, reason::kTargetRefused},
           {408, Code::kUnavailable, reason::kTargetUnavailable},
           {409, Code::kAborted, reason::kTargetConflict},
           {412, Code::kAborted, reason::kTargetConflict},
           {415, Code::kFailedPrecondition, reason::kTargetRefused},
           {429, Code::kUnavailable, reason::kTargetThrottled},
           {500, Code::kUnavailable, reason::kTargetUnavailable},
           {502, Code::kUnavailable, reason::kTargetUnavailable},
           {503, Code::kUnavailable, reason::kTargetUnavailable},
           {504, Code::kUnavailable, reason::kTargetUnavailable},
       }) {
    const Status status = Answered(one.status, R"({"message":"no"})");
    EXPECT_THAT(status, Fails(one.code, one.reason)) << one.status;
    EXPECT_THAT(Message(status),
                AllOf(HasSubstr("setting the group line"), HasSubstr(std::to_string(one.status)), HasSubstr("no")));
    EXPECT_EQ(RetryDelay(status), std::nullopt) << one.status;
    const bool passes_or_is_ours = one.code == Code::kUnavailable || one.status == 401 || one.status == 403;
    EXPECT_EQ(ConcernsTarget(status), passes_or_is_ours) << one.status;
  }
  for (const int status : {200, 201, 202, 204}) EXPECT_THAT(Answered(status, "<html>"), IsOk()) << status;
}

TEST(DpsAnswerTest, AnAuthoritysKeyThatIsAwayIsNotTheTargetsFailure) {
  for (const Code code : {Code::kUnavailable, Code::kDeadlineExceeded}) {
    EXPECT_FALSE(ConcernsTarget(Error(code, reason::kHsmUnavailable, "")));
    EXPECT_TRUE(ConcernsTarget(Error(code, reason::kDeadlineExceeded, "")));
    EXPECT_TRUE(ConcernsTarget(Error(code, reason::kTargetCredentialMissing, "")));
  }
  EXPECT_FALSE(ConcernsTarget(Error(Code::kUnavailable, reason::kHsmTokenNotFound, "")));
  EXPECT_TRUE(ConcernsTarget(Error(Code::kUnavailable, reason::kStoreUnavailable, "")));
}

TEST(DpsAnswerTest, ReadsEachFormOfAnError) {
  struct Case {
    const char* name;
    std::string body;
    const char* code;
    const char* says;
  };
  for (
      const Case& one : std::vector<Case>{
          {"of the data plane",
           R"({"errorCode":401002,"trackingId":"t","message":"CA certificate not found","info":{},"timestampUtc":"x"})",
           "401002", "CA certificate not found"},
          {"of the control plane", R"({"error":{"code":"IH409001","message":"exists","details":[]}})", "IH409001",
           "exists"},
          {"of the control plane, flat", R"({"code":"IH400053","httpStatusCode":"BadRequest","message":"no proof"})",
           "IH400053", "no proof"},
          {"a number as the code", R"({"error":{"code":412001,"message":"changed"}})", "412001", "changed"},
          {"of the gateway",
           R"({"Message":"ErrorCode:ArgumentInvalid;Unknown api version; uri: x","ExceptionMessage":"Tracking ID:1"})",
           "", "Unknown api version"},
          {"of one item of a bulk", R"({"registrationId":"a","errorCode":409001,"errorStatus":"exists already"})",
           "409001", "exists already"},
          {"the code in the text",
           R"({"code":"BadRequest","message":"Proof-Of-Possession failed. Tracking ID: x, errorcode: IH400053, y"})",
           "IH400053", "Proof-Of-Possession failed"},
          {"an error that is a word", R"({"error":"invalid_client"})", "", "invalid_client"},
          {"fields of other types", R"({"errorCode":{"a":1},"message":["b"],"error":null})", "", "\"b\""},
          {"a list", R"([{"errorCode":1}])", "", "[{"},
          {"a number", "17", "", "17"},
          {"JSON that breaks off", R"({"errorCode":401002,"mess)", "", "{\"errorCode\""},
          {"HTML", "<html><h1>502 Bad Gateway</h1></html>", "", "502 Bad Gateway"},
          {"nothing", "", "", "the service answered"},
      }) {
    EXPECT_EQ(ErrorCodeOf(one.body), one.code) << one.name;
    for (const int status : {400, 503}) {
      EXPECT_THAT(Message(Answered(status, one.body)), AllOf(HasSubstr(one.says), HasSubstr(one.code))) << one.name;
    }
  }
}

TEST(DpsAnswerTest, SaysNoMoreThanAFewLinesOfWhatOthersSay) {
  EXPECT_LT(Message(Answered(500, std::string(1 << 20, 'x'))).size(), 700u);
  const std::string long_message = json{{"message", std::string(1 << 20, 'x')}}.dump();
  EXPECT_LT(Message(Answered(500, long_message)).size(), 700u);
  const std::string long_code = json{{"code", std::string(1 << 20, 'x')}}.dump();
  EXPECT_LT(Message(Answered(500, long_code)).size(), 1400u);
}

TEST(DpsAnswerTest, WhatItSaysIsTextThatCanBeShown) {
  for (const std::string& body :
       {std::string("<html>\r\n<h1>\xdc"
                    "berlast</h1>\r\n</html>"),
        std::string("\x1b[2Jgone"), std::string("\0a\0", 3), std::string(R"({"message":"\u001b[2Jgone\n"})"),
        std::string("\xff\xfe") + std::string(600, '\x80')}) {
    EXPECT_TRUE(IsCleanUtf8(Message(Answered(503, body)))) << body;
  }
}

TEST(DpsAnswerTest, OnlyAServiceThatCannotNowIsComeBackToWhenItAsks) {
  for (const int status : {429, 500, 502, 503}) {
    EXPECT_EQ(RetryDelay(Answered(status, "", "7")), absl::Seconds(7)) << status;
    EXPECT_EQ(RetryDelay(Answered(status, "", "Tue, 24 Nov 2026 10:00:30 GMT")), absl::Seconds(30)) << status;
    EXPECT_EQ(RetryDelay(Answered(status, "", "86400")), absl::Minutes(10)) << status;
    for (const char* odd : {"-1", "1.5", "soon", "Tue, 24 Nov 2026 09:59:59 GMT", "2, 3"}) {
      EXPECT_EQ(RetryDelay(Answered(status, "", odd)), std::nullopt) << status << " " << odd;
    }
  }
  for (const int status : {302, 400, 401, 403, 404, 409, 412, 415}) {
    EXPECT_EQ(RetryDelay(Answered(status, "", "7")), std::nullopt) << status;
  }
  EXPECT_THAT(Answered(200, "", "7"), IsOk());
}

// --- Operations.

TEST(OperationBudgetTest, BeginsWithAFew) {
  OperationBudget budget(600);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(budget.Take(kNow), absl::ZeroDuration()) << i;
  EXPECT_GT(budget.Take(kNow), absl::ZeroDuration());
  EXPECT_EQ(budget.Take(kNow), absl::Seconds(1)) << "asking takes nothing, and ten come back in a second";
}

TEST(OperationBudgetTest, WhoWaitsAsLongAsItSaysMaySendSeveralAndNoMore) {
  for (const int64_t per_minute : {1, 7, 70, 600, 700, 999, 1000}) {
    OperationBudget budget(per_minute);
    Time now = kNow;
    for (int round = 0; round < 500; ++round) {
      int sent = 0;
      Duration wait;
      while (sent < 100 && (wait = budget.Take(now)) == absl::ZeroDuration()) ++sent;
      ASSERT_LE(sent, 10) << per_minute << " a minute";
      if (round > 0) {
        ASSERT_GE(sent, 9) << per_minute << " a minute";
      }
      now += wait;
    }
  }
}

TEST(OperationBudgetTest, WhatIsSentWasThereHoweverTheTimeFalls) {
  for (const int64_t per_minute : {7, 70, 600, 700, 999}) {
    OperationBudget budget(per_minute);
    Time now = kNow;
    while (budget.Take(now) == absl::ZeroDuration()) {
    }
    // As soon as one is there, to the quarter of a nanosecond, and a little before.
    const Duration one = absl::Minutes(1) / per_minute;
    for (int i = 0; i < 2000; ++i) {
      now += one - absl::Nanoseconds(i % 3) / 4;
      int sent = 0;
      while (sent < 100 && budget.Take(now) == absl::ZeroDuration()) ++sent;
      ASSERT_LE(sent, 2) << per_minute << " a minute";
    }
  }
}

TEST(OperationBudgetTest, NoMinuteHasMoreThanItsOperationsAndOneBurst) {
  constexpr int64_t kBurst = 10;
  for (const int64_t per_minute : {1, 60, 600, 1000}) {
    for (const Duration every : {absl::Milliseconds(3), absl::Milliseconds(250), absl::Seconds(7)}) {
      OperationBudget budget(per_minute);
      std::deque<Time> sent;
      size_t most = 0;
      for (Time now = kNow; now < kNow + absl::Minutes(5); now += every) {
        // Idle for half a minute, and greedy ever after.
        if (now > kNow + absl::Seconds(30) && now < kNow + absl::Seconds(60)) continue;
        for (int i = 0; i < 1000 && budget.Take(now) == absl::ZeroDuration(); ++i) sent.push_back(now);
        while (!sent.empty() && sent.front() <= now - absl::Minutes(1)) sent.pop_front();
        most = std::max(most, sent.size());
      }
      EXPECT_LE(most, static_cast<size_t>(per_minute + kBurst)) << per_minute << " a minute, every " << every;
    }
  }
}

TEST(OperationBudgetTest, ARestSavesUpOneBurstOnly) {
  OperationBudget budget(600);
  EXPECT_EQ(budget.Take(kNow), absl::ZeroDuration());
  const Time later = kNow + absl::Hours(24);
  int sent = 0;
  while (sent < 1000 && budget.Take(later) == absl::ZeroDuration()) ++sent;
  EXPECT_EQ(sent, 10);
}

TEST(OperationBudgetTest, AClockThatIsSetBackGivesNothing) {
  OperationBudget budget(600);
  while (budget.Take(kNow) == absl::ZeroDuration()) {
  }
  for (int i = 1; i < 100; ++i) {
    EXPECT_GT(budget.Take(kNow - absl::Minutes(i)), absl::ZeroDuration());
    EXPECT_GT(budget.Take(kNow), absl::ZeroDuration());
  }
}

// --- How a service judges.

json EnrollmentOf(const std::string& fingerprint, const char* slot = "primary") {
  return {{"registrationId", "device-1"},
          {"provisioningStatus", "enabled"},
          {"attestation",
           {{"type", "x509"},
            {"x509", {{"clientCertificates", {{slot, {{"info", {{"sha256Thumbprint", fingerprint}}}}}}}}}}}};
}

std::string FingerprintOf(const Bytes& certificate) { return absl::AsciiStrToUpper(Hex(Sha256(certificate))); }

json GroupBy(const std::string& id, const json& x509, const char* status = "enabled") {
  return {
      {"enrollmentGroupId", id}, {"provisioningStatus", status}, {"attestation", {{"type", "x509"}, {"x509", x509}}}};
}
json ByReference(const std::string& id, const std::string& name, const char* status = "enabled",
                 const char* slot = "primary") {
  return GroupBy(id, {{"caReferences", {{slot, name}}}}, status);
}
json ByCertificate(const std::string& id, const Bytes& certificate, const char* status = "enabled",
                   const char* slot = "primary") {
  return GroupBy(
      id, {{"signingCertificates", {{slot, {{"info", {{"sha256Thumbprint", FingerprintOf(certificate)}}}}}}}}, status);
}

class AdmissionCheckTest : public ::testing::Test {
 protected:
  AdmissionCheckTest()
      : leaf_(house_.Issue(house_.DeviceRequest("r-1"))->record.certificate),
        devices_(house_.issuer("devices").chain().at(0)),
        root_(house_.issuer("devices").chain().at(1)),
        chain_({leaf_, devices_, root_}),
        devices_key_(SignatureAlgorithm::kEcdsaSha256, house_.SoftwareKey("devices")) {
    state_.certificates = {{.name = "devices-ca", .thumbprint = ThumbprintOf(devices_), .verified = true, .etag = "1"}};
    state_.groups = {ByReference("line", "devices-ca")};
  }

  Time Now() const { return house_.clock.now; }
  static FoundCertificate Known(const std::string& name, const Bytes& certificate, bool verified = true) {
    return {.name = name, .thumbprint = ThumbprintOf(certificate), .verified = verified, .etag = "1"};
  }
  // A device's certificate below "devices", behind the authority's back.
  CertificateBuilder Leaf(const Subject& subject) const { return Leaf(devices_key_, subject); }
  CertificateBuilder Leaf(const SoftwareSigner& key, const Subject& subject) const {
    CertificateBuilder leaf(key, House::DeviceKey().public_key(), EncodeName(subject), Now());
    leaf.issuer = EncodeName({{"O", "Test"}, {"CN", "Test Devices"}});
    leaf.basic_constraints.clear();
    leaf.key_usage.clear();
    leaf.authority_key_identifier.clear();
    return leaf;
  }
  AdmissionVerdict Judge(const std::vector<Bytes>& chain) const { return CheckAdmission(chain, state_, Now()); }

  static void ExpectAdmitted(const AdmissionVerdict& verdict) {
    EXPECT_TRUE(verdict.admitted) << verdict.findings.back().what;
    EXPECT_EQ(verdict.error_code, 0);
    EXPECT_TRUE(verdict.findings.back().good);
  }
  static void ExpectRefused(const AdmissionVerdict& verdict, const std::string& why) {
    EXPECT_FALSE(verdict.admitted);
    EXPECT_EQ(verdict.error_code, 401002);
    ASSERT_FALSE(verdict.findings.empty());
    EXPECT_FALSE(verdict.findings.back().good);
    EXPECT_THAT(verdict.findings.back().what, HasSubstr(why));
    EXPECT_THAT(verdict.advice, Not(IsEmpty()));
  }

  House house_;
  const Bytes leaf_;
  const Bytes devices_;
  const Bytes root_;
  const std::vector<Bytes> chain_;
  const SoftwareSigner devices_key_;
  ServiceState state_;
};

TEST_F(AdmissionCheckTest, AGroupByReferenceLetsADeviceIn) {
  const AdmissionVerdict verdict = Judge(chain_);
  ExpectAdmitted(verdict);
  EXPECT_THAT(verdict.findings, Each(Field(&AdmissionVerdict::Finding::good, true)));
  EXPECT_THAT(verdict.advice, IsEmpty());
  EXPECT_THAT(verdict.findings[2].what, HasSubstr("the closest group is line"));
  ExpectAdmitted(Judge({leaf_, devices_}));
}

TEST_F(AdmissionCheckTest, AGroupByCertificateLetsADeviceInBelowAVerifiedOne) {
  state_.certificates = {Known("root-ca", root_)};
  state_.groups = {ByCertificate("line", devices_)};
  ExpectAdmitted(Judge(chain_));
  ExpectRefused(Judge({leaf_, devices_}), "CA certificate not found");
}

TEST_F(AdmissionCheckTest, TheSecondSlotCountsAsTheFirst) {
  state_.groups = {ByReference("line", "devices-ca", "enabled", "secondary")};
  ExpectAdmitted(Judge(chain_));
  state_.groups = {ByCertificate("line", devices_, "enabled", "secondary")};
  ExpectAdmitted(Judge(chain_));
}

TEST_F(AdmissionCheckTest, AReferenceIsToTheCertificateOfThatName) {
  state_.certificates = {Known("devices-ca", root_), Known("other", devices_)};
  state_.groups = {ByReference("line", "devices-ca")};
  ExpectAdmitted(Judge(chain_));  // by the root, which it refers to
  ExpectRefused(Judge({leaf_, devices_}), "no group matches any authority");
  state_.groups = {ByReference("line", "gone")};
  ExpectRefused(Judge(chain_), "no group matches any authority");
}

TEST_F(AdmissionCheckTest, AThumbprintMayBeInEitherCase) {
  json group = ByCertificate("line", devices_);
  group["attestation"]["x509"]["signingCertificates"]["primary"]["info"]["sha256Thumbprint"] = Hex(Sha256(devices_));
  state_.groups = {group};
  ExpectAdmitted(Judge(chain_));
  state_.enrollment = EnrollmentOf(Hex(Sha256(leaf_)));
  ExpectAdmitted(Judge(chain_));
}

TEST_F(AdmissionCheckTest, AStatusThatIsNotThereIsEnabled) {
  state_.groups[0].erase("provisioningStatus");
  ExpectAdmitted(Judge(chain_));
}

TEST_F(AdmissionCheckTest, AChainInAnotherOrderIsRefused) {
  ExpectRefused(Judge({leaf_, root_, devices_}), "certificate 1 of the chain was not issued by");
  ExpectRefused(Judge({leaf_, root_}), "certificate 1 of the chain was not issued by");
  ExpectRefused(Judge({leaf_, devices_, house_.issuer("access").chain().at(0)}), "certificate 2 of the chain");
}

TEST_F(AdmissionCheckTest, ACertificateThatAnotherKeySignedIsRefused) {
  const SoftwareSigner impostor(SignatureAlgorithm::kEcdsaSha256);
  ExpectRefused(Judge({Leaf(impostor, {{"CN", "device-1"}}).Build(), devices_, root_}), "was not issued by");
}

TEST_F(AdmissionCheckTest, WhatIsNoCertificateIsRefused) {
  Bytes longer = leaf_;
  longer.push_back(0);
  for (const std::vector<Bytes>& chain :
       std::vector<std::vector<Bytes>>{{Bytes{1, 2, 3}}, {leaf_, Bytes()}, {longer, devices_, root_}}) {
    const AdmissionVerdict verdict = Judge(chain);
    EXPECT_FALSE(verdict.admitted);
    ASSERT_THAT(verdict.findings, SizeIs(1));
    EXPECT_THAT(verdict.findings[0].what, HasSubstr("no certificate"));
    EXPECT_THAT(verdict.advice, Not(IsEmpty()));
  }
}

TEST_F(AdmissionCheckTest, AnExpiredDeviceIsRefused) {
  ExpectRefused(CheckAdmission(chain_, state_, Now() + absl::Hours(24 * 365 * 11)), "is expired or not valid yet");
  ExpectRefused(CheckAdmission(chain_, state_, Now() - absl::Hours(24)), "is expired or not valid yet");
}

TEST_F(AdmissionCheckTest, AnExpiredAuthorityIsRefused) {
  CertificateBuilder leaf = Leaf({{"CN", "device-1"}});
  leaf.not_after = Now() + absl::Hours(24 * 365 * 60);
  ExpectRefused(CheckAdmission({leaf.Build(), devices_, root_}, state_, Now() + absl::Hours(24 * 365 * 50)),
                "the authority CN=Test Devices,O=Test is expired");
}

TEST_F(AdmissionCheckTest, TheNameOfADeviceIsItsRegistrationId) {
  for (const char* good :
       {"a", "Device_1.line:2-", "0123456789012345678901234567890123456789012345678901234567890123"}) {
    const Bytes leaf = Leaf({{"O", "x"}, {"CN", good}}).Build();
    ExpectAdmitted(Judge({leaf, devices_, root_}));
    EXPECT_EQ(RegistrationIdOf({leaf}).value(), std::string(good));
  }
  for (const char* bad : {"a.", "a:", "a b", "gr\xc3\xbc\xc3\x9f", "a/b",
                          "01234567890123456789012345678901234567890123456789012345678901234"}) {
    const Bytes leaf = Leaf({{"CN", bad}}).Build();
    ExpectRefused(Judge({leaf, devices_, root_}), "is no registration id");
    EXPECT_EQ(RegistrationIdOf({leaf}).value(), std::nullopt) << bad;
  }
  const Bytes nameless = Leaf({{"O", "x"}}).Build();
  ExpectRefused(Judge({nameless, devices_, root_}), "is no registration id");
  EXPECT_EQ(RegistrationIdOf({nameless}).value(), std::nullopt);
  EXPECT_THAT(RegistrationIdOf({}), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_THAT(RegistrationIdOf({Bytes{1}}), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  const auto beside = RegistrationIdOf({leaf_, devices_, Bytes{1}});
  EXPECT_THAT(beside, Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_THAT(Message(beside.status()), HasSubstr("chain[1]: is no certificate"));
  EXPECT_EQ(RegistrationIdOf(chain_).value(), "device-1");
}

// What is said of a name goes to logs and terminals.
TEST_F(AdmissionCheckTest, ANameIsReadByItsStringTypeAndNeverToldInOctets) {
  constexpr uint8_t kTeletexString = 0x14;
  constexpr uint8_t kBmpString = 0x1e;
  const auto named = [this](uint8_t type, const std::string& octets) {
    CertificateBuilder leaf = Leaf({{"CN", "device-1"}});
    leaf.subject = der::Sequence(
        {der::Constructed(der::kSet, {der::Sequence({der::Oid("2.5.4.3"), der::Tlv(type, AsBytes(octets))})})});
    return leaf.Build();
  };
  const struct {
    const char* name;
    uint8_t type;
    std::string octets;
    const char* says;
  } cases[] = {
      {"a title for the terminal, no UTF-8", kTeletexString, "\xff\x1b]0;x", "has characters that are no text"},
      {"the same in UTF-8", der::kUtf8String, "\x1b]0;x", "has characters that are no text"},
      {"the same in UCS-2", kBmpString, std::string("\0\x1b\0x", 4), "has characters that are no text"},
      {"a line break", der::kIa5String, "device-1\nadmitted", "has characters that are no text"},
      {"a NUL", der::kUtf8String, std::string("device-1\0", 9), "has characters that are no text"},
      {"right to left", der::kUtf8String,
       "\xe2\x80\xae"
       "1-ecived",
       "has characters that are no text"},
      {"Latin-1", kTeletexString, "gr\xfc\xdf", "CN \"gr\xc3\xbc\xc3\x9f\" is no registration id"},
      {"a long one", der::kUtf8String, std::string(10'000, 'a'), "...\" is no registration id"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    const Bytes leaf = named(test.type, test.octets);
    EXPECT_EQ(RegistrationIdOf({leaf}).value(), std::nullopt);
    const AdmissionVerdict verdict = Judge({leaf, devices_, root_});
    ExpectRefused(verdict, test.says);
    EXPECT_TRUE(IsCleanUtf8(verdict.findings.back().what));
    EXPECT_LT(verdict.findings.back().what.size(), 200u);
  }
  EXPECT_EQ(RegistrationIdOf({named(kBmpString, std::string("\0a\0-\0"
                                                            "1",
                                                            6))})
                .value(),
            "a-1");
  EXPECT_EQ(RegistrationIdOf({named(kTeletexString, "device-1")}).value(), "device-1");
}

TEST_F(AdmissionCheckTest, ADeviceThatIsNoClientIsToldOf) {
  CertificateBuilder leaf = Leaf({{"CN", "device-1"}});
  leaf.further = ExtendedKeyUsage({"1.3.6.1.5.5.7.3.1"});
  const AdmissionVerdict verdict = Judge({leaf.Build(), devices_, root_});
  ExpectAdmitted(verdict);
  EXPECT_THAT(verdict.findings, ::testing::Contains(Field(&AdmissionVerdict::Finding::good, false)).Times(1));
  EXPECT_THAT(verdict.advice, HasSubstr("clientAuth"));
}

TEST_F(AdmissionCheckTest, TheClosestGroupDecidesThoughItIsDisabled) {
  state_.certificates.push_back(Known("root-ca", root_));
  state_.groups = {ByReference("all", "root-ca"), ByReference("line", "devices-ca", "disabled")};
  ExpectRefused(Judge(chain_), "the closest group is line");
  state_.groups = {ByReference("all", "root-ca"), ByCertificate("revoked-devices", devices_, "disabled")};
  ExpectRefused(Judge(chain_), "the closest group is revoked-devices");
}

TEST_F(AdmissionCheckTest, AnEnabledGroupBelowADisabledOneLetsIn) {
  state_.certificates.push_back(Known("root-ca", root_));
  state_.groups = {ByReference("all", "root-ca", "disabled"), ByReference("line", "devices-ca")};
  ExpectAdmitted(Judge(chain_));
}

TEST_F(AdmissionCheckTest, AGroupFurtherUpLetsInWhatNoneIsCloserTo) {
  state_.certificates = {Known("root-ca", root_)};
  state_.groups = {ByReference("all", "root-ca")};
  ExpectAdmitted(Judge(chain_));
  ExpectRefused(Judge({leaf_, devices_}), "no group matches any authority");
}

TEST_F(AdmissionCheckTest, WithoutAVerifiedCertificateNobodyComesIn) {
  state_.certificates = {Known("devices-ca", devices_, false)};
  ExpectRefused(Judge(chain_), "CA certificate not found");
  state_.certificates.push_back(Known("root-ca", root_));
  ExpectAdmitted(Judge(chain_));
  state_.certificates = {};
  state_.groups = {ByCertificate("line", devices_)};
  ExpectRefused(Judge(chain_), "CA certificate not found");
}

TEST_F(AdmissionCheckTest, ADeviceThatSendsItsCertificateOnlyIsRefused) {
  ExpectRefused(Judge({leaf_}), "the device sends no issuer's certificate");
}

TEST_F(AdmissionCheckTest, WithoutAGroupNobodyComesIn) {
  state_.groups = {};
  ExpectRefused(Judge(chain_), "no group matches any authority");
  state_.groups = {{{"enrollmentGroupId", "tpm"}, {"attestation", {{"type", "symmetricKey"}}}}};
  ExpectRefused(Judge(chain_), "no group matches any authority");
}

TEST_F(AdmissionCheckTest, AnEnrollmentOfThisCertificateComesBeforeEveryGroup) {
  state_.groups = {ByReference("line", "devices-ca", "disabled")};
  for (const char* slot : {"primary", "secondary"}) {
    state_.enrollment = EnrollmentOf(FingerprintOf(leaf_), slot);
    const AdmissionVerdict verdict = Judge(chain_);
    ExpectAdmitted(verdict);
    EXPECT_THAT(verdict.findings[1].what, HasSubstr(slot));
  }
  state_.certificates = {};
  ExpectAdmitted(Judge({leaf_}));
  ExpectRefused(Judge(chain_), "CA certificate not found");
}

TEST_F(AdmissionCheckTest, OfDevicesThatAreNotMadeYetItIsJudgedByProfileAndChain) {
  const std::vector<Bytes> issuers = {devices_, root_};
  const auto judge = [&](const ProspectiveDevice& device = {.profile = "device-dps"}) {
    return CheckProspect(device, issuers, state_, Now());
  };
  ExpectAdmitted(judge());
  EXPECT_THAT(judge().findings, Each(Field(&AdmissionVerdict::Finding::good, true)));
  EXPECT_THAT(judge().findings[0].what, HasSubstr("under profile device-dps"));
  // It is what a device that was made would meet.
  EXPECT_EQ(judge().findings.back().what, Judge(chain_).findings.back().what);
  ExpectRefused(judge({.profile = "idevid", .common_name = false}), "profile idevid gives a device no CN");
  const AdmissionVerdict no_client = judge({.profile = "opcua", .client_auth = false});
  ExpectAdmitted(no_client);
  EXPECT_THAT(no_client.findings, ::testing::Contains(Field(&AdmissionVerdict::Finding::good, false)).Times(1));
  ExpectRefused(CheckProspect({.profile = "device-dps"}, {root_, devices_}, state_, Now()),
                "certificate 2 of the chain was not issued by");
  ExpectRefused(CheckProspect({.profile = "device-dps"}, {Bytes{1}}, state_, Now()), "no certificate");
  ExpectRefused(CheckProspect({.profile = "device-dps"}, {}, state_, Now()), "sends no issuer's certificate");
  ExpectRefused(CheckProspect({.profile = "device-dps"}, issuers, state_, Now() + absl::Hours(24 * 365 * 50)),
                "the authority CN=Test Devices,O=Test is expired");
  state_.groups = {ByReference("line", "devices-ca", "disabled")};
  ExpectRefused(judge(), "the closest group is line");
  state_.groups = {};
  ExpectRefused(judge(), "no group matches any authority");
  state_.groups = {ByCertificate("line", devices_)};
  state_.certificates = {};
  ExpectRefused(judge(), "CA certificate not found");
}

TEST_F(AdmissionCheckTest, AnEnrollmentOfAnotherCertificateKeepsThisOneOut) {
  const Bytes newer = house_.Issue(house_.DeviceRequest("r-2", "device-2"))->record.certificate;
  state_.enrollment = EnrollmentOf(FingerprintOf(newer));
  ExpectRefused(Judge(chain_), "for another certificate");
  state_.enrollment = {{"registrationId", "device-1"}, {"attestation", {{"type", "symmetricKey"}}}};
  ExpectRefused(Judge(chain_), "for another certificate");
}

TEST_F(AdmissionCheckTest, ADisabledEnrollmentKeepsADeviceOutWhateverItNames) {
  state_.enrollment = EnrollmentOf(FingerprintOf(leaf_));
  state_.enrollment["provisioningStatus"] = "disabled";
  ExpectRefused(Judge(chain_), "individual enrollment, which is disabled");
  state_.enrollment = {{"provisioningStatus", "disabled"}, {"attestation", {{"type", "symmetricKey"}}}};
  ExpectRefused(Judge(chain_), "individual enrollment, which is disabled");
}

}  // namespace
}  // namespace hallmark
