#include "tests/profile_reading.h"

#include <algorithm>
#include <stdexcept>

#include "tests/profile_reading/extensions.h"
#include "tests/profile_reading/names.h"

namespace hallmark::testing {
namespace {

// Of those that say what is in a certificate, and those that say who may issue and ask.
void ExpectKnown(const YAML::Node& mapping, std::initializer_list<const char*> known) {
  for (const auto& field : mapping) {
    const auto name = field.first.as<std::string>();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw std::runtime_error("tests/profile_reading does not know the field '" + name + "' of a profile");
    }
  }
}

void ExpectKnownEach(const YAML::Node& list, std::initializer_list<const char*> known) {
  for (const YAML::Node& mapping : list) ExpectKnown(mapping, known);
}

int64_t SecondsOf(const std::string& text) {
  const int64_t number = std::stoll(text);
  switch (text.back()) {
    case 'y': return number * 365 * 86400;
    case 'd': return number * 86400;
    case 'h': return number * 3600;
    case 'm': return number * 60;
    case 's': return number;
    default: throw std::runtime_error("no duration: " + text);
  }
}

// As profiles spell it; empty: of no kind that they may grant.
std::string KeyTypeOf(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) return "rsa-" + std::to_string(EVP_PKEY_get_bits(key));
  char group[80] = {};
  if (EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr) != 1) return "";
  return std::string(group) == "prime256v1" ? "ec-p256" : std::string(group) == "secp384r1" ? "ec-p384" : "";
}

// The first element within the outermost SEQUENCE.
Bytes TbsOf(ByteView certificate) {
  const uint8_t* at = certificate.data();
  long length = 0;
  int tag = 0;
  int tag_class = 0;
  ASN1_get_object(&at, &length, &tag, &tag_class, static_cast<long>(certificate.size()));
  const uint8_t* start = at;
  ASN1_get_object(&at, &length, &tag, &tag_class, length);
  return {start, at + length};
}

int DefaultStringType(const ASN1_OBJECT* type) {
  switch (OBJ_obj2nid(type)) {
    case NID_countryName:
    case NID_serialNumber:
    case NID_dnQualifier: return V_ASN1_PRINTABLESTRING;
    case NID_domainComponent:
    case NID_pkcs9_emailAddress: return V_ASN1_IA5STRING;
    default: return V_ASN1_UTF8STRING;
  }
}

// The same attributes, each an RDN of its own with its default type.
ssl::Name WithDefaultTypes(const X509_NAME* name) {
  ssl::Name made(X509_NAME_new());
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT* type = X509_NAME_ENTRY_get_object(entry);
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    X509_NAME_add_entry_by_OBJ(made.get(), type, DefaultStringType(type), ASN1_STRING_get0_data(value),
                               ASN1_STRING_length(value), -1, 0);
  }
  return made;
}

// Signs with a key of its own, which writes the algorithm into what is signed.
void SignForTheAlgorithm(X509* certificate) {
  static const auto& key = *new ssl::EvpKey(EVP_EC_gen("P-256"));
  if (X509_sign(certificate, key.get(), EVP_sha256()) == 0) throw std::runtime_error(ssl::DrainErrors());
}

}  // namespace

ProfileReading::ProfileReading(const std::string& yaml, const std::string& realm)
    : profile_(YAML::Load(yaml)), realm_(realm) {
  ExpectKnown(profile_, {"keys",
                         "subject",
                         "subject_form",
                         "subject_alt_names",
                         "validity",
                         "key_usage",
                         "extended_key_usage",
                         "ca",
                         "certificate_policies",
                         "extensions",
                         "subject_key_identifier",
                         "crl_distribution_points",
                         "authority_info_access",
                         "ocsp",
                         "csr_extensions",
                         "self_signed",  //
                         "description",
                         "admission",
                         "authorities",
                         "authority_profiles",
                         "authority_levels",
                         "caller_role",
                         "issuer_keys",
                         "roles",
                         "standards"});
  ExpectKnown(profile_["validity"], {"lifetime", "max_lifetime", "backdate"});
  for (const char* names : {"subject", "subject_alt_names"}) {
    ExpectKnownEach(profile_[names], {"type", "pattern", "value", "fixed", "max_length", "max_count", "required"});
  }
  ExpectKnownEach(profile_["extensions"],
                  {"oid", "critical", "encoding", "value", "fixed", "pattern", "max_length", "required"});
  ExpectKnownEach(profile_["certificate_policies"], {"oid", "cps"});
  if (!profile_["ca"]) return;
  ExpectKnown(profile_["ca"], {"path_length", "name_constraints"});
  const YAML::Node constraints = profile_["ca"]["name_constraints"];
  if (!constraints) return;
  ExpectKnown(constraints, {"permitted", "excluded"});
  for (const char* trees : {"permitted", "excluded"})
    ExpectKnownEach(constraints[trees], {"type", "value", "attributes"});
}

namespace {

// One certificate against one profile.
class Comparison {
 public:
  Comparison(const YAML::Node& profile, const std::string& realm, X509_REQ* request, ByteView certificate,
             const Circumstances& circumstances)
      : profile_(profile),
        realm_(realm),
        request_(request),
        requested_(X509_REQ_get_extensions(request)),
        octets_(certificate),
        circumstances_(circumstances) {
    const uint8_t* in = certificate.data();
    certificate_.reset(d2i_X509(nullptr, &in, static_cast<long>(certificate.size())));
    readable_ = certificate_ != nullptr && in == certificate.data() + certificate.size();
  }

