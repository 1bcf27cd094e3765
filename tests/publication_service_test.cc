// The whole story, with the programs that people run: a lot, a device of the factory, a chain that is published and
// proven, Microsoft's device SDK, and a revocation that arrives.
#include <gmock/gmock.h>
#include <openssl/pem.h>

#include <future>

#include "tests/factory_floor.h"
#include "tests/publishing_service.h"
#include "tests/station_line.h"

namespace hallmark {
namespace {

using nlohmann::json;
using testing::DpsStandIn;
using testing::FactoryFloor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::PublishingService;
using testing::Service;

class PublicationServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (DpsStandIn::NodeModules().empty()) GTEST_SKIP() << "the npm registry cannot be reached";
  }
};

TEST_F(PublicationServiceTest, ADeviceOfTheFactoryComesInUntilItIsRevokedAndAgainWhenItIsReleasedOrReissued) {
  PublishingService world(Service::WithLots());
  FactoryFloor floor(world.service());
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", {"sn-1", "sn-2"})).exit_code, 0);
  const auto station = floor.Station("line-1");
  const auto make = [&](const std::string& serial, const std::string& id, const std::string& reissue = "") {
    v1::IssueCertificateRequest request = FactoryFloor::Request("a-17", serial, id);
    request.set_reissue_reason(reissue);
    const testing::Answer issued = testing::Issue(station, request);
    EXPECT_TRUE(issued.status.ok()) << issued.status.error_message();
    const std::string base = (world.service().directory() / id).string();
    std::ofstream chain(base + "-chain.pem");
    chain << PemEncode("CERTIFICATE", AsBytes(issued.certificate.certificate()));
    for (const std::string& one : issued.certificate.chain()) chain << PemEncode("CERTIFICATE", AsBytes(one));
    chain.close();
    FILE* key = fopen((base + ".key").c_str(), "w");
    PEM_write_PrivateKey(key, testing::DeviceKeyOf(EncodeName({{"CN", serial}})).key(), nullptr, nullptr, 0, nullptr,
                         nullptr);
    fclose(key);
    return issued.certificate.name();
  };
  const auto is_assigned = [&](const std::string& serial, const std::string& id) {
    const std::string base = (world.service().directory() / id).string();
    const json answer = world.cloud.Register(serial, base + "-chain.pem", base + ".key");
    if (answer.value("status", json()) == "assigned") return true;
    EXPECT_NE(answer.dump().find("401"), std::string::npos) << answer;
    return false;
  };
  const std::string first = make("sn-1", "one");
  make("sn-2", "two");
  EXPECT_FALSE(is_assigned("sn-1", "one")) << "nobody has published anything yet";

  const std::string description = world.Description();
  auto result = world.Hallmark("publish dps add " + description);
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("hallmark publish dps plan contoso"));
  result = world.Hallmark("publish dps plan contoso");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  for (const char* step : {"upload", "prove", "create"}) EXPECT_THAT(result.output, HasSubstr(step));
  EXPECT_THAT(world.cloud.State()["certificates"], IsEmpty());
  result = world.Hallmark("publish dps apply contoso --yes");
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("contoso is published."));
  EXPECT_TRUE(is_assigned("sn-1", "one"));
  EXPECT_TRUE(is_assigned("sn-2", "two"));
  const std::string chain = (world.service().directory() / "one-chain.pem").string();
  result = world.Hallmark("publish dps check " + chain);
  EXPECT_EQ(result.exit_code, 0) << result.output;

  result = world.Hallmark("certificate revoke " + first + " --reason certificateHold --yes");
  ASSERT_EQ(result.exit_code, 0) << result.output;
  ASSERT_TRUE(world.Converges());
  EXPECT_FALSE(is_assigned("sn-1", "one"));
  EXPECT_TRUE(is_assigned("sn-2", "two"));
  result = world.Hallmark("publish dps check " + chain);
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("individual enrollment, which is disabled"));

  ASSERT_EQ(world.Hallmark("certificate release " + first + " --yes").exit_code, 0);
  ASSERT_TRUE(world.Converges());
  EXPECT_TRUE(is_assigned("sn-1", "one"));

  ASSERT_EQ(world.Hallmark("certificate revoke " + first + " --reason superseded --yes").exit_code, 0);
  ASSERT_TRUE(world.Converges());
  EXPECT_FALSE(is_assigned("sn-1", "one"));
  const testing::CommandResult metrics =
      testing::RunCommand(fmt::format("curl -s {}/metrics", world.service().base_url()));
  EXPECT_THAT(metrics.output, HasSubstr("hallmark_time_to_denied_seconds_count{target=\"contoso\"} 2"));
  EXPECT_THAT(world.cloud.Violations(), IsEmpty());
}

