// hallmark.yaml: what one instance is made of. Strict, as base/yaml.h reads it; relative paths are relative to the
// file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "hsm/key_exception.h"
#include "publish/credential_config.h"

namespace hallmark {

inline constexpr char kOnlyToken[] = "default";  // the name of a token that is alone in its file

// One token on which keys of authorities are.
struct TokenConfig {
  std::string name;      // [a-z][a-z0-9-]{0,30}; kOnlyToken where the file names none
  std::string module;    // a path, or a name of p11-kit's configuration
  std::string uri;       // RFC 7512, with pin-source perhaps
  int64_t sessions = 0;  // at most; 0: as many as the token allows
};

struct Config {
  std::filesystem::path file;  // that it was read from

  std::string realm;        // of the callers: hallmark://<realm>/...
  std::string grpc_listen;  // "address:port"
  std::string http_listen;
  std::string base_url;  // under which relying parties reach the HTTP repository, without a slash at its end

  std::filesystem::path http_tls_certificate;  // PEM, as tls_certificate; empty: HTTP without TLS
  std::filesystem::path http_tls_key;
  std::filesystem::path tls_certificate;  // PEM, the service's certificate and its chain
  std::filesystem::path tls_key;          // PEM
  std::filesystem::path tls_client_roots;

  std::vector<TokenConfig> hsm_tokens;  // never empty; new keys are made on the first unless somebody names another
  std::vector<KeyException> hsm_key_exceptions;
  Duration hsm_key_watch;                              // between two examinations of every key's attributes
  std::map<std::string, std::string> hsm_environment;  // set before the module is loaded, e.g. SOFTHSM2_CONF
  std::filesystem::path hsm_signature_journal;         // empty: none

  std::filesystem::path store_sqlite;
  std::filesystem::path profiles;
  std::filesystem::path roles;
  Duration crl_lifetime;
  Duration crl_delta_lifetime = absl::ZeroDuration();  // zero: no deltas
  std::map<std::string, int64_t> crl_shards = {};      // by authority; 1 where it is not named
  Duration ocsp_validity = absl::Hours(1);  // nextUpdate - thisUpdate; responses are replaced after half of it
  int64_t lots_alert_after = 10;            // refused attempts under a lot
  Duration lots_confirmation_watch = absl::Minutes(1);  // between two looks for what is not confirmed
  PublishConfig publish = {};
};

// Of what the file's author names: 1 to 31 of a-z 0-9 -, a letter first.
bool IsConfiguredName(const std::string& name);

// kInvalidArgument (CONFIGURATION_INVALID) with file, line and field.
StatusOr<Config> LoadConfig(const std::filesystem::path& file);

// Sets the environment that the configuration asks for. Call it before the first thread and the first use of the HSM.
void ApplyEnvironment(const Config& config);

}  // namespace hallmark
