// What constrains paths: policies and names (RFC 5280 4.2.1.4, 4.2.1.5, 4.2.1.10, 4.2.1.11, 4.2.1.14).
#include <fmt/format.h>

#include <algorithm>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kPolicies{"rfc5280_4_2_1_4_certificate_policies", "RFC 5280 4.2.1.4", Severity::kError,
                             "certificatePolicies is a list of at least one policy, each once"};
constexpr LintRule kQualifiers{"rfc5280_4_2_1_4_policy_qualifiers", "RFC 5280 4.2.1.4", Severity::kWarning,
                               "a policy's qualifiers are CPS URIs or user notices of at most 200 characters"};
constexpr LintRule kMappings{"rfc5280_4_2_1_5_policy_mappings", "RFC 5280 4.2.1.5", Severity::kError,
                             "policyMappings is of authorities, a list of at least one pair, and none of anyPolicy"};
constexpr LintRule kPolicyConstraints{"rfc5280_4_2_1_11_policy_constraints", "RFC 5280 4.2.1.11", Severity::kError,
                                      "policyConstraints is of authorities and not empty"};
constexpr LintRule kInhibit{"rfc5280_4_2_1_14_inhibit_any_policy", "RFC 5280 4.2.1.14", Severity::kError,
                            "inhibitAnyPolicy is of authorities and a number that is not negative"};
constexpr LintRule kConstraints{"rfc5280_4_2_1_10_name_constraints", "RFC 5280 4.2.1.10", Severity::kError,
                                "nameConstraints is of authorities, not empty, and each subtree is well-formed, with "
                                "neither minimum nor maximum"};
constexpr LintRule kIpSubtree{"rfc5280_4_2_1_10_ip_range", "RFC 5280 4.2.1.10", Severity::kError,
                              "an iPAddress of nameConstraints is an address and a contiguous mask"};
constexpr LintRule kSubtreeForm{"rfc5280_4_2_1_10_subtree_form", "RFC 5280 4.2.1.10", Severity::kError,
                                "a dNSName, URI or rfc822Name of nameConstraints is a host, a domain or a mailbox"};

constexpr auto kAnyPolicy = Oid("\x55\x1d\x20\x00");
constexpr auto kCps = Oid("\x2b\x06\x01\x05\x05\x07\x02\x01");
constexpr auto kUserNotice = Oid("\x2b\x06\x01\x05\x05\x07\x02\x02");

bool IsNumber(const der::Element& element, uint8_t tag) {
  return element.tag == tag && der::UnsignedContent(element.content).ok();
}

void CheckQualifiers(const der::Element& qualifiers, Findings& findings) {
  const auto list = ReadElements(qualifiers.whole);
  bool right = list.has_value() && !list->empty();
  for (const der::Element& entry : list.value_or(std::vector<der::Element>())) {
    const auto fields = ReadElements(entry.whole);
    if (!fields.has_value() || fields->size() != 2 || (*fields)[0].tag != der::kOid) {
      right = false;
      continue;
    }
    const std::string_view oid = AsText((*fields)[0].content);
    if (oid == kCps) {
      right &= (*fields)[1].tag == der::kIa5String && !(*fields)[1].content.empty();
    } else if (oid == kUserNotice) {
      for (const der::Element& part : ReadElements((*fields)[1].whole).value_or(std::vector<der::Element>())) {
        if (part.tag == der::kSequence) continue;  // noticeRef
        const auto octets = static_cast<size_t>(std::count_if(part.content.begin(), part.content.end(),
                                                              [](uint8_t octet) { return (octet & 0xc0) != 0x80; }));
        right &= octets <= 200;
      }
    } else {
      right = false;
    }
  }
  findings.Require(right, kQualifiers, "a policy has qualifiers that are malformed, unknown, or too long");
}

void CheckPolicies(const Examined& c, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kCertificatePolicies);
  if (extension == nullptr) return;
  const auto policies = ReadElements(extension->value);
  bool right = policies.has_value() && !policies->empty();
  std::vector<std::string_view> seen;
  for (const der::Element& policy : policies.value_or(std::vector<der::Element>())) {
    const auto fields = ReadElements(policy.whole);
    if (!fields.has_value() || fields->empty() || fields->size() > 2 || (*fields)[0].tag != der::kOid) {
      right = false;
      continue;
    }
    const std::string_view oid = AsText((*fields)[0].content);
    right &= std::find(seen.begin(), seen.end(), oid) == seen.end();
    seen.push_back(oid);
    if (fields->size() == 2) CheckQualifiers((*fields)[1], findings);
  }
  findings.Require(right, kPolicies, "certificatePolicies is malformed, empty, or names a policy twice");
}

