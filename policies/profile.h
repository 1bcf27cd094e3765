// What a certificate may be: a profile, the facts of a request, and the verdict. Profiles judge facts; they touch
// neither OpenSSL nor sockets nor the clock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/key_type.h"
#include "base/status.h"
#include "policies/caller.h"

namespace re2 {
class RE2;
}

namespace hallmark {

const char* Name(KeyType type);  // "ec-p256", "rsa-2048"..., as profiles and commands spell it
StatusOr<KeyType> ParseKeyType(const std::string& name);

// The ASN.1 types that a name's value may have.
enum class StringType { kUtf8, kPrintable, kIa5 };

// One AttributeTypeAndValue of a distinguished name (RFC 5280 4.1.2.4); each is an RDN of its own. `type` is the name
// of RFC 4514 or X.520: CN, serialNumber, O, OU, C, L, ST, DC; or a dotted OID that we have no name for.
struct Attribute {
  std::string type;
  std::string value;  // UTF-8
  // As what it stands in a CSR, or is to stand in a certificate; absent: as its type is written by default.
  std::optional<StringType> string_type = std::nullopt;
  // By type and value, as X.500 compares.
  bool operator==(const Attribute& other) const { return type == other.type && value == other.value; }
};
using Subject = std::vector<Attribute>;
// The first value of that type; empty: there is none.
std::string ValueOf(const Subject& subject, const std::string& type);
std::string ToRfc4514(const Subject& subject);  // most specific first: "CN=device-1,O=Example"

// One GeneralName (RFC 5280 4.2.1.6) of the kinds that profiles can grant.
struct GeneralName {
  enum class Kind { kDns, kUri, kIp, kEmail, kHardwareModuleName, kOther };
  Kind kind = Kind::kOther;
  // An IP address in its textual form; an otherName hardwareModuleName (RFC 4108 5) as its hwType, a colon and its
  // hwSerialNum, which is printable ASCII: "1.3.6.1.4.1.32473.1:SN-1"; of kOther: what it is, for the message.
  std::string value;
  bool operator==(const GeneralName&) const = default;
};
const char* Name(GeneralName::Kind kind);  // "dns", "uri", "ip", "email", "hardwareModuleName", "other"
StatusOr<GeneralName::Kind> ParseGeneralNameKind(const std::string& name);  // one that can be granted

// RFC 5280 4.2.1.3; the values are the named bits.
enum class KeyUsage : unsigned {
  kDigitalSignature = 0,
  kNonRepudiation = 1,
  kKeyEncipherment = 2,
  kDataEncipherment = 3,
  kKeyAgreement = 4,
  kKeyCertSign = 5,
  kCrlSign = 6,
};
StatusOr<KeyUsage> ParseKeyUsage(const std::string& name);  // "digitalSignature"...
const char* Name(KeyUsage usage);

// The purposes of RFC 5280 4.2.1.12 by name, "clientAuth"; one without a name by its dotted OID, as in a profile.
std::string PurposeName(const std::string& oid);
StatusOr<std::string> ParsePurpose(const std::string& name);  // the OID

// An extension that a CSR asks for and that has no field of its own in Facts.
struct RequestedExtension {
  std::string oid;
  bool critical = false;
  Bytes value;  // the octets of extnValue
  bool operator==(const RequestedExtension&) const = default;
};

// All that a profile may take values from: the certification request, as ca/csr read it, and what is known beside it.
struct Facts {
  Subject subject;
  KeyType key = KeyType::kEcP256;
  std::vector<GeneralName> subject_alt_names;        // requested
  bool ca = false;                                   // requests basicConstraints CA:TRUE
  std::vector<KeyUsage> key_usage;                   // requested
  std::vector<std::string> extended_key_usage;       // requested, dotted OIDs
  std::vector<RequestedExtension> other_extensions;  // requested
  std::optional<Duration> lifetime;                  // asked for beside the CSR
  Caller caller;                                     // who asks; without a URI: nobody, as in a ceremony
  // The device's record, by field: "serial", and whatever its manufacturer announced. nullopt: it has none.
  std::optional<std::map<std::string, std::string>> device;
};

// Where a part of a value comes from: the closed set of sources.
enum class Source {
  kFixed,   // the profile; `name` is the text
  kCsr,     // the CSR's subject; `name` is the attribute's type, which must stand there just once
  kCaller,  // the caller; `name` is uri, realm, role or name
  kDevice,  // the device's record; `name` is its field
};
struct ValuePart {
  Source source = Source::kFixed;
  std::string name;
};

// Where the values of an attribute or of a kind of name come from, and what they must look like.
struct NameRule {
  std::string type;                         // an Attribute's type or the name of a GeneralName's kind
  std::vector<ValuePart> value;             // the value is these, joined; empty: what the CSR has for `type`
  std::shared_ptr<const re2::RE2> pattern;  // the whole value must match; may be absent with `value`
  size_t max_length = 64;                   // in characters
  size_t max_count = 1;
  bool required = true;  // false: left out when the CSR does not ask for it, or a source of `value` has nothing
};

// An extension that has no field of its own in Profile (RFC 5280 4.2).
struct ExtensionRule {
  // How the text of a value is written in DER: as the string type; "true" or "false"; decimal; dotted; RFC 3339;
  // hexadecimal octets of an OCTET STRING; nothing; or hexadecimal DER of any kind.
  enum class Encoding { kUtf8, kPrintable, kIa5, kBoolean, kInteger, kOid, kTime, kOctets, kNull, kDer };
  std::string oid;
  bool critical = false;
  Encoding encoding = Encoding::kUtf8;
  std::vector<ValuePart> value;             // empty, unless kNull: passed from the CSR as it stands there
  std::shared_ptr<const re2::RE2> pattern;  // of the text; not of what is passed
  size_t max_length = 256;                  // in characters of the text, or octets of what is passed
  bool required = true;                     // false: left out, as a name is
};
const char* Name(ExtensionRule::Encoding encoding);  // "utf8", "printable"..., as profiles spell it
StatusOr<ExtensionRule::Encoding> ParseEncoding(const std::string& name);

// One PolicyInformation (RFC 5280 4.2.1.4).
struct CertificatePolicy {
  std::string oid;
  std::string cps;  // URI of a certification practice statement; empty: none
};

// One GeneralSubtree (RFC 5280 4.2.1.10).
struct Subtree {
  enum class Kind { kDns, kUri, kEmail, kIp, kDirectory };
  Kind kind = Kind::kDns;
  // Of kDns, kUri, kEmail as RFC 5280 4.2.1.10 writes it, empty for every name; of kIp in CIDR notation.
  std::string value;
  // Of kDirectory: the attributes that a name below begins with: these types, with the values that the certificate's
  // own subject has for them.
  std::vector<std::string> attributes;
};
const char* Name(Subtree::Kind kind);  // "dns", "uri", "email", "ip", "directory"
StatusOr<Subtree::Kind> ParseSubtreeKind(const std::string& name);
struct NameConstraints {
  std::vector<Subtree> permitted;
  std::vector<Subtree> excluded;
  bool empty() const { return permitted.empty() && excluded.empty(); }
};

// A standard beyond RFC 5280 that a certificate has to keep; ca/lint holds it to its rules.
enum class Standard { kIeee8021Ar, kMatterDac, kMatterPai, kOpcUa, kAzureDps, kAzureDeviceRegistry };
const char* Name(Standard standard);  // "ieee-802.1ar", "matter-dac"..., as profiles and commands spell it
StatusOr<Standard> ParseStandard(const std::string& name);

// The lifetime of what never expires: notAfter is 99991231235959Z (RFC 5280 4.1.2.5, IEEE 802.1AR 8.7).
inline constexpr Duration kForever = absl::InfiniteDuration();
Time NeverExpires();  // that instant

struct Profile {
  std::string name;
  std::string description;
  std::string version;  // SHA-256 of its file's octets, lower-case hexadecimal
  std::string text;     // the file
  std::vector<KeyType> keys;
  std::vector<NameRule> subject;  // in this order in the certificate
  // The subject stands in the certificate in the order and with the string types of the CSR: of a CA that has a key
  // and a name elsewhere, too.
  bool subject_as_requested = false;
  std::vector<NameRule> subject_alt_names;
  Duration lifetime;  // when the request asks for none
  Duration max_lifetime;
  Duration backdate;  // not_before = now - backdate
  std::vector<KeyUsage> key_usage;
  std::vector<KeyUsage> ec_key_usage;           // of EC keys, when they may do something else; empty: as key_usage
  std::vector<std::string> extended_key_usage;  // dotted OIDs
  bool ca = false;
  std::optional<int64_t> path_length;  // with `ca`; absent: no limit
  NameConstraints name_constraints;    // with `ca`
  std::vector<CertificatePolicy> certificate_policies;
  std::vector<ExtensionRule> extensions;
  enum class KeyIdentifierMethod { kRfc7093, kSha1 };  // RFC 7093 2 method 1, RFC 5280 4.2.1.2 method 1
  KeyIdentifierMethod subject_key_identifier = KeyIdentifierMethod::kRfc7093;
  bool crl_distribution_points = true;  // of the issuer
  bool authority_info_access = true;    // caIssuers of the issuer
  bool ocsp = false;                    // and where its OCSP responder is
  // What becomes of extensions that a CSR asks for and the profile does not grant: an error, or overridden.
  bool ignore_requested_extensions = false;
  bool subject_is_issuer = false;  // self-signed: a root

