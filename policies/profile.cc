#include "policies/profile.h"

#include <fmt/format.h>

#include <array>

#include "base/named.h"
#include "base/reason.h"
#include "policies/forms.h"

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
constexpr std::array<std::pair<const char*, const char*>, 7> kPurposes = {{{"serverAuth", "1.3.6.1.5.5.7.3.1"},
                                                                           {"clientAuth", "1.3.6.1.5.5.7.3.2"},
                                                                           {"codeSigning", "1.3.6.1.5.5.7.3.3"},
                                                                           {"emailProtection", "1.3.6.1.5.5.7.3.4"},
                                                                           {"timeStamping", "1.3.6.1.5.5.7.3.8"},
                                                                           {"OCSPSigning", "1.3.6.1.5.5.7.3.9"},
                                                                           {"anyExtendedKeyUsage", "2.5.29.37.0"}}};
constexpr std::array<Named<Subtree::Kind>, 5> kSubtrees = {{{Subtree::Kind::kDns, "dns"},
                                                            {Subtree::Kind::kUri, "uri"},
                                                            {Subtree::Kind::kEmail, "email"},
                                                            {Subtree::Kind::kIp, "ip"},
                                                            {Subtree::Kind::kDirectory, "directory"}}};

}  // namespace

const char* Name(KeyType type) { return NameOf(kKeyTypes, type); }
const char* Name(GeneralName::Kind kind) { return kind == GeneralName::Kind::kOther ? "other" : NameOf(kKinds, kind); }
const char* Name(KeyUsage usage) { return NameOf(kKeyUsages, usage); }
const char* Name(ExtensionRule::Encoding encoding) { return NameOf(kEncodings, encoding); }
const char* Name(Subtree::Kind kind) { return NameOf(kSubtrees, kind); }
const char* Name(Standard standard) { return NameOf(kStandards, standard); }
StatusOr<Standard> ParseStandard(const std::string& name) {
  return ParseName<Standard>(kStandards, "not a standard that certificates are held to", name);
}
StatusOr<ExtensionRule::Encoding> ParseEncoding(const std::string& name) {
  return ParseName<ExtensionRule::Encoding>(kEncodings, "not an encoding", name);
}
StatusOr<Subtree::Kind> ParseSubtreeKind(const std::string& name) {
  return ParseName<Subtree::Kind>(kSubtrees, "not a kind of name that can be constrained", name);
}
Time NeverExpires() { return absl::FromCivil(absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::UTCTimeZone()); }
const std::vector<KeyUsage>& Profile::KeyUsageOf(KeyType key) const {
  return IsEc(key) && !ec_key_usage.empty() ? ec_key_usage : key_usage;
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

std::string PurposeName(const std::string& oid) {
  for (const auto& [name, known] : kPurposes) {
    if (oid == known) return name;
  }
  return oid;
}

StatusOr<std::string> ParsePurpose(const std::string& name) {
  for (const auto& [known, oid] : kPurposes) {
    if (name == known) return std::string(oid);
  }
  if (IsObjectIdentifier(name)) return name;
  return Error(
      Code::kInvalidArgument, reason::kConfigurationInvalid,
      fmt::format("'{}' is neither a purpose of RFC 5280 4.2.1.12 (serverAuth, clientAuth...) nor a dotted OID", name));
}

std::string ValueOf(const Subject& subject, const std::string& type) {
  const auto found =
      std::find_if(subject.begin(), subject.end(), [&](const Attribute& attribute) { return attribute.type == type; });
  return found == subject.end() ? "" : found->value;
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

}  // namespace hallmark
