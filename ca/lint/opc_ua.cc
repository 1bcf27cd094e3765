// Application instance certificates: OPC UA Part 6 6.2.2.
#include <algorithm>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kUri{"opcua_6_2_2_application_uri", "OPC UA Part 6 6.2.2", Severity::kError,
                        "subjectAltName has one URI, the applicationUri"};
constexpr LintRule kHost{"opcua_6_2_2_host", "OPC UA Part 6 6.2.2", Severity::kWarning,
                         "subjectAltName has a dNSName or an iPAddress of the host"};
constexpr LintRule kUsage{"opcua_6_2_2_key_usage", "OPC UA Part 6 6.2.2", Severity::kError,
                          "keyUsage has digitalSignature, and of an RSA key nonRepudiation, keyEncipherment and "
                          "dataEncipherment"};
constexpr LintRule kPurpose{"opcua_6_2_2_extended_key_usage", "OPC UA Part 6 6.2.2", Severity::kError,
                            "extKeyUsage has serverAuth or clientAuth"};
constexpr LintRule kName{"opcua_6_2_2_common_name", "OPC UA Part 6 6.2.2", Severity::kError,
                         "the subject has a common name"};

}  // namespace

void CheckOpcUa(const Examined& c, Findings& findings) {
  const auto count = [&c](uint8_t tag) {
    return std::count_if(c.alternative_names.begin(), c.alternative_names.end(),
                         [tag](const der::Element& name) { return name.tag == tag; });
  };
  findings.Require(count(kUriName) == 1, kUri, "there is no one URI");
  findings.Require(count(kDnsName) + count(kIpName) > 0, kHost, "there is neither dNSName nor iPAddress");
  const uint32_t needed = c.key.kind == KeyView::Kind::kRsa
                              ? kDigitalSignature | kNonRepudiation | kKeyEncipherment | kDataEncipherment
                              : kDigitalSignature;
  findings.Require((c.key_usage.value_or(0) & needed) == needed, kUsage, "keyUsage lacks one of them");
  findings.Require(c.HasPurpose(oids::kServerAuth) || c.HasPurpose(oids::kClientAuth), kPurpose,
                   "extKeyUsage has neither serverAuth nor clientAuth");
  findings.Require(!ValuesOf(c.subject, oids::kCommonName).empty(), kName, "the subject has no common name");
}

std::vector<LintRule> OpcUaRules() { return {kUri, kHost, kUsage, kPurpose, kName}; }

}  // namespace hallmark::lint
