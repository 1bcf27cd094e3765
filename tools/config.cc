#include "tools/config.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/yaml.h"
#include "store/records.h"
#include "tools/publish_config.h"

namespace hallmark {
namespace {

// Reads a path; environment values that name a file beside the configuration may be relative, too.
std::filesystem::path Resolve(const std::filesystem::path& directory, const std::string& path) {
  return path.empty() ? std::filesystem::path() : (directory / path).lexically_normal();
}

Status ReadTls(yaml::Mapping& tls, const std::filesystem::path& directory, Config& config) {
  config.tls_certificate = Resolve(directory, tls.Required<std::string>("certificate"));
  config.tls_key = Resolve(directory, tls.Required<std::string>("key"));
  config.tls_client_roots = Resolve(directory, tls.Required<std::string>("client_roots"));
  return tls.Finish();
}

TokenConfig ReadToken(yaml::Mapping& token, const std::string& name) {
  constexpr int64_t kMaxSessions = 1024;
  TokenConfig config;
  config.name = name;
  config.module = token.Required<std::string>("module");
  config.uri = token.Required<std::string>("token");
  config.sessions = token.Optional<int64_t>("sessions", 0);
  if (config.sessions < 0 || config.sessions > kMaxSessions) {
    token.Fail("sessions", fmt::format("must be 1 to {}, or 0 for as many as the token states", kMaxSessions));
  }
  return config;
}

// crl: {shards: {devices: 16}}
void ReadShards(yaml::Mapping& crl, Config& config) {
  crl.Nested("shards", [&config](yaml::Mapping& shards) {
    for (const std::string& authority : shards.Keys()) {
      const int64_t count = shards.Required<int64_t>(authority);
      if (count < 1 || count > kMostCrlShards) {
        shards.Fail(authority, fmt::format("must be 1 to {}", kMostCrlShards));
      }
      config.crl_shards[authority] = count;
    }
    return shards.Finish();
  });
}

// One token, whose fields stand in `hsm` itself, or several by their names under `tokens`.
void ReadTokens(yaml::Mapping& hsm, Config& config) {
  if (!hsm.Has("tokens")) {
    config.hsm_tokens.push_back(ReadToken(hsm, kOnlyToken));
    return;
  }
  hsm.Nested("tokens", [&](yaml::Mapping& tokens) -> Status {
    for (const std::string& name : tokens.Keys()) {
      if (!IsConfiguredName(name)) tokens.Fail(name, "is no name of a token: 1 to 31 of a-z 0-9 -, a letter first");
    }
    tokens.Entries([&](const std::string& name, yaml::Mapping& token) {
      config.hsm_tokens.push_back(ReadToken(token, name));
      return token.Finish();
    });
    return tokens.Finish();
  });
  if (config.hsm_tokens.empty()) hsm.Fail("tokens", "must name at least one token");
}

Status ReadHsm(yaml::Mapping& hsm, const std::filesystem::path& directory, Config& config) {
  ReadTokens(hsm, config);
  hsm.Each("key_exceptions", [&](yaml::Mapping& exception) {
    const std::string key = exception.Required<std::string>("key");
    StatusOr<KeyException> accepted = KeyException::Create(
        key, exception.Required<std::vector<std::string>>("attributes"), exception.Required<std::string>("reason"));
    exception.Check(accepted.status(), "key");
    if (accepted.ok()) config.hsm_key_exceptions.push_back(*std::move(accepted));
    return exception.Finish();
  });
  config.hsm_key_watch = hsm.Optional<Duration>("key_watch", absl::Hours(1));
  if (config.hsm_key_watch < absl::Seconds(1)) hsm.Fail("key_watch", "must be at least 1s");
  config.hsm_signature_journal = Resolve(directory, hsm.Optional<std::string>("signature_journal", ""));
  hsm.Nested("environment", [&](yaml::Mapping& environment) {
    for (const std::string& name : environment.Keys()) {
      std::string value = environment.Required<std::string>(name);
      if (value.starts_with("./")) value = Resolve(std::filesystem::absolute(directory), value).string();
      config.hsm_environment[name] = value;
    }
    return environment.Finish();
  });
  return hsm.Finish();
}

Status ReadConfig(yaml::Mapping& top, const std::filesystem::path& directory, Config& config) {
  config.realm = top.Required<std::string>("realm");
  config.base_url = top.Required<std::string>("base_url");
  if (!config.base_url.starts_with("http://") || config.base_url.ends_with('/')) {
    top.Fail(
        "base_url",
        "must begin with http:// (RFC 5280 8: never https, which needs the CRL to be trusted) and end without a slash");
  }
  for (const char* section : {"listen", "tls", "hsm", "store", "policies"}) {
    if (!top.Has(section)) top.Fail(section, "is required");
  }
  top.Nested("listen", [&](yaml::Mapping& listen) {
    config.grpc_listen = listen.Required<std::string>("grpc");
    config.http_listen = listen.Required<std::string>("http");
    return listen.Finish();
  });
  top.Nested("tls", [&](yaml::Mapping& tls) { return ReadTls(tls, directory, config); });
  top.Nested("http", [&](yaml::Mapping& http) {
    http.Nested("tls", [&](yaml::Mapping& tls) {
      config.http_tls_certificate = Resolve(directory, tls.Required<std::string>("certificate"));
      config.http_tls_key = Resolve(directory, tls.Required<std::string>("key"));
      return tls.Finish();
    });
    return http.Finish();
  });
  top.Nested("hsm", [&](yaml::Mapping& hsm) { return ReadHsm(hsm, directory, config); });
  top.Nested("store", [&](yaml::Mapping& store) {
    config.store_sqlite = Resolve(directory, store.Required<std::string>("sqlite"));
    return store.Finish();
  });
  top.Nested("policies", [&](yaml::Mapping& policies) {
    config.profiles = Resolve(directory, policies.Required<std::string>("profiles"));
    config.roles = Resolve(directory, policies.Required<std::string>("roles"));
    return policies.Finish();
  });
  config.crl_lifetime = absl::Hours(24 * 7);
  top.Nested("crl", [&](yaml::Mapping& crl) {
    config.crl_lifetime = crl.Optional<Duration>("lifetime", config.crl_lifetime);
    if (config.crl_lifetime < absl::Minutes(1)) crl.Fail("lifetime", "must be at least 1m");
    config.crl_delta_lifetime = crl.Optional<Duration>("delta_lifetime", config.crl_delta_lifetime);
    if (crl.Has("delta_lifetime") && config.crl_delta_lifetime < absl::Minutes(1)) {
      crl.Fail("delta_lifetime", "must be at least 1m; leave it out for no delta CRLs");
    }
    ReadShards(crl, config);
    return crl.Finish();
  });
  top.Nested("ocsp", [&](yaml::Mapping& ocsp) {
    config.ocsp_validity = ocsp.Optional<Duration>("validity", config.ocsp_validity);
    if (config.ocsp_validity < absl::Minutes(1)) ocsp.Fail("validity", "must be at least 1m");
    return ocsp.Finish();
  });
  top.Nested("lots", [&](yaml::Mapping& lots) {
    config.lots_alert_after = lots.Optional<int64_t>("alert_after", config.lots_alert_after);
    if (config.lots_alert_after < 1) lots.Fail("alert_after", "must be at least 1");
    config.lots_confirmation_watch = lots.Optional<Duration>("confirmation_watch", config.lots_confirmation_watch);
    if (config.lots_confirmation_watch < absl::Seconds(1)) lots.Fail("confirmation_watch", "must be at least 1s");
    return lots.Finish();
  });
  top.Nested("publish", [&](yaml::Mapping& publish) { return ReadPublish(publish, directory, config.publish); });
  return top.Finish();
}

}  // namespace

bool IsConfiguredName(const std::string& name) {
  constexpr size_t kLimit = 31;
  return !name.empty() && name.size() <= kLimit && name[0] >= 'a' && name[0] <= 'z' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == name.npos;
}

// One token, whose fields stand in `hsm` itself, or several by their names under `tokens`.
StatusOr<Config> LoadConfig(const std::filesystem::path& file) {
  Config config;
  config.file = file;
  RETURN_IF_ERROR(
      yaml::ReadMapping(file, [&](yaml::Mapping& top) { return ReadConfig(top, file.parent_path(), config); }));
  return config;
}

void ApplyEnvironment(const Config& config) {
  for (const auto& [name, value] : config.hsm_environment) setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace hallmark
