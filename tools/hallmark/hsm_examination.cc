#include "tools/hallmark/hsm_examination.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/reason.h"
#include "ca/certificate.h"
#include "store/sqlite/sqlite_store.h"
#include "tools/instance.h"

namespace hallmark::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// After ApplyEnvironment, which sets what the configuration says.
ModuleEnvironment ReadModuleEnvironment() {
  return {.softhsm2_conf = Variable("SOFTHSM2_CONF"),
          .p11_kit_server_address = Variable("P11_KIT_SERVER_ADDRESS"),
          .runtime_directory = Variable("XDG_RUNTIME_DIR"),
          .home = Variable("HOME")};
}

class Diagnosis {
 public:
  Diagnosis(const HsmDoctorOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  HsmDiagnosis Run() {
    std::vector<HsmToExamine> hsms;
    if (!options_.module.empty()) {
      hsms.push_back(OfOptions());
    } else if (ReadConfiguration()) {
      OfConfiguration(hsms);
    }
    for (HsmToExamine& hsm : hsms) {
      hsm.sign = options_.sign && !unjournaled_;
      hsm.environment = ReadModuleEnvironment();
      hsm.progress = options_.progress;
      made_.hsms.push_back(ExamineHsm(std::move(hsm), clock_));
    }
    return std::move(made_);
  }

 private:
  void Add(const std::string& part, Judgement verdict, const std::string& finding, const std::string& advice = "") {
    made_.findings.push_back({part, verdict, finding, advice});
  }

  HsmToExamine OfOptions() const {
    HsmToExamine hsm;
    hsm.module = options_.module;
    hsm.token = options_.token;
    hsm.pin = PinSourcesOf(config_.file.parent_path(), {.name = kOnlyToken, .module = hsm.module, .uri = hsm.token},
                           ReadPinEnvironment());
    return hsm;
  }

  bool ReadConfiguration() {
    StatusOr<Config> config = LoadConfig(options_.config);
    if (!config.ok()) {
      Add("configuration", Judgement::kBad, Message(config.status()),
          "Correct the file, make an instance with: hallmark init DIR, or examine a module without one: hallmark "
          "doctor "
          "--hsm --module MODULE --token URI");
      return false;
    }
    config_ = std::move(*config);
    ApplyEnvironment(config_);
    Add("configuration", Judgement::kGood, options_.config);
    return true;
  }

  // One for each token, with the keys that are on it.
  void OfConfiguration(std::vector<HsmToExamine>& hsms) {
    const std::vector<KeyToExamine> keys = ReadKeys();
    const std::shared_ptr<SignatureJournal> journal = OpenJournal();
    for (const TokenConfig& token : config_.hsm_tokens) {
      HsmToExamine hsm;
      hsm.module = token.module;
      hsm.token = token.uri;
      hsm.pin = PinSourcesOf(config_.file.parent_path(), token, ReadPinEnvironment());
      hsm.sessions = static_cast<size_t>(token.sessions);
      hsm.all_must_fit = false;
      hsm.journal = journal;
      hsm.exceptions = config_.hsm_key_exceptions;
      const StatusOr<KeyUri> uri = KeyUri::Parse(token.uri);
      for (const KeyToExamine& key : keys) {
        const StatusOr<KeyUri> key_uri = KeyUri::Parse(key.uri);
        if (!uri.ok() || !key_uri.ok() || MeanTheSameToken(*uri, *key_uri)) hsm.keys.push_back(key);
      }
      hsms.push_back(std::move(hsm));
    }
  }

  // A test signature is one of a CA key: without its line in the journal it is not made.
  std::shared_ptr<SignatureJournal> OpenJournal() {
    if (config_.hsm_signature_journal.empty() || !options_.sign) return nullptr;
    StatusOr<std::shared_ptr<SignatureJournal>> journal = SignatureJournal::Open(config_.hsm_signature_journal, clock_);
    if (journal.ok()) return std::move(*journal);
    unjournaled_ = true;
    Add("journal", Judgement::kBad, Message(journal.status()),
        "Let this user write hsm.signature_journal; until then no test signature is made.");
    return nullptr;
  }

  std::vector<KeyToExamine> ReadKeys() {
    if (!std::filesystem::exists(config_.store_sqlite)) {
      Add("database", Judgement::kWarning, config_.store_sqlite.string() + " does not exist, so no key is compared",
          "Make an instance with: hallmark init DIR, or restore it from a backup.");
      return {};
    }
    const StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore({.path = config_.store_sqlite});
    if (Reason(store.status()) == reason::kStoreUnavailable) {
      Add("database", Judgement::kGood,
          fmt::format(
              "{} is in use by the running service, which compared each authority's certificate with its key when "
              "it started; here the keys on the token are examined without it",
              config_.store_sqlite.string()));
      return {};
    }
    const auto authorities =
        store.ok() ? (*store)->ListAuthorities() : StatusOr<std::vector<AuthorityRecord>>(store.status());
    if (!authorities.ok()) {
      Add("database", Judgement::kBad, Message(authorities.status()),
          "Examine the instance with: hallmark doctor. The keys are examined without it.");
      return {};
    }
    std::vector<KeyToExamine> keys;
    for (const AuthorityRecord& authority : *authorities) {
      const StatusOr<CertificateParts> parts = ReadCertificate(authority.certificate);
      for (const std::string& key_uri : authority.key_uris) {
        keys.push_back({authority.authority, key_uri, parts.ok() ? ToBytes(parts->spki) : Bytes()});
      }
    }
    Add("database", Judgement::kGood, fmt::format("{} authorities", authorities->size()));
    return keys;
  }

  const HsmDoctorOptions& options_;
  const Clock& clock_;
  Config config_;
  bool unjournaled_ = false;
  HsmDiagnosis made_;
};

}  // namespace

HsmDiagnosis DiagnoseHsm(const HsmDoctorOptions& options, const Clock& clock) {
  return Diagnosis(options, clock).Run();
}

}  // namespace hallmark::cli