TEST_F(PublicationServiceTest, ATargetIsDescribedShownAndForgotten) {
  PublishingService world;
  const std::string file = world.Description("revocation: {entry: nonsense}\n");
  auto result = world.Hallmark("publish dps add " + file);
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("must be certificate, or registration_id"));
  result = world.Hallmark("publish dps add " + world.Description("", "nobody"));
  EXPECT_THAT(result.output, HasSubstr("there is no authority \"nobody\""));
  result = world.Hallmark("publish dps add --dry-run " + world.Description());
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(world.Json("publish status"), IsEmpty());
  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  for (const char* dry : {"", "--dry-run "}) {
    result = world.Hallmark(std::string("publish dps add ") + dry + world.Description());
    EXPECT_THAT(result.output, HasSubstr("TARGET_EXISTS"));
  }
  EXPECT_EQ(world.Hallmark("publish dps add --replace " + world.Description()).exit_code, 0);
  result = world.Hallmark("publish status");
  EXPECT_THAT(result.output, HasSubstr("not published"));
  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  EXPECT_EQ(world.Json("publish status contoso")["converged"], true);
  // Described anew, it is not as described until it is applied.
  ASSERT_EQ(
      world.Hallmark("publish dps add --replace " + world.Description("revocation: {operations_per_minute: 500}\n"))
          .exit_code,
      0);
  EXPECT_FALSE(world.Json("publish status contoso").contains("converged"));
  EXPECT_THAT(world.Hallmark("publish status").output, HasSubstr("described anew: apply it"));
  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  EXPECT_EQ(world.Json("publish status contoso")["converged"], true);
  result = world.Hallmark("publish reconcile contoso");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  // What is kept out there is not kept out in another service.
  std::string elsewhere = ReadFile(world.Description()).value();
  elsewhere.replace(elsewhere.find(DpsStandIn::kService), std::string(DpsStandIn::kService).size(), "another-dps");
  const std::string other = (world.service().directory() / "elsewhere.yaml").string();
  std::ofstream(other) << elsewhere;
  result = world.Hallmark("publish dps add --replace " + other);
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("names another service than the target \"contoso\" was published to"));
  ASSERT_EQ(world.Hallmark("publish dps remove contoso").exit_code, 0);
  EXPECT_EQ(world.cloud.State()["certificates"].size(), 1u) << "what stands in the service stays";
}

TEST_F(PublicationServiceTest, AReconciliationSaysByItsExitCodeWhetherAllIsMended) {
  PublishingService world;
  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  EXPECT_EQ(world.Hallmark("publish reconcile contoso").exit_code, 7);
  auto result = world.Hallmark("publish reconcile contoso --repair");
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("publish it first: hallmark publish dps apply contoso"));
  EXPECT_THAT(world.cloud.State()["certificates"], IsEmpty());
  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  world.cloud.Change({{"kind", "enrollmentGroup"}, {"id", "line-devices"}, {"remove", true}});
  EXPECT_EQ(world.Hallmark("publish reconcile contoso").exit_code, 7);
  result = world.Hallmark("publish reconcile contoso --repair");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  ASSERT_TRUE(world.Converges());
  EXPECT_EQ(world.cloud.State()["enrollmentGroups"].size(), 1u);
  // What is not ours stays.
  const std::string stranger = ReadFile(world.cloud.roots()).value();
  world.cloud.Change({{"kind", "certificate"}, {"id", "stranger"}, {"set", {{"pem", stranger}}}});
  result = world.Hallmark("publish reconcile contoso --repair");
  EXPECT_EQ(result.exit_code, 7) << result.output;
  EXPECT_THAT(result.output, HasSubstr("is of no authority of ours"));
  // What was found before a failure is shown.
  world.cloud.Fault({{"match", {{"pathRegex", "/enrollments/query"}}}, {"times", 1}, {"action", {{"status", 503}}}});
  result = world.Hallmark("publish reconcile contoso");
  EXPECT_EQ(result.exit_code, 4) << result.output;
  EXPECT_THAT(result.output, HasSubstr("is of no authority of ours"));
  EXPECT_THAT(result.output, HasSubstr("TARGET_UNAVAILABLE"));
}

