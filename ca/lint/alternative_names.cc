// GeneralNames: subjectAltName, issuerAltName, and wherever else one stands (RFC 5280 4.2.1.6, 4.2.1.7).
#include <fmt/format.h>

#include <algorithm>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kNames{"rfc5280_4_2_1_6_subject_alt_name", "RFC 5280 4.2.1.6, 4.2.1.7", Severity::kError,
                          "subjectAltName and issuerAltName are lists of at least one GeneralName"};
constexpr LintRule kDns{"rfc5280_4_2_1_6_dns_name", "RFC 5280 4.2.1.6, RFC 1034 3.5", Severity::kError,
                        "a dNSName is in the preferred name syntax"};
constexpr LintRule kWildcard{"rfc9525_6_3_wildcard", "RFC 9525 6.3", Severity::kNotice,
                             "a dNSName names one host, not all below a domain"};
constexpr LintRule kUnderscore{"rfc1123_2_1_underscore", "RFC 1123 2.1", Severity::kWarning,
                               "a dNSName has no underscore"};
constexpr LintRule kUri{"rfc5280_4_2_1_6_uri", "RFC 5280 4.2.1.6, RFC 3986", Severity::kError,
                        "a URI is absolute, in ASCII, with a scheme and something after it"};
constexpr LintRule kUriHost{"rfc5280_4_2_1_6_uri_host", "RFC 5280 4.2.1.6", Severity::kWarning,
                            "the host of a URI that has an authority is a fully qualified domain name or an address"};
constexpr LintRule kEmail{"rfc5280_4_2_1_6_email", "RFC 5280 4.2.1.6, RFC 5321 4.1.2", Severity::kError,
                          "an rfc822Name is a mailbox, local@domain, in ASCII"};
constexpr LintRule kIp{"rfc5280_4_2_1_6_ip_address", "RFC 5280 4.2.1.6", Severity::kError,
                       "an iPAddress has 4 or 16 octets"};
constexpr LintRule kOther{"rfc5280_4_2_1_6_other_name", "RFC 5280 4.2.1.6", Severity::kError,
                          "an otherName is a type and a value"};
constexpr LintRule kHardware{"rfc4108_5_hardware_module_name", "RFC 4108 5", Severity::kError,
                             "a hardwareModuleName has an hwType and an hwSerialNum that is not empty"};
constexpr LintRule kTwice{"rfc5280_4_2_1_6_duplicate_name", "RFC 5280 4.2.1.6", Severity::kNotice,
                          "a name stands once"};

constexpr LintRule kObsolete{"hallmark_obsolete_name", "RFC 5280 4.2.1.6", Severity::kWarning,
                             "a name is no x400Address and no ediPartyName, which nobody reads any more"};

constexpr uint8_t kX400Address = der::ContextConstructed(3);
constexpr uint8_t kEdiPartyName = der::ContextConstructed(5);
constexpr uint8_t kRegisteredId = der::ContextPrimitive(8);

bool IsVisible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool IsAddress(std::string_view host) {
  if (host.starts_with('[')) return host.size() > 3 && host.ends_with(']') && host.find(':') != host.npos;
  return host.find_first_not_of("0123456789.") == host.npos && std::count(host.begin(), host.end(), '.') == 3;
}

void CheckDns(std::string_view name, const std::string& what, Findings& findings) {
  if (name.starts_with("*.")) {
    findings.Add(kWildcard, what + " is a wildcard");
    name.remove_prefix(2);
  }
  std::string plain(name);
  if (plain.find('_') != plain.npos) {
    findings.Add(kUnderscore, what + " has an underscore");
    std::replace(plain.begin(), plain.end(), '_', 'x');
  }
  if (!IsDnsSyntax(plain)) findings.Add(kDns, what + " is not a name of the DNS");
}

void CheckUri(std::string_view uri, const std::string& what, Findings& findings) {
  const size_t colon = uri.find(':');
  const auto is_scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
           c == '.';
  };
  const bool absolute = colon != uri.npos && colon > 0 && colon + 1 < uri.size() && !(uri[0] >= '0' && uri[0] <= '9') &&
                        std::all_of(uri.begin(), uri.begin() + static_cast<std::ptrdiff_t>(colon), is_scheme);
  if (!IsVisible(uri) || !absolute || uri.find_first_of("<>\"{}|\\^`") != uri.npos) {
    return findings.Add(kUri, what + " is not an absolute URI of RFC 3986");
  }
  const std::optional<std::string> host = HostOf(uri);
  if (!host.has_value() || IsAddress(*host)) return;
  if (!IsDnsSyntax(*host) || host->find('.') == host->npos) {
    findings.Add(kUriHost, fmt::format("the host '{}' of {} is neither a fully qualified domain name nor an address",
                                       *host, what));
  }
}

