#include "tests/profile_reading/extensions.h"

#include <arpa/inet.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace hallmark::testing {
namespace {

using Octets = ssl::Owner<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using KeyId = ssl::Owner<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using Constraints = ssl::Owner<NAME_CONSTRAINTS, NAME_CONSTRAINTS_free>;
using Any = ssl::Owner<ASN1_TYPE, ASN1_TYPE_free>;

template <class T>
T Made(T made) {
  if (made == nullptr) throw std::runtime_error("OpenSSL cannot make an extension: " + ssl::DrainErrors());
  return made;
}

std::string Listed(const YAML::Node& names) {
  std::string list;
  for (const YAML::Node& name : names) list += (list.empty() ? "" : ",") + name.as<std::string>();
  return list;
}

// As openssl.cnf writes it; `sections` are what it refers to.
MadeExtension FromText(int nid, const std::string& value, const std::string& sections = "\n") {
  const ssl::Bio text(Made(BIO_new_mem_buf(sections.data(), static_cast<int>(sections.size()))));
  const ssl::Owner<CONF, NCONF_free> configuration(Made(NCONF_new(nullptr)));
  if (NCONF_load_bio(configuration.get(), text.get(), nullptr) != 1) throw std::runtime_error("no configuration");
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, nullptr, nullptr, nullptr, 0);
  X509V3_set_nconf(&context, configuration.get());
  return MadeExtension(Made(X509V3_EXT_nconf_nid(configuration.get(), &context, nid, value.c_str())));
}

MadeExtension FromOctets(const std::string& oid, bool critical, ByteView value) {
  const ssl::Owner<ASN1_OBJECT, ASN1_OBJECT_free> type(Made(OBJ_txt2obj(oid.c_str(), 1)));
  const Octets octets(Made(ASN1_OCTET_STRING_new()));
  ASN1_OCTET_STRING_set(octets.get(), value.data(), static_cast<int>(value.size()));
  return MadeExtension(Made(X509_EXTENSION_create_by_OBJ(nullptr, type.get(), critical ? 1 : 0, octets.get())));
}

bool IsEcKey(X509* certificate) { return EVP_PKEY_is_a(X509_get0_pubkey(certificate), "EC") == 1; }

YAML::Node KeyUsages(const YAML::Node& profile, X509* certificate) {
  const YAML::Node usages = profile["key_usage"];
  return usages.IsMap() ? usages[IsEcKey(certificate) ? "ec" : "rsa"] : usages;
}

MadeExtension BasicConstraintsOf(const YAML::Node& profile) {
  if (!profile["ca"]) return FromText(NID_basic_constraints, "critical,CA:FALSE");
  const YAML::Node length = profile["ca"]["path_length"];
  return FromText(NID_basic_constraints,
                  "critical,CA:TRUE" + (length ? ",pathlen:" + length.as<std::string>() : std::string()));
}

Bytes KeyIdentifierOf(const YAML::Node& profile, X509* certificate) {
  const ASN1_BIT_STRING* key = X509_get0_pubkey_bitstr(certificate);
  Bytes digest(SHA256_DIGEST_LENGTH);
  if (profile["subject_key_identifier"].as<std::string>("rfc7093") == "sha1") {
    SHA1(key->data, static_cast<size_t>(key->length), digest.data());
  } else {
    SHA256(key->data, static_cast<size_t>(key->length), digest.data());
  }
  digest.resize(20);
  return digest;
}

MadeExtension KeyIdentifierExtension(ByteView identifier) {
  const Octets octets(Made(ASN1_OCTET_STRING_new()));
  ASN1_OCTET_STRING_set(octets.get(), identifier.data(), static_cast<int>(identifier.size()));
  return MadeExtension(Made(X509V3_EXT_i2d(NID_subject_key_identifier, 0, octets.get())));
}

MadeExtension IssuerKeyIdentifierExtension(ByteView identifier) {
  const KeyId key_id(Made(AUTHORITY_KEYID_new()));
  key_id->keyid = Made(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(key_id->keyid, identifier.data(), static_cast<int>(identifier.size()));
  return MadeExtension(Made(X509V3_EXT_i2d(NID_authority_key_identifier, 0, key_id.get())));
}

MadeExtension PoliciesExtension(const YAML::Node& policies) {
  std::string value;
  std::string sections;
  for (const YAML::Node& policy : policies) {
    if (!value.empty()) value += ",";
    const auto oid = policy["oid"].as<std::string>();
    if (!policy["cps"]) {
      value += oid;
      continue;
    }
    const std::string section = "policy" + std::to_string(sections.size());
    value += "@" + section;
    sections += "[" + section + "]\npolicyIdentifier=" + oid + "\nCPS.1=\"" + policy["cps"].as<std::string>() + "\"\n";
  }
  return FromText(NID_certificate_policies, value, sections + "\n");
}

// The address and the mask of a network in CIDR notation (RFC 5280 4.2.1.10).
Bytes NetworkOf(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  const bool v6 = address.find(':') != address.npos;
  Bytes network(v6 ? 32 : 8);
  inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), network.data());
  size_t bits = 0;
  std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
  for (size_t i = 0; i < bits; ++i) network[network.size() / 2 + i / 8] |= static_cast<uint8_t>(0x80 >> (i % 8));
  return network;
}

