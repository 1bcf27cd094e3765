// Descriptions of targets: what is read may be sent as it is, and reading it again gives the same.
#include <absl/strings/ascii.h>

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "publish/description.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

bool Consists(const std::string& text, const char* of) {
  return !text.empty() && text.find_first_not_of(of) == std::string::npos;
}

constexpr char kPlain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
constexpr char kId[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";

// JSON without replacement of what is no UTF-8: that would be another twin.
std::string Sent(const nlohmann::json& json) {
  try {
    return json.dump();
  } catch (const nlohmann::json::exception&) {
    return "";
  }
}

void CheckGroups(const DpsDescription& dps) {
  std::set<std::string> ids;
  for (const DescribedGroup& group : dps.groups) {
    Require(Consists(group.group, kId) && group.group.size() <= 128, "a group's id is one");
    Require(ids.insert(absl::AsciiStrToLower(group.group)).second, "no two groups are one to the service");
    Require(!group.authority.empty(), "a group has an authority");
    Require(group.allocation.has_value() != group.hubs.empty(), "hubs and allocation go together");
    Require(group.update_hub_assignment.has_value() == group.migrate_device_data.has_value(), "both or neither");
    Require(group.initial_twin.is_null() || group.initial_twin.is_object(), "a twin is an object");
    const nlohmann::json again = nlohmann::json::parse(Sent(group.initial_twin), nullptr, false);
    Require(!again.is_discarded() && again == group.initial_twin, "a twin comes back as it was sent");
    Require(!group.by_reference || std::any_of(dps.certificates.begin(), dps.certificates.end(),
                                               [&](const auto& one) { return one.authority == group.authority; }),
            "what a group refers to is uploaded");
  }
}

void Check(const DpsDescription& dps) {
  for (const std::string* part : {&dps.service, &dps.id_scope, &dps.subscription, &dps.resource_group,
                                  &dps.management_version, &dps.service_version, &dps.hub_version}) {
    Require(Consists(*part, kPlain) && part->size() <= 128, "what stands in a URL needs no escape");
    Require(*part != "." && *part != "..", "and leads nowhere else");
  }
  Require(dps.service.find('.') == std::string::npos, "a service is a name");
  Require(!dps.credential.empty(), "there is a credential");
  Require(!dps.certificates.empty(), "there is a certificate");
  for (const DescribedCertificate& one : dps.certificates) Require(!one.authority.empty(), "it has an authority");
  for (const std::string& hub : dps.hubs) {
    const std::string domain = hub.substr(std::min(hub.find('.'), hub.size()));
    Require(domain == ".azure-devices.net" || domain == ".azure-devices.us" || domain == ".azure-devices.cn",
            "a token goes to no host but a hub");
  }
  Require(dps.operations >= 1 && dps.operations <= 1000, "operations are few");
  CheckGroups(dps);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  const StatusOr<TargetDescription> read = ReadDescription(text);
  if (!Accepted(read)) return 0;
  Require(Consists(read->target, "abcdefghijklmnopqrstuvwxyz0123456789-") && absl::ascii_islower(read->target[0]) &&
              read->target.size() <= 63,
          "a target's name is one");
  const StatusOr<TargetDescription> again = ReadDescription(text);
  Require(again.ok() && again->target == read->target, "what is accepted is accepted again");
  if (const DpsDescription* dps = read->dps()) {
    Check(*dps);
    Require(again->dps() != nullptr && again->dps()->groups.size() == dps->groups.size(), "and is the same");
    for (size_t i = 0; i < dps->groups.size(); ++i) {
      Require(again->dps()->groups[i].initial_twin == dps->groups[i].initial_twin, "and has the same twins");
    }
  } else {
    Require(!std::get<DirectoryDescription>(read->kind).authority.empty(), "a directory has an authority");
  }
  return 0;
}

}  // namespace hallmark::fuzz
