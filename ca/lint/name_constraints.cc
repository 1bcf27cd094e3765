// The names of a certificate under the name constraints of its issuer (RFC 5280 4.2.1.10, 6.1.3 (b), (c)).
#include <fmt/format.h>

#include <algorithm>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kPermitted{"rfc5280_6_1_3_b_permitted_names", "RFC 5280 6.1.3 (b)", Severity::kError,
                              "each name lies in a permitted subtree of the issuer's, of its kind"};
constexpr LintRule kExcluded{"rfc5280_6_1_3_c_excluded_names", "RFC 5280 6.1.3 (c)", Severity::kError,
                             "no name lies in an excluded subtree of the issuer's"};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// Whether `host` is `domain` or below it. With a leading dot only what is below.
bool IsBelow(const std::string& host, const std::string& domain) {
  if (domain.empty()) return true;
  if (domain.starts_with('.')) return host.size() > domain.size() && host.ends_with(domain);
  return host == domain || (host.size() > domain.size() && host.ends_with("." + domain));
}

bool MatchesEmail(std::string_view name, std::string_view base) {
  if (base.empty()) return true;
  const size_t at = name.rfind('@');
  if (at == name.npos) return false;
  const std::string host = Lower(name.substr(at + 1));
  if (const size_t base_at = base.rfind('@'); base_at != base.npos) {
    return name.substr(0, at) == base.substr(0, base_at) && host == Lower(base.substr(base_at + 1));
  }
  return base.starts_with('.') ? IsBelow(host, Lower(base)) : host == Lower(base);
}

bool MatchesUri(std::string_view name, std::string_view base) {
  if (base.empty()) return true;
  const std::optional<std::string> host = HostOf(name);
  if (!host.has_value()) return false;
  return base.starts_with('.') ? IsBelow(*host, Lower(base)) : *host == Lower(base);
}

bool MatchesAddress(ByteView name, ByteView base) {
  if (base.size() != 2 * name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const uint8_t mask = base[name.size() + i];
    if ((name[i] & mask) != (base[i] & mask)) return false;
  }
  return true;
}

// X.520's caseIgnoreMatch, of the string types that are octets of characters.
std::string Prepared(const AttributeView& attribute) {
  if (attribute.tag != der::kUtf8String && attribute.tag != der::kPrintableString && attribute.tag != der::kIa5String) {
    return std::string(1, static_cast<char>(attribute.tag)) + ToString(attribute.value);
  }
  std::string prepared;
  for (char c : Lower(AsText(attribute.value))) {
    if (c == ' ' && (prepared.empty() || prepared.back() == ' ')) continue;
    prepared += c;
  }
  if (!prepared.empty() && prepared.back() == ' ') prepared.pop_back();
  return prepared;
}

bool MatchesDirectory(const NameView& name, const NameView& base) {
  if (base.size() > name.size()) return false;
  for (size_t i = 0; i < base.size(); ++i) {
    if (name[i].rdn != base[i].rdn || name[i].oid != base[i].oid || Prepared(name[i]) != Prepared(base[i]))
      return false;
  }
  // An RDN is matched whole.
  return base.empty() || base.size() == name.size() || name[base.size()].rdn != base.back().rdn;
}

// One name of a certificate.
struct Name {
  uint8_t tag;
  ByteView content;
  NameView directory;
};

bool Matches(const Name& name, const der::Element& base) {
  const std::string_view text = AsText(name.content);
  const std::string_view limit = AsText(base.content);
  switch (name.tag) {
    case kDnsName: return IsBelow(Lower(text), Lower(limit));
    case kEmailName: return MatchesEmail(text, limit);
    case kUriName: return MatchesUri(text, limit);
    case kIpName: return MatchesAddress(name.content, base.content);
    case kDirectoryName: return MatchesDirectory(name.directory, ReadNameView(base.content));
    default: return Equal(name.content, base.content);
  }
}

std::vector<Name> NamesOf(const Examined& c) {
  std::vector<Name> names;
  if (!c.subject.empty()) names.push_back({kDirectoryName, {}, c.subject});
  for (const AttributeView& attribute : c.subject) {
    if (attribute.oid == oids::kEmailAddress) names.push_back({kEmailName, attribute.value, {}});
  }
  for (const der::Element& name : c.alternative_names) {
    names.push_back({name.tag, name.content, name.tag == kDirectoryName ? ReadNameView(name.content) : NameView()});
  }
  return names;
}

std::vector<der::Element> Bases(const std::vector<der::Element>& lists, uint8_t tag) {
  std::vector<der::Element> bases;
  for (const der::Element& list : lists) {
    if (list.tag != tag) continue;
    for (const der::Element& subtree : ReadElements(list.whole, tag).value_or(std::vector<der::Element>())) {
      const auto fields = ReadElements(subtree.whole);
      if (fields.has_value() && !fields->empty()) bases.push_back((*fields)[0]);
    }
  }
  return bases;
}

const char* KindOf(uint8_t tag) {
  switch (tag) {
    case kDnsName: return "dNSName";
    case kEmailName: return "rfc822Name";
    case kUriName: return "URI";
    case kIpName: return "iPAddress";
    case kDirectoryName: return "directoryName";
    default: return "name";
  }
}

}  // namespace

void CheckNameConstraints(const Examined& c, const Examined& issuer, Findings& findings) {
  const ExtensionView* extension = issuer.Find(oids::kNameConstraints);
  // A self-issued certificate is exempt but as the last of its path, which a link certificate is not.
  if (extension == nullptr || (c.is_self_issued() && c.ca)) return;
  const auto lists = ReadElements(extension->value);
  if (!lists.has_value()) return findings.Add(kPermitted, "the issuer's nameConstraints cannot be read");
  const std::vector<der::Element> permitted = Bases(*lists, der::ContextConstructed(0));
  const std::vector<der::Element> excluded = Bases(*lists, der::ContextConstructed(1));
  for (const Name& name : NamesOf(c)) {
    const auto matches = [&name](const der::Element& base) { return base.tag == name.tag && Matches(name, base); };
    const bool limited = std::any_of(permitted.begin(), permitted.end(),
                                     [&name](const der::Element& base) { return base.tag == name.tag; });
    if (limited && std::none_of(permitted.begin(), permitted.end(), matches)) {
      findings.Add(kPermitted, fmt::format("a {} lies in no permitted subtree of the issuer's", KindOf(name.tag)));
    }
    if (std::any_of(excluded.begin(), excluded.end(), matches)) {
      findings.Add(kExcluded, fmt::format("a {} lies in an excluded subtree of the issuer's", KindOf(name.tag)));
    }
  }
}

std::vector<LintRule> NameConstraintRules() { return {kPermitted, kExcluded}; }

}  // namespace hallmark::lint
