#include "publish/description.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>

#include "base/reason.h"
#include "base/yaml.h"

namespace hallmark {
namespace {

constexpr char kFile[] = "the description";
constexpr int64_t kMostOperations = 1000;            // a minute, of one service
constexpr char kLastWithoutClaims[] = "2021-10-15";  // of the control plane
constexpr size_t kNameLimit = 63;
constexpr size_t kIdLimit = 128;  // of an enrollment group

bool IsTargetName(const std::string& name) {
  return !name.empty() && name.size() <= kNameLimit && name[0] >= 'a' && name[0] <= 'z' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == name.npos;
}

// A part of a host's name or of a path that goes into a URL as it is.
bool IsPlain(const std::string& text) {
  return !text.empty() && text.size() <= kIdLimit && text[0] != '.' &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

// A token is sent to it: nobody may name a host of his own.
bool IsHub(const std::string& hub) {
  static const std::regex kHub("[A-Za-z0-9-]{3,50}\\.azure-devices\\.(net|us|cn)");
  return std::regex_match(hub, kHub);
}

bool IsGroupId(const std::string& id) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == ':'; };
  return !id.empty() && id.size() <= kIdLimit && std::all_of(id.begin(), id.end(), allowed) &&
         (std::isalnum(static_cast<unsigned char>(id.back())) || id.back() == '-');
}

// At most so many values, whatever aliases repeat, and no deeper than that.
constexpr int kMostValues = 1000;
constexpr int kMostDepth = 10;

// Throws YAML's exceptions, and std::length_error.
nlohmann::json ToJson(const YAML::Node& node, int depth, int& values) {
  if (depth > kMostDepth || ++values > kMostValues) throw std::length_error("a twin is too large");
  if (node.IsSequence()) {
    nlohmann::json list = nlohmann::json::array();
    for (const YAML::Node& one : node) list.push_back(ToJson(one, depth + 1, values));
    return list;
  }
  if (node.IsMap()) {
    nlohmann::json object = nlohmann::json::object();
    for (const auto& one : node) object[one.first.as<std::string>()] = ToJson(one.second, depth + 1, values);
    return object;
  }
  if (!node.IsScalar()) return nullptr;
  // A plain scalar of a form that JSON has; "no" is a country, and .nan is not sent.
  const nlohmann::json value = node.Tag() == "?" ? nlohmann::json::parse(node.Scalar(), nullptr, false) : nullptr;
  if (value.is_number() || value.is_boolean()) return value;
  return node.Scalar();
}

std::string ReadName(yaml::Mapping& mapping, const char* field) {
  std::string text = mapping.Required<std::string>(field);
  if (text.empty()) mapping.Fail(field, "is empty");
  return text;
}

std::string ReadPlain(yaml::Mapping& mapping, const char* field) {
  std::string text = mapping.Required<std::string>(field);
  if (!IsPlain(text)) mapping.Fail(field, "must be 1 to 128 of A-Z a-z 0-9 - _ .");
  return text;
}

Status ReadCertificate(yaml::Mapping& mapping, DpsDescription& dps) {
  DescribedCertificate certificate{.authority = ReadName(mapping, "authority")};
  const std::string verified = mapping.Optional<std::string>("verified", "proof");
  certificate.proof = verified == "proof";
  if (verified != "proof" && verified != "claimed") {
    mapping.Fail("verified", "must be proof, of possession of the authority's key, or claimed, without one");
  }
  dps.certificates.push_back(std::move(certificate));
  return mapping.Finish();
}

void ReadAllocation(yaml::Mapping& mapping, DescribedGroup& group) {
  static const std::set<std::string> kPolicies = {"hashed", "geoLatency", "static", "custom"};
  if (mapping.Has("allocation")) {
    group.allocation = mapping.Required<std::string>("allocation");
    if (!kPolicies.contains(*group.allocation)) {
      mapping.Fail("allocation", "must be hashed, geoLatency, static or custom");
    }
  }
  group.hubs = mapping.Optional<std::vector<std::string>>("hubs", {});
  if (group.allocation.has_value() == group.hubs.empty()) {
    mapping.Fail("hubs", "and allocation go together: the service takes both or neither");
  }
}

// What its tags and properties are is up to whoever describes it (ReadTwins).
Status CheckTwin(yaml::Mapping& twin) {
  if (twin.Has("tags") && !twin.IsMapping("tags")) twin.Fail("tags", "must be a mapping");
  twin.Nested("properties", [](yaml::Mapping& properties) {
    if (!properties.IsMapping("desired")) properties.Fail("desired", "is required, and must be a mapping");
    return properties.Finish();
  });
  return twin.Finish();
}

Status ReadGroup(yaml::Mapping& mapping, DpsDescription& dps) {
  DescribedGroup group{.group = mapping.Required<std::string>("group"), .authority = ReadName(mapping, "authority")};
  if (!IsGroupId(group.group)) {
    mapping.Fail("group", "must be 1 to 128 of A-Z a-z 0-9 - . _ : with a letter, a digit or a dash at its end");
  }
  const std::string by = mapping.Optional<std::string>("by", "reference");
  group.by_reference = by == "reference";
  if (by != "reference" && by != "certificate") {
    mapping.Fail("by", "must be reference, to the service's certificate, or certificate, which stands in the group");
  }
  group.enabled = mapping.Optional<bool>("enabled", true);
  ReadAllocation(mapping, group);
  mapping.Nested("reprovision", [&group](yaml::Mapping& reprovision) {
    group.update_hub_assignment = reprovision.Required<bool>("update_hub_assignment");
    group.migrate_device_data = reprovision.Required<bool>("migrate_device_data");
    return reprovision.Finish();
  });
  if (mapping.Has("edge")) group.edge = mapping.Required<bool>("edge");
  if (mapping.Has("initial_twin") && !mapping.IsMapping("initial_twin")) {
    mapping.Fail("initial_twin", "must be a mapping with tags or properties");
  }
  mapping.Nested("initial_twin", CheckTwin);
  dps.groups.push_back(std::move(group));
  return mapping.Finish();
}

void ReadRevocation(yaml::Mapping& top, DpsDescription& dps) {
  top.Nested("revocation", [&dps](yaml::Mapping& revocation) {
    const std::string entry = revocation.Optional<std::string>("entry", "certificate");
    dps.with_leaf = entry == "certificate";
    if (entry != "certificate" && entry != "registration_id") {
      revocation.Fail("entry", "must be certificate, or registration_id, which keeps a device out without it");
    }
    dps.hubs = revocation.Optional<std::vector<std::string>>("hubs", {});
    for (const std::string& hub : dps.hubs) {
      if (!IsHub(hub)) revocation.Fail("hubs", fmt::format("\"{}\" is no hub such as contoso.azure-devices.net", hub));
    }
    dps.operations = revocation.Optional<int64_t>("operations_per_minute", dps.operations);
    if (dps.operations < 1 || dps.operations > kMostOperations) {
      revocation.Fail("operations_per_minute", fmt::format("must be 1 to {}", kMostOperations));
    }
    return revocation.Finish();
  });
}

// A group by reference needs its certificate; one without a certificate above it would let nobody in.
void AddReferenced(yaml::Mapping& top, DpsDescription& dps) {
  std::set<std::string> groups;
  for (const DescribedGroup& group : dps.groups) {
    if (!groups.insert(absl::AsciiStrToLower(group.group)).second)
      top.Fail("groups", fmt::format("name {} twice", group.group));
    const auto is_its = [&group](const DescribedCertificate& one) { return one.authority == group.authority; };
    if (group.by_reference && std::none_of(dps.certificates.begin(), dps.certificates.end(), is_its)) {
      dps.certificates.push_back({.authority = group.authority});
    }
  }
  std::set<std::string> authorities;
  for (const DescribedCertificate& one : dps.certificates) {
    if (!authorities.insert(one.authority).second) {
      top.Fail("certificates", fmt::format("name {} twice", one.authority));
    }
  }
  if (dps.certificates.empty()) {
    top.Fail("certificates",
             "must name an authority: the service lets nobody in below certificates that it does not know");
  }
}

DpsDescription ReadDps(yaml::Mapping& top) {
  DpsDescription dps;
  dps.service = ReadPlain(top, "service");
  if (dps.service.find('.') != std::string::npos) top.Fail("service", "must be its name alone, without a domain");
  dps.id_scope = ReadPlain(top, "id_scope");
  dps.subscription = ReadPlain(top, "subscription");
  dps.resource_group = ReadPlain(top, "resource_group");
  dps.credential = ReadName(top, "credential");
  top.Nested("api_versions", [&dps](yaml::Mapping& versions) {
    for (const auto& [field, version] :
         {std::pair{"management", &dps.management_version}, std::pair{"service", &dps.service_version},
          std::pair{"hub", &dps.hub_version}}) {
      *version = versions.Optional<std::string>(field, *version);
      if (!IsPlain(*version)) versions.Fail(field, "must be a version such as 2021-10-01");
    }
    return versions.Finish();
  });
  top.Each("certificates", [&dps](yaml::Mapping& mapping) { return ReadCertificate(mapping, dps); });
  top.Each("groups", [&dps](yaml::Mapping& mapping) { return ReadGroup(mapping, dps); });
  ReadRevocation(top, dps);
  AddReferenced(top, dps);
  const bool claims = std::any_of(dps.certificates.begin(), dps.certificates.end(),
                                  [](const DescribedCertificate& one) { return !one.proof; });
  if (claims && dps.management_version.substr(0, sizeof kLastWithoutClaims - 1) <= kLastWithoutClaims) {
    top.Fail("certificates", fmt::format("say verified: claimed, which api_versions.management {} does not have; "
                                         "let it be 2022-02-05 or later",
                                         dps.management_version));
  }
  return dps;
}

// The strict reader has no values of any form.
Status ReadTwins(const std::string& text, DpsDescription& dps) {
  try {
    const YAML::Node groups = YAML::Load(text)["groups"];
    for (size_t i = 0; i < dps.groups.size(); ++i) {
      int values = 0;
      if (const YAML::Node twin = groups[i]["initial_twin"]) {
        dps.groups[i].initial_twin = ToJson(twin, 0, values);
        dps.groups[i].initial_twin.dump();  // throws for what is no UTF-8
      }
    }
  } catch (const std::exception&) {
    return FieldError(reason::kTargetInvalid, "description",
                      fmt::format("has an initial_twin that is none: names and values, at most {} of them, {} deep",
                                  kMostValues, kMostDepth));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<TargetDescription> ReadDescription(const std::string& text) {
  if (text.size() > kDescriptionLimit) {
    return FieldError(reason::kTargetInvalid, "description",
                      fmt::format("has {} octets; at most {} are read", text.size(), kDescriptionLimit));
  }
  TargetDescription description;
  const Status read = yaml::ParseMapping(kFile, text, [&description](yaml::Mapping& top) {
    description.target = top.Required<std::string>("target");
    if (!IsTargetName(description.target)) {
      top.Fail("target", "must be 1 to 63 of a-z 0-9 -, a letter first");
    }
    const std::string kind = top.Required<std::string>("kind");
    if (kind == "dps") {
      description.kind = ReadDps(top);
    } else if (kind == "directory") {
      description.kind = DirectoryDescription{.authority = ReadName(top, "authority")};
    } else {
      top.Fail("kind", "must be dps or directory");
    }
    return top.Finish();
  });
  if (!read.ok()) return FieldError(reason::kTargetInvalid, "description", Message(read));
  if (auto* dps = std::get_if<DpsDescription>(&description.kind)) RETURN_IF_ERROR(ReadTwins(text, *dps));
  return description;
}

}  // namespace hallmark
