// What a certificate may be: a profile, the facts of a request, and the verdict. Profiles judge facts; they touch
// neither OpenSSL nor sockets nor the clock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/key_type.h"
#include "base/status.h"

namespace re2 {
class RE2;
}

namespace hallmark {

const char* Name(KeyType type);  // "ec-p256", "rsa-2048"..., as profiles and commands spell it
StatusOr<KeyType> ParseKeyType(const std::string& name);

// One AttributeTypeAndValue of a distinguished name (RFC 5280 4.1.2.4); each is an RDN of its own. `type` is the name
// of RFC 4514 or X.520: CN, serialNumber, O, OU, C, L, ST; or a dotted OID that we have no name for.
struct Attribute {
  std::string type;
  std::string value;  // UTF-8
  bool operator==(const Attribute&) const = default;
};
using Subject = std::vector<Attribute>;
std::string ToRfc4514(const Subject& subject);  // most specific first: "CN=device-1,O=Example"

// One GeneralName (RFC 5280 4.2.1.6) of the kinds that profiles can grant.
struct GeneralName {
  enum class Kind { kDns, kUri, kIp, kEmail, kOther };
  Kind kind = Kind::kOther;
  std::string value;  // an IP address in its textual form; of kOther: what it is, for the message
  bool operator==(const GeneralName&) const = default;
};
const char* Name(GeneralName::Kind kind);                                   // "dns", "uri", "ip", "email", "other"
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

// What a certification request says, as ca/csr read it.
struct Facts {
  Subject subject;
  KeyType key = KeyType::kEcP256;
  std::vector<GeneralName> subject_alt_names;   // requested
  bool ca = false;                              // requests basicConstraints CA:TRUE
  std::vector<KeyUsage> key_usage;              // requested
  std::vector<std::string> extended_key_usage;  // requested, dotted OIDs
  std::vector<std::string> other_extensions;    // requested, dotted OIDs
  std::optional<Duration> lifetime;             // asked for beside the CSR
};

// Where the values of an attribute or of a kind of name come from, and what they must look like.
struct NameRule {
  std::string type;                         // an Attribute's type or the name of a GeneralName's kind
  std::string fixed;                        // the value itself; empty: from the CSR
  std::shared_ptr<const re2::RE2> pattern;  // the whole value must match; absent with `fixed`
  size_t max_length = 64;                   // in characters
  size_t max_count = 1;
  bool required = true;
};

struct Profile {
  std::string name;
  std::string description;
  std::vector<KeyType> keys;
  std::vector<NameRule> subject;  // in this order in the certificate
  std::vector<NameRule> subject_alt_names;
  Duration lifetime;  // when the request asks for none
  Duration max_lifetime;
  Duration backdate;  // not_before = now - backdate
  std::vector<KeyUsage> key_usage;
  std::vector<std::string> extended_key_usage;  // dotted OIDs
  bool ca = false;
  std::optional<int64_t> path_length;    // with `ca`; absent: no limit
  bool subject_is_issuer = false;        // self-signed: a root
  bool distribution_points = true;       // CDP and AIA of the issuer
  std::vector<std::string> authorities;  // that may issue under it; empty: any issuing authority
};
using ProfileMap = std::map<std::string, std::shared_ptr<const Profile>>;

// What we are willing to certify: the verdict of a profile on facts. What is the same for each certificate of the
// profile stays in the profile.
struct Plan {
  std::shared_ptr<const Profile> profile;
  Subject subject;
  std::vector<GeneralName> subject_alt_names;
  Time not_before;
  Time not_after;  // inclusive, RFC 5280 4.1.2.5
};

// The validity of the issuer's own certificate, within which every certificate of it has to lie.
struct IssuerValidity {
  Time not_before = absl::InfinitePast();
  Time not_after = absl::InfiniteFuture();
};

// Judges `facts` by `profile`. Backdating stops at the issuer's beginning; a certificate that would outlive its issuer
// is refused. kInvalidArgument with the fields at fault: KEY_NOT_ALLOWED, SUBJECT_NOT_ALLOWED, EXTENSION_NOT_ALLOWED,
// VALIDITY_NOT_ALLOWED.
StatusOr<Plan> Decide(std::shared_ptr<const Profile> profile, const Facts& facts, Time now,
                      const IssuerValidity& issuer);

}  // namespace hallmark
