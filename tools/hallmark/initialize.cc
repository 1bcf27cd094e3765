#include "tools/hallmark/initialize.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/reason.h"
#include "ca/hierarchy.h"
#include "hsm/key.h"
#include "policies/shipped.h"
#include "tools/hallmark/credential.h"
#include "tools/instance.h"

namespace hallmark {
namespace {

namespace fs = std::filesystem;

constexpr Duration kStepLimit = absl::Minutes(2);
constexpr size_t kPinOctets = 16;

Status MakeDirectory(const fs::path& path, fs::perms mode = fs::perms::owner_all) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) fs::permissions(path, mode, error);
  if (!error) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot create {}: {}", path.string(), error.message()));
}

// Whether a service could listen on the port now; and which one the system gives for port 0.
StatusOr<int> ProbePort(const std::string& address, int port) {
  const FileDescriptor probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1) {
    return Error(
        Code::kInvalidArgument, reason::kConfigurationInvalid,
        fmt::format("--listen {}: not an IPv4 address; use 127.0.0.1, or 0.0.0.0 for all interfaces", address));
  }
  socklen_t size = sizeof(name);
  if (bind(probe.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 ||
      getsockname(probe.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return Error(Code::kUnavailable, reason::kConfigurationInvalid,
                 fmt::format("port {} on {} is taken", port, address));
  }
  return ntohs(name.sin_port);
}

// `preferred`, or a free one if it is taken or the other service's.
StatusOr<int> ChoosePort(const std::string& address, int preferred, int other) {
  const StatusOr<int> port = ProbePort(address, preferred == other ? 0 : preferred);
  return absl::IsUnavailable(port.status()) ? ProbePort(address, 0) : port;
}

bool IsAddress(const std::string& host) {
  in_addr address = {};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// Everything that would fail later, when half of the instance is there.
Status CheckOptions(const InitializeOptions& options) {
  const auto refuse = [](const char* option, const char* rule) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid, fmt::format("--{}: {}", option, rule));
  };
  constexpr size_t kOrganizationLimit = 50;  // the authorities' CN is this and a word more, of 64 characters
  constexpr size_t kHostLimit = 64;
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  if (!ParseCallerUri(fmt::format("hallmark://{}/operator/init", options.realm)).ok() ||
      options.realm.size() > kHostLimit) {
    return refuse("realm", "must be 1 to 64 of a-z 0-9 . - and begin with a letter or a digit");
  }
  if (options.host.empty() || options.host.size() > kHostLimit ||
      options.host.find_first_not_of(kName) != std::string::npos) {
    return refuse("host", "must be a DNS name in lower case, or an IPv4 address, of at most 64 characters");
  }
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (options.organization.empty() || options.organization.size() > kOrganizationLimit ||
      !std::all_of(options.organization.begin(), options.organization.end(), printable)) {
    return refuse("organization", "must be 1 to 50 printable ASCII characters");
  }
  if (!std::all_of(options.module.begin(), options.module.end(), printable) ||
      options.module.find('"') != std::string::npos) {
    return refuse("module", "must be printable and without quotes");
  }
  return absl::OkStatus();
}

// One instance being made.
class Initialization {
 public:
  explicit Initialization(const InitializeOptions& options)
      : options_(options), directory_(fs::absolute(options.directory)) {}

