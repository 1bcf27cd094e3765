#include "policies/profile.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "base/named.h"
#include "base/reason.h"

namespace hallmark {
namespace {

constexpr std::array<Named<KeyType>, 5> kKeyTypes = {{{KeyType::kEcP256, "ec-p256"},
                                                      {KeyType::kEcP384, "ec-p384"},
                                                      {KeyType::kRsa2048, "rsa-2048"},
                                                      {KeyType::kRsa3072, "rsa-3072"},
                                                      {KeyType::kRsa4096, "rsa-4096"}}};
constexpr std::array<Named<GeneralName::Kind>, 5> kKinds = {
    {{GeneralName::Kind::kDns, "dns"},
     {GeneralName::Kind::kUri, "uri"},
     {GeneralName::Kind::kIp, "ip"},
     {GeneralName::Kind::kEmail, "email"},
     {GeneralName::Kind::kHardwareModuleName, "hardwareModuleName"}}};
constexpr std::array<Named<ExtensionRule::Encoding>, 10> kEncodings = {
    {{ExtensionRule::Encoding::kUtf8, "utf8"},
     {ExtensionRule::Encoding::kPrintable, "printable"},
     {ExtensionRule::Encoding::kIa5, "ia5"},
     {ExtensionRule::Encoding::kBoolean, "boolean"},
     {ExtensionRule::Encoding::kInteger, "integer"},
     {ExtensionRule::Encoding::kOid, "oid"},
     {ExtensionRule::Encoding::kTime, "time"},
     {ExtensionRule::Encoding::kOctets, "octets"},
     {ExtensionRule::Encoding::kNull, "null"},
     {ExtensionRule::Encoding::kDer, "der"}}};
constexpr std::array<Named<Standard>, 6> kStandards = {{{Standard::kIeee8021Ar, "ieee-802.1ar"},
                                                        {Standard::kMatterDac, "matter-dac"},
                                                        {Standard::kMatterPai, "matter-pai"},
                                                        {Standard::kOpcUa, "opc-ua"},
                                                        {Standard::kAzureDps, "azure-dps"},
                                                        {Standard::kAzureDeviceRegistry, "azure-device-registry"}}};
constexpr std::array<Named<KeyUsage>, 7> kKeyUsages = {{{KeyUsage::kDigitalSignature, "digitalSignature"},
                                                        {KeyUsage::kNonRepudiation, "nonRepudiation"},
                                                        {KeyUsage::kKeyEncipherment, "keyEncipherment"},
                                                        {KeyUsage::kDataEncipherment, "dataEncipherment"},
                                                        {KeyUsage::kKeyAgreement, "keyAgreement"},
                                                        {KeyUsage::kKeyCertSign, "keyCertSign"},
                                                        {KeyUsage::kCrlSign, "cRLSign"}}};

template <class T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Characters of UTF-8, which is what X.520's upper bounds count.
size_t Length(const std::string& utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string TypeOf(const Attribute& attribute) { return attribute.type; }
std::string TypeOf(const GeneralName& name) { return Name(name.kind); }
void SetType(Attribute& attribute, const std::string& type) { attribute.type = type; }
void SetType(GeneralName& name, const std::string& type) {
  for (const auto& row : kKinds) {
    if (type == row.name) name.kind = row.value;
  }
}

// Appends to `violations` what is wrong with a value that a rule takes from the CSR.
void CheckValue(const NameRule& rule, const std::string& field, const std::string& value,
                std::vector<FieldViolation>& violations) {
  if (!rule.value.empty()) {
    if (value != rule.value.front().name) {
      violations.push_back({field, fmt::format("the profile fixes it to '{}'; leave it out or ask for just that",
                                               rule.value.front().name)});
    }
  } else if (Length(value) > rule.max_length) {
    violations.push_back({field, fmt::format("is longer than {} characters", rule.max_length)});
  } else if (!RE2::FullMatch(value, *rule.pattern)) {
    violations.push_back({field, fmt::format("does not match the profile's pattern {}", rule.pattern->pattern())});
  }
}

// What the rules grant of what the CSR asks for, in the order of the rules. Whatever no rule takes is a violation.
// Value is Attribute or GeneralName.
template <class Value>
std::vector<Value> Take(const std::vector<NameRule>& rules, const std::vector<Value>& asked, const std::string& field,
                        std::vector<FieldViolation>& violations) {
  std::vector<Value> taken;
  std::vector<bool> used(asked.size(), false);
  for (const NameRule& rule : rules) {
    const std::string name = field + "." + rule.type;
    size_t count = 0;
    for (size_t i = 0; i < asked.size() && count < rule.max_count; ++i) {
      if (used[i] || TypeOf(asked[i]) != rule.type) continue;
      used[i] = true;
      ++count;
      CheckValue(rule, name, asked[i].value, violations);
      taken.push_back(asked[i]);
    }
    if (count > 0) continue;
    if (!rule.value.empty()) {
      taken.push_back({.value = rule.value.front().name});
      SetType(taken.back(), rule.type);
    } else if (rule.required) {
      violations.push_back({name, "is required by the profile and missing in the CSR"});
    }
  }
  for (size_t i = 0; i < asked.size(); ++i) {
    if (!used[i]) violations.push_back({field + "." + TypeOf(asked[i]), "is not granted by the profile"});
  }
  return taken;
}

std::vector<FieldViolation> CheckExtensions(const Profile& profile, const Facts& facts) {
  std::vector<FieldViolation> violations;
  if (facts.ca && !profile.ca) {
    violations.push_back({"csr.basic_constraints", "asks for CA:TRUE, which the profile does not grant"});
  }
  for (KeyUsage usage : facts.key_usage) {
    if (Contains(profile.key_usage, usage)) continue;
    violations.push_back({"csr.key_usage", fmt::format("asks for {}, which the profile does not grant", Name(usage))});
  }
  for (const std::string& oid : facts.extended_key_usage) {
    if (Contains(profile.extended_key_usage, oid)) continue;
    violations.push_back({"csr.extended_key_usage", fmt::format("asks for {}, which the profile does not grant", oid)});
  }
  for (const RequestedExtension& extension : facts.other_extensions) {
    violations.push_back(
        {"csr.extensions", fmt::format("asks for extension {}, which the profile does not grant", extension.oid)});
  }
  return violations;
}

}  // namespace

const char* Name(KeyType type) { return NameOf(kKeyTypes, type); }
const char* Name(GeneralName::Kind kind) { return kind == GeneralName::Kind::kOther ? "other" : NameOf(kKinds, kind); }
const char* Name(KeyUsage usage) { return NameOf(kKeyUsages, usage); }
const char* Name(ExtensionRule::Encoding encoding) { return NameOf(kEncodings, encoding); }
const char* Name(Standard standard) { return NameOf(kStandards, standard); }
StatusOr<Standard> ParseStandard(const std::string& name) {
  return ParseName<Standard>(kStandards, "not a standard that certificates are held to", name);
}
Time NeverExpires() { return absl::FromCivil(absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::UTCTimeZone()); }
const std::vector<KeyUsage>& Profile::KeyUsageOf(KeyType key) const {
  const bool ec = key == KeyType::kEcP256 || key == KeyType::kEcP384;
  return ec && !ec_key_usage.empty() ? ec_key_usage : key_usage;
}
StatusOr<KeyType> ParseKeyType(const std::string& name) {
  return ParseName<KeyType>(kKeyTypes, "not a key type", name);
}
StatusOr<GeneralName::Kind> ParseGeneralNameKind(const std::string& name) {
  return ParseName<GeneralName::Kind>(kKinds, "not a kind of name", name);
}
StatusOr<KeyUsage> ParseKeyUsage(const std::string& name) {
  return ParseName<KeyUsage>(kKeyUsages, "not a key usage", name);
}

std::string ToRfc4514(const Subject& subject) {
  std::string text;
  for (auto attribute = subject.rbegin(); attribute != subject.rend(); ++attribute) {
    if (!text.empty()) text += ',';
    text += attribute->type + "=";
    const std::string& value = attribute->value;
    for (size_t i = 0; i < value.size(); ++i) {
      const char c = value[i];
      const bool at_edge = (c == ' ' && (i == 0 || i + 1 == value.size())) || (c == '#' && i == 0);
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        text += fmt::format("\\{:02X}", static_cast<unsigned char>(c));
      } else {
        if (at_edge || std::string_view("\"+,;<>\\").find(c) != std::string_view::npos) text += '\\';
        text += c;
      }
    }
  }
  return text;
}

StatusOr<Plan> Decide(std::shared_ptr<const Profile> profile, const Facts& facts, Time now,
                      const IssuerValidity& issuer) {
  if (!Contains(profile->keys, facts.key)) {
    std::string allowed;
    for (KeyType key : profile->keys) allowed += (allowed.empty() ? "" : ", ") + std::string(Name(key));
    return FieldError(reason::kKeyNotAllowed, "csr.public_key",
                      fmt::format("profile '{}' allows {}, not {}", profile->name, allowed, Name(facts.key)));
  }
  Plan plan;
  std::vector<FieldViolation> violations;
  plan.subject = Take(profile->subject, facts.subject, "csr.subject", violations);
  if (!violations.empty()) return FieldErrors(reason::kSubjectNotAllowed, violations);
  plan.subject_alt_names =
      Take(profile->subject_alt_names, facts.subject_alt_names, "csr.subject_alt_name", violations);
  if (!violations.empty()) return FieldErrors(reason::kExtensionNotAllowed, violations);
  violations = CheckExtensions(*profile, facts);
  if (!violations.empty()) return FieldErrors(reason::kExtensionNotAllowed, violations);

  const Duration lifetime = facts.lifetime.value_or(profile->lifetime);
  if (lifetime < absl::Seconds(1) || lifetime > profile->max_lifetime) {
    return FieldError(
        reason::kValidityNotAllowed, "lifetime",
        fmt::format("profile '{}' allows 1s to {}s", profile->name, absl::ToInt64Seconds(profile->max_lifetime)));
  }
  // The validity includes its last second (RFC 5280 4.1.2.5).
  plan.not_before = std::max(TruncateToSecond(now - profile->backdate), issuer.not_before);
  plan.not_after = TruncateToSecond(now + lifetime) - absl::Seconds(1);
  if (plan.not_after > issuer.not_after) {
    return FieldError(
        reason::kValidityNotAllowed, "lifetime",
        fmt::format("the certificate would be valid until {}, beyond its issuer's {}; ask for less, or roll "
                    "the authority over",
                    Rfc3339(plan.not_after), Rfc3339(issuer.not_after)));
  }
  plan.profile = std::move(profile);
  return plan;
}

}  // namespace hallmark