void CheckEmail(std::string_view text, const std::string& what, Findings& findings) {
  const size_t at = text.rfind('@');
  const bool right = IsVisible(text) && at != text.npos && at > 0 && at <= 64 && IsDnsSyntax(text.substr(at + 1)) &&
                     text.substr(0, at).find_first_of("<>()[],;:\"\\@") == text.npos;
  if (!right) findings.Add(kEmail, what + " is no mailbox");
}

void CheckOther(const der::Element& name, const std::string& what, Findings& findings) {
  const auto fields = ReadElements(name.whole, kOtherName);
  if (!fields.has_value() || fields->size() != 2 || (*fields)[0].tag != der::kOid ||
      (*fields)[1].tag != der::ContextConstructed(0)) {
    return findings.Add(kOther, what + " is malformed");
  }
  der::Reader value((*fields)[1].content);
  if (!value.Next().ok() || !value.empty()) return findings.Add(kOther, what + " has no value, or several");
  if (AsText((*fields)[0].content) != oids::kHardwareModuleName) return;
  const std::optional<HardwareModule> module = ReadHardwareModule(name);
  findings.Require(module.has_value() && !module->serial.empty(), kHardware, "a hardwareModuleName is malformed");
}

void CheckList(const Examined& c, std::string_view oid, const char* what, Findings& findings) {
  const ExtensionView* extension = c.Find(oid);
  if (extension == nullptr) return;
  const auto names = ReadElements(extension->value);
  if (!names.has_value() || names->empty()) {
    return findings.Add(kNames, fmt::format("{} is malformed or empty", what));
  }
  for (size_t i = 0; i < names->size(); ++i) {
    CheckGeneralName((*names)[i], what, findings);
    for (size_t j = 0; j < i; ++j) {
      if (Equal((*names)[i].whole, (*names)[j].whole)) findings.Add(kTwice, fmt::format("{} has a name twice", what));
    }
  }
}

}  // namespace

void CheckGeneralName(const der::Element& name, const char* where, Findings& findings) {
  const std::string_view text = AsText(name.content);
  const auto say = [&](const char* kind) { return fmt::format("a {} of {}", kind, where); };
  switch (name.tag) {
    case kOtherName: return CheckOther(name, say("otherName"), findings);
    case kEmailName: return CheckEmail(text, say("rfc822Name"), findings);
    case kDnsName: return CheckDns(text, say("dNSName"), findings);
    case kUriName: return CheckUri(text, say("URI"), findings);
    case kIpName:
      return findings.Require(name.content.size() == 4 || name.content.size() == 16, kIp,
                              "an iPAddress has neither 4 nor 16 octets");
    case kDirectoryName: return CheckName(say("directoryName"), name.content, findings);
    case kRegisteredId:
      return findings.Require(der::OidText(name.content).ok(), kNames, "a registeredID is no OBJECT IDENTIFIER");
    case kX400Address:
    case kEdiPartyName: return findings.Add(kObsolete, fmt::format("{} has an x400Address or ediPartyName", where));
    default: findings.Add(kNames, fmt::format("{} has a name of tag {:#04x}, which there is not", where, name.tag));
  }
}

bool CheckGeneralNames(const der::Element& names, const char* where, Findings& findings) {
  const auto list = ReadElements(names.whole, names.tag);
  if (!list.has_value() || list->empty()) return false;
  for (const der::Element& name : *list) CheckGeneralName(name, where, findings);
  return true;
}

void CheckAlternativeNames(const Examined& c, Findings& findings) {
  CheckList(c, oids::kSubjectAltName, "subjectAltName", findings);
  CheckList(c, oids::kIssuerAltName, "issuerAltName", findings);
}

std::vector<LintRule> AlternativeNameRules() {
  return {kNames, kDns, kWildcard, kUnderscore, kUri, kUriHost, kEmail, kIp, kOther, kHardware, kTwice, kObsolete};
}

}  // namespace hallmark::lint