TEST_F(PublicationServiceTest, ATargetIsReconciledByOneAtATime) {
  PublishingService world;
  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  world.cloud.Fault({{"match", {{"pathRegex", "/enrollments/query"}}}, {"times", 2}, {"action", {{"delayMs", 5000}}}});
  const auto reconcile = [&world] { return world.Hallmark("publish reconcile contoso"); };
  auto other = std::async(std::launch::async, reconcile);
  const testing::CommandResult one = reconcile();
  const testing::CommandResult two = other.get();
  EXPECT_EQ(std::min(one.exit_code, two.exit_code), 0) << one.output << two.output;
  EXPECT_EQ(std::max(one.exit_code, two.exit_code), 4) << one.output << two.output;
  EXPECT_THAT(one.output + two.output, HasSubstr("TARGET_BUSY"));
  EXPECT_EQ(reconcile().exit_code, 0);
}

TEST_F(PublicationServiceTest, SecretsAreInNoLogAndNoAnswer) {
  PublishingService world;
  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  world.cloud.Set({{"disableLocalAuth", true}});
  auto result = world.Hallmark("publish dps plan contoso");
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("TARGET_CREDENTIAL_REFUSED"));
  std::string key = ReadFile(world.cloud.sas_key_file()).value();
  key = key.substr(0, key.find('\n'));
  for (const std::string& text :
       {result.output, world.service().Log(), world.Hallmark("publish work contoso").output}) {
    EXPECT_EQ(text.find(key), std::string::npos);
    EXPECT_EQ(text.find("SharedAccessSignature"), std::string::npos);
    EXPECT_EQ(text.find("Bearer"), std::string::npos);
  }
}

TEST_F(PublicationServiceTest, ADirectoryHoldsTheBundle) {
  PublishingService world;
  const std::string file = (world.service().directory() / "by-hand.yaml").string();
  std::ofstream(file) << "target: by-hand\nkind: directory\nauthority: devices\n";
  ASSERT_EQ(world.Hallmark("publish dps add " + file).exit_code, 0);
  const auto result = world.Hallmark("publish dps apply by-hand --yes");
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const auto sums = testing::RunCommand(
      fmt::format("cd {}/published/by-hand && sha256sum -c SHA256SUMS && openssl verify -CAfile root.pem chain.pem",
                  world.service().ca().string()));
  EXPECT_EQ(sums.exit_code, 0) << sums.output;
  // Who only looks has nothing signed.
  const auto signers = [&] { return world.Json("certificate list --profile report-signer")["certificates"].size(); };
  const size_t before = signers();
  EXPECT_GT(before, 0u);
  for (const char* look : {"publish dps plan by-hand", "publish reconcile by-hand"}) {
    const auto looked = world.service().Hallmark("auditor", look);
    EXPECT_EQ(looked.exit_code, 0) << looked.output;
    EXPECT_EQ(looked.output.find("25 CA certificates"), std::string::npos);
  }
  EXPECT_EQ(signers(), before);
}

TEST_F(PublicationServiceTest, WhatCannotBeDoneIsNotBegun) {
  PublishingService world;
  for (int i = 0; i < 100; ++i) {
    world.cloud.Change({{"kind", "enrollmentGroup"},
                        {"id", fmt::format("other-{}", i)},
                        {"set", {{"attestation", {{"type", "symmetricKey"}, {"symmetricKey", json::object()}}}}}});
  }
  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  const auto refused = world.Hallmark("publish dps apply contoso --yes");
  EXPECT_EQ(refused.exit_code, 3) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("In the way: the service would have 101 enrollment groups"));
  EXPECT_EQ(world.Json("publish dps apply contoso --yes")["error"]["reason"], "PUBLICATION_OBSTRUCTED");
  EXPECT_THAT(world.Hallmark("publish status").output, HasSubstr("not published"));
}

