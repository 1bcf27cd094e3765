// One certificate under the rules of lint, taken apart as far as it goes: views into its octets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ca/der.h"
#include "ca/lint.h"

namespace hallmark::lint {

// The content octets of object identifiers: lint compares octets.
template <size_t N>
constexpr std::string_view Oid(const char (&octets)[N]) {
  return {octets, N - 1};
}
namespace oids {
inline constexpr auto kSubjectKeyIdentifier = Oid("\x55\x1d\x0e");
inline constexpr auto kKeyUsage = Oid("\x55\x1d\x0f");
inline constexpr auto kSubjectAltName = Oid("\x55\x1d\x11");
inline constexpr auto kIssuerAltName = Oid("\x55\x1d\x12");
inline constexpr auto kBasicConstraints = Oid("\x55\x1d\x13");
inline constexpr auto kNameConstraints = Oid("\x55\x1d\x1e");
inline constexpr auto kCrlDistributionPoints = Oid("\x55\x1d\x1f");
inline constexpr auto kCertificatePolicies = Oid("\x55\x1d\x20");
inline constexpr auto kPolicyMappings = Oid("\x55\x1d\x21");
inline constexpr auto kAuthorityKeyIdentifier = Oid("\x55\x1d\x23");
inline constexpr auto kPolicyConstraints = Oid("\x55\x1d\x24");
inline constexpr auto kExtendedKeyUsage = Oid("\x55\x1d\x25");
inline constexpr auto kFreshestCrl = Oid("\x55\x1d\x2e");
inline constexpr auto kInhibitAnyPolicy = Oid("\x55\x1d\x36");
inline constexpr auto kAuthorityInfoAccess = Oid("\x2b\x06\x01\x05\x05\x07\x01\x01");
inline constexpr auto kSubjectInfoAccess = Oid("\x2b\x06\x01\x05\x05\x07\x01\x0b");
inline constexpr auto kOcspNoCheck = Oid("\x2b\x06\x01\x05\x05\x07\x30\x01\x05");
inline constexpr auto kCommonName = Oid("\x55\x04\x03");
inline constexpr auto kSerialNumber = Oid("\x55\x04\x05");
inline constexpr auto kEmailAddress = Oid("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01");
inline constexpr auto kServerAuth = Oid("\x2b\x06\x01\x05\x05\x07\x03\x01");
inline constexpr auto kClientAuth = Oid("\x2b\x06\x01\x05\x05\x07\x03\x02");
inline constexpr auto kOcspSigning = Oid("\x2b\x06\x01\x05\x05\x07\x03\x09");
inline constexpr auto kHardwareModuleName = Oid("\x2b\x06\x01\x05\x05\x07\x08\x04");
inline constexpr auto kPrime256v1 = Oid("\x2a\x86\x48\xce\x3d\x03\x01\x07");
inline constexpr auto kSecp384r1 = Oid("\x2b\x81\x04\x00\x22");
inline constexpr auto kSecp521r1 = Oid("\x2b\x81\x04\x00\x23");
inline constexpr auto kMatterVendorId = Oid("\x2b\x06\x01\x04\x01\x82\xa2\x7c\x02\x01");
inline constexpr auto kMatterProductId = Oid("\x2b\x06\x01\x04\x01\x82\xa2\x7c\x02\x02");
}  // namespace oids

// Named bits of keyUsage (RFC 5280 4.2.1.3).
enum UsageBit : uint32_t {
  kDigitalSignature = 1u << 0,
  kNonRepudiation = 1u << 1,
  kKeyEncipherment = 1u << 2,
  kDataEncipherment = 1u << 3,
  kKeyAgreement = 1u << 4,
  kKeyCertSign = 1u << 5,
  kCrlSign = 1u << 6,
  kEncipherOnly = 1u << 7,
  kDecipherOnly = 1u << 8,
};

// GeneralName's tags (RFC 5280 4.2.1.6).
inline constexpr uint8_t kOtherName = der::ContextConstructed(0);
inline constexpr uint8_t kEmailName = der::ContextPrimitive(1);
inline constexpr uint8_t kDnsName = der::ContextPrimitive(2);
inline constexpr uint8_t kDirectoryName = der::ContextConstructed(4);
inline constexpr uint8_t kUriName = der::ContextPrimitive(6);
inline constexpr uint8_t kIpName = der::ContextPrimitive(7);

struct ExtensionView {
  std::string_view oid;
  bool critical = false;
  ByteView value;
};
struct AttributeView {
  size_t rdn = 0;  // the index of its RDN
  std::string_view oid;
  uint8_t tag = 0;
  ByteView value;
};
using NameView = std::vector<AttributeView>;

struct KeyView {
  enum class Kind { kUnknown, kRsa, kEc, kOther };  // kUnknown: malformed
  Kind kind = Kind::kUnknown;
  size_t bits = 0;
  std::string_view curve;  // OID, of an EC key on a named curve
};

class Findings {
 public:
  void Add(const LintRule& rule, std::string message) {
    found_.push_back({rule.name, rule.citation, std::move(message), rule.severity});
  }
  void Require(bool holds, const LintRule& rule, const char* message) {
    if (!holds) Add(rule, message);
  }
  std::vector<Finding> Take() { return std::move(found_); }

 private:
  std::vector<Finding> found_;
};

struct Examined {
  ByteView whole;
  int version = 0;  // 1 to 3, or whatever stands there
  ByteView serial;  // content octets
  ByteView algorithm;
  ByteView inner_algorithm;
  ByteView issuer_octets;
  ByteView subject_octets;
  NameView issuer;
  NameView subject;
  der::Element not_before_element;
  der::Element not_after_element;
  std::optional<Time> not_before;  // nullopt: unreadable
  std::optional<Time> not_after;
  ByteView spki;
  KeyView key;
  bool has_unique_identifiers = false;
  bool has_extensions = false;
  std::vector<ExtensionView> extensions;

