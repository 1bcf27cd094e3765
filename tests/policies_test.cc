#include <gtest/gtest.h>

#include <algorithm>

#include "base/reason.h"
#include "policies/load.h"
#include "policies/shipped.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

const Time kNow = absl::FromUnixSeconds(1'790'000'000);
const IssuerValidity kIssuer = {kNow - absl::Hours(24), kNow + absl::Hours(24 * 365 * 15)};

ProfileMap Shipped() {
  return LoadProfiles(std::string(HALLMARK_SOURCE_DIR) + "/policies/profiles", "factory.example").value();
}
Access ShippedAccess() { return LoadAccess(std::string(HALLMARK_SOURCE_DIR) + "/policies/roles.yaml").value(); }

Facts DeviceFacts() {
  Facts facts;
  facts.subject = {{"CN", "device-1"}};
  return facts;
}

TEST(ProfileTest, ShippedProfilesLoadAndAreTheEmbeddedOnes) {
  const ProfileMap profiles = Shipped();
  for (const char* name : {"root", "issuing-authority", "device-dps", "station", "operator", "auditor", "tls-server"}) {
    ASSERT_TRUE(profiles.contains(name)) << name;
    const auto& embedded = ShippedPolicies();
    const auto file = std::find_if(embedded.begin(), embedded.end(), [&](const ShippedPolicy& policy) {
      return policy.path == std::string("profiles/") + name + ".yaml";
    });
    ASSERT_NE(file, embedded.end()) << name;
    EXPECT_THAT(ParseProfile(name, std::string(file->path), std::string(file->text), "x"), IsOk());
  }
  EXPECT_FALSE(profiles.at("device-dps")->ca);
  EXPECT_EQ(profiles.at("issuing-authority")->path_length, 0);
}

TEST(ProfileTest, ADeviceGetsWhatItsProfileSays) {
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

TEST(ProfileTest, RefusesWhatItDoesNotGrant) {
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

TEST(ProfileTest, NoCertificateOutlivesItsIssuer) {
  Facts facts = DeviceFacts();
  facts.lifetime = absl::Hours(1);
  const Time end = kNow + absl::Hours(1) - absl::Seconds(1);  // inclusive
  EXPECT_THAT(Decide(Shipped().at("device-dps"), facts, kNow, {absl::InfinitePast(), end}), IsOk());
  EXPECT_THAT(Decide(Shipped().at("device-dps"), facts, kNow, {absl::InfinitePast(), end - absl::Seconds(1)}),
              Fails(Code::kInvalidArgument, reason::kValidityNotAllowed));
}

TEST(ProfileTest, BackdatingStopsAtTheIssuersBeginning) {
  EXPECT_EQ(Decide(Shipped().at("device-dps"), DeviceFacts(), kNow, {kNow, kIssuer.not_after}).value().not_before,
            kNow);
}

TEST(ProfileTest, EscapesNamesAsRfc4514Does) {
  EXPECT_EQ(ToRfc4514({{"O", "A, Inc."}, {"CN", "#x+y\"<>;\\ "}}), "CN=\\#x\\+y\\\"\\<\\>\\;\\\\\\ ,O=A\\, Inc.");
}

TEST(ProfileTest, RefusesAFileThatContradictsItself) {
  const std::string good =
      "description: d\nkeys: [ec-p256]\nsubject:\n  - {type: CN, pattern: x}\nvalidity: {lifetime: 1d}\nkey_usage: "
      "[digitalSignature]\n";
  ASSERT_THAT(ParseProfile("p", "p.yaml", good, "realm"), IsOk());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {good + "ca: {path_length: 0}\n", "keyCertSign and ca go together"},
      {good + "ca: {path_length: -1}\n", "must be 0 to 8"},
      {good + "self_signed: true\n", "only a certificate with ca"},
      {good + "extended_key_usage: [clientAuthentication]\n", "neither a purpose"},
      {good + "extended_key_usage: [clientAuth, clientAuth]\n", "stands twice"},
      {good + "extended_key_usage: [1.50.1]\n", "neither a purpose"},
      {good + "extended_key_usage: [0.40.1]\n", "neither a purpose"},
      {good + "extended_key_usage: [3.1.1]\n", "neither a purpose"},
      {good + "extended_key_usage: ['1.03.1']\n", "neither a purpose"},
      {good + "keyusage: [digitalSignature]\n", "keyusage: unknown field"},
      {"description: d\nkeys: [ec-p224]\nsubject:\n  - {type: CN, pattern: x}\nvalidity: {lifetime: 1d}\nkey_usage: "
       "[digitalSignature]\n",
       "'ec-p224' is not a key type"},
      {"description: d\nkeys: [ec-p256]\nsubject:\n  - {type: CN}\nvalidity: {lifetime: 1d}\nkey_usage: "
       "[digitalSignature]\n",
       "give a pattern for what the CSR asks for"},
      {"description: d\nkeys: [ec-p256]\nsubject:\n  - {type: CN, pattern: '['}\nvalidity: {lifetime: 1d}\nkey_usage: "
       "[digitalSignature]\n",
       "is not a regular expression"},
      {"description: d\nkeys: [ec-p256]\nsubject:\n  - {type: UID, pattern: x}\nvalidity: {lifetime: 1d}\nkey_usage: "
       "[digitalSignature]\n",
       "'UID' is neither CN"},
      {"description: d\nkeys: [ec-p256]\nsubject:\n  - {type: CN, pattern: x}\nvalidity: {lifetime: 2d, max_lifetime: "
       "1d}\nkey_usage: [digitalSignature]\n",
       "is shorter than lifetime"},
      {"description: d\nkeys: [ec-p256]\nsubject:\n  - {type: CN, pattern: x}\nkey_usage: [digitalSignature]\n",
       "validity: is required"},
      {"description: d\nkeys: []\nsubject:\n  - {type: CN, pattern: x}\nvalidity: {lifetime: 1d}\nkey_usage: "
       "[digitalSignature]\n",
       "keys: is empty"},
  };
  for (const auto& [text, message] : cases) {
    const StatusOr<Profile> profile = ParseProfile("p", "p.yaml", text, "realm");
    EXPECT_THAT(profile, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << text;
    EXPECT_THAT(Message(profile.status()), HasSubstr(message)) << text;
  }
}

TEST(CallerTest, ReadsUrisStrictly) {
  const StatusOr<Caller> caller = ParseCallerUri("hallmark://factory.example/station/line-1");
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->realm, "factory.example");
  EXPECT_EQ(caller->role, "station");
  EXPECT_EQ(caller->name, "line-1");
  for (const char* bad :
       {"", "hallmark://", "hallmark://r", "hallmark://r/station", "hallmark://r/station/", "hallmark:///station/a",
        "hallmark://r/station/a/b", "https://r/station/a", "hallmark://r/Station/a", "hallmark://r/station/a b",
        "hallmark://r/station/.a", "hallmark://r//a"}) {
    EXPECT_THAT(ParseCallerUri(bad), Fails(Code::kUnauthenticated, reason::kCallerUnauthenticated)) << bad;
  }
}

// Every role of roles.yaml, and one that it does not know, against every permission.
TEST(AccessTest, GrantsWhatRolesYamlSaysAndNothingElse) {
  const Access access = ShippedAccess();
  const std::string me = "hallmark://r/x/me";
  struct Case {
    const char* permission;
    Resource resource;
    const char* allowed;  // roles
  };
  const std::vector<Case> cases = {
      {permission::kIssue, {"devices", "device-dps", me}, "station operator"},
      {permission::kIssue, {"access", "station", me}, "operator"},
      {permission::kIssue, {"access", "operator", me}, "operator"},
      {permission::kIssue, {"root", "device-dps", me}, "operator"},  // the root's pathLenConstraint forbids it
      {permission::kIssue, {"plant-b", "device-dps", me}, "operator"},
      {permission::kIssue, {"devices-2", "device-dps", me, {"devices"}}, "station operator"},
      {permission::kIssue, {"devices-3", "device-dps", me, {"devices-2", "devices"}}, "station operator"},
      {permission::kIssue, {"devices-2", "device-dps", me, {"access"}}, "operator"},
      {permission::kIssue, {"access", "device-dps", me}, "operator"},  // the profile itself forbids it
      {permission::kIssue, {"root", "issuing-authority", me}, ""},
      {permission::kIssue, {"root", "root", me}, ""},
      {permission::kGetCertificate, {"devices", "device-dps", me}, "station operator auditor"},
      {permission::kGetCertificate, {"devices", "device-dps", "hallmark://r/x/other"}, "operator auditor"},
      {permission::kGetCertificate, {"devices", "", ""}, "operator auditor"},
      {permission::kListCertificates, {"devices", "", ""}, "operator auditor"},
      {permission::kListCertificates, {"", "", ""}, "operator auditor"},
      {permission::kRevoke, {"devices", "device-dps", me}, "operator"},
      {permission::kGetAuthority, {"devices", "", ""}, "station operator auditor"},
      {permission::kFetchCsr, {"devices", "", ""}, "operator"},
      {permission::kCreateAuthority, {"plant-b", "issuing-authority", ""}, "operator"},
      {permission::kCreateAuthority, {"root-2", "root", ""}, "operator"},
      {permission::kActivateAuthority, {"plant-b", "", ""}, "operator"},
      {permission::kUpdateAuthority, {"devices", "", ""}, "operator"},
      {permission::kGetCrl, {"devices", "", ""}, "station operator auditor"},
      {permission::kGenerateCrl, {"devices", "", ""}, "operator"},
      {"certificates.everything", {"devices", "", ""}, ""},
  };
  for (const Case& c : cases) {
    for (const char* role : {"station", "operator", "auditor", "device", ""}) {
      Caller caller;
      caller.uri = me;
      caller.role = role;
      const bool allowed = *role != '\0' && std::string(c.allowed).find(role) != std::string::npos;
      const Status status = access.Check(caller, c.permission, c.resource);
      if (allowed) {
        EXPECT_THAT(status, IsOk()) << role << " " << c.permission << " " << c.resource.profile;
      } else {
        EXPECT_THAT(status, Fails(Code::kPermissionDenied, reason::kPermissionDenied))
            << role << " " << c.permission << " " << c.resource.profile;
      }
    }
  }
}

TEST(AccessTest, AGrantOnOneAuthorityDoesNotCoverACallOnAll) {
  const Access access =
      ParseAccess(
          "roles.yaml",
          "roles:\n  reader:\n    grants:\n      - {permissions: [certificates.list], authorities: [devices]}\n")
          .value();
  const Caller reader = ParseCallerUri("hallmark://r/reader/one").value();
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"devices", "device-dps", ""}), IsOk());
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"devices", "", ""}),
              IsOk());  // profiles: "*" by default
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"access", "", ""}),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"", "", ""}),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
}

TEST(AccessTest, RefusesARolesFileWithAnUnknownWord) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"roles:\n  station:\n    grants:\n      - permissions: [certificates.isue]\n",
       "'certificates.isue' is not a permission"},
      {"roles:\n  station:\n    grants:\n      - {permissions: [crls.get], profile: device}\n",
       "profile: unknown field"},
      {"roles:\n  station: {}\n", "roles.station.grants: is required"},
      {"role: {}\n", "roles: is required"},
  };
  for (const auto& [text, message] : cases) {
    const StatusOr<Access> access = ParseAccess("roles.yaml", text);
    EXPECT_THAT(access, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << text;
    EXPECT_THAT(Message(access.status()), HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace hallmark
