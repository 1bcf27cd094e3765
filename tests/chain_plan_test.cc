// What is planned of a provisioning service's certificates and groups, of what it should have, what it has and what we
// wrote; and that doing it leads there.
#include "publish/chain_plan.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "base/reason.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Kind = PlannedStep::Kind;

WantedCertificate Certificate(const std::string& authority, bool proof = true, const Status& provable = {}) {
  const Bytes der = ToBytes(AsBytes("certificate of " + authority));
  return {.authority = authority,
          .certificate = der,
          .thumbprint = ThumbprintOf(der),
          .fingerprint = absl::AsciiStrToUpper(Hex(Sha256(der))),
          .proof = proof,
          .provable = provable};
}

std::string NameOf(const std::string& authority) { return CertificateNameOf(Certificate(authority)); }

FoundCertificate Found(const std::string& authority, bool verified = true, const std::string& name = "") {
  return {.name = name.empty() ? NameOf(authority) : name,
          .thumbprint = Certificate(authority).thumbprint,
          .verified = verified,
          .etag = "etag of " + authority};
}

// What a service says of a certificate that stands in a group.
json InfoOf(const std::string& authority) {
  return {{"info",
           {{"subjectName", "CN=" + authority},
            {"sha256Thumbprint", Certificate(authority).fingerprint},
            {"serialNumber", "01"},
            {"version", 3}}}};
}

// A group as a service has it, with `x509` as its attestation.
json Group(const std::string& id, const json& x509, const std::string& status = "enabled") {
  return {{"enrollmentGroupId", id},
          {"etag", "\"etag of " + id + "\""},
          {"createdDateTimeUtc", "2026-01-01T00:00:00Z"},
          {"lastUpdatedDateTimeUtc", "2026-01-01T00:00:00Z"},
          {"provisioningStatus", status},
          {"attestation", {{"type", "x509"}, {"x509", x509}}}};
}
json References(const std::string& primary, const std::string& secondary = "") {
  json slots = {{"primary", primary}};
  if (!secondary.empty()) slots["secondary"] = secondary;
  return {{"caReferences", slots}};
}
json Certificates(const std::string& primary, const std::string& secondary = "") {
  json slots = {{"primary", InfoOf(primary)}};
  if (!secondary.empty()) slots["secondary"] = InfoOf(secondary);
  return {{"signingCertificates", slots}};
}

// A certificate that is sent to a group.
json PemOf(const std::string& authority) {
  return {{"certificate", PemEncode("CERTIFICATE", Certificate(authority).certificate)}};
}
// Of a group that has these certificates, what we note of its attestation.
json NoteOf(const std::string& primary, const std::string& secondary = "") {
  const auto slot = [](const std::string& authority) {
    return authority.empty() ? "" : "certificate " + Certificate(authority).fingerprint;
  };
  return {{"type", "x509"}, {"primary", slot(primary)}, {"secondary", slot(secondary)}};
}
json AttestationOf(const json& group) { return OwnFieldsOf(group, {{"attestation", ""}})["attestation"]; }

WantedGroup Wanted(const std::string& id, const std::vector<std::string>& authorities, bool by_reference = true) {
  WantedGroup group{.described = {.group = id, .authority = authorities.front(), .by_reference = by_reference},
                    .enabled = true,
                    .certificates = {}};
  for (const std::string& authority : authorities) group.certificates.push_back(Certificate(authority));
  return group;
}

std::string Text(const PlannedStep& step) {
  static const std::map<Kind, std::string> kNames = {{Kind::kUpload, "upload "},
                                                     {Kind::kProve, "prove "},
                                                     {Kind::kClaim, "claim "},
                                                     {Kind::kBind, "bind "},
                                                     {Kind::kRemove, "remove "}};
  return kNames.at(step.kind) + step.id;
}
std::vector<std::string> Texts(const ChainPlan& plan) {
  std::vector<std::string> texts;
  for (const PlannedStep& step : plan.steps) texts.push_back(Text(step));
  return texts;
}
std::string Joined(const std::vector<std::string>& texts) { return fmt::format("{}", fmt::join(texts, "; ")); }

// A service, and what we have written of it, in which steps are done as a real one would: it refuses what is stale,
// what refers to nothing, what is given by its info and does not stand there, and to remove what is referred to.
class Service {
 public:
  FoundChain found;
  WrittenChain written;

  ChainPlan Plan(const WantedChain& wanted, bool take_over = false) const {
    return PlanChain(wanted, found, written, take_over);
  }

  // Empty: it is done.
  std::string Do(const PlannedStep& step) {
    switch (step.kind) {
      case Kind::kUpload: return Upload(step);
      case Kind::kProve: return Prove(step);
      case Kind::kClaim: return Claim(step);
      case Kind::kBind: return Bind(step);
      case Kind::kRemove: return Remove(step);
    }
    return "no step";
  }

  // As it is done: planned anew after each step, until there is none. Empty: it came to that.
  std::string Publish(const WantedChain& wanted, bool take_over = false) {
    for (int i = 0; i < 100; ++i) {
      const ChainPlan plan = Plan(wanted, take_over);
      if (plan.steps.empty()) {
        for (const auto& [id, own] : plan.settled) written.groups[id] = own;
        return Joined(plan.conflicts) + Joined(plan.obstacles);
      }
      const PlannedStep& step = plan.steps.front();
      if (const std::string refused = Do(step); !refused.empty()) return Text(step) + ": " + refused;
    }
    return "it goes on for ever";
  }
  // The same: all at once, and none keeps another from being tried. Empty: all are done.
  std::string Deny(const WantedChain& wanted) {
    std::string refusals;
    const ChainPlan plan = PlanDenials(wanted, found, written);
    for (const PlannedStep& step : plan.steps) {
      EXPECT_EQ(step.kind, Kind::kBind);
      EXPECT_TRUE(step.denies) << Text(step);
      if (const std::string refused = Do(step); !refused.empty()) refusals += Text(step) + ": " + refused + "; ";
    }
    return refusals;
  }

  json* FindGroup(const std::string& id) {
    const auto at = std::find_if(found.groups.begin(), found.groups.end(), [&id](const json& group) {
      return absl::AsciiStrToLower(group["enrollmentGroupId"].get<std::string>()) == absl::AsciiStrToLower(id);
    });
    return at == found.groups.end() ? nullptr : &*at;
  }
  FoundCertificate* FindCertificate(const std::string& name) {
    const auto at = std::find_if(found.certificates.begin(), found.certificates.end(),
                                 [&name](const FoundCertificate& one) { return one.name == name; });
    return at == found.certificates.end() ? nullptr : &*at;
  }
  // Whether the group has the authority's certificate, one way or the other.
  bool Names(const json& group, const std::string& authority) {
    const std::string text = group["attestation"].dump();
    if (text.find(Certificate(authority).fingerprint) != text.npos) return true;
    return std::any_of(found.certificates.begin(), found.certificates.end(), [&](const FoundCertificate& one) {
      return one.thumbprint == Certificate(authority).thumbprint &&
             text.find('"' + one.name + '"') != std::string::npos;
    });
  }
  bool IsLetIn(const std::string& authority) {
    return std::any_of(found.groups.begin(), found.groups.end(), [&](const json& group) {
      return group["provisioningStatus"] == "enabled" && Names(group, authority);
    });
  }
  bool IsKeptOut(const std::string& authority) {
    return std::any_of(found.groups.begin(), found.groups.end(), [&](const json& group) {
      return group["provisioningStatus"] == "disabled" && Names(group, authority);
    });
  }

 private:
  std::string NextEtag() { return fmt::format("\"{}\"", ++etags_); }

