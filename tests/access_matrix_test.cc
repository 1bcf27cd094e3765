// Every method of the service for every role that ships: done, or refused for want of a permission and nothing else.
#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>

#include "hallmark/v1/authorities.grpc.pb.h"
#include "hallmark/v1/lots.pb.h"
#include "hallmark/v1/profiles.grpc.pb.h"
#include "hallmark/v1/publication.grpc.pb.h"
#include "hallmark/v1/revocation.grpc.pb.h"
#include "hallmark/v1/stations.grpc.pb.h"
#include "tests/service_client.h"

namespace hallmark {
namespace {

using testing::CallRaw;
using testing::Connect;
using testing::ConnectAs;
using testing::DeviceRequest;
using testing::RunCommand;
using testing::Service;
using Roles = std::set<std::string>;

const Roles kAll = {"station", "operator", "auditor"};
const Roles kEverybody = {"station", "operator", "auditor", "importer"};
const Roles kReaders = {"operator", "auditor"};
const Roles kLotReaders = {"operator", "auditor", "importer"};
const Roles kOperator = {"operator"};

struct Row {
  std::string method;  // "Issuance/IssueCertificate"
  const char* what;
  std::shared_ptr<const google::protobuf::Message> request;
  Roles allowed;
};

template <class Message>
std::shared_ptr<Message> With(const std::function<void(Message&)>& change) {
  auto message = std::make_shared<Message>();
  change(*message);
  return message;
}

class AccessMatrixTest : public ::testing::Test {
 protected:
  AccessMatrixTest() {
    service_ = Service::Stopped();
    // One role more, of which roles.yaml says nothing but that an operator may make its credentials.
    const std::filesystem::path policies = service_->ca() / "policies";
    const std::string station = ReadFile(policies / "profiles/station.yaml").value();
    std::ofstream(policies / "profiles/visitor.yaml")
        << std::regex_replace(station, std::regex("\\}/station/"), "}/visitor/");
    const std::string roles = ReadFile(policies / "roles.yaml").value();
    std::ofstream(policies / "roles.yaml")
        << std::regex_replace(roles, std::regex(" - station\n"), " - station\n          - visitor\n");
    service_->Start();
    const std::string visitor = (service_->directory() / "visitor").string();
    const auto made = RunCommand(
        fmt::format("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=guest -addext "
                    "subjectAltName=URI:hallmark://test/visitor/guest -keyout {0}.key -out {0}.csr",
                    visitor));
    if (made.exit_code != 0) throw std::runtime_error(made.output);
    const auto issued = service_->Hallmark(
        "operator", fmt::format("certificate issue {0}.csr --authority access --profile visitor --out {1}", visitor,
                                service_->directory().path().string()));
    if (issued.exit_code != 0) throw std::runtime_error(issued.output);
    for (const std::string& role : kEverybody) channels_[role] = ConnectAs(*service_, role);
    channels_["visitor"] = Connect(*service_, visitor + "-chain.pem", visitor + ".key");
    channels_["nobody"] = Connect(*service_, "", "");
  }

  std::vector<Row> Rows() const;
  // The methods that the service says it has, but for gRPC's own services.
  std::set<std::string> Methods() const {
    const std::string services =
        CallRaw(channels_.at("auditor"), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                std::string("\x3a\x00", 2))
            .first;
    std::set<std::string> methods;
    static const std::regex kName(R"(hallmark\.v1\.[A-Z][A-Za-z]+)");
    for (std::sregex_iterator match(services.begin(), services.end(), kName), end; match != end; ++match) {
      const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(match->str());
      if (service == nullptr) {
        ADD_FAILURE() << "this test knows no service " << match->str();
        continue;
      }
      for (int i = 0; i < service->method_count(); ++i)
        methods.insert(service->name() + "/" + service->method(i)->name());
    }
    return methods;
  }