  // Whether it certifies devices that a lot announces, and no others; or whatever its caller asks for.
  enum class Admission { kNone, kLot };
  Admission admission = Admission::kNone;

  // Who may issue under it: these authorities, or those that were made under these profiles; both empty: any.
  std::vector<std::string> authorities;
  std::vector<std::string> authority_profiles;
  // Authorities that certify no authorities, and those that do.
  bool from_issuing = true;
  bool from_certifying = false;
  std::vector<KeyType> issuer_keys;  // of the authority; empty: any
  std::vector<std::string> roles;    // who may ask for it; empty: whom roles.yaml lets
  std::string caller_role;           // in which whom it certifies calls Hallmark; empty: the profile's name
  std::vector<Standard> standards;

  const std::vector<KeyUsage>& KeyUsageOf(KeyType key) const;
};
using ProfileMap = std::map<std::string, std::shared_ptr<const Profile>>;

// The value of one of the profile's `extensions`: a text to encode, or octets to pass.
struct PlannedExtension {
  std::string oid;
  bool critical = false;
  ExtensionRule::Encoding encoding = ExtensionRule::Encoding::kUtf8;
  std::string text;
  std::optional<Bytes> passed;  // the octets of extnValue
};

// What we are willing to certify: the verdict of a profile on facts. What is the same for each certificate of the
// profile stays in the profile.
struct Plan {
  std::shared_ptr<const Profile> profile;
  Subject subject;
  std::vector<GeneralName> subject_alt_names;
  std::vector<PlannedExtension> extensions;  // of the profile's `extensions`, in their order
  Time not_before;
  Time not_after;  // inclusive, RFC 5280 4.1.2.5
};

// The validity of the issuer's own certificate, within which every certificate of it has to lie.
struct IssuerValidity {
  Time not_before = absl::InfinitePast();
  Time not_after = absl::InfiniteFuture();
};

// Judges `facts` by `profile`. Backdating stops at the issuer's beginning; a certificate that would outlive its issuer
// is refused. kInvalidArgument with every field at fault and the reason of the first: KEY_NOT_ALLOWED,
// SUBJECT_NOT_ALLOWED, EXTENSION_NOT_ALLOWED, VALIDITY_NOT_ALLOWED. The fields: "csr.public_key", "csr.subject.TYPE",
// "csr.subject_alt_name.KIND", "csr.basic_constraints", "csr.key_usage", "csr.extended_key_usage",
// "csr.extensions.OID", "lifetime"; and "caller", "device", "device.FIELD" for a source that has nothing.
StatusOr<Plan> Decide(std::shared_ptr<const Profile> profile, const Facts& facts, Time now,
                      const IssuerValidity& issuer);

// Whether somebody of these roles may ask for a certificate of `profile`: kPermissionDenied (PERMISSION_DENIED), with
// the roles that may, otherwise.
Status CheckRole(const Profile& profile, const Caller& caller, const std::vector<std::string>& roles);

}  // namespace hallmark