  StatusOr<Initialized> Run() {
    if (fs::exists(directory_ / "hallmark.yaml")) {
      return Error(Code::kAlreadyExists, reason::kConfigurationInvalid,
                   fmt::format("{} holds an instance already; start it with: hallmarkd --config {}/hallmark.yaml",
                               directory_.string(), directory_.string()));
    }
    std::error_code ignored;
    if (fs::exists(directory_ / kUnfinished) || (fs::exists(directory_) && !fs::is_empty(directory_, ignored))) {
      return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                   fmt::format("{} is not empty and holds no finished instance; choose another directory, or remove it",
                               directory_.string()));
    }
    RETURN_IF_ERROR(CheckOptions(options_));
    ASSIGN_OR_RETURN(chosen_.grpc_port, ChoosePort(options_.listen, options_.grpc_port, 0));
    ASSIGN_OR_RETURN(chosen_.http_port, ChoosePort(options_.listen, options_.http_port, chosen_.grpc_port));
    RETURN_IF_ERROR(WriteFiles());
    RETURN_IF_ERROR(MakeToken());
    ASSIGN_OR_RETURN(instance_, Instance::Create(config_, PinEnvironment(), {}));
    RETURN_IF_ERROR(FoundAuthorities());
    RETURN_IF_ERROR(IssueCredentials());
    std::error_code error;
    fs::rename(directory_ / kUnfinished, directory_ / "hallmark.yaml", error);
    if (error)
      return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                   "cannot write hallmark.yaml: " + error.message());
    return chosen_;
  }

 private:
  static constexpr char kUnfinished[] = "hallmark.yaml.unfinished";

  void Progress(const std::string& step) const {
    if (options_.progress) options_.progress(step);
  }

  std::string BaseUrl() const { return fmt::format("http://{}:{}", options_.host, chosen_.http_port); }

  Status WriteText(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    return WriteFile(directory_ / name, AsBytes(text), mode);
  }

  std::string ConfigText() const {
    return fmt::format(R"(# One Hallmark instance. Paths are relative to this file. See docs/operations.md.
realm: "{realm}"

listen:
  grpc: {listen}:{grpc_port}
  http: {listen}:{http_port}

# Where relying parties reach the HTTP repository: it stands in every certificate (CRL and issuer), so it has to be
# right before the first device is made.
base_url: {base_url}

tls:
  certificate: tls/service.pem
  key: tls/service-key.pem
  client_roots: tls/root.pem

hsm:
  module: "{module}"
  token: pkcs11:token=hallmark?pin-source=secrets/pin
  sessions: 8
  environment:
    SOFTHSM2_CONF: ./softhsm2.conf
  # A line for each signature, written before it is made: the HSM side's own count, for auditors.
  signature_journal: signatures.log

store:
  sqlite: hallmark.db

policies:
  profiles: policies/profiles
  roles: policies/roles.yaml

crl:
  lifetime: 7d
)",
                       fmt::arg("realm", options_.realm), fmt::arg("listen", options_.listen),
                       fmt::arg("grpc_port", chosen_.grpc_port), fmt::arg("http_port", chosen_.http_port),
                       fmt::arg("base_url", BaseUrl()), fmt::arg("module", options_.module));
  }

  Status WriteFiles() {
    for (const char* name : {"", "tls", "secrets", "token", "policies", "policies/profiles", "contexts"}) {
      RETURN_IF_ERROR(MakeDirectory(directory_ / name));
    }
    for (const ShippedPolicy& policy : ShippedPolicies()) {
      RETURN_IF_ERROR(WriteText("policies/" + std::string(policy.path), std::string(policy.text)));
    }
    RETURN_IF_ERROR(WriteText("softhsm2.conf",
                              fmt::format("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                                          (directory_ / "token").string())));
    RETURN_IF_ERROR(WriteText(kUnfinished, ConfigText()));
    ASSIGN_OR_RETURN(config_, LoadConfig(directory_ / kUnfinished));
    return absl::OkStatus();
  }

  // A random PIN in a file of its own, and in hand.
  StatusOr<Secret> MakePin(const std::string& name) const {
    ASSIGN_OR_RETURN(const Bytes random, RandomBytes(kPinOctets));
    Secret pin(Hex(random));
    RETURN_IF_ERROR(WriteFile(directory_ / "secrets" / name, AsBytes(pin.Reveal()), 0600));
    return pin;
  }

  Status MakeToken() const {
    Progress("token: a SoftHSM2 token of its own, with random PINs in secrets/");
    ApplyEnvironment(config_);
    ASSIGN_OR_RETURN(const Secret user_pin, MakePin("pin"));
    ASSIGN_OR_RETURN(const Secret so_pin, MakePin("so-pin"));
    ASSIGN_OR_RETURN(const std::shared_ptr<Module> module, Module::Load(config_.hsm_tokens.front().module));
    return InitializeToken(*module, "hallmark", so_pin, user_pin);
  }

  Status Found(const std::string& name, const std::string& profile, const std::string& common_name,
               const std::string& parent) {
    Progress(fmt::format("authority '{}': {} in the token, {}", name, options_.key_type, common_name));
    ASSIGN_OR_RETURN(const KeyType type, ParseKeyType(options_.key_type));
    ASSIGN_OR_RETURN(const KeyUri uri, GenerateKey(*instance_->tokens().all().front().token, type, name));
    AuthorityRecord record;
    record.authority = name;
    record.key_uris = {uri.ToString()};
    ASSIGN_OR_RETURN(const std::shared_ptr<const SigningKey> key, instance_->OpenKey(record));
    const std::shared_ptr<const Issuers::Snapshot> known = instance_->issuers().Current();
    const auto issuer = known->issuers.find(parent);
    const Founding founding{.authority = name,
                            .profile = profile,
                            .subject = {{"O", options_.organization}, {"CN", common_name}},
                            .key_uri = uri.ToString(),
                            .caller = OperatorUri()};
    RETURN_IF_ERROR(FoundAuthority(instance_->store(), instance_->clock(), instance_->policies().Current()->profiles,
                                   founding, *key, issuer == known->issuers.end() ? nullptr : issuer->second.get(),
                                   absl::Now() + kStepLimit)
                        .status());
    return instance_->issuers().Reload();
  }

  Status FoundAuthorities() {
    const std::string& organization = options_.organization;
    RETURN_IF_ERROR(Found("root", "root", organization + " Root", ""));
    RETURN_IF_ERROR(Found("devices", "issuing-authority", organization + " Devices", "root"));
    RETURN_IF_ERROR(Found("access", "issuing-authority", organization + " Access", "root"));
    const std::shared_ptr<const Issuers::Snapshot> founded = instance_->issuers().Current();
    for (const auto& [name, issuer] : founded->issuers) {
      RETURN_IF_ERROR(instance_->authority().GenerateCrl(*issuer, absl::Now() + kStepLimit).status());
    }
    return WriteText("tls/root.pem", PemEncode("CERTIFICATE", founded->issuers.at("root")->record().certificate));
  }

  std::string OperatorUri() const { return fmt::format("hallmark://{}/operator/init", options_.realm); }

  // A software key and a certificate of the access authority for it: NAME.pem with the chain, NAME-key.pem.
  Status IssueCredential(const std::string& profile, const std::string& path, const std::string& common_name,
                         const std::vector<GeneralName>& names) {
    ASSIGN_OR_RETURN(const ssl::EvpKey key, GenerateSoftwareKey());
    ASSIGN_OR_RETURN(const Secret pem, PrivateKeyPem(key.get()));
    ASSIGN_OR_RETURN(Bytes csr, MakeCsr(key.get(), common_name, names));
    ASSIGN_OR_RETURN(const Caller caller, ParseCallerUri(OperatorUri()));
    Request request;
    request.request_id = "init:" + profile;
    request.authority = "access";
    request.profile = profile;
    request.csr = std::move(csr);
    ASSIGN_OR_RETURN(const Issued issued, instance_->authority().Issue(caller, request, absl::Now() + kStepLimit));
    std::string chain = PemEncode("CERTIFICATE", issued.record.certificate);
    for (const Bytes& certificate : issued.issuer->chain()) chain += PemEncode("CERTIFICATE", certificate);
    RETURN_IF_ERROR(WriteText(path + ".pem", chain));
    return WriteFile(directory_ / (path + "-key.pem"), AsBytes(pem.Reveal()), 0600);
  }

  Status IssueCredentials() {
    Progress("credentials: the service's TLS certificate, an operator, an importer, a station, an auditor");
    std::vector<GeneralName> names = {{GeneralName::Kind::kDns, "localhost"}, {GeneralName::Kind::kIp, "127.0.0.1"}};
    const GeneralName host = {IsAddress(options_.host) ? GeneralName::Kind::kIp : GeneralName::Kind::kDns,
                              options_.host};
    if (std::find(names.begin(), names.end(), host) == names.end()) names.insert(names.begin(), host);
    RETURN_IF_ERROR(IssueCredential("tls-server", "tls/service", options_.host, names));
    for (const auto& [role, name] : {std::pair("operator", "admin"), std::pair("importer", "import"),
                                     std::pair("station", "line-1"), std::pair("auditor", "audit")}) {
      const std::string uri = fmt::format("hallmark://{}/{}/{}", options_.realm, role, name);
      RETURN_IF_ERROR(IssueCredential(role, std::string("contexts/") + role, name, {{GeneralName::Kind::kUri, uri}}));
      RETURN_IF_ERROR(
          WriteText(std::string("contexts/") + role + ".yaml",
                    fmt::format("# {}\nendpoint: {}:{}\ncertificate: {}.pem\nkey: {}-key.pem\nroots: ../tls/root.pem\n",
                                uri, options_.host, chosen_.grpc_port, role, role)));
    }
    return absl::OkStatus();
  }

  const InitializeOptions& options_;
  const fs::path directory_;
  Initialized chosen_;
  Config config_;
  std::unique_ptr<Instance> instance_;
};

}  // namespace

StatusOr<Initialized> InitializeInstance(const InitializeOptions& options) { return Initialization(options).Run(); }

}  // namespace hallmark