  std::string Upload(const PlannedStep& step) {
    if (FindCertificate(step.id) != nullptr) return "there is one of that name";
    written.certificates.insert(step.id);
    found.certificates.push_back(
        {.name = step.id, .thumbprint = step.certificate.thumbprint, .verified = false, .etag = NextEtag()});
    return "";
  }
  std::string Prove(const PlannedStep& step) {
    if (!step.certificate.provable.ok()) return Message(step.certificate.provable);
    FoundCertificate* certificate = FindCertificate(step.id);
    if (certificate == nullptr || certificate->thumbprint != step.certificate.thumbprint) return "no such certificate";
    certificate->verified = true;
    certificate->etag = NextEtag();
    return "";
  }
  std::string Claim(const PlannedStep& step) {
    FoundCertificate* certificate = FindCertificate(step.id);
    if ((certificate == nullptr ? "" : certificate->etag) != step.found.etag) return "stale";
    if (certificate == nullptr) {
      found.certificates.push_back(
          {.name = step.id, .thumbprint = step.certificate.thumbprint, .verified = true, .etag = NextEtag()});
      return "";
    }
    certificate->verified = true;
    certificate->etag = NextEtag();
    return "";
  }
  std::string Bind(const PlannedStep& step) {
    for (const char* field : {"etag", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"}) {
      if (step.group.contains(field)) return fmt::format("{} stands in the body", field);
    }
    if (step.group.contains("iotHubs") != step.group.contains("allocationPolicy")) return "hubs without allocation";
    json* before = FindGroup(step.id);
    if ((before == nullptr ? "" : before->at("etag").get<std::string>()) != step.etag) return "stale";
    json group = step.group;
    json& attestation = group["attestation"];
    if (attestation["type"] == "x509") {
      json& x509 = attestation["x509"];
      if (x509.size() != 1) return "two ways to bind";
      const json references = x509.value("caReferences", json::object());
      for (const auto& [slot, name] : references.items()) {
        if (FindCertificate(name) == nullptr) return "it refers to no certificate";
      }
      const json certificates = x509.value("signingCertificates", json::object());
      for (const auto& [slot, certificate] : certificates.items()) {
        if (certificate.contains("info")) {
          const json::json_pointer at("/attestation/x509/signingCertificates/" + slot);
          if (before == nullptr || !before->contains(at) || before->at(at) != certificate) {
            return fmt::format("the {} certificate is not the one that is stored", slot);
          }
          continue;
        }
        const auto blocks = PemDecode("CERTIFICATE", certificate["certificate"].get<std::string>());
        if (!blocks.ok() || blocks->size() != 1) return "no certificate";
        x509["signingCertificates"][slot] = {
            {"info", {{"sha256Thumbprint", absl::AsciiStrToUpper(Hex(Sha256(blocks->front())))}}}};
      }
    }
    group["etag"] = NextEtag();
    group["createdDateTimeUtc"] = "2026-01-01T00:00:00Z";
    group["lastUpdatedDateTimeUtc"] = "2026-01-02T00:00:00Z";
    if (before == nullptr) {
      found.groups.push_back(group);
    } else {
      *before = group;
    }
    written.groups[step.id] = step.own;
    return "";
  }
  std::string Remove(const PlannedStep& step) {
    FoundCertificate* certificate = FindCertificate(step.id);
    if (certificate == nullptr || certificate->etag != step.found.etag) return "stale";
    for (const json& group : found.groups) {
      const std::string text = absl::AsciiStrToLower(group["attestation"].dump());
      if (text.find('"' + absl::AsciiStrToLower(step.id) + '"') != text.npos) return "a group refers to it";
    }
    found.certificates.erase(found.certificates.begin() + (certificate - found.certificates.data()));
    written.certificates.erase(step.id);
    return "";
  }

  int etags_ = 0;
};

class ChainPlanTest : public ::testing::Test {
 protected:
  // "devices" published under "line", as it is described.
  void PublishDevices() {
    wanted_ = {.certificates = {Certificate("devices")},
               .groups = {Wanted("line", {"devices"})},
               .denied = {},
               .warnings = {}};
    ASSERT_EQ(service_.Publish(wanted_), "");
    ASSERT_THAT(service_.Plan(wanted_).steps, IsEmpty());
  }
  // "devices" was rolled over.
  void RollOver() {
    wanted_.certificates = {Certificate("devices"), Certificate("devices-2")};
    wanted_.groups[0].certificates = {Certificate("devices"), Certificate("devices-2")};
  }
  ChainPlan Plan(bool take_over = false) const { return service_.Plan(wanted_, take_over); }
  json& Line() { return *service_.FindGroup("line"); }
  // The only step of the plan.
  PlannedStep Only(const ChainPlan& plan) const {
    EXPECT_THAT(plan.steps, SizeIs(1)) << Joined(Texts(plan));
    return plan.steps.empty() ? PlannedStep() : plan.steps[0];
  }

  WantedChain wanted_;
  Service service_;
};

// --- Certificates.

TEST_F(ChainPlanTest, UploadsThenProvesThenBinds) {
  wanted_ = {.certificates = {Certificate("devices"), Certificate("plant-b")},
             .groups = {Wanted("line", {"devices"}), Wanted("inline", {"plant-c"}, false)},
             .denied = {},
             .warnings = {}};
  const ChainPlan plan = Plan();
  EXPECT_THAT(Texts(plan),
              ElementsAre("upload " + NameOf("devices"), "upload " + NameOf("plant-b"), "prove " + NameOf("devices"),
                          "prove " + NameOf("plant-b"), "bind line", "bind inline"));
  EXPECT_THAT(plan.conflicts, IsEmpty());
  EXPECT_THAT(plan.obstacles, IsEmpty());
  EXPECT_THAT(plan.settled, IsEmpty());
  EXPECT_EQ(plan.certificates, 2u);
  EXPECT_EQ(plan.groups, 2u);
  for (const PlannedStep& step : plan.steps) {
    EXPECT_FALSE(step.denies) << Text(step);
    EXPECT_THAT(step.details, Not(IsEmpty())) << Text(step);
    EXPECT_EQ(step.etag, "");
  }
  EXPECT_EQ(plan.steps[4].group, json::parse(fmt::format(
                                     R"({{"enrollmentGroupId": "line", "provisioningStatus": "enabled",
                                          "attestation": {{"type": "x509",
                                                           "x509": {{"caReferences": {{"primary": "{}"}}}}}}}})",
                                     NameOf("devices"))));
  const json& slots = plan.steps[5].group["attestation"]["x509"]["signingCertificates"];
  EXPECT_EQ(slots,
            (json{{"primary", {{"certificate", PemEncode("CERTIFICATE", Certificate("plant-c").certificate)}}}}));
}

TEST_F(ChainPlanTest, NothingIsDoneWhereNothingIsToDo) {
  PublishDevices();
  const ChainPlan plan = Plan();
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.conflicts, IsEmpty());
  EXPECT_THAT(plan.obstacles, IsEmpty());
  ASSERT_TRUE(plan.settled.contains("line"));
  EXPECT_EQ(plan.settled.at("line"), service_.written.groups.at("line"));
  EXPECT_EQ(plan.certificates, 1u);
  EXPECT_EQ(plan.groups, 1u);
}

TEST_F(ChainPlanTest, WhatSomebodyMadeAsItShouldBeIsLeftAlone) {
  wanted_ = {.certificates = {Certificate("devices")},
             .groups = {Wanted("line", {"devices"}), Wanted("inline", {"plant-c"}, false)},
             .denied = {},
             .warnings = {}};
  service_.found.certificates = {Found("devices", true, "by-hand")};
  json inline_group = Group("inline", Certificates("plant-c"));
  json& info = inline_group["attestation"]["x509"]["signingCertificates"]["primary"]["info"];
  info["sha256Thumbprint"] = absl::AsciiStrToLower(info["sha256Thumbprint"].get<std::string>());
  service_.found.groups = {Group("line", References("by-hand")), inline_group};
  const ChainPlan plan = Plan();
  EXPECT_THAT(Texts(plan), IsEmpty());
  EXPECT_THAT(plan.conflicts, IsEmpty());
  EXPECT_THAT(plan.settled, SizeIs(2));
}

TEST_F(ChainPlanTest, ACertificateIsKnownByItsThumbprintUnderAnotherName) {
  wanted_ = {
      .certificates = {Certificate("devices")}, .groups = {Wanted("line", {"devices"})}, .denied = {}, .warnings = {}};
  service_.found.certificates = {Found("devices", true, "by-hand")};
  const ChainPlan plan = Plan();
  const PlannedStep bind = Only(plan);
  EXPECT_EQ(bind.group["attestation"]["x509"], References("by-hand"));
  EXPECT_EQ(plan.certificates, 1u);
}

TEST_F(ChainPlanTest, AnUnverifiedCertificateIsProvenUnderTheNameThatItHas) {
  wanted_ = {.certificates = {Certificate("devices")}, .groups = {}, .denied = {}, .warnings = {}};
  service_.found.certificates = {Found("devices", false, "by-hand")};
  const PlannedStep step = Only(Plan());
  EXPECT_EQ(Text(step), "prove by-hand");
  EXPECT_EQ(step.found.name, "by-hand");
  EXPECT_EQ(step.found.etag, "etag of devices");
  EXPECT_EQ(step.certificate.authority, "devices");
}

