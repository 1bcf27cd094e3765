// What a person wrote about a target, and others reviewed: which service it is, which authorities it is to know, whose
// devices it lets in, and how (docs/publishing.md). Strict, as base/yaml.h reads it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"

namespace hallmark {

// A CA certificate that the service is to have.
struct DescribedCertificate {
  std::string authority;
  bool proof = true;  // by proof of possession; false: the service is told to believe it
};

// An enrollment group: devices below an authority are let in. What is absent is left as it is there.
struct DescribedGroup {
  std::string group;  // its id in the service
  std::string authority;
  bool by_reference = true;  // to the service's certificate; false: the certificate stands in the group
  bool enabled = true;
  std::optional<std::string> allocation = std::nullopt;  // "hashed", "geoLatency", "static", "custom"
  std::vector<std::string> hubs = {};
  nlohmann::json initial_twin = nullptr;
  std::optional<bool> update_hub_assignment = std::nullopt;  // both or neither
  std::optional<bool> migrate_device_data = std::nullopt;
  std::optional<bool> edge = std::nullopt;
};

struct DpsDescription {
  std::string service;  // the name of the provisioning service
  std::string id_scope;
  std::string subscription;
  std::string resource_group;
  std::string credential;  // of hallmark.yaml, publish.credentials
  std::string management_version = "2022-12-12";
  std::string service_version = "2021-10-01";
  std::string hub_version = "2021-04-12";
  std::vector<DescribedCertificate> certificates = {};
  std::vector<DescribedGroup> groups = {};
  bool with_leaf = true;               // a device's enrollment names its certificate; false: its registration id alone
  std::vector<std::string> hubs = {};  // where a device's identity is disabled, too, if it was assigned there
  int64_t operations = 600;            // a minute, of the service's 1000 that people need, too
};

// The files that a person publishes by hand, in a directory of its own.
struct DirectoryDescription {
  std::string authority;
};

struct TargetDescription {
  std::string target;  // [a-z][a-z0-9-]{0,62}
  std::variant<DpsDescription, DirectoryDescription> kind;
  const DpsDescription* dps() const { return std::get_if<DpsDescription>(&kind); }
};

inline constexpr size_t kDescriptionLimit = 64 * 1024;  // octets

// kInvalidArgument (TARGET_INVALID), field "description", with the line at fault.
StatusOr<TargetDescription> ReadDescription(const std::string& text);

}  // namespace hallmark