TEST_F(PublicationServiceTest, Case15ABundleThatAPersonPublishesDoesWhatATargetDoes) {
  PublishingService world;
  const testing::TemporaryDirectory& at = world.service().directory();
  const std::string bundle = (at / "azure").string();
  ASSERT_EQ(world.Hallmark("publish bundle " + bundle).exit_code, 0);
  const std::string run = fmt::format(
      "PATH={}:$PATH HALLMARK={}/hallmark HALLMARK_CONTEXT={}/contexts/operator.yaml bash {}/publish.sh hallmark {} "
      "line-devices",
      world.cloud.AzDirectory(), testing::kPrograms, world.service().ca().string(), bundle, DpsStandIn::kService);
  const testing::CommandResult published = testing::RunCommand(run);
  ASSERT_EQ(published.exit_code, 0) << published.output << ReadFile(world.cloud.directory() / "az.log").value_or("");
  const json certificates = world.cloud.State()["certificates"];
  ASSERT_EQ(certificates.size(), 1u);
  EXPECT_EQ(certificates[0]["isVerified"], true);
  EXPECT_THAT(world.cloud.Violations(), IsEmpty());
  ASSERT_EQ(testing::RunCommand(run).exit_code, 0);
  EXPECT_EQ(world.cloud.Count("PUT", "/certificates/"), 1) << "it looks before it writes";

  world.service().MakeCsrs(at.path(), "device", 1);
  const auto issued = world.service().Hallmark(
      "station", fmt::format("certificate issue {0}/device-1.csr --profile device-dps --out {0}", at.path().string()));
  ASSERT_EQ(issued.exit_code, 0) << issued.output;
  const json answer = world.cloud.Register("device-1", at / "device-1-chain.pem", at / "device-1.key");
  EXPECT_EQ(answer.value("status", json()), "assigned") << answer;
  // A target finds what it would have done itself.
  const std::string file = (at / "by-reference.yaml").string();
  std::ofstream(file) << fmt::format(
      "target: contoso\nkind: dps\nservice: {}\nid_scope: {}\nsubscription: 00000000-0000-0000-0000-000000000000\n"
      "resource_group: hallmark\ncredential: test\ngroups: [{{group: line-devices, authority: devices}}]\n",
      DpsStandIn::kService, DpsStandIn::kIdScope);
  ASSERT_EQ(world.Hallmark("publish dps add " + file).exit_code, 0);
  const auto plan = world.Hallmark("publish dps plan contoso");
  EXPECT_THAT(plan.output, HasSubstr("Everything is as described; nothing is to do."));
}

TEST_F(PublicationServiceTest, ALotIsJudgedBeforeItsFirstDeviceIsMade) {
  PublishingService world(Service::WithLots());
  FactoryFloor floor(world.service());
  json manifest = FactoryFloor::Manifest("a-17", {"sn-1", "sn-2"});
  manifest["bootstrap"]["id_scope"] = DpsStandIn::kIdScope;
  const std::string file = floor.Sign(manifest);
  auto result = floor.Import(file);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr(fmt::format("No target has the ID scope {}", DpsStandIn::kIdScope)));
  EXPECT_THAT(result.output, HasSubstr("hallmark publish dps check --lot a-17"));

  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  result = world.Hallmark("publish dps check --lot a-17");
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("no group matches any authority of the chain"));
  EXPECT_THAT(result.output, HasSubstr("contoso would refuse its devices with 401, code 401002."));
  json other = FactoryFloor::Manifest("a-18", {"sn-3"});
  other["bootstrap"]["id_scope"] = DpsStandIn::kIdScope;
  result = floor.SignAndImport(other);
  EXPECT_EQ(result.exit_code, 0) << "the lot is imported all the same: " << result.output;
  EXPECT_THAT(result.output, HasSubstr("contoso would refuse its devices with 401, code 401002."));
  EXPECT_THAT(world.service().Log(), HasSubstr("lot_not_admitted"));

  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  result = world.Hallmark("publish dps check --lot a-17");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("contoso would let its devices in."));
  EXPECT_EQ(world.Json("publish dps check --lot a-17")["admissions"][0]["admitted"], true);
  EXPECT_EQ(world.service().Hallmark("importer", "publish dps check --lot a-17").exit_code, 0);
  EXPECT_EQ(world.service().Hallmark("station", "publish dps check --lot a-17").exit_code, 6);
  EXPECT_THAT(floor.Import(file).output, HasSubstr("contoso would let its devices in."));
  result = world.Hallmark("publish dps check --lot a-17 --target other");
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_EQ(result.output, "Devices of a-17 are sent to contoso, and not to other.\n");
  // Elsewhere, or nowhere that it says but below an authority of the target's.
  EXPECT_THAT(floor.SignAndImport(FactoryFloor::Manifest("elsewhere", {"sn-4"})).output,
              HasSubstr("No target has the ID scope 0ne00000001"));
  EXPECT_THAT(world.Hallmark("publish dps check --lot elsewhere --target contoso").output,
              HasSubstr("are sent to the ID scope 0ne00000001, which no target has, and not to contoso."));
  json silent = FactoryFloor::Manifest("silent", {"sn-5"});
  silent.erase("bootstrap");
  EXPECT_THAT(floor.SignAndImport(silent).output, HasSubstr("contoso would let its devices in."));
  EXPECT_THAT(world.cloud.Violations(), IsEmpty());

  // A service that does not answer is told of, and holds nothing up.
  world.cloud.Set({{"disableLocalAuth", true}});
  result = floor.Import(file);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("Whether contoso would let its devices in could not be found out"));
  EXPECT_EQ(world.Hallmark("publish dps check --lot a-17").exit_code, 3);
  EXPECT_EQ(world.Hallmark("publish dps check --lot none").exit_code, 5);
  EXPECT_EQ(world.Hallmark("publish dps check").exit_code, 2);
}