void CheckMappings(const Examined& c, Findings& findings) {
  const ExtensionView* extension = c.Find(oids::kPolicyMappings);
  if (extension == nullptr) return;
  const auto pairs = ReadElements(extension->value);
  bool right = c.ca && pairs.has_value() && !pairs->empty();
  for (const der::Element& pair : pairs.value_or(std::vector<der::Element>())) {
    const auto fields = ReadElements(pair.whole);
    right &= fields.has_value() && fields->size() == 2;
    for (const der::Element& field : fields.value_or(std::vector<der::Element>())) {
      right &= field.tag == der::kOid && AsText(field.content) != kAnyPolicy;
    }
  }
  findings.Require(right, kMappings, "policyMappings is malformed, empty, maps anyPolicy, or is no authority's");
}

void CheckPolicyConstraints(const Examined& c, Findings& findings) {
  if (const ExtensionView* extension = c.Find(oids::kPolicyConstraints)) {
    const auto fields = ReadElements(extension->value);
    bool right = c.ca && fields.has_value() && !fields->empty();
    uint8_t before = 0;
    for (const der::Element& field : fields.value_or(std::vector<der::Element>())) {
      right &= IsNumber(field, der::ContextPrimitive(0)) || IsNumber(field, der::ContextPrimitive(1));
      right &= field.tag > before;
      before = field.tag;
    }
    findings.Require(right, kPolicyConstraints, "policyConstraints is malformed, empty, or no authority's");
  }
  if (const ExtensionView* extension = c.Find(oids::kInhibitAnyPolicy)) {
    const StatusOr<ByteView> number = der::ReadWhole(extension->value, der::kInteger);
    findings.Require(c.ca && number.ok() && der::UnsignedContent(*number).ok(), kInhibit,
                     "inhibitAnyPolicy is malformed, negative, or no authority's");
  }
}

bool IsContiguousMask(ByteView mask) {
  bool ended = false;
  for (uint8_t octet : mask) {
    for (int bit = 7; bit >= 0; --bit) {
      const bool set = (octet >> bit & 1) != 0;
      if (set && ended) return false;
      ended |= !set;
    }
  }
  return true;
}

void CheckBase(const der::Element& base, Findings& findings) {
  const std::string_view text = AsText(base.content);
  const std::string_view host = text.starts_with('.') ? text.substr(1) : text;
  switch (base.tag) {
    case kIpName: {
      const size_t size = base.content.size();
      findings.Require((size == 8 || size == 32) && IsContiguousMask(base.content.subspan(size / 2)), kIpSubtree,
                       "an iPAddress is not an address and a contiguous mask");
      return;
    }
    case kDnsName:
    case kUriName:
      findings.Require(text.empty() || IsDnsSyntax(host), kSubtreeForm, "a subtree is no host or domain");
      return;
    case kEmailName: {
      const size_t at = text.rfind('@');
      findings.Require(text.empty() || IsDnsSyntax(at == text.npos ? host : text.substr(at + 1)), kSubtreeForm,
                       "a subtree is no mailbox, host or domain");
      return;
    }
    default: CheckGeneralName(base, "nameConstraints", findings);
  }
}

bool CheckSubtrees(const der::Element& list, Findings& findings) {
  const auto subtrees = ReadElements(list.whole, list.tag);
  if (!subtrees.has_value() || subtrees->empty()) return false;
  for (const der::Element& subtree : *subtrees) {
    const auto fields = ReadElements(subtree.whole);
    // minimum is 0, by default absent, and maximum is absent.
    if (!fields.has_value() || fields->size() != 1) return false;
    CheckBase((*fields)[0], findings);
  }
  return true;
}

}  // namespace

void CheckPathExtensions(const Examined& c, Findings& findings) {
  CheckPolicies(c, findings);
  CheckMappings(c, findings);
  CheckPolicyConstraints(c, findings);
  const ExtensionView* extension = c.Find(oids::kNameConstraints);
  if (extension == nullptr) return;
  const auto lists = ReadElements(extension->value);
  bool right = c.ca && lists.has_value() && !lists->empty();
  uint8_t before = 0;
  for (const der::Element& list : lists.value_or(std::vector<der::Element>())) {
    right &= list.tag == der::ContextConstructed(0) || list.tag == der::ContextConstructed(1);
    right &= list.tag > before;
    before = list.tag;
    right &= CheckSubtrees(list, findings);
  }
  findings.Require(right, kConstraints,
                   "nameConstraints is malformed, empty, has a minimum or maximum, or is no authority's");
}

std::vector<LintRule> PathRules() {
  return {kPolicies, kQualifiers, kMappings, kPolicyConstraints, kInhibit, kConstraints, kIpSubtree, kSubtreeForm};
}

}  // namespace hallmark::lint
