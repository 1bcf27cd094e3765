// Lots as their users have them: a manufacturer's manifest over gRPC, stations, refusals, and the reconciliation.
#include <gmock/gmock.h>

#include "tests/factory_floor.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::FactoryFloor;
using ::testing::HasSubstr;
using testing::Issue;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::Within;

class LotsServiceTest : public ::testing::Test {
 protected:
  LotsServiceTest() : service_(Service::WithLots()) {
    service_->Start();
    floor_ = std::make_unique<FactoryFloor>(*service_);
  }

  void ExpectImported(const nlohmann::json& manifest) {
    const auto imported = floor_->SignAndImport(manifest);
    ASSERT_EQ(imported.exit_code, 0) << imported.output;
  }
  // Why an import is refused.
  std::string RefusalOf(const std::string& file, const std::string& options = "") {
    const auto refused = service_->Hallmark("importer", fmt::format("lot import {} {} --output json", file, options));
    if (refused.exit_code == 0) return "imported";
    return nlohmann::json::parse(refused.output).at("error").at("reason");
  }
  v1::Reconciliation Reconcile(const std::string& lot) {
    const auto stub = v1::Lots::NewStub(testing::ConnectAs(*service_, "operator"));
    grpc::ClientContext context;
    v1::ReconcileLotRequest request;
    request.set_name("lots/" + lot);
    v1::Reconciliation reconciliation;
    EXPECT_TRUE(stub->ReconcileLot(&Within(context), request, &reconciliation).ok());
    return reconciliation;
  }

  const std::unique_ptr<Service> service_;
  std::unique_ptr<FactoryFloor> floor_;
};

TEST_F(LotsServiceTest, FromTheManifestToTheReconciliation) {
  nlohmann::json manifest = FactoryFloor::Manifest("a-17", {"SN1", "SN2", "SN3"});
  manifest["stations"] = {"line-1"};
  ExpectImported(manifest);
  const auto line1 = floor_->Station("line-1");
  const auto request = FactoryFloor::Request("a-17", "SN1", "one");
  const Answer issued = Issue(line1, request);
  ASSERT_TRUE(issued.status.ok()) << issued.status.error_message();
  EXPECT_EQ(issued.certificate.device(), "lots/a-17/devices/SN1");
  EXPECT_EQ(nlohmann::json::parse(issued.certificate.device_bundle()).at("registration_id"), "SN1");
  EXPECT_EQ(Issue(line1, request).certificate.SerializeAsString(), issued.certificate.SerializeAsString());

  EXPECT_EQ(Issue(line1, FactoryFloor::Request("a-17", "SN9", "unknown")).reason, "DEVICE_UNKNOWN");
  EXPECT_EQ(Issue(line1, FactoryFloor::Request("a-17", "SN1", "again")).reason, "DEVICE_CLAIMED");
  EXPECT_EQ(Issue(floor_->Station("line-2"), FactoryFloor::Request("a-17", "SN2", "foreign")).reason,
            "STATION_NOT_IN_LOT");
  const Answer without = Issue(line1, FactoryFloor::RequestWithKeyOf("SN2", "SN2", "without"));
  EXPECT_EQ(without.reason, "LOT_REQUIRED");
  EXPECT_THAT(without.fields, ::testing::ElementsAre("lot"));

  v1::Reconciliation reconciliation = Reconcile("a-17");
  EXPECT_EQ(reconciliation.lot().counts().issued(), 1);
  EXPECT_EQ(reconciliation.unclaimed(), 2);
  EXPECT_EQ(reconciliation.lot().refused_attempts(), 3);
  EXPECT_EQ(reconciliation.contradictions_size(), 0);
  EXPECT_EQ(reconciliation.attempts_size(), 3);

  ASSERT_EQ(service_->Hallmark("operator", "lot close a-17 --yes").exit_code, 0);
  EXPECT_EQ(Issue(line1, FactoryFloor::Request("a-17", "SN2", "late")).reason, "LOT_CLOSED");
  EXPECT_TRUE(Issue(line1, request).status.ok());  // answered before: for as long as the lot exists
  const auto table = service_->Hallmark("auditor", "lot reconcile a-17");
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_THAT(table.output, AllOf(HasSubstr("Everything adds up."), HasSubstr("STATION_NOT_IN_LOT")));
  EXPECT_THAT(RunCommand("curl -s " + service_->base_url() + "/metrics").output,
              AllOf(HasSubstr("hallmark_refused_attempts_total{reason=\"DEVICE_UNKNOWN\"} 1"),
                    HasSubstr("hallmark_lots_alerted 0")));
}

