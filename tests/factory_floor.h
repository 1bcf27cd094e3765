// A factory around a Service whose devices need lots: a manufacturer with its key, manifests that openssl signs, and
// stations with credentials of their own.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "hallmark/v1/lots.grpc.pb.h"
#include "tests/service_client.h"

namespace hallmark::testing {

class FactoryFloor {
 public:
  // Registers manufacturer acme. The service is started.
  explicit FactoryFloor(Service& service) : service_(service), directory_(service.directory() / "floor") {
    std::filesystem::create_directories(directory_);
    Run(
        fmt::format("cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "
                    "/CN=acme -addext keyUsage=critical,digitalSignature -addext basicConstraints=critical,CA:FALSE "
                    "-keyout acme.key -out acme.pem",
                    directory_.string()));
    const auto registered = service_.Hallmark(
        "operator", fmt::format("manufacturer register acme --certificate {}/acme.pem", directory_.string()));
    if (registered.exit_code != 0) throw std::runtime_error(registered.output);
  }

  // A manifest of acme for profile device-dps, to be changed as the test needs.
  static nlohmann::json Manifest(const std::string& lot, const std::vector<std::string>& serials) {
    nlohmann::json manifest = {{"hallmark_manifest", 1},
                               {"manufacturer", "acme"},
                               {"product", "sensor"},
                               {"lot", lot},
                               {"revision", 1},
                               {"profile", "device-dps"},
                               {"authority", "devices"},
                               {"stations", {"line-*"}},
                               {"quantity", serials.size()},
                               {"window",
                                {{"not_before", Rfc3339(absl::Now() - absl::Hours(1))},
                                 {"not_after", Rfc3339(absl::Now() + absl::Hours(24))}}},
                               {"bootstrap",
                                {{"type", "azure-dps"},
                                 {"global_endpoint", "global.azure-devices-provisioning.net"},
                                 {"id_scope", "0ne00000001"}}},
                               {"devices", nlohmann::json::array()}};
    for (const std::string& serial : serials) manifest["devices"].push_back({{"serial", serial}});
    return manifest;
  }

  // Signs with acme's key, the content within; returns the file.
  std::string Sign(const nlohmann::json& manifest) {
    const std::string name = fmt::format("{}/manifest-{}", directory_.string(), ++manifests_);
    std::ofstream(name + ".json") << manifest.dump();
    Run(
        fmt::format("cd {0} && openssl cms -sign -binary -nodetach -in {1}.json -signer acme.pem -inkey acme.key "
                    "-outform DER -out {1}.cms",
                    directory_.string(), name));
    return name + ".cms";
  }
  CommandResult Import(const std::string& file) const { return service_.Hallmark("importer", "lot import " + file); }
  CommandResult SignAndImport(const nlohmann::json& manifest) { return Import(Sign(manifest)); }

  // A connection as station NAME, made over `endpoint` (empty: the service's own).
  std::shared_ptr<grpc::Channel> Station(const std::string& name, const std::string& endpoint = "") {
    const std::string base = (directory_ / name).string();
    if (!std::filesystem::exists(base + "-chain.pem")) Certify(name, base);
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = ReadFile(service_.ca() / "tls/root.pem").value();
    tls.pem_cert_chain = ReadFile(base + "-chain.pem").value();
    tls.pem_private_key = ReadFile(base + ".key").value();
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // the time that a handshake may take
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
    arguments.SetSslTargetNameOverride("localhost");
    return grpc::CreateCustomChannel(endpoint.empty() ? service_.endpoint() : endpoint, grpc::SslCredentials(tls),
                                     arguments);
  }

  static v1::IssueCertificateRequest Request(const std::string& lot, const std::string& serial, const std::string& id) {
    v1::IssueCertificateRequest request = RequestWithKeyOf(serial, serial, id);
    request.set_lot("lots/" + lot);
    return request;
  }
  static v1::IssueCertificateRequest RequestWithKeyOf(const std::string& key, const std::string& serial,
                                                      const std::string& id) {
    CsrBuilder csr(DeviceKeyOf(EncodeName({{"CN", key}})));
    csr.subject = EncodeName({{"CN", serial}});
    v1::IssueCertificateRequest request;
    request.set_request_id(id);
    request.set_parent("authorities/devices");
    request.set_profile("device-dps");
    request.set_csr(ToString(csr.Build()));
    return request;
  }

  const std::filesystem::path& directory() const { return directory_; }

 private:
  static void Run(const std::string& command) {
    const CommandResult result = RunCommand(command);
    if (result.exit_code != 0) throw std::runtime_error(result.output);
  }
  void Certify(const std::string& name, const std::string& base) {
    Run(
        fmt::format("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={0} -addext "
                    "subjectAltName=URI:hallmark://test/station/{0} -keyout {1}.key -out {1}.csr",
                    name, base));
    const auto issued = service_.Hallmark(
        "operator", fmt::format("certificate issue {}.csr --authority access --profile station --out {}", base,
                                directory_.string()));
    if (issued.exit_code != 0) throw std::runtime_error(issued.output);
  }

  Service& service_;
  const std::filesystem::path directory_;
  int manifests_ = 0;
};

}  // namespace hallmark::testing
