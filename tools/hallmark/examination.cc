#include "tools/hallmark/examination.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/openssl.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "hsm/key.h"
#include "policies/load.h"
#include "store/sqlite/sqlite_store.h"
#include "tools/instance.h"

namespace hallmark::cli {
namespace {

constexpr uint64_t kLowDiskOctets = uint64_t{1} << 30;
constexpr absl::CivilDay kReleased(2026, 11, 1);  // a clock behind it is certainly wrong
constexpr Duration kExpirySoon = absl::Hours(24 * 30);

// Whether somebody listens on an "address:port".
bool IsServed(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == listen.npos) return false;
  uint16_t port = 0;
  std::from_chars(listen.data() + colon + 1, listen.data() + listen.size(), port);
  std::string address = listen.substr(0, colon);
  if (address == "0.0.0.0") address = "127.0.0.1";
  const FileDescriptor probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  return inet_pton(AF_INET, address.c_str(), &name.sin_addr) == 1 &&
         connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
}

class Doctor {
 public:
  Doctor(const std::filesystem::path& file, const Clock& clock) : file_(file), clock_(clock) {}

  std::vector<Examined> Run() {
    if (!ExamineConfiguration()) return std::move(examined_);
    ExaminePolicies();
    ExamineClock();
    ExamineDisk();
    ExamineTls();
    ExaminePorts();
    for (const TokenConfig& token : config_.hsm_tokens) {
      if (ExamineModule(token) && ExamineToken(token) && ExamineLogin(token)) ExamineKeys(token);
    }
    ExamineDatabase();
    return std::move(examined_);
  }

 private:
  void Good(const std::string& part, const std::string& finding) {
    examined_.push_back({part, Judgement::kGood, finding, ""});
  }
  void Warn(const std::string& part, const std::string& finding, const std::string& advice) {
    examined_.push_back({part, Judgement::kWarning, finding, advice});
  }
  // Records a failure; false, so that what needs the part is left out.
  bool Bad(const std::string& part, const std::string& finding, const std::string& advice) {
    examined_.push_back({part, Judgement::kBad, finding, advice});
    return false;
  }
  // The same of a part that --hsm looks at more closely.
  bool BadHsm(const std::string& part, const std::string& finding, const std::string& advice) {
    return Bad(part, finding,
               fmt::format("{} See the cause with: hallmark doctor --hsm --config {}", advice, file_.string()));
  }

  bool ExamineConfiguration() {
    StatusOr<Config> config = LoadConfig(file_);
    if (!config.ok())
      return Bad("configuration", Message(config.status()),
                 "Correct the file, or make an instance with: hallmark init DIR");
    config_ = std::move(*config);
    ApplyEnvironment(config_);
    Good("configuration", file_.string());
    return true;
  }

  void ExaminePolicies() {
    const StatusOr<ProfileMap> profiles = LoadProfiles(config_.profiles, config_.realm);
    const StatusOr<Access> access = LoadAccess(config_.roles, config_.realm);
    if (!profiles.ok()) {
      Bad("profiles", Message(profiles.status()),
          "Correct the profile; the service does not start with one that it does not understand.");
    } else {
      Good("profiles", fmt::format("{} profiles in {}", profiles->size(), config_.profiles.string()));
    }
    if (!access.ok()) {
      Bad("roles", Message(access.status()), "Correct the file; the service does not start without its roles.");
    } else {
      Good("roles", fmt::format("{} roles in {}", access->roles().size(), config_.roles.string()));
    }
  }

  void ExamineClock() {
    const Time now = clock_.Now();
    if (now < absl::FromCivil(kReleased, absl::UTCTimeZone())) {
      Bad("clock", fmt::format("{}, which is before this program was written", Rfc3339(now)),
          "Set the clock and keep it right with NTP; certificates would be valid at the wrong time.");
    } else {
      Good("clock", Rfc3339(now));
    }
  }

