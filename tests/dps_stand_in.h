// The stand-in of Azure's Device Provisioning Service (tests/interop/dps/), run by a test on free ports, and
// Microsoft's own SDKs, which the test judges by. Whoever talks to Azure's hosts is led to it by an HTTPS proxy, so
// that names, certificates and signatures are those of production.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/command.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

extern char** environ;

namespace hallmark::testing {

class DpsStandIn {
 public:
  static constexpr char kService[] = "hallmark-dps";
  static constexpr char kIdScope[] = "0ne00000000";
  static constexpr char kHub1[] = "hallmark-hub-1.azure-devices.net";
  static constexpr char kHub2[] = "hallmark-hub-2.azure-devices.net";
  static constexpr char kTenant[] = "contoso";
  static constexpr char kClient[] = "11111111-2222-3333-4444-555555555555";

  // Where Microsoft's SDKs are installed; empty, and the reason told loudly, where the npm registry cannot be reached.
  static const std::string& NodeModules() {
    static const std::string directory = [] {
      const std::string where = std::filesystem::path(ProgramDirectory()).parent_path().string() + "/interop/dps";
      const CommandResult installed =
          RunCommand(fmt::format("{}/tests/interop/dps/install {} 2>&1", SourceDirectory(), where));
      if (installed.exit_code == 77) {
        fmt::print(stderr, "SKIPPED: {}\n", installed.output);
        return std::string();
      }
      if (installed.exit_code != 0) throw std::runtime_error(installed.output);
      return where + "/node_modules";
    }();
    return directory;
  }

  DpsStandIn() {
    MakeCertificates();
    Spawn();
  }
  DpsStandIn(const DpsStandIn&) = delete;  // it owns a process
  DpsStandIn& operator=(const DpsStandIn&) = delete;
  ~DpsStandIn() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    close(to_);
  }

  // The value of https_proxy with which Azure's hosts are this one.
  std::string proxy() const { return fmt::format("http://127.0.0.1:{}", ready_.at("proxyPort").get<int>()); }
  std::string roots() const { return (directory_ / "root.pem").string(); }
  std::string sas_key_file() const { return (directory_ / "sas.key").string(); }
  std::string entra_certificate() const { return (directory_ / "entra.pem").string(); }
  std::string entra_key() const { return (directory_ / "entra.key").string(); }
  const TemporaryDirectory& directory() const { return directory_; }

  // The section `publish` of hallmark.yaml for it, with the credential "test".
  std::string Configuration(const std::string& service = "") const {
    const std::string sas = fmt::format("sas: {{policy: provisioningserviceowner, key: {}}}", sas_key_file());
    const std::string entra = fmt::format("entra: {{tenant: {}, client_id: {}, certificate: {}, key: {}}}", kTenant,
                                          kClient, entra_certificate(), entra_key());
    return fmt::format(
        "publish:\n  roots: {}\n  azure: {{hub: \"https://{{hub}}/hub/{{hub}}\"}}\n  credentials:\n    test:\n"
        "      management: {{{}}}\n      service: {{{}}}\n      hub: {{{}}}\n",
        roots(), entra, service == "entra" ? entra : sas, service == "entra" ? entra : sas);
  }

  nlohmann::json Control(const std::string& method, const std::string& what, const nlohmann::json& body = nullptr) {
    const std::string file = (directory_ / "control.json").string();
    std::ofstream(file) << (body.is_null() ? "" : body.dump());
    const std::string data =
        body.is_null() ? "" : fmt::format("-H 'Content-Type: application/json' --data-binary @{}", file);
    const CommandResult result = RunCommand(
        fmt::format("curl -sS --noproxy '*' --fail-with-body --cacert {} -X {} -H 'Authorization: Bearer {}' {} "
                    "https://localhost:{}/_control/{}",
                    roots(), method, kSecret, data, ready_.at("port").get<int>(), what));
    if (result.exit_code != 0) throw std::runtime_error(what + ": " + result.output);
    return nlohmann::json::parse(result.output);
  }
  void Fault(const nlohmann::json& rule) { Control("POST", "faults", nlohmann::json::array({rule})); }
  void Set(const nlohmann::json& settings) { Control("POST", "settings", settings); }
  // What a person did.
  nlohmann::json Change(const nlohmann::json& change) { return Control("POST", "state", change); }
  nlohmann::json State() { return Control("GET", "state"); }
  nlohmann::json Log() { return Control("GET", "log").at("entries"); }
  void ClearLog() { Control("DELETE", "log"); }
  // Requests that are not of the contract.
  nlohmann::json Violations() { return Control("GET", "log").at("violations"); }
  // How many requests of this method (empty: any but GET and queries) went to a path that has `part`.
  int Count(const std::string& method, const std::string& part) {
    int count = 0;
    for (const auto& entry : Log()) {
      const std::string path = entry.at("path");
      const bool writes = entry.at("method") != "GET" && !path.ends_with("/query") && path.find("oauth2") == path.npos;
      if ((method.empty() ? writes : entry.at("method") == method) && path.find(part) != path.npos) ++count;
    }
    return count;
  }

