// What the section `publish` of hallmark.yaml says of addresses and credentials. Plain data; tools/publish_config reads
// it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "base/secret_source.h"

namespace hallmark {

// What a target is asked through: Azure Resource Manager, the data plane of a provisioning service, an IoT Hub.
enum class Audience { kManagement, kService, kHub };

struct SasConfig {
  std::string policy;
  SecretSource key;
};

struct EntraConfig {
  std::string tenant;
  std::string client_id;
  std::filesystem::path certificate;  // PEM
  SecretSource key;                   // PEM; of no meaning with a key_uri
  std::string key_uri = "";           // RFC 7512, of a key on one of the tokens
};

struct ManagedIdentityConfig {
  std::string client_id;  // empty: the system-assigned one
};

using AuthorizerConfig = std::variant<SasConfig, EntraConfig, ManagedIdentityConfig>;
using CredentialConfig = std::map<Audience, AuthorizerConfig>;

// Azure's public cloud unless a sovereign one, or a test, is named. Without a slash at the end. {service} stands for
// the name of a target's service, {hub} for the whole host name of a hub.
struct AzureConfig {
  std::string management = "https://management.azure.com";
  std::string login = "https://login.microsoftonline.com";
  std::string service = "https://{service}.azure-devices-provisioning.net";
  std::string hub = "https://{hub}";
  std::string managed_identity = "http://169.254.169.254";
  // What tokens are for (RFC 6749 3.3); a managed identity asks for the same without "/.default".
  std::map<Audience, std::string> scopes = {{Audience::kManagement, "https://management.azure.com/.default"},
                                            {Audience::kService, "https://azure-devices-provisioning.net/.default"},
                                            {Audience::kHub, "https://iothubs.azure.net/.default"}};
};

struct PublishConfig {
  std::filesystem::path roots = {};      // PEM; empty: the system's
  std::filesystem::path directory = {};  // below which targets of kind directory write; empty: there may be none
  AzureConfig azure = {};
  std::map<std::string, CredentialConfig> credentials = {};  // by name
};

}  // namespace hallmark
