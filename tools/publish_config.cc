#include "tools/publish_config.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <functional>

#include "publish/credential.h"
#include "publish/web_client.h"
#include "tools/config.h"

namespace hallmark {
namespace {

constexpr char kPkcs11[] = "pkcs11:";

std::filesystem::path Resolve(const std::filesystem::path& directory, const std::string& path) {
  return path.empty() ? std::filesystem::path() : (directory / path).lexically_normal();
}

SecretSource ReadSource(yaml::Mapping& mapping, const char* field, const std::filesystem::path& directory) {
  const std::string text = mapping.Required<std::string>(field);
  StatusOr<SecretSource> source = ParseSecretSource(text, directory);
  mapping.Check(source.status(), field);
  return source.ok() ? *std::move(source) : SecretSource();
}

std::string ReadText(yaml::Mapping& mapping, const char* field) {
  std::string text = mapping.Required<std::string>(field);
  if (text.empty()) mapping.Fail(field, "must not be empty");
  return text;
}

EntraConfig ReadEntra(yaml::Mapping& entra, const std::filesystem::path& directory) {
  EntraConfig config;
  config.tenant = ReadText(entra, "tenant");
  config.client_id = ReadText(entra, "client_id");
  config.certificate = Resolve(directory, ReadText(entra, "certificate"));
  const std::string key = ReadText(entra, "key");
  if (key.starts_with(kPkcs11)) {
    config.key_uri = key;
  } else {
    config.key = ReadSource(entra, "key", directory);
  }
  return config;
}

// One of sas, entra and managed_identity.
Status ReadAuthorizer(yaml::Mapping& audience, const std::filesystem::path& directory, Audience of,
                      CredentialConfig& config) {
  int count = 0;
  const auto take = [&](AuthorizerConfig kind) {
    config.insert_or_assign(of, std::move(kind));
    ++count;
  };
  audience.Nested("sas", [&](yaml::Mapping& sas) {
    const std::string policy = ReadText(sas, "policy");
    take(SasConfig{.policy = policy, .key = ReadSource(sas, "key", directory)});
    return sas.Finish();
  });
  audience.Nested("entra", [&](yaml::Mapping& entra) {
    take(ReadEntra(entra, directory));
    return entra.Finish();
  });
  audience.Nested("managed_identity", [&](yaml::Mapping& identity) {
    take(ManagedIdentityConfig{.client_id = identity.Optional<std::string>("client_id", "")});
    return identity.Finish();
  });
  if (of == Audience::kManagement && audience.Has("sas")) {
    audience.Fail("sas", "Azure Resource Manager takes no SAS key; give entra or managed_identity");
  }
  if (audience.Finish().ok() && count != 1) {
    audience.Fail("", of == Audience::kManagement ? "give one of entra and managed_identity"
                                                  : "give one of sas, entra and managed_identity");
  }
  return audience.Finish();
}

// A target's address: what stands in its place by default and, for sovereign clouds and tests, in the file.
void ReadAddress(yaml::Mapping& azure, const char* field, const std::string& scheme, std::string& address) {
  address = azure.Optional<std::string>(field, address);
  if (!address.starts_with(scheme) || address.size() == scheme.size() || address.ends_with('/')) {
    azure.Fail(field, fmt::format("must begin with {} and end without a slash", scheme));
  }
}

// Whether it is this machine, or a machine that has no name, which is a test's.
bool IsNameless(const std::string& address) {
  std::string host = HostOf(address).value_or("");
  if (host.starts_with('[')) host = host.substr(1, host.find(']') - 1);
  std::array<unsigned char, 16> octets = {};
  return host == "localhost" || inet_pton(AF_INET, host.c_str(), octets.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), octets.data()) == 1;
}

// An address with a place for the name of what is asked: without it all targets would be asked at one host.
void ReadAddressOf(const char* placeholder, const char* meaning, yaml::Mapping& azure, const char* field,
                   std::string& address) {
  ReadAddress(azure, field, "https://", address);
  if (address.find(placeholder) != address.npos || IsNameless(address)) return;
  azure.Fail(field, fmt::format("must contain {}, in whose place {} is put; without it the calls for all of them would "
                                "go to one host",
                                placeholder, meaning));
}

Status ReadAzure(yaml::Mapping& azure, AzureConfig& config) {
  ReadAddress(azure, "management", "https://", config.management);
  ReadAddress(azure, "login", "https://", config.login);
  ReadAddressOf("{service}", "the name of a target's service", azure, "service", config.service);
  ReadAddressOf("{hub}", "the host name of a hub", azure, "hub", config.hub);
  ReadAddress(azure, "managed_identity", "http://", config.managed_identity);
  azure.Nested("scopes", [&](yaml::Mapping& scopes) {
    for (auto& [audience, scope] : config.scopes) {
      if (scopes.Has(Name(audience))) scope = ReadText(scopes, Name(audience));
    }
    return scopes.Finish();
  });
  return azure.Finish();
}

Status ReadCredential(yaml::Mapping& credential, const std::filesystem::path& directory, CredentialConfig& config) {
  for (const Audience audience : {Audience::kManagement, Audience::kService, Audience::kHub}) {
    credential.Nested(Name(audience),
                      [&](yaml::Mapping& kinds) { return ReadAuthorizer(kinds, directory, audience, config); });
  }
  if (credential.Finish().ok() && config.empty()) {
    credential.Fail("", "give one of management, service and hub at least");
  }
  return credential.Finish();
}

}  // namespace

Status ReadPublish(yaml::Mapping& publish, const std::filesystem::path& directory, PublishConfig& config) {
  config.roots = Resolve(directory, publish.Optional<std::string>("roots", ""));
  config.directory = Resolve(directory, publish.Optional<std::string>("directory", ""));
  publish.Nested("azure", [&](yaml::Mapping& azure) { return ReadAzure(azure, config.azure); });
  publish.Nested("credentials", [&](yaml::Mapping& credentials) {
    credentials.Entries([&](const std::string& name, yaml::Mapping& credential) {
      if (!IsConfiguredName(name))
        credential.Fail("", "is no name of a credential: 1 to 31 of a-z 0-9 -, a letter first");
      return ReadCredential(credential, directory, config.credentials[name]);
    });
    return credentials.Finish();
  });
  return publish.Finish();
}

}  // namespace hallmark