  void ExamineDisk() {
    struct statvfs disk = {};
    const std::filesystem::path directory = config_.store_sqlite.parent_path();
    if (statvfs(directory.c_str(), &disk) != 0) {
      Bad("disk", "cannot look at " + directory.string(),
          "Make the directory, or correct store.sqlite in hallmark.yaml.");
      return;
    }
    const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
    const std::string finding =
        fmt::format("{:.1f} GiB free at {}", static_cast<double>(free) / (uint64_t{1} << 30), directory.string());
    if (free < kLowDiskOctets) {
      Warn("disk", finding,
           "A million certificates take about 1 GiB; when the disk is full nothing is issued any more.");
    } else {
      Good("disk", finding);
    }
  }

  void ExamineTls() {
    const StatusOr<std::string> chain = ReadFile(config_.tls_certificate);
    const StatusOr<std::string> key = ReadFile(config_.tls_key);
    const StatusOr<std::string> roots = ReadFile(config_.tls_client_roots);
    for (const auto* file : {&chain, &key, &roots}) {
      if (!file->ok()) {
        Bad("tls", Message(file->status()), "Restore the file, or issue a new one with profile tls-server.");
        return;
      }
    }
    const StatusOr<std::vector<Bytes>> blocks = PemDecode("CERTIFICATE", *chain);
    const StatusOr<CertificateParts> parts =
        blocks.ok() ? ReadCertificate(blocks->front()) : StatusOr<CertificateParts>(blocks.status());
    if (!parts.ok()) {
      Bad("tls", config_.tls_certificate.string() + ": " + Message(parts.status()),
          "It must be PEM, the service's certificate first.");
      return;
    }
    const ssl::Bio bio(BIO_new_mem_buf(key->data(), static_cast<int>(key->size())));
    const ssl::EvpKey private_key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    const StatusOr<Bytes> spki =
        private_key == nullptr ? StatusOr<Bytes>(absl::NotFoundError("")) : ssl::ToDer(i2d_PUBKEY, private_key.get());
    if (!spki.ok() || !Equal(*spki, parts->spki)) {
      Bad("tls", "the key and the certificate are no pair", "Put the two files of one issuance in place.");
    } else if (parts->not_after < clock_.Now()) {
      Bad("tls", "the certificate expired on " + Rfc3339(parts->not_after),
          "Issue a new one: hallmark certificate issue --authority access --profile tls-server CSR");
    } else if (parts->not_after < clock_.Now() + kExpirySoon) {
      Warn("tls", "the certificate expires on " + Rfc3339(parts->not_after),
           "Issue a new one: hallmark certificate issue --authority access --profile tls-server CSR");
    } else {
      Good("tls", "valid until " + Rfc3339(parts->not_after));
    }
  }

  void ExaminePorts() {
    served_ = IsServed(config_.grpc_listen);
    const bool http = IsServed(config_.http_listen);
    const std::string finding =
        fmt::format("gRPC {} {}, HTTP {} {}", config_.grpc_listen, served_ ? "answers" : "is free", config_.http_listen,
                    http ? "answers" : "is free");
    if (served_ != http) {
      Bad("ports", finding,
          "One of two answers: another program has the port, or the service is half up. See which with: ss -ltnp");
    } else {
      Good("ports", finding + (served_ ? "" : " (the service is not running)"));
    }
  }

  // The name of a part; that of several tokens has the token's behind it.
  std::string PartOf(const std::string& part, const TokenConfig& token) const {
    return config_.hsm_tokens.size() == 1 ? part : part + " " + token.name;
  }

  bool ExamineModule(const TokenConfig& configured) {
    const std::string part = PartOf("module", configured);
    StatusOr<std::shared_ptr<Module>> module = Module::Load(configured.module);
    if (!module.ok())
      return BadHsm(part, Message(module.status()),
                    "Install the module's package (SoftHSM: softhsm2), or correct hsm.module in hallmark.yaml.");
    const StatusOr<ModuleInformation> information = (*module)->Describe();
    if (!information.ok())
      return BadHsm(part, Message(information.status()),
                    "The module was loaded but does not answer; see the vendor's log.");
    Good(part, fmt::format("{} {} (Cryptoki {}), {}", information->description, information->version,
                           information->cryptoki_version, configured.module));
    module_ = std::move(*module);
    return true;
  }