TEST_F(PublicationServiceTest, Case10WhoMayStillBeConnectedIsListedUntilAHubIsNamed) {
  PublishingService world;
  const testing::TemporaryDirectory& at = world.service().directory();
  ASSERT_EQ(world.Hallmark("publish dps add " + world.Description()).exit_code, 0);
  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  world.service().MakeCsrs(at.path(), "device", 2);
  for (const char* device : {"device-1", "device-2"}) {
    const auto issued = world.service().Hallmark(
        "station",
        fmt::format("certificate issue {0}/{1}.csr --profile device-dps --out {0}", at.path().string(), device));
    ASSERT_EQ(issued.exit_code, 0) << issued.output;
    const json answer =
        world.cloud.Register(device, at / (device + std::string("-chain.pem")), at / (device + std::string(".key")));
    ASSERT_EQ(answer.value("status", json()), "assigned") << answer;
  }
  const auto revoked =
      world.Hallmark(fmt::format("certificate revoke {}/device-1.pem --reason superseded --yes", at.path().string()));
  ASSERT_EQ(revoked.exit_code, 0) << revoked.output;
  ASSERT_TRUE(world.Converges());
  const json listed = world.Json("publish enrollments contoso --by-hand")["enrollments"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["registration_id"], "device-1") << listed;
  EXPECT_EQ(listed[0]["state"], "DISABLED");
  const auto table = world.service().Hallmark("auditor", "publish enrollments contoso");
  EXPECT_THAT(table.output, HasSubstr("disable it by hand"));

  const std::string named = world.Description(fmt::format("revocation: {{hubs: [{}]}}\n", DpsStandIn::kHub1));
  ASSERT_EQ(world.Hallmark("publish dps add --replace " + named).exit_code, 0);
  ASSERT_EQ(world.Hallmark("publish dps apply contoso --yes").exit_code, 0);
  ASSERT_TRUE(world.Converges());
  EXPECT_TRUE(world.Json("publish enrollments contoso --by-hand")["enrollments"].empty());
  const json hub = world.Json("publish enrollments contoso")["enrollments"];
  ASSERT_EQ(hub.size(), 1u);
  EXPECT_EQ(hub[0]["hub_disabled"], true) << hub;
  const json state = world.cloud.State();
  for (const json& one : state["hubDevices"]) {
    EXPECT_EQ(one["status"], one["deviceId"] == "device-1" ? "disabled" : "enabled") << one;
  }
  // Who forgets it says that the device stays out for ever.
  EXPECT_THAT(world.Hallmark("publish dps remove contoso").output, HasSubstr("TARGET_BUSY"));
  EXPECT_EQ(world.Hallmark("publish dps remove contoso --force").exit_code, 2) << "there is nobody to ask";
  EXPECT_EQ(world.Hallmark("publish dps remove contoso --force --yes").exit_code, 0);
}

}  // namespace
}  // namespace hallmark