TEST_F(ChainPlanTest, AClaimTakesThePlaceOfAProof) {
  wanted_ = {.certificates = {Certificate("devices", false)}, .groups = {}, .denied = {}, .warnings = {}};
  EXPECT_THAT(Texts(Plan()), ElementsAre("upload " + NameOf("devices"), "claim " + NameOf("devices")));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_THAT(Plan().steps, IsEmpty());

  service_.found.certificates = {Found("devices", false, "by-hand")};
  const PlannedStep step = Only(Plan());
  EXPECT_EQ(Text(step), "claim by-hand");
  EXPECT_EQ(step.found.etag, "etag of devices");
}

TEST_F(ChainPlanTest, AKeyThatIsNotHereIsAnObstacleUntilItsCertificateIsVerified) {
  const Status away = Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing, "the key of root is not here");
  wanted_ = {.certificates = {Certificate("root", true, away)}, .groups = {}, .denied = {}, .warnings = {}};
  EXPECT_THAT(Plan().obstacles, ElementsAre("the key of root is not here"));
  service_.found.certificates = {Found("root", false)};
  EXPECT_THAT(Plan().obstacles, SizeIs(1));
  service_.found.certificates = {Found("root")};
  EXPECT_THAT(Plan().obstacles, IsEmpty());
  EXPECT_THAT(Plan().steps, IsEmpty());

  service_.found.certificates = {};
  wanted_.certificates = {Certificate("root", false, away)};
  EXPECT_THAT(Plan().obstacles, IsEmpty()) << "a claim needs no key";
}

TEST_F(ChainPlanTest, AKeyThatIsAwayForNowIsToldOfAndItsProofIsPlanned) {
  const Status away = Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away");
  wanted_ = {.certificates = {Certificate("devices", true, away)}, .groups = {}, .denied = {}, .warnings = {"more"}};
  EXPECT_THAT(Plan().obstacles, IsEmpty());
  EXPECT_THAT(Plan().warnings, ElementsAre(AllOf(HasSubstr("devices"), HasSubstr("the HSM is away")), "more"));
  EXPECT_THAT(Texts(Plan()), ElementsAre("upload " + NameOf("devices"), "prove " + NameOf("devices")));
  EXPECT_EQ(Plan().steps[1].certificate.provable, away);
  EXPECT_EQ(service_.Publish(wanted_), "prove " + NameOf("devices") + ": the HSM is away");

  service_.found.certificates = {Found("devices")};
  EXPECT_THAT(Plan().warnings, ElementsAre("more"));
  service_.found.certificates = {};
  wanted_.certificates = {Certificate("devices", false, away)};
  EXPECT_THAT(Plan().warnings, ElementsAre("more")) << "a claim needs no key";
}

TEST_F(ChainPlanTest, ACertificateThatDoesNotCountIsNotBroughtThereAnew) {
  for (const bool proof : {true, false}) {
    Service service;
    WantedCertificate revoked = Certificate("devices", proof);
    revoked.counts = false;
    const WantedChain wanted = {.certificates = {revoked}, .groups = {}, .denied = {}, .warnings = {}};
    EXPECT_THAT(Texts(service.Plan(wanted)), IsEmpty()) << proof;
    EXPECT_THAT(service.Plan(wanted).warnings, ElementsAre(HasSubstr("authority devices is revoked")));
    service.found.certificates = {Found("devices", false)};
    service.written.certificates = {NameOf("devices")};
    EXPECT_THAT(Texts(service.Plan(wanted)), IsEmpty()) << "neither verified nor removed, " << proof;
    service.found.certificates = {Found("devices")};
    EXPECT_THAT(Texts(service.Plan(wanted)), IsEmpty());
    EXPECT_THAT(service.Plan(wanted).warnings, IsEmpty());
  }
}

TEST_F(ChainPlanTest, OfWhatIsToBeProvenThePlanSaysWhatIsVerified) {
  wanted_ = {.certificates = {Certificate("devices"), Certificate("plant-b"), Certificate("plant-c", false)},
             .groups = {},
             .denied = {},
             .warnings = {}};
  service_.found.certificates = {Found("devices"), Found("plant-b", false), Found("plant-c"), Found("plant-d")};
  EXPECT_THAT(Plan().verified, ElementsAre(NameOf("devices")));
}

TEST_F(ChainPlanTest, ACertificateThatIsWantedTwiceIsUploadedOnce) {
  // The description names an authority and its successor.
  wanted_ = {.certificates = {Certificate("devices"), Certificate("devices-2"), Certificate("devices-2")},
             .groups = {Wanted("line", {"devices", "devices-2"}), Wanted("new", {"devices-2"})},
             .denied = {},
             .warnings = {}};
  const ChainPlan plan = Plan();
  EXPECT_THAT(Texts(plan),
              ElementsAre("upload " + NameOf("devices"), "upload " + NameOf("devices-2"), "prove " + NameOf("devices"),
                          "prove " + NameOf("devices-2"), "bind line", "bind new"));
  EXPECT_EQ(plan.certificates, 2u);
}

TEST_F(ChainPlanTest, NamesOfCertificatesTellThemApart) {
  EXPECT_EQ(NameOf("devices"), "devices-" + absl::AsciiStrToLower(Certificate("devices").thumbprint.substr(0, 8)));
  EXPECT_EQ(DenyingGroupOf(Certificate("devices")), "revoked-" + NameOf("devices"));
}

// --- Groups: what is set, and what is left.

TEST_F(ChainPlanTest, SetsWhatIsDescribed) {
  WantedGroup group = Wanted("line", {"devices"});
  group.described.allocation = "static";
  group.described.hubs = {"b.azure-devices.net", "a.azure-devices.net"};
  group.described.initial_twin = {{"tags", {{"line", "a"}}}};
  group.described.update_hub_assignment = true;
  group.described.migrate_device_data = false;
  group.described.edge = true;
  wanted_ = {.certificates = {Certificate("devices")}, .groups = {group}, .denied = {}, .warnings = {}};
  service_.found.certificates = {Found("devices")};
  const PlannedStep step = Only(Plan());
  EXPECT_EQ(step.group["allocationPolicy"], "static");
  EXPECT_EQ(step.group["iotHubs"], (json{"a.azure-devices.net", "b.azure-devices.net"}));
  EXPECT_EQ(step.group["initialTwin"], (json{{"tags", {{"line", "a"}}}}));
  EXPECT_EQ(step.group["reprovisionPolicy"], (json{{"updateHubAssignment", true}, {"migrateDeviceData", false}}));
  EXPECT_EQ(step.group["capabilities"], (json{{"iotEdge", true}}));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_THAT(Plan().steps, IsEmpty());

  // In another order, and with what the service adds.
  Line()["iotHubs"] = {"b.azure-devices.net", "a.azure-devices.net"};
  Line()["initialTwin"]["properties"] = {{"desired", json::object()}};
  Line()["reprovisionPolicy"]["later"] = 1;
  EXPECT_THAT(Plan().steps, IsEmpty());
  EXPECT_THAT(Plan().conflicts, IsEmpty());
}

TEST_F(ChainPlanTest, FieldsOfPeopleGoBackAsTheyCame) {
  wanted_ = {
      .certificates = {}, .groups = {Wanted("line", {"devices", "devices-2"}, false)}, .denied = {}, .warnings = {}};
  json before = Group("line", Certificates("devices"));
  before["initialTwin"] = {{"tags", {{"owner", "somebody"}}}};
  before["iotHubs"] = {"theirs.azure-devices.net"};
  before["allocationPolicy"] = "hashed";
  before["customAllocationDefinition"] = nullptr;
  before["namespaceName"] = "of a later version";
  before["unknown"] = {{"deep", {1, {{"a", nullptr}}}}};
  service_.found.groups = {before};
  service_.written.groups["line"] = OwnFieldsOf(before, {{"attestation", ""}, {"provisioningStatus", ""}});

  const PlannedStep step = Only(Plan());
  EXPECT_EQ(step.etag, "\"etag of line\"");
  json expected = before;
  for (const char* field : {"etag", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"}) expected.erase(field);
  // The certificate that is there stays as the service tells of it.
  expected["attestation"]["x509"]["signingCertificates"] = {
      {"primary", InfoOf("devices")},
      {"secondary", {{"certificate", PemEncode("CERTIFICATE", Certificate("devices-2").certificate)}}}};
  EXPECT_EQ(step.group, expected);
}

TEST_F(ChainPlanTest, AnAttestationThatIsAsItShouldBeIsNotSentAnew) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  wanted_.groups[0].described.edge = true;
  json before = Group("line", Certificates("devices"));
  before["attestation"]["x509"]["signingCertificates"]["primary"]["later"] = "kept";
  service_.found.groups = {before};
  const PlannedStep step = Only(Plan());
  EXPECT_EQ(step.group["attestation"], before["attestation"]);
  EXPECT_EQ(step.group["capabilities"], (json{{"iotEdge", true}}));
}

TEST_F(ChainPlanTest, WhatPeopleAddedToATwinStays) {
  PublishDevices();
  wanted_.groups[0].described.initial_twin = {{"tags", {{"line", "a"}}}};
  ASSERT_EQ(service_.Publish(wanted_), "");
  Line()["initialTwin"]["tags"]["owner"] = "somebody";
  wanted_.groups[0].described.initial_twin = {{"tags", {{"line", "b"}}}};
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["initialTwin"], (json{{"tags", {{"line", "b"}, {"owner", "somebody"}}}}));
}