  // Of its extensions, as far as they can be read.
  bool ca = false;
  std::optional<int64_t> path_length;
  std::optional<uint32_t> key_usage;
  std::vector<std::string_view> purposes;
  std::vector<der::Element> alternative_names;

  const ExtensionView* Find(std::string_view oid) const;
  bool HasPurpose(std::string_view oid) const;
  bool Uses(uint32_t usage) const { return key_usage.has_value() && (*key_usage & usage) != 0; }
  bool is_self_issued() const { return Equal(issuer_octets, subject_octets); }
  // By its names and key identifiers: an authority's own key may be certified by its former one (RFC 5280 3.2).
  bool is_self_signed() const;
};

// The first extension of a type; nullptr when there is none.
const ExtensionView* FindView(const std::vector<ExtensionView>& extensions, std::string_view oid);
// UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 4.1.2.5, 5.1.2.4); false also for what is no time.
bool HasTimeForm(const der::Element& element);
// The keyIdentifier among the fields of an authorityKeyIdentifier.
std::optional<ByteView> KeyIdentifierAmong(const std::vector<der::Element>& fields);

// What cannot be read, or not as DER.
inline constexpr LintRule kDer{"x690_der", "X.690 10, 11", Severity::kError,
                               "what is signed is DER, of the structure that its standard gives it"};

// Takes a certificate apart. nullopt, and a finding, when even that cannot be done.
std::optional<Examined> Examine(ByteView certificate, Findings& findings);

// Reads an Extensions. kInvalidArgument when it cannot be taken apart.
StatusOr<std::vector<ExtensionView>> ReadExtensionViews(ByteView octets);
// The attributes of a Name; those of an unreadable one are missing.
NameView ReadNameView(ByteView name);
// The values of one type.
std::vector<std::string> ValuesOf(const NameView& name, std::string_view oid);
// The elements of a SEQUENCE; nullopt when it is none.
std::optional<std::vector<der::Element>> ReadElements(ByteView octets, uint8_t tag = der::kSequence);
// The host of an absolute URI, without port and user, in lower case; nullopt: it has no authority.
std::optional<std::string> HostOf(std::string_view uri);
// hwType (content octets) and hwSerialNum of an otherName hardwareModuleName (RFC 4108 5).
struct HardwareModule {
  std::string_view type;
  ByteView serial;
};
std::optional<HardwareModule> ReadHardwareModule(const der::Element& general_name);
bool IsDnsSyntax(std::string_view name);
std::string Dotted(std::string_view oid);

// The rooms of rules. Each appends its findings and knows its rules by name.
void CheckDer(ByteView certificate, Findings& findings);
void CheckStructure(const Examined& c, Findings& findings);
// Shared with CheckCrl: whether an AlgorithmIdentifier is of a sound signature, with the parameters that it should
// have.
void CheckSignatureAlgorithm(ByteView algorithm, bool self_signed, Findings& findings);
void CheckNames(const Examined& c, Findings& findings);
void CheckKey(const Examined& c, Findings& findings);
void CheckExtensions(const Examined& c, Findings& findings);
void CheckAlternativeNames(const Examined& c, Findings& findings);
void CheckPathExtensions(const Examined& c, Findings& findings);
void CheckPointers(const Examined& c, Findings& findings);
void CheckHouse(const Examined& c, Findings& findings);
// Against the issuer, which is given by what is known of it.
void CheckIssuer(const Examined& c, const LintIssuer& issuer, const Examined* certificate, Findings& findings);
void CheckNameConstraints(const Examined& c, const Examined& issuer, Findings& findings);
void CheckStandard(Standard standard, const Examined& c, const Examined* issuer, Findings& findings);
// The syntax and the values of a Name; `what` begins the message.
void CheckName(const std::string& what, ByteView octets, Findings& findings);
// A GeneralNames with whatever tag it has in its place: false for one that is malformed or empty.
bool CheckGeneralNames(const der::Element& names, const char* where, Findings& findings);
// Shared with CheckPathExtensions and CheckPointers: the syntax of one GeneralName; `where` begins the message.
void CheckGeneralName(const der::Element& name, const char* where, Findings& findings);

std::vector<LintRule> DerRules();
std::vector<LintRule> StructureRules();
std::vector<LintRule> NameRules();
std::vector<LintRule> KeyRules();
std::vector<LintRule> ExtensionRules();
std::vector<LintRule> AlternativeNameRules();
std::vector<LintRule> PathRules();
std::vector<LintRule> PointerRules();
std::vector<LintRule> IssuerRules();
std::vector<LintRule> HouseRules();
std::vector<LintRule> NameConstraintRules();
std::vector<LintRule> Ieee8021ArRules();
std::vector<LintRule> MatterRules();
std::vector<LintRule> OpcUaRules();
std::vector<LintRule> AzureRules();
std::vector<LintRule> CrlRules();

void CheckIeee8021Ar(const Examined& c, Findings& findings);
void CheckMatter(bool dac, const Examined& c, const Examined* issuer, Findings& findings);
void CheckOpcUa(const Examined& c, Findings& findings);
void CheckAzureDps(const Examined& c, Findings& findings);
void CheckAzureDeviceRegistry(const Examined& c, const Examined* issuer, Findings& findings);

// A CRL; what is not known of the issuer is empty, and `certificate` nullptr.
void CheckCrl(ByteView crl, const LintIssuer& issuer, const Examined* certificate, Findings& findings);

}  // namespace hallmark::lint