TEST_F(LotsServiceTest, AnImportNeedsBothTheImporterAndTheManufacturer) {
  const std::string good = floor_->Sign(FactoryFloor::Manifest("a-17", {"SN1"}));
  // Anybody else's identity.
  for (const char* role : {"operator", "station", "auditor"}) {
    const auto refused = service_->Hallmark(role, "lot import " + good + " --output json");
    EXPECT_THAT(refused.output, HasSubstr("PERMISSION_DENIED")) << role;
  }
  // Anybody else's signature.
  const std::string floor = floor_->directory().string();
  ASSERT_EQ(
      RunCommand(
          fmt::format("cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=acme "
                      "-keyout other.key -out other.pem && openssl cms -sign -binary -nodetach -in manifest-1.json "
                      "-signer other.pem -inkey other.key -outform DER -out other.cms",
                      floor))
          .exit_code,
      0);
  EXPECT_EQ(RefusalOf(floor + "/other.cms"), "MANIFEST_SIGNATURE_INVALID");
  // One bit of the content.
  ASSERT_EQ(RunCommand(fmt::format("cd {} && sed 's/SN1/SN2/' manifest-1.cms > changed.cms", floor)).exit_code, 0);
  EXPECT_EQ(RefusalOf(floor + "/changed.cms"), "MANIFEST_SIGNATURE_INVALID");
  EXPECT_EQ(RefusalOf(floor + "/manifest-1.json"), "MANIFEST_SIGNATURE_INVALID");
  EXPECT_THAT(service_->Hallmark("operator", "lot show a-17").output, HasSubstr("LOT_UNKNOWN"));
  EXPECT_EQ(RefusalOf(good, "--validate-only"), "imported");
  EXPECT_THAT(service_->Hallmark("operator", "lot show a-17").output, HasSubstr("LOT_UNKNOWN"));
  ASSERT_EQ(service_->Hallmark("operator", "manufacturer update acme --suspend").exit_code, 0);
  EXPECT_EQ(RefusalOf(good), "MANUFACTURER_SUSPENDED");
  ASSERT_EQ(service_->Hallmark("operator", "manufacturer update acme --resume").exit_code, 0);
  EXPECT_EQ(RefusalOf(good), "imported");
  // Detached, and as a second time.
  ASSERT_EQ(RunCommand(fmt::format("cd {} && openssl cms -sign -binary -in manifest-1.json -signer acme.pem -inkey "
                                   "acme.key -outform PEM -out manifest.p7s",
                                   floor))
                .exit_code,
            0);
  const auto again =
      service_->Hallmark("importer", fmt::format("lot import {0}/manifest-1.json --signature {0}/manifest.p7s", floor));
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("imported before"));
  // Who looks on at a terminal sees what goes on.
  const auto watched = RunCommand(fmt::format(
      "script -qec '{}/hallmark --context {}/contexts/importer.yaml lot import {}/manifest-1.cms' /dev/null",
      testing::kPrograms, service_->ca().string(), floor));
  EXPECT_THAT(watched.output, HasSubstr("asking the services"));
}