TEST_F(ChainPlanTest, AnIdIsComparedWithoutCase) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  service_.found.groups = {Group("LINE", Certificates("devices"))};
  EXPECT_THAT(Plan().steps, IsEmpty());
  EXPECT_EQ(Plan().groups, 1u);
  wanted_.groups[0].described.edge = true;
  const PlannedStep step = Only(Plan());
  EXPECT_EQ(step.group["enrollmentGroupId"], "LINE");
  EXPECT_EQ(step.etag, "\"etag of LINE\"");
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_THAT(service_.found.groups, SizeIs(1));
}

TEST_F(ChainPlanTest, WhatWeWroteIsKnownThoughTheDescriptionWritesItsIdOtherwise) {
  PublishDevices();
  Line()["provisioningStatus"] = "disabled";  // by a person
  wanted_.groups[0].described.group = "LINE";
  const ChainPlan plan = Plan();
  EXPECT_THAT(Texts(plan), IsEmpty());
  EXPECT_THAT(plan.conflicts, SizeIs(1));
}

// --- Groups: conflicts.

TEST_F(ChainPlanTest, WhatOfOursSomebodyChangedIsReportedAndLeft) {
  PublishDevices();
  wanted_.groups[0].described.edge = true;
  ASSERT_EQ(service_.Publish(wanted_), "");
  struct Change {
    const char* name;
    std::function<void(json&)> change;
  };
  for (const Change& one : std::vector<Change>{
           {"attestation", [](json& group) { group["attestation"]["x509"] = Certificates("theirs"); }},
           {"attestation",
            [](json& group) {
              group["attestation"] = {{"type", "symmetricKey"}};
            }},
           {"attestation", [](json& group) { group["attestation"]["x509"]["caReferences"]["secondary"] = "theirs"; }},
           {"provisioningStatus", [](json& group) { group["provisioningStatus"] = "disabled"; }},
           {"capabilities", [](json& group) { group["capabilities"]["iotEdge"] = false; }},
       }) {
    Service changed = service_;
    one.change(changed.found.groups[0]);
    const ChainPlan plan = changed.Plan(wanted_);
    EXPECT_THAT(Texts(plan), IsEmpty()) << one.name;
    EXPECT_THAT(plan.conflicts, ElementsAre(AllOf(HasSubstr("enrollment group line"), HasSubstr(one.name))));
    EXPECT_THAT(plan.settled, IsEmpty()) << one.name;

    EXPECT_EQ(Text(Only(changed.Plan(wanted_, true))), "bind line");
    EXPECT_EQ(changed.Publish(wanted_, true), "");
    EXPECT_THAT(changed.Plan(wanted_).steps, IsEmpty()) << one.name;
    EXPECT_THAT(changed.Plan(wanted_).conflicts, IsEmpty()) << one.name;
  }
}

// They go to the log and into the database, and people keep secrets in twins.
TEST_F(ChainPlanTest, AConflictTellsNothingOfATwinAndLittleOfTheRest) {
  PublishDevices();
  wanted_.groups[0].described.initial_twin = {{"tags", {{"line", "a"}}}};
  wanted_.groups[0].described.allocation = "hashed";
  wanted_.groups[0].described.hubs = {"a.azure-devices.net"};
  ASSERT_EQ(service_.Publish(wanted_), "");
  Line()["initialTwin"] = {{"tags", {{"line", "secret"}}}};
  Line()["allocationPolicy"] = "\xe2\x80\xae" + std::string(10'000, 'x');
  EXPECT_THAT(Plan().conflicts,
              UnorderedElementsAre("enrollment group line: initialTwin was changed by somebody else",
                                   AllOf(HasSubstr("allocationPolicy was changed by somebody else to \"???xxx"),
                                         EndsWith("..., and is to be \"hashed\""), SizeIs(Lt(700u)))));
  const PlannedStep step = Only(Plan(true));
  EXPECT_THAT(step.details, Contains("initialTwin: ... -> {\"tags\":{\"line\":\"a\"}}"));
  EXPECT_THAT(step.details, Each(AllOf(Not(HasSubstr("secret")), SizeIs(Lt(700u)))));
}

TEST_F(ChainPlanTest, AConflictKeepsNothingElseFromBeingSet) {
  PublishDevices();
  Line()["provisioningStatus"] = "disabled";  // by a person
  wanted_.groups[0].described.edge = true;
  const ChainPlan plan = Plan();
  const PlannedStep step = Only(plan);
  EXPECT_EQ(step.group["provisioningStatus"], "disabled");
  EXPECT_EQ(step.group["capabilities"], (json{{"iotEdge", true}}));
  EXPECT_THAT(plan.conflicts, SizeIs(1));
}

TEST_F(ChainPlanTest, WhatWeWroteIsPlannedAsFoundAndWhatWeDidNotIsLeft) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  service_.found.groups = {Group("line", Certificates("theirs"))};
  wanted_.groups[0].described.edge = true;
  service_.Publish(wanted_);
  const json& own = service_.written.groups.at("line");
  EXPECT_EQ(own["capabilities"], (json{{"iotEdge", true}}));
  EXPECT_FALSE(own.contains("attestation")) << "which was left";
  Line()["capabilities"]["iotEdge"] = false;
  EXPECT_THAT(Texts(Plan()), IsEmpty());
  const ChainPlan plan = PlanChain(wanted_, service_.found, AsFound(service_.written, service_.found), false);
  const PlannedStep step = Only(plan);
  EXPECT_EQ(step.group["capabilities"]["iotEdge"], true);
  EXPECT_EQ(step.group["attestation"]["x509"], Certificates("theirs"));
  EXPECT_THAT(plan.left.at("line"), ElementsAre(HasSubstr("attestation")));
}

TEST_F(ChainPlanTest, ADescriptionThatChangesIsNoConflict) {
  PublishDevices();
  wanted_.groups[0].described.initial_twin = {{"tags", {{"line", "a"}}}};
  wanted_.groups[0].described.edge = true;
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].described.initial_twin = {{"tags", {{"line", "b"}}}};
  wanted_.groups[0].described.edge = false;
  EXPECT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["capabilities"]["iotEdge"], false);
}

TEST_F(ChainPlanTest, ADescriptionThatTakesAFieldUpAgainIsNoConflict) {
  PublishDevices();
  wanted_.groups[0].described.edge = true;
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].described.edge.reset();
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["capabilities"]["iotEdge"], true);
  wanted_.groups[0].described.edge = false;
  EXPECT_EQ(service_.Publish(wanted_), "");
}

TEST_F(ChainPlanTest, AGroupOfAnotherKindIsNotTakenOverUnasked) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  json theirs = Group("line", json());
  theirs["attestation"] = {{"type", "symmetricKey"}, {"symmetricKey", {{"primaryKey", nullptr}}}};
  service_.found.groups = {theirs};
  EXPECT_THAT(Plan().conflicts, ElementsAre(HasSubstr("symmetricKey")));
  EXPECT_THAT(Texts(Plan()), IsEmpty());

  service_.found.groups[0]["provisioningStatus"] = "disabled";
  EXPECT_THAT(Texts(Plan()), IsEmpty()) << "devices of others are let in by nobody but them";

  const PlannedStep step = Only(Plan(true));
  EXPECT_EQ(step.group["attestation"]["type"], "x509");
  EXPECT_FALSE(step.group["attestation"].contains("symmetricKey"));
}

TEST_F(ChainPlanTest, AGroupThatSomebodyMadeForOthersIsNotTakenOverUnasked) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  service_.found.groups = {Group("line", Certificates("theirs"))};
  EXPECT_THAT(Texts(Plan()), IsEmpty());
  EXPECT_THAT(Plan().conflicts, ElementsAre(HasSubstr("attestation")));
  EXPECT_EQ(Text(Only(Plan(true))), "bind line");
}

