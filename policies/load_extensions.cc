// Rules of the extensions that no field of a profile stands for.
#include <fmt/format.h>

#include <array>

#include "policies/forms.h"
#include "policies/load_parts.h"
#include "policies/value.h"

namespace hallmark {
namespace {

constexpr size_t kDefaultLength = 256;
constexpr size_t kLengthLimit = 4096;  // of a text in characters, or of what is passed in octets

// Extensions that Hallmark writes from other fields (RFC 5280 4.2), and one that is none of certificates.
struct Written {
  const char* oid;
  const char* name;
  const char* instead;
};
constexpr std::array<Written, 11> kWritten = {
    {{"2.5.29.14", "subjectKeyIdentifier", "the field subject_key_identifier"},
     {"2.5.29.15", "keyUsage", "the field key_usage"},
     {"2.5.29.17", "subjectAltName", "the field subject_alt_names"},
     {"2.5.29.19", "basicConstraints", "the field ca"},
     {"2.5.29.30", "nameConstraints", "the field ca.name_constraints"},
     {"2.5.29.31", "cRLDistributionPoints", "the field crl_distribution_points"},
     {"2.5.29.32", "certificatePolicies", "the field certificate_policies"},
     {"2.5.29.35", "authorityKeyIdentifier", "nothing: it is always there"},
     {"2.5.29.37", "extKeyUsage", "the field extended_key_usage"},
     {"2.5.29.20", "cRLNumber", "nothing: it is an extension of CRLs"},
     {"1.3.6.1.5.5.7.1.1", "authorityInfoAccess", "the fields authority_info_access and ocsp"}}};

void CheckOid(yaml::Mapping& rule, const std::string& oid, const std::vector<ExtensionRule>& earlier) {
  if (!IsObjectIdentifier(oid)) return rule.Fail("oid", fmt::format("'{}' is not a dotted OID", oid));
  for (const Written& row : kWritten) {
    if (oid == row.oid) return rule.Fail("oid", fmt::format("{} is {}; use {}", oid, row.name, row.instead));
  }
  if (std::any_of(earlier.begin(), earlier.end(), [&](const ExtensionRule& other) { return other.oid == oid; })) {
    rule.Fail("oid", fmt::format("{} stands twice; a certificate has each extension once (RFC 5280 4.2)", oid));
  }
}

void CheckPassed(yaml::Mapping& rule, const ExtensionRule& read) {
  const bool is_null = read.encoding == ExtensionRule::Encoding::kNull;
  if (read.value.empty() && rule.Has("pattern")) rule.Fail("pattern", "judges a value; there is none");
  if (is_null && !read.value.empty()) rule.Fail("value", "null has none");
  if (is_null && !read.required) rule.Fail("required", "null is always there; leave this out");
  if (is_null || !read.value.empty() || read.encoding == ExtensionRule::Encoding::kDer) return;
  rule.Fail("encoding",
            "without a value the extension is passed as the CSR has it; leave this out, or give a value to encode");
}

// YAML takes a plain null for its own.
std::string EncodingName(yaml::Mapping& rule, const ExtensionRule& read) {
  if (rule.IsNull("encoding")) return Name(ExtensionRule::Encoding::kNull);
  return rule.Optional<std::string>("encoding", read.value.empty() ? "der" : "utf8");
}

ExtensionRule ReadExtensionRule(yaml::Mapping& rule, const std::string& realm,
                                const std::vector<ExtensionRule>& earlier) {
  ExtensionRule read;
  read.oid = rule.Required<std::string>("oid");
  CheckOid(rule, read.oid, earlier);
  read.critical = rule.Optional<bool>("critical", false);
  read.value = ReadValue(rule, realm);
  read.pattern = ReadPattern(rule, realm);
  const StatusOr<ExtensionRule::Encoding> encoding = ParseEncoding(EncodingName(rule, read));
  rule.Check(encoding.status(), "encoding");
  if (!encoding.ok()) return read;
  read.encoding = *encoding;
  read.max_length = ReadLimit(rule, "max_length", kDefaultLength, kLengthLimit);
  read.required = rule.Optional<bool>("required", true);
  CheckPassed(rule, read);
  if (IsFixed(read.value)) {
    const std::string& value = read.value.front().name;
    CheckFixedValue(rule, value, CheckEncoding(read.encoding, value), read.max_length, read.pattern.get());
  }
  return read;
}

}  // namespace

void ReadExtensionRules(yaml::Mapping& mapping, const std::string& realm, Profile& profile) {
  mapping.Each("extensions", [&](yaml::Mapping& rule) {
    profile.extensions.push_back(ReadExtensionRule(rule, realm, profile.extensions));
    return rule.Finish();
  });
  if (mapping.Has("extensions")) CheckCount(mapping, "extensions", profile.extensions.size());
}

}  // namespace hallmark