  std::unique_ptr<Service> service_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

std::vector<Row> AccessMatrixTest::Rows() const {
  const auto issue = [](const char* authority, const char* profile) {
    return With<v1::IssueCertificateRequest>([&](auto& request) {
      request = DeviceRequest("matrix");
      request.set_parent(authority);
      request.set_profile(profile);
      request.set_validate_only(true);
    });
  };
  const std::string own = testing::Issue(channels_.at("station"), DeviceRequest("own")).certificate.name();
  const std::string nobody = "authorities/nobody";
  const std::string devices = "authorities/devices";
  const std::string no_certificate = devices + "/certificates/00";
  const std::string profile = "profiles/device-dps";
  const std::string target = "targets/nobody";
  return {
      {"Issuance/IssueCertificate", "a device", issue("authorities/devices", "device-dps"), {"station", "operator"}},
      {"Issuance/IssueCertificate", "a credential", issue("authorities/access", "station"), kOperator},
      {"Issuance/IssueCertificate", "an authority", issue("authorities/root", "issuing-authority"), {}},
      {"Issuance/IssueCertificate", "what there is not", issue("authorities/nobody", "toaster"), {}},
      {"Issuance/IssueCertificates", "a stream", issue("authorities/devices", "device-dps"), {"station", "operator"}},
      {"Issuance/IssueBundle", "nothing", With<v1::IssueBundleRequest>([](auto&) {}), kOperator},
      {"Issuance/GetCertificate", "a station's own", With<v1::GetCertificateRequest>([&](auto& r) { r.set_name(own); }),
       kAll},
      {"Issuance/GetCertificate", "none", With<v1::GetCertificateRequest>([&](auto& r) { r.set_name(no_certificate); }),
       kReaders},
      {"Issuance/ListCertificates", "what each may see", With<v1::ListCertificatesRequest>([](auto&) {}), kAll},
      {"Authorities/CreateAuthority", "validated only", With<v1::CreateAuthorityRequest>([&](auto& r) {
         r.set_request_id("matrix");
         r.set_authority_id("plant");
         r.set_parent("authorities/root");
         auto* name = r.add_subject();
         name->set_type("CN");
         name->set_value("Plant");
         r.set_validate_only(true);
       }),
       kOperator},
      {"Authorities/GetAuthority", "devices", With<v1::GetAuthorityRequest>([&](auto& r) { r.set_name(devices); }),
       kEverybody},
      {"Authorities/ListAuthorities", "all", With<v1::ListAuthoritiesRequest>([](auto&) {}), kEverybody},
      {"Authorities/UpdateAuthority", "none", With<v1::UpdateAuthorityRequest>([&](auto& r) {
         r.mutable_authority()->set_name(nobody);
         r.mutable_update_mask()->add_paths("profiles");
       }),
       kOperator},
      {"Authorities/SetState", "none", With<v1::SetStateRequest>([&](auto& r) {
         r.set_name(nobody);
         r.set_state(v1::Authority::DISABLED);
       }),
       kOperator},
      {"Authorities/RolloverAuthority", "none", With<v1::RolloverAuthorityRequest>([&](auto& r) {
         r.set_request_id("matrix");
         r.set_name(nobody);
         r.set_successor_id("somebody");
         r.set_validate_only(true);
       }),
       kOperator},
      {"Authorities/ExportChain", "devices", With<v1::ExportChainRequest>([&](auto& r) { r.set_name(devices); }),
       kEverybody},
      {"Authorities/FetchCsr", "none", With<v1::FetchCsrRequest>([&](auto& r) { r.set_name(nobody); }), kOperator},
      {"Authorities/ActivateAuthority", "none", With<v1::ActivateAuthorityRequest>([&](auto& r) {
         r.set_name(nobody);
         r.set_certificates("none");
         r.set_validate_only(true);
       }),
       kOperator},
      {"Issuance/ConfirmInstallation",
       "a station's own",
       With<v1::ConfirmInstallationRequest>([&](auto& r) { r.set_name(own); }),
       {"station", "operator"}},
      {"Stations/EnrollStation", "no key", With<v1::EnrollStationRequest>([](auto&) {}), {}},
      {"Stations/RenewStation", "no key", With<v1::RenewStationRequest>([](auto&) {}), {"station"}},
      {"Stations/SuspendCaller", "a station", With<v1::SuspendCallerRequest>([](auto& r) {
         r.set_caller("hallmark://test/station/nobody");
         r.set_reason("matrix");
       }),
       kOperator},
      {"Stations/ResumeCaller", "a station",
       With<v1::ResumeCallerRequest>([](auto& r) { r.set_caller("hallmark://test/station/nobody"); }), kOperator},
      {"Stations/ListSuspensions", "all", With<v1::ListSuspensionsRequest>([](auto&) {}), kReaders},
      {"Lots/ImportLot", "nothing", With<v1::ImportLotRequest>([](auto& r) { r.mutable_header(); }), {"importer"}},
      {"Lots/GetLot", "none", With<v1::GetLotRequest>([](auto& r) { r.set_name("lots/none"); }), kEverybody},
      {"Lots/ListLots", "all", With<v1::ListLotsRequest>([](auto&) {}), kLotReaders},
      {"Lots/CloseLot", "none", With<v1::CloseLotRequest>([](auto& r) { r.set_name("lots/none"); }), kOperator},
      {"Lots/ReconcileLot", "none", With<v1::ReconcileLotRequest>([](auto& r) { r.set_name("lots/none"); }),
       kLotReaders},
      {"Lots/GetDevice", "none", With<v1::GetDeviceRequest>([](auto& r) { r.set_name("lots/none/devices/1"); }),
       kLotReaders},
      {"Lots/ListDevices", "of none", With<v1::ListDevicesRequest>([](auto& r) { r.set_parent("lots/none"); }),
       kLotReaders},
      {"Lots/CreateManufacturer", "without a certificate",
       With<v1::CreateManufacturerRequest>([](auto& r) { r.set_manufacturer_id("acme"); }), kOperator},
      {"Lots/UpdateManufacturer", "none",
       With<v1::UpdateManufacturerRequest>([](auto& r) { r.mutable_manufacturer()->set_name("manufacturers/none"); }),
       kOperator},
      {"Lots/GetManufacturer", "none",
       With<v1::GetManufacturerRequest>([](auto& r) { r.set_name("manufacturers/none"); }), kLotReaders},
      {"Lots/ListManufacturers", "all", With<v1::ListManufacturersRequest>([](auto&) {}), kLotReaders},
      {"Profiles/ListProfiles", "all", With<v1::ListProfilesRequest>([](auto&) {}), kReaders},
      {"Profiles/GetProfile", "one", With<v1::GetProfileRequest>([&](auto& r) { r.set_name(profile); }), kReaders},
      {"Profiles/ReplayProfile", "what is no profile", With<v1::ReplayProfileRequest>([&](auto& r) {
         r.set_name(profile);
         r.set_text("[");
       }),
       kReaders},
      {"Publication/AddTarget", "no description", With<v1::AddTargetRequest>([](auto&) {}), kOperator},
      {"Publication/GetTarget", "none", With<v1::GetTargetRequest>([&](auto& r) { r.set_name(target); }), kReaders},
      {"Publication/ListTargets", "all", With<v1::ListTargetsRequest>([](auto&) {}), kReaders},
      {"Publication/RemoveTarget", "none", With<v1::RemoveTargetRequest>([&](auto& r) { r.set_name(target); }),
       kOperator},
      {"Publication/PlanPublication", "none", With<v1::PlanPublicationRequest>([&](auto& r) { r.set_name(target); }),
       kReaders},
      {"Publication/PublishChain", "none", With<v1::PublishChainRequest>([&](auto& r) { r.set_name(target); }),
       kOperator},
      {"Publication/ReconcileTarget", "none", With<v1::ReconcileTargetRequest>([&](auto& r) { r.set_name(target); }),
       kReaders},
      {"Publication/ReconcileTarget", "and repair", With<v1::ReconcileTargetRequest>([&](auto& r) {
         r.set_name(target);
         r.set_repair(true);
       }),
       kOperator},
      {"Publication/ListWork", "none", With<v1::ListWorkRequest>([&](auto& r) { r.set_name(target); }), kReaders},
      {"Publication/RetryWork", "none", With<v1::RetryWorkRequest>([&](auto& r) { r.set_name(target); }), kOperator},
      {"Publication/CheckCertificate", "none", With<v1::CheckCertificateRequest>([&](auto& r) { r.set_name(target); }),
       kReaders},
      {"Publication/CheckLot", "none", With<v1::CheckLotRequest>([&](auto& r) { r.set_name("lots/none"); }),
       kLotReaders},
      {"Publication/ListEnrollments", "none", With<v1::ListEnrollmentsRequest>([&](auto& r) { r.set_name(target); }),
       kReaders},
      {"Publication/ExportBundle", "of devices",
       With<v1::ExportBundleRequest>([&](auto& r) { r.set_authority(devices); }), kReaders},
      {"Revocation/RevokeCertificate", "none", With<v1::RevokeCertificateRequest>([&](auto& r) {
         r.set_name(no_certificate);
         r.set_reason(v1::SUPERSEDED);
       }),
       kOperator},
      {"Revocation/ReleaseCertificate", "none",
       With<v1::ReleaseCertificateRequest>([&](auto& r) { r.set_name(no_certificate); }), kOperator},
      {"Revocation/RevokeCertificateByKey",
       "none",
       With<v1::RevokeCertificateByKeyRequest>([&](auto& r) { r.set_name(no_certificate); }),
       {"station", "operator"}},
      {"Revocation/RevokeCertificates", "of nobody", With<v1::RevokeCertificatesRequest>([&](auto& r) {
         r.set_request_id("matrix");
         r.set_filter("caller = nobody");
         r.set_reason(v1::SUPERSEDED);
         r.set_validate_only(true);
       }),
       kOperator},
      {"Revocation/GetMassRevocation", "none",
       With<v1::GetMassRevocationRequest>([](auto& r) { r.set_name("revocations/none"); }), kReaders},
      {"Revocation/ListMassRevocations", "all", With<v1::ListMassRevocationsRequest>([](auto&) {}), kReaders},
      {"Revocation/StopMassRevocation", "none",
       With<v1::StopMassRevocationRequest>([](auto& r) { r.set_name("revocations/none"); }), kOperator},
      {"Revocation/ImportCrl", "nothing", With<v1::ImportCrlRequest>([](auto&) {}), kOperator},
      {"Revocation/ListImportedCrls", "all", With<v1::ListImportedCrlsRequest>([](auto&) {}), kEverybody},
      {"Revocation/GetRevocationStatus", "all", With<v1::GetRevocationStatusRequest>([](auto&) {}), kEverybody},
      {"Authorities/RevokeAuthority", "none", With<v1::RevokeAuthorityRequest>([&](auto& r) {
         r.set_request_id("matrix");
         r.set_name(nobody);
         r.set_reason(v1::SUPERSEDED);
       }),
       kOperator},
      {"Revocation/GetCrl", "of devices", With<v1::GetCrlRequest>([&](auto& r) { r.set_parent(devices); }), kEverybody},
      {"Revocation/ListCrls", "of devices", With<v1::ListCrlsRequest>([&](auto& r) { r.set_parent(devices); }),
       kEverybody},
      {"Revocation/GenerateCrl", "of devices", With<v1::GenerateCrlRequest>([&](auto& r) { r.set_parent(devices); }),
       kOperator},
  };
}

// What a call came to; a stream's is in its first answer.
grpc::StatusCode OutcomeOf(const Row& row, const testing::RawAnswer& answer) {
  if (row.method != "Issuance/IssueCertificates" || !answer.status.ok()) return answer.status.error_code();
  v1::IssueCertificatesResponse response;
  EXPECT_TRUE(response.ParseFromString(answer.first));
  return static_cast<grpc::StatusCode>(response.error().code());
}

TEST_F(AccessMatrixTest, EachRoleMayWhatItsGrantsSayAndNothingElse) {
  std::set<std::string> covered;
  for (const Row& row : Rows()) {
    covered.insert(row.method);
    for (const auto& [role, channel] : channels_) {
      const auto answer = CallRaw(channel, "/hallmark.v1." + row.method, row.request->SerializeAsString());
      const grpc::StatusCode code = OutcomeOf(row, answer);
      const std::string cell = fmt::format("{} ({}) by {}: {} {}", row.method, row.what, role, static_cast<int>(code),
                                           answer.status.error_message());
      if (role == "nobody") {
        // TLS lets nobody in who has no certificate.
        EXPECT_TRUE(code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::UNAUTHENTICATED) << cell;
      } else if (row.allowed.contains(role)) {
        EXPECT_NE(code, grpc::StatusCode::PERMISSION_DENIED) << cell;
        EXPECT_NE(code, grpc::StatusCode::UNAUTHENTICATED) << cell;
        EXPECT_NE(code, grpc::StatusCode::UNIMPLEMENTED) << cell;
        EXPECT_NE(code, grpc::StatusCode::UNAVAILABLE) << cell;
        EXPECT_NE(code, grpc::StatusCode::INTERNAL) << cell;
      } else {
        EXPECT_EQ(code, grpc::StatusCode::PERMISSION_DENIED) << cell;
      }
    }
  }
  EXPECT_EQ(covered, Methods()) << "each method needs a row";
}

}  // namespace
}  // namespace hallmark