TEST_F(ChainPlanTest, AGroupThatSomebodyDisabledIsNotEnabledUnasked) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  service_.found.groups = {Group("line", Certificates("devices"), "disabled")};
  EXPECT_THAT(Texts(Plan()), IsEmpty());
  EXPECT_THAT(Plan().conflicts, ElementsAre(HasSubstr("provisioningStatus")));
}

TEST_F(ChainPlanTest, WhatNobodySetInAGroupOfOthersIsSet) {
  wanted_ = {.certificates = {}, .groups = {Wanted("line", {"devices"}, false)}, .denied = {}, .warnings = {}};
  wanted_.groups[0].described.allocation = "hashed";
  wanted_.groups[0].described.hubs = {"a.azure-devices.net"};
  service_.found.groups = {Group("line", Certificates("devices"))};
  EXPECT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["iotHubs"], (json{"a.azure-devices.net"}));
}

TEST_F(ChainPlanTest, DisablingIsNeverAConflict) {
  PublishDevices();
  wanted_.groups[0].enabled = false;
  const PlannedStep step = Only(Plan());
  EXPECT_TRUE(step.denies);
  EXPECT_EQ(step.group["provisioningStatus"], "disabled");

  Line()["provisioningStatus"] = nullptr;  // which is enabled
  EXPECT_TRUE(Only(Plan()).denies);

  Line()["provisioningStatus"] = "enabled";
  Line()["attestation"]["x509"] = Certificates("theirs");
  const ChainPlan plan = Plan();
  const PlannedStep despite = Only(plan);
  EXPECT_TRUE(despite.denies);
  EXPECT_EQ(despite.group["provisioningStatus"], "disabled");
  EXPECT_EQ(despite.group["attestation"]["x509"], Certificates("theirs"));
  EXPECT_THAT(plan.conflicts, ElementsAre(HasSubstr("attestation")));

  service_.written.groups.clear();
  EXPECT_EQ(Only(Plan()).group["provisioningStatus"], "disabled");
}

TEST_F(ChainPlanTest, NothingThatLetsInCountsAsADenial) {
  PublishDevices();
  Line()["provisioningStatus"] = "disabled";
  service_.written.groups["line"]["provisioningStatus"] = "disabled";
  const PlannedStep enabled = Only(Plan());
  EXPECT_EQ(enabled.group["provisioningStatus"], "enabled");
  EXPECT_FALSE(enabled.denies);
}

TEST_F(ChainPlanTest, AGroupThatIsLeftWithARevokedAuthorityIsNotEnabledAgain) {
  service_.found.groups = {Group("line", Certificates("devices"))};  // made by somebody else
  wanted_ = {.certificates = {Certificate("devices-2")},
             .groups = {Wanted("line", {"devices-2"})},
             .denied = {Certificate("devices")},
             .warnings = {}};
  ASSERT_EQ(service_.Deny(wanted_), "");
  ASSERT_EQ(Line()["provisioningStatus"], "disabled");
  EXPECT_THAT(service_.Publish(wanted_), AllOf(HasSubstr("enrollment group line"), HasSubstr("attestation")));
  EXPECT_EQ(Line()["provisioningStatus"], "disabled");
  EXPECT_FALSE(service_.IsLetIn("devices"));
  EXPECT_THAT(Plan().conflicts, SizeIs(1));
  EXPECT_THAT(Plan().settled, IsEmpty());

  EXPECT_EQ(service_.Publish(wanted_, true), "");
  EXPECT_EQ(Line()["provisioningStatus"], "enabled");
  EXPECT_TRUE(service_.IsLetIn("devices-2"));
  EXPECT_FALSE(service_.IsLetIn("devices"));
}

TEST_F(ChainPlanTest, AGroupIsNotEnabledForOthersThanItsDescriptionSays) {
  PublishDevices();
  wanted_.groups[0].enabled = false;
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].enabled = true;
  Line()["attestation"]["x509"] = Certificates("theirs");
  EXPECT_THAT(Texts(Plan()), IsEmpty());
  EXPECT_THAT(Plan().conflicts, ElementsAre(HasSubstr("attestation")));
}

TEST_F(ChainPlanTest, AGroupIsNotEnabledWithACertificateThatIsDenied) {
  PublishDevices();
  wanted_.groups[0].enabled = false;
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].enabled = true;
  wanted_.denied = {Certificate("devices")};
  EXPECT_EQ(service_.Publish(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("devices"));
}

// --- Rollover.

TEST_F(ChainPlanTest, ASuccessorBecomesTheSecondAndThenTheFirst) {
  PublishDevices();
  RollOver();
  EXPECT_THAT(Texts(Plan()), ElementsAre("upload " + NameOf("devices-2"), "prove " + NameOf("devices-2"), "bind line"));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["attestation"]["x509"], References(NameOf("devices"), NameOf("devices-2")));
  EXPECT_THAT(Plan().steps, IsEmpty());

  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  EXPECT_THAT(Texts(Plan()), ElementsAre("bind line", "remove " + NameOf("devices")));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["attestation"]["x509"], References(NameOf("devices-2")));
  EXPECT_THAT(service_.found.certificates, SizeIs(1));
  EXPECT_THAT(Plan().steps, IsEmpty());
}

TEST_F(ChainPlanTest, ASuccessorInAGroupByCertificateIsSentAnewWhenItMoves) {
  wanted_ = {
      .certificates = {}, .groups = {Wanted("line", {"devices", "devices-2"}, false)}, .denied = {}, .warnings = {}};
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  const PlannedStep step = Only(Plan());
  const json& slots = step.group["attestation"]["x509"]["signingCertificates"];
  EXPECT_EQ(slots, (json{{"primary", PemOf("devices-2")}}));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(AttestationOf(Line()), NoteOf("devices-2"));
  EXPECT_THAT(Plan().steps, IsEmpty());

  wanted_.groups[0].certificates = {Certificate("devices"), Certificate("devices-2")};
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].certificates = {Certificate("devices-2"), Certificate("devices")};
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(AttestationOf(Line()), NoteOf("devices-2", "devices"));
}

TEST_F(ChainPlanTest, AGroupMayGoFromACertificateToAReference) {
  wanted_ = {.certificates = {Certificate("devices")},
             .groups = {Wanted("line", {"devices"}, false)},
             .denied = {},
             .warnings = {}};
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].described.by_reference = true;
  EXPECT_EQ(Only(Plan()).group["attestation"]["x509"], References(NameOf("devices")));
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].described.by_reference = false;
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_THAT(Plan().steps, IsEmpty());
}

// --- Revoked authorities.

TEST_F(ChainPlanTest, ARevokedAuthorityBelowAGroupGetsADisabledOneOfItsOwn) {
  wanted_ = {.certificates = {Certificate("root")},
             .groups = {Wanted("all", {"root"})},
             .denied = {Certificate("plant-b")},
             .warnings = {}};
  ASSERT_EQ(service_.Publish({wanted_.certificates, wanted_.groups, {}, {}}), "");
  const PlannedStep step = Only(Plan());
  EXPECT_EQ(Text(step), "bind " + DenyingGroupOf(Certificate("plant-b")));
  EXPECT_TRUE(step.denies);
  EXPECT_EQ(step.etag, "");
  EXPECT_EQ(step.group["provisioningStatus"], "disabled");
  EXPECT_EQ(step.group["attestation"]["x509"]["signingCertificates"]["primary"]["certificate"],
            PemEncode("CERTIFICATE", Certificate("plant-b").certificate));
  EXPECT_EQ(Plan().groups, 2u);
  EXPECT_EQ(service_.Deny(wanted_), "");
  EXPECT_TRUE(service_.IsKeptOut("plant-b"));
  EXPECT_THAT(Plan().steps, IsEmpty());
}

TEST_F(ChainPlanTest, WhoIsRevokedIsKeptOutBeforeAnybodyIsLetIn) {
  wanted_ = {.certificates = {Certificate("root")},
             .groups = {Wanted("all", {"root"}), Wanted("closed", {"plant-c"}, false)},
             .denied = {Certificate("plant-b")},
             .warnings = {}};
  wanted_.groups[1].enabled = false;
  EXPECT_THAT(Texts(Plan()), ElementsAre("upload " + NameOf("root"), "prove " + NameOf("root"), "bind closed",
                                         "bind " + DenyingGroupOf(Certificate("plant-b")), "bind all"));
}