  std::string Fault() const {
    if (!readable_) return "OpenSSL cannot read the certificate";
    if ((X509_get_extension_flags(certificate_.get()) & EXFLAG_INVALID) != 0) return "OpenSSL cannot read an extension";
    const std::string key = KeyTypeOf(X509_REQ_get0_pubkey(request_));
    const YAML::Node keys = profile_["keys"];
    if (std::none_of(keys.begin(), keys.end(),
                     [&](const auto& each) { return each.template as<std::string>() == key; })) {
      return "the key is not allowed: " + key;
    }
    for (const std::string& fault : {FaultOfSubject(), FaultOfAltNames()}) {
      if (!fault.empty()) return fault;
    }
    if (!Ignores() && !UngrantedRequest(Sources()).empty()) return UngrantedRequest(Sources());
    return FaultOfOctets();
  }

 private:
  bool Ignores() const { return profile_["csr_extensions"].as<std::string>("error") == "ignore"; }
  bool AsRequested() const { return profile_["subject_form"].as<std::string>("profile") == "csr"; }
  ExtensionSources Sources() const {
    return {profile_, realm_, circumstances_, request_, requested_.get(), certificate_.get()};
  }

  std::string FaultOfSubject() const {
    const std::vector<ReadName> asked = SubjectOf(X509_REQ_get_subject_name(request_));
    const std::set<std::string> sources = SourcesIn(profile_);
    return FaultOfNames({profile_["subject"], realm_, asked, circumstances_}, asked,
                        SubjectOf(X509_get_subject_name(certificate_.get())), !AsRequested(),
                        [&](const std::string& type) { return sources.contains(type); });
  }

  std::string FaultOfAltNames() const {
    const std::vector<ReadName> subject = SubjectOf(X509_REQ_get_subject_name(request_));
    return FaultOfNames({profile_["subject_alt_names"], realm_, subject, circumstances_}, AltNamesOf(requested_.get()),
                        AltNamesOf(X509_get0_extensions(certificate_.get())), true,
                        [&](const std::string&) { return Ignores(); });
  }

  void SetValidity(X509* made) const {
    constexpr int64_t kNever = 253'402'300'799;  // 99991231235959Z
    const auto lifetime = profile_["validity"]["lifetime"].as<std::string>();
    const int64_t backdate = SecondsOf(profile_["validity"]["backdate"].as<std::string>("0s"));
    const int64_t not_before = std::max(circumstances_.now - backdate, circumstances_.issuer_not_before);
    const int64_t not_after = lifetime == "forever" ? kNever : circumstances_.now + SecondsOf(lifetime) - 1;
    ASN1_TIME_set(X509_getm_notBefore(made), not_before);
    ASN1_TIME_set(X509_getm_notAfter(made), not_after);
  }

  void SetNames(X509* made) const {
    const X509_NAME* subject = X509_get_subject_name(certificate_.get());
    // As requested: all of it, since no attribute may be left out.
    const ssl::Name defaults = WithDefaultTypes(subject);
    X509_set_subject_name(made, AsRequested() ? X509_REQ_get_subject_name(request_) : defaults.get());
    if (circumstances_.issuer.empty()) {
      X509_set_issuer_name(made, X509_get_subject_name(made));
      return;
    }
    const uint8_t* in = circumstances_.issuer.data();
    const ssl::Name issuer(d2i_X509_NAME(nullptr, &in, static_cast<long>(circumstances_.issuer.size())));
    X509_set_issuer_name(made, issuer.get());
  }

  std::string FaultOfOctets() const {
    const ssl::Certificate made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    X509_set_serialNumber(made.get(), X509_get_serialNumber(certificate_.get()));
    SetValidity(made.get());
    SetNames(made.get());
    X509_set_pubkey(made.get(), X509_REQ_get0_pubkey(request_));
    const std::map<std::string, MadeExtension> expected = ExpectedExtensions(Sources());
    const int count = X509_get_ext_count(certificate_.get());
    for (int i = 0; i < count; ++i) {
      const std::string oid = OidOf(X509_get_ext(certificate_.get(), i));
      const auto found = expected.find(oid);
      if (found == expected.end()) return "there is an extension more: " + oid;
      X509_add_ext(made.get(), found->second.get(), -1);
    }
    if (static_cast<size_t>(count) != expected.size()) return "an extension is missing";
    SignForTheAlgorithm(made.get());
    if (ssl::ToDer(i2d_re_X509_tbs, made.get()).value() == TbsOf(octets_)) return "";
    return "expected " + Hex(ssl::ToDer(i2d_re_X509_tbs, made.get()).value()) + ", not " + Hex(TbsOf(octets_));
  }

  const YAML::Node& profile_;
  const std::string& realm_;
  X509_REQ* request_;
  const RequestExtensionList requested_;
  ByteView octets_;
  const Circumstances& circumstances_;
  ssl::Certificate certificate_;
  bool readable_ = false;
};

}  // namespace

std::string ProfileReading::Fault(X509_REQ* request, ByteView certificate, const Circumstances& circumstances) const {
  return Comparison(profile_, realm_, request, certificate, circumstances).Fault();
}

}  // namespace hallmark::testing