// The attributes of these types, in this order, that the certificate's own subject has.
ssl::Name DirectoryOf(const YAML::Node& types, X509* certificate) {
  ssl::Name name(Made(X509_NAME_new()));
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const std::vector<ReadName> attributes = SubjectOf(subject);
  for (const YAML::Node& type : types) {
    for (size_t i = 0; i < attributes.size(); ++i) {
      if (attributes[i].type != type.as<std::string>()) continue;
      X509_NAME_add_entry(name.get(), X509_NAME_get_entry(subject, static_cast<int>(i)), -1, 0);
    }
  }
  return name;
}

GENERAL_SUBTREE* SubtreeOf(const YAML::Node& tree, X509* certificate) {
  GENERAL_SUBTREE* subtree = Made(GENERAL_SUBTREE_new());
  const auto type = tree["type"].as<std::string>();
  const auto value = tree["value"].as<std::string>("");
  if (type == "directory") {
    subtree->base->type = GEN_DIRNAME;
    subtree->base->d.directoryName = DirectoryOf(tree["attributes"], certificate).release();
  } else if (type == "ip") {
    const Bytes network = NetworkOf(value);
    subtree->base->type = GEN_IPADD;
    subtree->base->d.ip = Made(ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(subtree->base->d.ip, network.data(), static_cast<int>(network.size()));
  } else if (type == "dns" || type == "email" || type == "uri") {
    subtree->base->type = type == "dns" ? GEN_DNS : type == "email" ? GEN_EMAIL : GEN_URI;
    subtree->base->d.ia5 = Made(ASN1_IA5STRING_new());
    ASN1_STRING_set(subtree->base->d.ia5, value.data(), static_cast<int>(value.size()));
  } else {
    throw std::runtime_error("a subtree of another type: " + type);
  }
  return subtree;
}

MadeExtension NameConstraintsOf(const YAML::Node& constraints, X509* certificate) {
  const Constraints made(Made(NAME_CONSTRAINTS_new()));
  const auto fill = [&](const YAML::Node& trees, STACK_OF(GENERAL_SUBTREE) * *list) {
    if (!trees) return;
    *list = Made(sk_GENERAL_SUBTREE_new_null());
    for (const YAML::Node& tree : trees) sk_GENERAL_SUBTREE_push(*list, SubtreeOf(tree, certificate));
  };
  fill(constraints["permitted"], &made->permittedSubtrees);
  fill(constraints["excluded"], &made->excludedSubtrees);
  return MadeExtension(Made(X509V3_EXT_i2d(NID_name_constraints, 1, made.get())));
}

// As ASN1_generate_v3 has it, which takes a text to the end, commas and all.
std::string GeneratorOf(const std::string& encoding, std::string text) {
  if (encoding == "boolean") return "BOOLEAN:" + text;
  if (encoding == "integer") return "INTEGER:" + text;
  if (encoding == "oid") return "OID:" + text;
  if (encoding == "octets") return "FORMAT:HEX,OCTETSTRING:" + text;
  if (encoding == "utf8") return "FORMAT:UTF8,UTF8String:" + text;
  if (encoding == "printable") return "PRINTABLESTRING:" + text;
  if (encoding == "ia5") return "IA5STRING:" + text;
  if (encoding == "null") return "NULL";
  if (encoding != "time") throw std::runtime_error("an encoding of another kind: " + encoding);
  std::erase_if(text, [](char c) { return c == '-' || c == ':' || c == 'T'; });
  return "GENERALIZEDTIME:" + text;
}

Bytes EncodedAs(const std::string& encoding, const std::string& text) {
  if (encoding == "der") return FromHex(text).value();
  const Any made(Made(ASN1_generate_v3(GeneratorOf(encoding, text).c_str(), nullptr)));
  return ssl::ToDer(i2d_ASN1_TYPE, made.get()).value();
}

X509_EXTENSION* Requested(const ExtensionSources& sources, const std::string& oid) {
  for (int i = 0; i < sk_X509_EXTENSION_num(sources.requested); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(sources.requested, i);
    if (OidOf(extension) == oid) return extension;
  }
  return nullptr;
}

// One of the profile's `extensions`; null: it has no source.
MadeExtension OwnExtension(const YAML::Node& rule, const ExtensionSources& sources) {
  const auto oid = rule["oid"].as<std::string>();
  const bool critical = rule["critical"].as<bool>(false);
  const YAML::Node value = rule["value"] ? rule["value"] : rule["fixed"];
  if (!value && rule["encoding"].as<std::string>("") != "null") {
    X509_EXTENSION* requested = Requested(sources, oid);
    if (requested == nullptr) return nullptr;
    const ASN1_OCTET_STRING* octets = X509_EXTENSION_get_data(requested);
    return FromOctets(oid, critical, {ASN1_STRING_get0_data(octets), static_cast<size_t>(ASN1_STRING_length(octets))});
  }
  const std::vector<ReadName> subject = SubjectOf(X509_REQ_get_subject_name(sources.request));
  const std::optional<std::string> text =
      Filled(value ? value.as<std::string>() : "", sources.realm, subject, sources.circumstances);
  if (!text.has_value()) return nullptr;
  return FromOctets(oid, critical, EncodedAs(rule["encoding"].as<std::string>("utf8"), *text));
}

MadeExtension AltNamesExtension(X509* certificate) {
  // Found right already, so that only its criticality is in question (RFC 5280 4.2.1.6).
  const int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (at < 0) return nullptr;
  MadeExtension copy(Made(X509_EXTENSION_dup(X509_get_ext(certificate, at))));
  const bool named = X509_NAME_entry_count(X509_get_subject_name(certificate)) > 0;
  X509_EXTENSION_set_critical(copy.get(), named ? 0 : 1);
  return copy;
}

}  // namespace