TEST_F(ChainPlanTest, AGroupOfARevokedAuthorityIsNotMadeAndTheAuthorityIsDeniedWhereverItStands) {
  // The description gives the group another name, and is not applied yet.
  PublishDevices();
  wanted_.certificates[0].counts = false;
  wanted_.groups[0].described.group = "line-2";
  wanted_.groups[0].enabled = false;
  wanted_.groups[0].revoked = true;
  wanted_.denied = {Certificate("devices")};
  for (const bool whole : {false, true}) {
    Service service = service_;
    ASSERT_EQ(whole ? service.Publish(wanted_) : service.Deny(wanted_), "");
    EXPECT_FALSE(service.IsLetIn("devices")) << whole;
    EXPECT_TRUE(service.IsKeptOut("devices")) << whole;
    EXPECT_THAT(service.found.groups, SizeIs(1)) << "that one is enough, " << whole;
    EXPECT_THAT(service.Plan(wanted_).warnings, ::testing::Contains(HasSubstr("line-2 is not made")));
  }
  service_.found.groups.clear();
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_TRUE(service_.IsKeptOut("devices"));
}

TEST_F(ChainPlanTest, OfAGroupThatIsKeptDisabledNothingElseIsSet) {
  PublishDevices();
  wanted_.groups[0].described.edge = true;
  wanted_.groups[0].enabled = false;
  wanted_.groups[0].revoked = true;
  wanted_.certificates[0].counts = false;
  wanted_.denied = {Certificate("devices")};
  const json before = Line();
  const ChainPlan plan = Plan();
  const PlannedStep step = Only(plan);
  EXPECT_TRUE(step.denies);
  EXPECT_EQ(step.group["provisioningStatus"], "disabled");
  EXPECT_EQ(step.group["attestation"], before["attestation"]);
  EXPECT_FALSE(step.group.contains("capabilities"));
  EXPECT_THAT(plan.warnings, ElementsAre(HasSubstr("line is kept disabled")));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_THAT(service_.found.groups, SizeIs(1));
  // With a successor it is as described again.
  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  wanted_.groups[0].enabled = true;
  wanted_.groups[0].revoked = false;
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_TRUE(service_.IsLetIn("devices-2"));
  EXPECT_TRUE(service_.IsKeptOut("devices"));
  EXPECT_EQ(Line()["capabilities"], (json{{"iotEdge", true}}));
}

TEST_F(ChainPlanTest, AGroupThatIsKeptDisabledKeepsItsExpiredCertificateBesideTheRevokedOne) {
  PublishDevices();
  RollOver();
  ASSERT_EQ(service_.Publish(wanted_), "");
  // "devices" has expired, and its successor is revoked.
  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  wanted_.groups[0].enabled = false;
  wanted_.groups[0].revoked = true;
  wanted_.denied = {Certificate("devices-2")};
  const json before = Line();
  EXPECT_THAT(Texts(Plan()), ElementsAre("bind line", "bind " + DenyingGroupOf(Certificate("devices-2"))));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(Line()["attestation"], before["attestation"]);
  EXPECT_EQ(Line()["provisioningStatus"], "disabled");
}

TEST_F(ChainPlanTest, AGroupThatIsDescribedNoMoreKeepsItsAuthoritysSuccessor) {
  wanted_ = {
      .certificates = {}, .groups = {Wanted("old", {"plant-b", "plant-b-2"}, false)}, .denied = {}, .warnings = {}};
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups.clear();
  wanted_.denied = {Certificate("plant-b")};
  wanted_.known = {Certificate("plant-b-2")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("plant-b"));
  EXPECT_TRUE(service_.IsKeptOut("plant-b"));
  EXPECT_TRUE(service_.IsLetIn("plant-b-2"));
}

TEST_F(ChainPlanTest, AGroupThatNamesARevokedAuthorityByAnySpellingOrNameIsDisabled) {
  for (const char* name : {"BY-HAND", "twice"}) {
    Service service;
    service.found.certificates = {Found("plant-b", true, "by-hand"), Found("plant-b", true, "twice")};
    service.found.groups = {Group("theirs", References(name))};
    const WantedChain wanted = {.certificates = {}, .groups = {}, .denied = {Certificate("plant-b")}, .warnings = {}};
    const PlannedStep step = Only(service.Plan(wanted));
    EXPECT_EQ(Text(step), "bind theirs") << name;
    EXPECT_EQ(step.group["provisioningStatus"], "disabled") << name;
  }
}