  bool ExamineToken(const TokenConfig& configured) {
    const std::string part = PartOf("token", configured);
    const StatusOr<KeyUri> uri = KeyUri::Parse(configured.uri);
    if (!uri.ok()) return BadHsm(part, Message(uri.status()), "Correct hsm.token in hallmark.yaml (RFC 7512).");
    const StatusOr<std::vector<SlotInformation>> slots = module_->ListSlots();
    if (!slots.ok())
      return BadHsm(part, Message(slots.status()), "The module does not list its slots; see the vendor's log.");
    std::string labels;
    for (const SlotInformation& slot : *slots) {
      if (!slot.token.has_value() || !slot.token->initialized) continue;
      labels += (labels.empty() ? "" : ", ") + slot.token->label;
      if (slot.token->label == uri->token) return JudgeToken(part, *slot.token);
    }
    return BadHsm(
        part, fmt::format("no token '{}'; there are: {}", uri->token, labels.empty() ? "none" : labels),
        "Connect the token, or correct hsm.token or hsm.environment (SoftHSM: SOFTHSM2_CONF) in hallmark.yaml.");
  }

  bool JudgeToken(const std::string& part, const TokenInformation& token) {
    const std::string name =
        fmt::format("'{}', {} {}, serial {}", token.label, token.manufacturer, token.model, token.serial);
    if (token.user_pin_locked)
      return BadHsm(part, name + ": its PIN is locked", "The security officer has to set a new PIN (C_InitPIN).");
    if (token.user_pin_final_try) {
      return BadHsm(part, name + ": one more wrong PIN locks it",
                    "Hallmark will not spend the last try. Log in by hand with the right PIN first.");
    }
    if (token.user_pin_count_low)
      Warn(part, name + ": a wrong PIN was tried", "Find out who tried; a successful login resets the count.");
    if (!token.user_pin_count_low) Good(part, name);
    return true;
  }

  bool ExamineLogin(const TokenConfig& configured) {
    const std::string part = PartOf("login", configured);
    if (tokens_ == nullptr) {
      StatusOr<std::unique_ptr<ConfiguredTokens>> tokens =
          ConfiguredTokens::Open(config_, ReadPinEnvironment(), nullptr);
      if (!tokens.ok()) return BadHsm(part, Message(tokens.status()), "Correct hsm in hallmark.yaml.");
      tokens_ = std::move(*tokens);
    }
    const StatusOr<std::shared_ptr<Token>> token = tokens_->FindNamed(configured.name);
    const Status status = token.ok() ? (*token)->LogIn() : token.status();
    if (!status.ok())
      return BadHsm(
          part, Message(status),
          "Correct the PIN's source (pin-source in hsm.token, $CREDENTIALS_DIRECTORY/hallmark-pin or HALLMARK_PIN).");
    Good(part, "the PIN is right");
    return true;
  }

  void ExamineKeys(const TokenConfig& configured) {
    const StatusOr<std::shared_ptr<Token>> token = tokens_->FindNamed(configured.name);
    const StatusOr<std::vector<KeyAttributes>> keys =
        token.ok() ? ListKeys(**token) : StatusOr<std::vector<KeyAttributes>>(token.status());
    if (!keys.ok()) {
      BadHsm("keys", Message(keys.status()), "The token lists no keys; see the vendor's log.");
      return;
    }
    for (const KeyAttributes& key : *keys) {
      const Status safe = CheckSafe(key, config_.hsm_key_exceptions);
      const std::string name = PartOf("key " + key.uri.object, configured);
      if (!safe.ok()) {
        BadHsm(name, Message(safe),
               "Such a key could have been copied. Make a new one on the token and roll its authority over.");
      } else {
        Good(name, fmt::format("{}, made on the token, not extractable", KeyTypeName(*key.type)));
      }
    }
    if (keys->empty())
      BadHsm("keys", "the token holds no key", "Found the authorities with: hallmark init DIR, or restore the token.");
  }