std::string OidOf(X509_EXTENSION* extension) {
  std::array<char, 512> text = {};
  OBJ_obj2txt(text.data(), text.size(), X509_EXTENSION_get_object(extension), 1);
  return text.data();
}

std::map<std::string, MadeExtension> ExpectedExtensions(const ExtensionSources& sources) {
  std::map<std::string, MadeExtension> expected;
  const auto add = [&expected](MadeExtension extension) {
    if (extension != nullptr) expected.emplace(OidOf(extension.get()), std::move(extension));
  };
  const YAML::Node& profile = sources.profile;
  X509* certificate = sources.certificate;
  const Bytes own = KeyIdentifierOf(profile, certificate);
  add(BasicConstraintsOf(profile));
  add(FromText(NID_key_usage, "critical," + Listed(KeyUsages(profile, certificate))));
  if (profile["extended_key_usage"]) add(FromText(NID_ext_key_usage, Listed(profile["extended_key_usage"])));
  add(KeyIdentifierExtension(own));
  add(IssuerKeyIdentifierExtension(
      sources.circumstances.issuer_key_identifier.empty() ? own : sources.circumstances.issuer_key_identifier));
  if (profile["crl_distribution_points"].as<bool>(true)) {
    add(FromText(NID_crl_distribution_points, "URI:" + sources.circumstances.crl_url));
  }
  std::string access;
  if (profile["ocsp"].as<bool>(false)) access = "OCSP;URI:" + sources.circumstances.ocsp_url;
  if (profile["authority_info_access"].as<bool>(true)) {
    access += (access.empty() ? "caIssuers;URI:" : ",caIssuers;URI:") + sources.circumstances.aia_url;
  }
  if (!access.empty()) add(FromText(NID_info_access, access));
  if (profile["certificate_policies"]) add(PoliciesExtension(profile["certificate_policies"]));
  if (profile["ca"] && profile["ca"]["name_constraints"]) {
    add(NameConstraintsOf(profile["ca"]["name_constraints"], certificate));
  }
  if (profile["subject_alt_names"]) add(AltNamesExtension(certificate));
  for (const YAML::Node& rule : profile["extensions"]) add(OwnExtension(rule, sources));
  return expected;
}

std::string UngrantedRequest(const ExtensionSources& sources) {
  const YAML::Node& profile = sources.profile;
  const auto expected = ExpectedExtensions(sources);
  for (int i = 0; i < sk_X509_EXTENSION_num(sources.requested); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(sources.requested, i);
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    if (nid == NID_subject_alt_name || nid == NID_subject_key_identifier) continue;
    const bool basic = nid == NID_basic_constraints || nid == NID_key_usage || nid == NID_ext_key_usage;
    const bool has_rule =
        std::any_of(profile["extensions"].begin(), profile["extensions"].end(),
                    [&](const YAML::Node& rule) { return rule["oid"].as<std::string>() == OidOf(extension); });
    if (!basic && !has_rule) return OidOf(extension) + " was asked for and left out in silence";
  }
  return "";
}

}  // namespace hallmark::testing