TEST_F(ChainPlanTest, AGroupThatHasARevokedAuthorityAloneIsDisabled) {
  for (const bool by_reference : {true, false}) {
    Service service;
    if (by_reference) service.found.certificates = {Found("plant-b", true, "by-hand")};
    json theirs = Group("theirs", by_reference ? References("by-hand") : Certificates("plant-b"));
    theirs["unknown"] = {1, 2};
    service.found.groups = {theirs};
    const WantedChain wanted = {.certificates = {}, .groups = {}, .denied = {Certificate("plant-b")}, .warnings = {}};
    const PlannedStep step = Only(service.Plan(wanted));
    EXPECT_EQ(Text(step), "bind theirs");
    EXPECT_TRUE(step.denies);
    EXPECT_EQ(step.etag, "\"etag of theirs\"");
    json expected = theirs;
    expected["provisioningStatus"] = "disabled";
    for (const char* field : {"etag", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"}) expected.erase(field);
    EXPECT_EQ(step.group, expected);
    EXPECT_EQ(service.Deny(wanted), "");
    EXPECT_THAT(service.Plan(wanted).steps, IsEmpty());
  }
}

TEST_F(ChainPlanTest, EveryGroupThatHasARevokedAuthorityAloneIsDisabled) {
  service_.found.groups = {Group("a", Certificates("plant-b"), "disabled"), Group("b", Certificates("plant-b"))};
  wanted_.denied = {Certificate("plant-b")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("plant-b"));
}

TEST_F(ChainPlanTest, AGroupThatHasARevokedAuthorityBesideAnotherStaysForThatOne) {
  for (const bool by_reference : {true, false}) {
    for (const bool first : {true, false}) {
      Service service;
      service.found.certificates = {Found("plant-c")};
      if (by_reference) service.found.certificates.push_back(Found("plant-b"));
      const std::string primary = first ? "plant-b" : "plant-c";
      const std::string secondary = first ? "plant-c" : "plant-b";
      json theirs = Group(
          "theirs", by_reference ? References(NameOf(primary), NameOf(secondary)) : Certificates(primary, secondary));
      theirs["iotHubs"] = {"theirs.azure-devices.net"};
      theirs["allocationPolicy"] = "hashed";
      service.found.groups = {theirs};
      const WantedChain wanted = {
          .certificates = {Certificate("plant-c")}, .groups = {}, .denied = {Certificate("plant-b")}, .warnings = {}};
      ASSERT_EQ(service.Deny(wanted), "");
      EXPECT_FALSE(service.IsLetIn("plant-b"));
      EXPECT_TRUE(service.IsKeptOut("plant-b"));
      EXPECT_TRUE(service.IsLetIn("plant-c"));
      const json& after = *service.FindGroup("theirs");
      if (by_reference) {
        EXPECT_EQ(after["attestation"]["x509"], References(NameOf("plant-c")));
      } else {
        EXPECT_EQ(AttestationOf(after), NoteOf("plant-c"));
        EXPECT_EQ(service.written.groups["theirs"]["attestation"], NoteOf("plant-c"));
      }
      EXPECT_EQ(after["iotHubs"], theirs["iotHubs"]);
      EXPECT_EQ(after["allocationPolicy"], theirs["allocationPolicy"]);
      EXPECT_THAT(service.Plan(wanted).steps, IsEmpty());
    }
  }
}

TEST_F(ChainPlanTest, AGroupWhoseOtherCertificateWeDoNotHaveIsDisabledIfThatWouldHaveToMove) {
  for (const bool first : {true, false}) {
    Service service;
    const json before = first ? Certificates("plant-b", "theirs") : Certificates("theirs", "plant-b");
    service.found.groups = {Group("theirs", before)};
    const WantedChain wanted = {.certificates = {}, .groups = {}, .denied = {Certificate("plant-b")}, .warnings = {}};
    ASSERT_EQ(service.Deny(wanted), "");
    EXPECT_FALSE(service.IsLetIn("plant-b"));
    EXPECT_TRUE(service.IsKeptOut("plant-b"));
    EXPECT_EQ(service.IsLetIn("theirs"), !first);
    EXPECT_EQ((*service.FindGroup("theirs"))["attestation"]["x509"], first ? before : Certificates("theirs"));
    EXPECT_THAT(service.Plan(wanted).steps, IsEmpty());
  }
}

TEST_F(ChainPlanTest, AGroupThatHasTwoRevokedAuthoritiesLetsNobodyIn) {
  service_.found.groups = {Group("theirs", Certificates("plant-b", "plant-c"))};
  wanted_.denied = {Certificate("plant-b"), Certificate("plant-c")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("plant-b"));
  EXPECT_FALSE(service_.IsLetIn("plant-c"));
  ASSERT_EQ(service_.Publish(wanted_), "");
  EXPECT_THAT(Plan().steps, IsEmpty());
}

TEST_F(ChainPlanTest, EveryCertificateOfARevokedAuthorityIsDenied) {
  WantedCertificate renewed = Certificate("plant-b, renewed");
  renewed.authority = "plant-b";
  wanted_.denied = {Certificate("plant-b"), renewed};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_TRUE(service_.IsKeptOut("plant-b"));
  EXPECT_TRUE(service_.IsKeptOut("plant-b, renewed"));
  EXPECT_THAT(service_.found.groups, SizeIs(2));
}

TEST_F(ChainPlanTest, ADenialTouchesNothingElse) {
  PublishDevices();
  wanted_.certificates.push_back(Certificate("plant-b"));
  wanted_.groups.push_back(Wanted("new", {"plant-b"}));
  wanted_.groups[0].described.edge = true;
  EXPECT_THAT(PlanDenials(wanted_, service_.found, service_.written).steps, IsEmpty());
}

TEST_F(ChainPlanTest, WithBothItsAuthoritiesRevokedAGroupIsDisabledAtOnce) {
  PublishDevices();
  RollOver();
  ASSERT_EQ(service_.Publish(wanted_), "");
  // What is wanted then: the newest of them, and nobody let in.
  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  wanted_.groups[0].enabled = false;
  wanted_.groups[0].revoked = true;
  wanted_.denied = {Certificate("devices")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("devices"));
  EXPECT_FALSE(service_.IsLetIn("devices-2"));
}

TEST_F(ChainPlanTest, ADescriptionThatWaitsToBeAppliedDoesNotHoldADenialUp) {
  PublishDevices();
  wanted_.groups[0].described.edge = true;
  wanted_.groups[0].enabled = false;
  wanted_.groups[0].revoked = true;
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("devices"));
}

TEST_F(ChainPlanTest, WithTheOlderAuthorityRevokedTheGroupHasTheNewerOneAtOnce) {
  PublishDevices();
  RollOver();
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  wanted_.denied = {Certificate("devices")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("devices"));
  EXPECT_TRUE(service_.IsLetIn("devices-2"));
}

TEST_F(ChainPlanTest, WithTheOlderAuthorityRevokedAGroupByCertificateHasTheNewerOneAtOnce) {
  wanted_ = {
      .certificates = {}, .groups = {Wanted("line", {"devices", "devices-2"}, false)}, .denied = {}, .warnings = {}};
  ASSERT_EQ(service_.Publish(wanted_), "");
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  wanted_.denied = {Certificate("devices")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_EQ(AttestationOf(Line()), NoteOf("devices-2"));
  EXPECT_TRUE(service_.IsLetIn("devices-2"));
  EXPECT_THAT(Texts(Plan()), IsEmpty());
  EXPECT_THAT(Plan().conflicts, IsEmpty());
  EXPECT_TRUE(Plan().settled.contains("line"));
}

TEST_F(ChainPlanTest, AfterADenialAloneTheRestIsNoConflict) {
  PublishDevices();
  // Revoked before its successor was published.
  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  wanted_.denied = {Certificate("devices")};
  ASSERT_EQ(service_.Deny(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("devices"));
  EXPECT_EQ(service_.Publish(wanted_), "");
  EXPECT_FALSE(service_.IsLetIn("devices"));
  EXPECT_TRUE(service_.IsLetIn("devices-2"));
}

TEST_F(ChainPlanTest, ADenialRefersToNoCertificateThatIsNotThere) {
  wanted_ = {.certificates = {Certificate("devices")},
             .groups = {Wanted("line", {"devices"})},
             .denied = {Certificate("plant-b")},
             .warnings = {}};
  wanted_.groups[0].enabled = false;
  wanted_.groups[0].revoked = true;
  EXPECT_EQ(service_.Deny(wanted_), "");
  EXPECT_TRUE(service_.IsKeptOut("plant-b"));
}

TEST_F(ChainPlanTest, AGroupThatTheDescriptionDropsIsToldOf) {
  PublishDevices();
  wanted_.warnings = {"something else"};
  EXPECT_THAT(Plan().warnings, ElementsAre("something else"));
  wanted_.groups = {Wanted("LINE", {"devices"})};
  EXPECT_THAT(Plan().warnings, SizeIs(1));
  wanted_.groups.clear();
  EXPECT_THAT(Plan().warnings, ElementsAre("something else", HasSubstr("line is not described any more")));
  Line()["provisioningStatus"] = "disabled";
  EXPECT_THAT(Plan().warnings, SizeIs(1));
  service_.found.groups.clear();
  EXPECT_THAT(Plan().warnings, SizeIs(1));
}

// --- Removals.

TEST_F(ChainPlanTest, RemovesOnlyWhatWeUploadedAndNobodyRefersTo) {
  service_.found.certificates = {Found("a"), Found("b"), Found("c"), Found("d"), Found("e")};
  service_.found.groups = {Group("theirs", References(NameOf("b"), NameOf("c")))};
  service_.written.certificates = {NameOf("a"), NameOf("b"), NameOf("c"), NameOf("e"), "gone"};
  wanted_.certificates = {Certificate("e")};
  const ChainPlan plan = Plan();
  const PlannedStep step = Only(plan);
  EXPECT_EQ(Text(step), "remove " + NameOf("a"));
  EXPECT_EQ(step.found.etag, "etag of a");
  EXPECT_EQ(plan.certificates, 4u);
}

TEST_F(ChainPlanTest, AReferenceInAnotherCaseIsOne) {
  service_.found.certificates = {Found("a")};
  service_.found.groups = {Group("theirs", References(absl::AsciiStrToUpper(NameOf("a"))))};
  service_.written.certificates = {NameOf("a")};
  EXPECT_THAT(Texts(Plan()), IsEmpty());
}

TEST_F(ChainPlanTest, WhatAConflictKeepsReferredToIsNotRemoved) {
  PublishDevices();
  Line()["attestation"]["x509"] = References(NameOf("devices"), "theirs");
  service_.found.certificates.push_back(Found("x", true, "theirs"));
  wanted_.certificates = {Certificate("devices-2")};
  wanted_.groups[0].certificates = {Certificate("devices-2")};
  const ChainPlan plan = Plan();
  EXPECT_THAT(Texts(plan), ElementsAre("upload " + NameOf("devices-2"), "prove " + NameOf("devices-2")));
  EXPECT_THAT(plan.conflicts, SizeIs(1));
}

TEST_F(ChainPlanTest, AnAuthorityThatTheDescriptionDropsGoesWhenItsGroupHasLetGoOfIt) {
  PublishDevices();
  wanted_.certificates = {Certificate("plant-b")};
  wanted_.groups[0] = Wanted("LINE", {"plant-b"});
  EXPECT_EQ(service_.Publish(wanted_), "");
  EXPECT_EQ(service_.FindCertificate(NameOf("devices")), nullptr);
  EXPECT_THAT(service_.found.groups, SizeIs(1));
}

// --- Limits.

TEST_F(ChainPlanTest, TheLimitOfCertificatesIsAnObstacleBeforeAnythingIsDone) {
  for (size_t i = 0; i < 24; ++i) service_.found.certificates.push_back(Found(fmt::format("theirs-{}", i)));
  wanted_.certificates = {Certificate("devices")};
  EXPECT_THAT(Plan().obstacles, IsEmpty());
  EXPECT_EQ(Plan().certificates, 25u);
  wanted_.certificates.push_back(Certificate("plant-b"));
  EXPECT_THAT(Plan().obstacles, ElementsAre(AllOf(HasSubstr("26"), HasSubstr("25"), HasSubstr("CA certificates"))));
}

TEST_F(ChainPlanTest, WhatIsRemovedAtLastMakesNoRoomBefore) {
  for (size_t i = 0; i < 25; ++i) service_.found.certificates.push_back(Found(fmt::format("a-{}", i)));
  service_.written.certificates = {NameOf("a-0")};
  wanted_.certificates = {Certificate("devices")};
  const ChainPlan plan = Plan();
  EXPECT_THAT(plan.obstacles, ElementsAre(HasSubstr("26")));
  EXPECT_EQ(plan.certificates, 25u);
}

TEST_F(ChainPlanTest, AFullServiceThatNeedsNothingIsNoObstacle) {
  for (size_t i = 0; i < 25; ++i) service_.found.certificates.push_back(Found(fmt::format("a-{}", i)));
  wanted_.certificates = {Certificate("a-7")};
  EXPECT_THAT(Plan().obstacles, IsEmpty());
  EXPECT_THAT(Plan().steps, IsEmpty());
}

TEST_F(ChainPlanTest, TheLimitOfGroupsIsAnObstacle) {
  for (size_t i = 0; i < 99; ++i) {
    service_.found.groups.push_back(Group(fmt::format("theirs-{}", i), Certificates("theirs")));
  }
  wanted_.groups = {Wanted("line", {"devices"}, false)};
  EXPECT_THAT(Plan().obstacles, IsEmpty());
  EXPECT_EQ(Plan().groups, 100u);
  wanted_.denied = {Certificate("plant-b")};
  EXPECT_THAT(Plan().obstacles, ElementsAre(AllOf(HasSubstr("101"), HasSubstr("100"), HasSubstr("groups"))));
}

// --- Whatever is wanted.

class Chance {
 public:
  explicit Chance(unsigned seed) : random_(seed) {}
  bool Of(int percent) { return std::uniform_int_distribution(1, 100)(random_) <= percent; }
  size_t Below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

 private:
  std::mt19937 random_;
};

// Authorities "a" to "f", of which some were rolled over, some are bound to groups and some of the others are revoked.
WantedChain AnyChain(Chance& chance) {
  WantedChain wanted;
  for (const std::string authority : {"a", "b", "c", "d", "e", "f"}) {
    std::vector<std::string> line = {authority};
    if (chance.Of(30)) line.push_back(authority + "-2");
    if (line.size() == 2 && chance.Of(30)) line.erase(line.begin());
    if (chance.Of(50)) {
      WantedGroup group = Wanted("group-" + authority, line, chance.Of(60));
      group.revoked = chance.Of(15);
      group.enabled = !group.revoked && chance.Of(90);
      // Revoked and not just expired.
      if (group.revoked && chance.Of(70)) wanted.denied.push_back(Certificate(line.back()));
      if (chance.Of(30)) {
        group.described.allocation = chance.Of(50) ? "hashed" : "static";
        group.described.hubs = {"b.azure-devices.net", "a.azure-devices.net"};
      }
      if (chance.Of(30)) group.described.initial_twin = {{"tags", {{"line", chance.Below(3)}}}};
      if (chance.Of(30)) group.described.edge = chance.Of(50);
      if (group.described.by_reference || chance.Of(30)) {
        for (const std::string& one : line) wanted.certificates.push_back(Certificate(one, chance.Of(70)));
      }
      wanted.groups.push_back(std::move(group));
    } else if (chance.Of(40)) {
      for (const std::string& one : line) wanted.denied.push_back(Certificate(one));
    }
    if (line.front() != authority && chance.Of(50)) wanted.denied.push_back(Certificate(authority));
  }
  return wanted;
}

std::string Dump(const ChainPlan& plan) {
  return Joined(Texts(plan)) + " | " + Joined(plan.conflicts) + " | " + Joined(plan.obstacles);
}

TEST(ChainPlanPropertyTest, StepByStepItComesToNothingLeftToDo) {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    Chance chance(seed);
    Service service;
    const WantedChain first = AnyChain(chance);
    ASSERT_EQ(service.Publish(first), "") << "seed " << seed;
    const WantedChain second = AnyChain(chance);
    ASSERT_EQ(service.Publish(second), "") << "seed " << seed << ": what only we wrote is no conflict";
    EXPECT_THAT(service.Plan(second).steps, IsEmpty()) << "seed " << seed;
    EXPECT_THAT(service.Plan(second).obstacles, IsEmpty()) << "seed " << seed;
    for (const WantedCertificate& denied : second.denied) {
      EXPECT_TRUE(service.IsKeptOut(denied.authority)) << "seed " << seed << " " << denied.authority;
    }
  }
}

TEST(ChainPlanPropertyTest, AllStepsOfOnePlanLeadThere) {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    Chance chance(seed);
    Service service;
    ASSERT_EQ(service.Publish(AnyChain(chance), true), "") << "seed " << seed;
    const WantedChain wanted = AnyChain(chance);
    const ChainPlan plan = service.Plan(wanted, true);
    bool lets_in = false;
    for (PlannedStep step : plan.steps) {
      EXPECT_FALSE(lets_in && step.denies) << "seed " << seed << " " << Text(step) << " of " << Dump(plan);
      lets_in |= step.kind == Kind::kBind && !step.denies;
      // What an earlier step of the plan has made or changed.
      const FoundCertificate* certificate = service.FindCertificate(step.id);
      if (step.kind == Kind::kClaim && certificate != nullptr) step.found.etag = certificate->etag;
      const json* group = service.FindGroup(step.id);
      if (step.kind == Kind::kBind && group != nullptr) step.etag = group->at("etag");
      ASSERT_EQ(service.Do(step), "") << "seed " << seed << " " << Text(step) << " of " << Dump(plan);
    }
    EXPECT_THAT(Texts(service.Plan(wanted)), IsEmpty()) << "seed " << seed;
    EXPECT_EQ(plan.certificates, service.found.certificates.size()) << "seed " << seed;
    EXPECT_EQ(plan.groups, service.found.groups.size()) << "seed " << seed;
  }
}

TEST(ChainPlanPropertyTest, ADenialAloneKeepsOutWhatIsRevokedAndLetsNobodyIn) {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    Chance chance(seed);
    Service service;
    ASSERT_EQ(service.Publish(AnyChain(chance), true), "") << "seed " << seed;
    const std::vector<json> before = service.found.groups;
    const WantedChain wanted = AnyChain(chance);
    ASSERT_EQ(service.Deny(wanted), "") << "seed " << seed;
    for (const WantedCertificate& denied : wanted.denied) {
      EXPECT_TRUE(service.IsKeptOut(denied.authority)) << "seed " << seed << " " << denied.authority;
    }
    for (const WantedGroup& group : wanted.groups) {
      const json* found = service.FindGroup(group.described.group);
      if (!group.revoked || found == nullptr) continue;
      EXPECT_EQ((*found)["provisioningStatus"], "disabled") << "seed " << seed << " " << group.described.group;
    }
    for (const json& group : service.found.groups) {
      if (group["provisioningStatus"] == "disabled") continue;
      const auto earlier = std::find_if(before.begin(), before.end(), [&group](const json& one) {
        return one["enrollmentGroupId"] == group["enrollmentGroupId"] && one["provisioningStatus"] == "enabled";
      });
      EXPECT_NE(earlier, before.end()) << "seed " << seed << " " << group["enrollmentGroupId"];
    }
    EXPECT_EQ(service.Publish(wanted), "") << "seed " << seed << ": what only we wrote is no conflict";
  }
}