  void ExamineDatabase() {
    if (served_) {
      Good("database", config_.store_sqlite.string() + " is in use by the running service, which checks it");
      return;
    }
    if (!std::filesystem::exists(config_.store_sqlite)) {
      Bad("database", config_.store_sqlite.string() + " does not exist",
          "Make an instance with: hallmark init DIR, or restore it from a backup.");
      return;
    }
    const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore({.path = config_.store_sqlite});
    const auto authorities =
        store.ok() ? (*store)->ListAuthorities() : StatusOr<std::vector<AuthorityRecord>>(store.status());
    const auto intents = store.ok() ? (*store)->OpenIntents() : StatusOr<std::vector<Intent>>(store.status());
    const auto head = store.ok() ? (*store)->GetLedgerHead() : StatusOr<LedgerHead>(store.status());
    for (const Status& status : {authorities.status(), intents.status(), head.status()}) {
      if (status.ok()) continue;
      Bad("database", Message(status),
          "Do not start the service on it. Restore the last backup; see docs/operations.md.");
      return;
    }
    Good("database", fmt::format("{} authorities, {} open intents, ledger of {} leaves with root {}",
                                 authorities->size(), intents->size(), head->size, Hex(head->root).substr(0, 16)));
    if (authorities->empty()) Bad("authorities", "there are none", "Found them with: hallmark init DIR");
    for (const AuthorityRecord& authority : *authorities) ExamineAuthority(**store, authority);
  }

  StatusOr<Bytes> ReadPublicKeyAt(const std::string& key_uri) const {
    ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(key_uri));
    ASSIGN_OR_RETURN(const std::shared_ptr<Token> token, tokens_->FindOf(uri));
    return ReadPublicKey(*token, uri);
  }

  // Whether the token holds the key of an authority's certificate, and whether its certificate and CRL are valid.
  void ExamineAuthority(Store& store, const AuthorityRecord& authority) {
    const std::string name = "authority " + authority.authority;
    if (authority.certificate.empty()) {
      Warn(name, "awaits its activation",
           fmt::format("Have it certified: hallmark authority csr {}", authority.authority));
      return;
    }
    const StatusOr<CertificateParts> parts = ReadCertificate(authority.certificate);
    if (!parts.ok()) {
      Bad(name, Message(parts.status()), "The database is damaged. Restore the last backup; see docs/operations.md.");
      return;
    }
    const Time now = clock_.Now();
    for (const std::string& key_uri : authority.key_uris) {
      if (tokens_ == nullptr) break;
      const StatusOr<Bytes> spki = ReadPublicKeyAt(key_uri);
      if (!spki.ok() || !Equal(*spki, parts->spki)) {
        Bad(name, spki.ok() ? "the key on the token is another than its certificate's" : Message(spki.status()),
            "Restore the token that the authority was founded on; the service does not start without its keys.");
        return;
      }
    }
    if (parts->not_after < now) {
      Bad(name, "its certificate expired on " + Rfc3339(parts->not_after), "Found a successor.");
      return;
    }
    const StatusOr<CrlRecord> crl = store.LatestCrl(authority.authority);
    if (!crl.ok() || crl->next_update < now) {
      Warn(name, crl.ok() ? "its last CRL expired on " + Rfc3339(crl->next_update) : Message(crl.status()),
           "The service makes one when it starts; until then relying parties refuse its certificates or do not check "
           "them.");
    } else {
      Good(name, fmt::format("certificate until {}, CRL {} until {}", Rfc3339(parts->not_after), crl->number,
                             Rfc3339(crl->next_update)));
    }
  }

  const std::filesystem::path file_;
  const Clock& clock_;
  std::vector<Examined> examined_;
  Config config_;
  bool served_ = false;
  std::shared_ptr<Module> module_;
  std::unique_ptr<ConfiguredTokens> tokens_;
};

}  // namespace

std::vector<Examined> Examine(const std::filesystem::path& config, const Clock& clock) {
  return Doctor(config, clock).Run();
}

}  // namespace hallmark::cli