  // Microsoft's device SDK over mTLS.
  nlohmann::json Register(const std::string& id, const std::string& chain_file, const std::string& key_file) {
    return Drive(
        fmt::format("register.mjs --trust {} --port {} --id-scope {} --registration-id '{}' --chain {} --key {}",
                    roots(), ready_.at("devicePort").get<int>(), kIdScope, id, chain_file, key_file));
  }
  // "drivers/arm.mjs" and "service.mjs", with the rest of their command line.
  nlohmann::json Drive(const std::string& command) {
    const CommandResult result = RunCommand(
        fmt::format("node {}/drivers/{} --node-modules {} 2>/dev/null", Directory(), command, NodeModules()));
    const nlohmann::json answer = nlohmann::json::parse(result.output, nullptr, false);
    if (answer.is_discarded()) throw std::runtime_error(command + ": " + result.output);
    return answer;
  }
  // A directory with a program `az` that calls Microsoft's SDKs, for PATH.
  std::string AzDirectory() {
    const std::filesystem::path directory = directory_ / "bin";
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "az") << fmt::format(
        "#!/bin/sh\nAZ_NODE_MODULES={} AZ_TRUST={} AZ_PORT={} AZ_TOKEN={} AZ_SAS_KEY={} exec node {}/drivers/az.mjs "
        "\"$@\" 2>> {}/az.log\n",
        NodeModules(), roots(), port(), Token("https://management.azure.com"), sas_key_file(), Directory(),
        directory_.path().string());
    std::filesystem::permissions(directory / "az", std::filesystem::perms::owner_all);
    return directory.string();
  }
  int port() const { return ready_.at("port"); }
  std::string Token(const std::string& audience) {
    return Control("POST", "tokens", {{"audience", audience}}).at("token");
  }

 private:
  static constexpr char kSecret[] = "control";
  static std::string Directory() { return SourceDirectory() + "/tests/interop/dps"; }

  void MakeCertificates() {
    const std::string at = directory_.path().string();
    std::ofstream(directory_ / "server.ext")
        << "subjectAltName=DNS:localhost,DNS:management.azure.com,DNS:login.microsoftonline.com,"
           "DNS:global.azure-devices-provisioning.net,DNS:*.azure-devices-provisioning.net,DNS:*.azure-devices.net\n";
    const CommandResult made = RunCommand(
        fmt::format("cd {0} && k='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes' && "
                    "openssl req -x509 $k -keyout root.key -out root.pem -days 30 -subj '/CN=Cloud Root' 2>&1 && "
                    "openssl req -new $k -keyout server.key -out server.csr -subj '/CN=Cloud' 2>&1 && "
                    "openssl x509 -req -in server.csr -CA root.pem -CAkey root.key -days 30 -extfile server.ext -out "
                    "server.pem 2>&1 "
                    "&& openssl req -x509 -newkey rsa:2048 -nodes -keyout entra.key -out entra.pem -days 36500 -subj "
                    "'/CN=App' 2>&1 && "
                    "openssl rand -base64 32 > sas.key && chmod 600 *.key",
                    at));
    if (made.exit_code != 0) throw std::runtime_error(made.output);
  }

  void Spawn() {
    std::string key;
    std::ifstream(directory_ / "sas.key") >> key;
    std::vector<std::string> arguments = {"node",
                                          Directory() + "/stand-in.mjs",
                                          "--node-modules",
                                          NodeModules(),
                                          "--certificate",
                                          (directory_ / "server.pem").string(),
                                          "--key",
                                          (directory_ / "server.key").string(),
                                          "--control-secret",
                                          kSecret,
                                          "--sas-key",
                                          key,
                                          "--entra-certificate",
                                          entra_certificate(),
                                          "--entra-client",
                                          kClient,
                                          "--entra-tenant",
                                          kTenant,
                                          "--id-scope",
                                          kIdScope,
                                          "--service",
                                          kService};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    int in[2];
    int out[2];
    if (pipe(in) != 0 || pipe(out) != 0) throw std::runtime_error("no pipe");
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    const int error = posix_spawnp(&process_, "node", &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    if (error != 0) throw std::runtime_error("cannot start node");
    std::string line;
    for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    close(out[0]);
    ready_ = nlohmann::json::parse(line);
  }

  TemporaryDirectory directory_;
  nlohmann::json ready_;
  pid_t process_ = 0;
  int to_ = -1;
};

}  // namespace hallmark::testing