// An attestation that somebody else has set, of "a" to "f" and their successors.
json AnyAttestation(Chance& chance, const Service& service) {
  std::vector<std::string> slots;
  if (chance.Of(50) && service.found.certificates.size() > 1) {
    for (int i = 0; i < 2; ++i) slots.push_back(service.found.certificates[chance.Below(2)].name);
    return References(slots[0], chance.Of(50) ? slots[1] : "");
  }
  for (int i = 0; i < 2; ++i) {
    slots.push_back(std::string(1, static_cast<char>('a' + chance.Below(6))) + (chance.Of(30) ? "-2" : ""));
  }
  return Certificates(slots[0], chance.Of(50) ? slots[1] : "");
}

TEST(ChainPlanPropertyTest, WhateverOthersChangeItEndsAndLetsNobodyInWhoIsDenied) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    Chance chance(seed);
    Service service;
    ASSERT_EQ(service.Publish(AnyChain(chance), true), "") << "seed " << seed;
    for (json& group : service.found.groups) {
      if (group["enrollmentGroupId"].get<std::string>().starts_with("revoked-")) continue;
      if (chance.Of(40)) group["attestation"] = {{"type", "x509"}, {"x509", AnyAttestation(chance, service)}};
      if (chance.Of(20)) group["provisioningStatus"] = chance.Of(50) ? "enabled" : "disabled";
    }
    const WantedChain wanted = AnyChain(chance);
    ASSERT_EQ(service.Deny(wanted), "") << "seed " << seed;
    for (int i = 0; i < 100 && !service.Plan(wanted).steps.empty(); ++i) {
      const PlannedStep step = service.Plan(wanted).steps.front();
      ASSERT_EQ(service.Do(step), "") << "seed " << seed << " " << Text(step);
      for (const WantedCertificate& denied : wanted.denied) {
        ASSERT_FALSE(service.IsLetIn(denied.authority)) << "seed " << seed << " " << denied.authority;
      }
    }
    EXPECT_THAT(Texts(service.Plan(wanted)), IsEmpty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hallmark