TEST_F(LotsServiceTest, OtherContentIsAnAmendmentOrNothing) {
  nlohmann::json manifest = FactoryFloor::Manifest("a-17", {"SN1", "SN2"});
  manifest["quantity"] = 2;
  ExpectImported(manifest);
  nlohmann::json other = FactoryFloor::Manifest("a-17", {"SN1", "SN2", "SN3"});
  EXPECT_EQ(RefusalOf(floor_->Sign(other)), "LOT_CHANGED");
  ASSERT_TRUE(Issue(floor_->Station("line-1"), FactoryFloor::Request("a-17", "SN1", "one")).status.ok());
  nlohmann::json second = FactoryFloor::Manifest("a-17", {"SN4"});
  second["revision"] = 2;
  second["quantity"] = 3;
  second["withdraw"] = {"SN1"};
  EXPECT_EQ(RefusalOf(floor_->Sign(second)), "DEVICE_CLAIMED");
  second["withdraw"] = {"SN2"};
  ExpectImported(second);
  EXPECT_EQ(Issue(floor_->Station("line-1"), FactoryFloor::Request("a-17", "SN2", "two")).reason, "DEVICE_WITHDRAWN");
  EXPECT_TRUE(Issue(floor_->Station("line-1"), FactoryFloor::Request("a-17", "SN4", "four")).status.ok());
  EXPECT_EQ(Reconcile("a-17").contradictions_size(), 0);
}

TEST_F(LotsServiceTest, LinesOfAFileAreBoundToTheManifestByItsDigest) {
  const std::string csv = (floor_->directory() / "devices.csv").string();
  std::ofstream(csv) << "serial,hardware.mac\r\nSN1,00:11\r\nSN2,00:22\r\n";
  nlohmann::json manifest = FactoryFloor::Manifest("a-17", {});
  manifest.erase("devices");
  manifest["quantity"] = 2;
  manifest["lines"] = {{"format", "csv"}, {"sha256", Hex(Sha256(AsBytes(ReadFile(csv).value())))}, {"count", 2}};
  const std::string file = floor_->Sign(manifest);
  EXPECT_EQ(RefusalOf(file), "MANIFEST_INVALID");
  const std::string wrong = (floor_->directory() / "wrong.csv").string();
  std::ofstream(wrong) << "serial,hardware.mac\r\nSN1,00:11\r\nSN3,00:22\r\n";
  EXPECT_EQ(RefusalOf(file, "--lines " + wrong), "MANIFEST_INVALID");
  EXPECT_THAT(service_->Hallmark("operator", "lot show a-17").output, HasSubstr("LOT_UNKNOWN"));
  EXPECT_EQ(RefusalOf(file, "--lines " + csv), "imported");
  EXPECT_THAT(service_->Hallmark("operator", "lot device a-17 SN2").output, HasSubstr("00:22"));
}

TEST_F(LotsServiceTest, AnInstalledDeviceIsConfirmedByItsStation) {
  ExpectImported(FactoryFloor::Manifest("a-17", {"SN1"}));
  const auto station = floor_->Station("line-1");
  const Answer issued = Issue(station, FactoryFloor::Request("a-17", "SN1", "one"));
  ASSERT_TRUE(issued.status.ok());
  const std::string challenge = nlohmann::json::parse(issued.certificate.device_bundle()).at("installation_challenge");
  v1::ConfirmInstallationRequest request;
  request.set_name(issued.certificate.name());
  request.set_signature(ToString(
      testing::DeviceKeyOf(EncodeName({{"CN", "SN1"}})).Sign(AsBytes(challenge), absl::InfiniteFuture()).value()));
  const auto stub = v1::Issuance::NewStub(station);
  grpc::ClientContext context;
  v1::ConfirmInstallationResponse response;
  ASSERT_TRUE(stub->ConfirmInstallation(&Within(context), request, &response).ok());
  EXPECT_TRUE(response.proven());
  EXPECT_EQ(Reconcile("a-17").lot().counts().installed(), 1);
  grpc::ClientContext other;
  EXPECT_EQ(v1::Issuance::NewStub(floor_->Station("line-2"))
                ->ConfirmInstallation(&Within(other), request, &response)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace hallmark
