#include "ca/description.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <map>

#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/names.h"

namespace hallmark {
namespace {

// From the SubjectPublicKeyInfo's octets, since an issuance has checked the key itself already.
StatusOr<std::string> KeyTypeOf(ByteView spki) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(spki, der::kSequence));
  der::Reader reader(content);
  ASSIGN_OR_RETURN(const ByteView algorithm, reader.Content(der::kSequence));
  der::Reader fields(algorithm);
  ASSIGN_OR_RETURN(const ByteView type, fields.Content(der::kOid));
  ASSIGN_OR_RETURN(const std::string oid, der::OidText(type));
  if (oid == "1.2.840.10045.2.1") {
    ASSIGN_OR_RETURN(const ByteView parameters, fields.Content(der::kOid));
    ASSIGN_OR_RETURN(const std::string curve, der::OidText(parameters));
    if (curve == "1.2.840.10045.3.1.7") return Name(KeyType::kEcP256);
    if (curve == "1.3.132.0.34") return Name(KeyType::kEcP384);
    return curve;
  }
  if (oid != "1.2.840.113549.1.1.1") return oid;
  ASSIGN_OR_RETURN(const ByteView bits, reader.Content(der::kBitString));
  ASSIGN_OR_RETURN(const ByteView key, der::BitStringOctets(bits));
  ASSIGN_OR_RETURN(const ByteView numbers, der::ReadWhole(key, der::kSequence));
  der::Reader modulus_first(numbers);
  ASSIGN_OR_RETURN(const ByteView integer, modulus_first.Content(der::kInteger));
  ASSIGN_OR_RETURN(const ByteView modulus, der::UnsignedContent(integer));
  if (modulus.empty()) return oid;
  return fmt::format("rsa-{}", (modulus.size() - 1) * 8 + std::bit_width(modulus[0]));
}

Status ReadAuthorityKeyIdentifier(ByteView value, Description& description) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  der::Reader reader(content);
  ASSIGN_OR_RETURN(const ByteView identifier, reader.Content(der::ContextPrimitive(0)));
  RETURN_IF_ERROR(reader.ExpectEnd());
  description.authority_key_identifier = ToBytes(identifier);
  return absl::OkStatus();
}

// Distribution points that are one URI each, as Hallmark writes them.
Status ReadDistributionPoints(ByteView value, Description& description) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  std::vector<std::string> urls;
  der::Reader points(content);
  while (!points.empty()) {
    ASSIGN_OR_RETURN(const ByteView point, points.Content(der::kSequence));
    ASSIGN_OR_RETURN(const ByteView name, der::ReadWhole(point, der::ContextConstructed(0)));
    ASSIGN_OR_RETURN(const ByteView full_name, der::ReadWhole(name, der::ContextConstructed(0)));
    ASSIGN_OR_RETURN(const ByteView url, der::ReadWhole(full_name, general_name::kUri));
    urls.push_back(ToString(url));
  }
  description.crl_distribution_points = std::move(urls);
  return absl::OkStatus();
}

Status ReadAuthorityInfoAccess(ByteView value, Description& description) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  std::vector<std::string> ca_issuers;
  std::vector<std::string> ocsp;
  der::Reader descriptions(content);
  while (!descriptions.empty()) {
    ASSIGN_OR_RETURN(const ByteView access, descriptions.Content(der::kSequence));
    der::Reader fields(access);
    ASSIGN_OR_RETURN(const ByteView method, fields.Content(der::kOid));
    ASSIGN_OR_RETURN(const std::string oid, der::OidText(method));
    ASSIGN_OR_RETURN(const ByteView url, fields.Content(general_name::kUri));
    RETURN_IF_ERROR(fields.ExpectEnd());
    if (oid != oid::kOcsp && oid != oid::kCaIssuers) return absl::InvalidArgumentError("another access method");
    (oid == oid::kOcsp ? ocsp : ca_issuers).push_back(ToString(url));
  }
  description.ca_issuers = std::move(ca_issuers);
  description.ocsp = std::move(ocsp);
  return absl::OkStatus();
}

Status ReadPolicies(ByteView value, Description& description) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  std::vector<CertificatePolicy> policies;
  der::Reader reader(content);
  while (!reader.empty()) {
    ASSIGN_OR_RETURN(const ByteView information, reader.Content(der::kSequence));
    der::Reader fields(information);
    CertificatePolicy& policy = policies.emplace_back();
    ASSIGN_OR_RETURN(const ByteView type, fields.Content(der::kOid));
    ASSIGN_OR_RETURN(policy.oid, der::OidText(type));
    if (fields.empty()) continue;
    ASSIGN_OR_RETURN(const ByteView qualifiers, fields.Content(der::kSequence));
    ASSIGN_OR_RETURN(const ByteView qualifier, der::ReadWhole(qualifiers, der::kSequence));
    der::Reader cps(qualifier);
    ASSIGN_OR_RETURN(const ByteView kind, cps.Content(der::kOid));
    ASSIGN_OR_RETURN(const std::string oid, der::OidText(kind));
    if (oid != oid::kCpsQualifier) return absl::InvalidArgumentError("another qualifier");
    ASSIGN_OR_RETURN(const ByteView url, cps.Content(der::kIa5String));
    policy.cps = ToString(url);
  }
  description.certificate_policies = std::move(policies);
  return absl::OkStatus();
}

// An address and its mask (RFC 5280 4.2.1.10) in CIDR notation.
StatusOr<std::string> AddressRange(ByteView octets) {
  const std::string address = AddressText(octets.first(octets.size() / 2));
  if (address.empty() || octets.size() % 2 != 0)
    return absl::InvalidArgumentError("an address range of another length");
  int length = 0;
  bool ended = false;
  for (const uint8_t octet : octets.subspan(octets.size() / 2)) {
    if (ended && octet != 0) return absl::InvalidArgumentError("a mask with gaps");
    const int ones = std::countl_one(octet);
    if (static_cast<uint8_t>(octet << ones) != 0) return absl::InvalidArgumentError("a mask with gaps");
    length += ones;
    ended = ones < 8;
  }
  return fmt::format("ip:{}/{}", address, length);
}

StatusOr<std::string> SubtreeText(ByteView subtree) {
  der::Reader fields(subtree);
  ASSIGN_OR_RETURN(const der::Element base, fields.Next());
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (base.tag == general_name::kIp) return AddressRange(base.content);
  if (base.tag == general_name::kDirectory) {
    ASSIGN_OR_RETURN(const Subject name, ReadName(base.content));
    return "directory:" + ToRfc4514(name);
  }
  const std::map<uint8_t, const char*> kinds = {
      {general_name::kEmail, "email"}, {general_name::kDns, "dns"}, {general_name::kUri, "uri"}};
  const auto kind = kinds.find(base.tag);
  if (kind == kinds.end()) return absl::InvalidArgumentError("another kind of name");
  return fmt::format("{}:{}", kind->second, ToString(base.content));
}

StatusOr<std::vector<std::string>> ReadSubtrees(const std::optional<ByteView>& content) {
  std::vector<std::string> texts;
  if (!content.has_value()) return texts;
  der::Reader reader(*content);
  while (!reader.empty()) {
    ASSIGN_OR_RETURN(const ByteView subtree, reader.Content(der::kSequence));
    ASSIGN_OR_RETURN(std::string text, SubtreeText(subtree));
    texts.push_back(std::move(text));
  }
  return texts;
}

Status ReadNameConstraints(ByteView value, Description& description) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(value, der::kSequence));
  der::Reader reader(content);
  ASSIGN_OR_RETURN(const std::optional<ByteView> permitted, reader.OptionalContent(der::ContextConstructed(0)));
  ASSIGN_OR_RETURN(const std::optional<ByteView> excluded, reader.OptionalContent(der::ContextConstructed(1)));
  RETURN_IF_ERROR(reader.ExpectEnd());
  ASSIGN_OR_RETURN(std::vector<std::string> permitted_texts, ReadSubtrees(permitted));
  ASSIGN_OR_RETURN(description.excluded_subtrees, ReadSubtrees(excluded));
  description.permitted_subtrees = std::move(permitted_texts);
  return absl::OkStatus();
}

using ReadInto = std::function<Status(ByteView value, Description& description)>;

const std::map<std::string, ReadInto>& Readers() {
  static const auto& readers = *new std::map<std::string, ReadInto>{
      {oid::kSubjectAltName,
       [](ByteView value, Description& d) -> Status {
         ASSIGN_OR_RETURN(d.subject_alt_names, ReadGeneralNames(value));
         return absl::OkStatus();
       }},
      {oid::kKeyUsage,
       [](ByteView value, Description& d) -> Status {
         ASSIGN_OR_RETURN(d.key_usage, ReadKeyUsage(value));
         return absl::OkStatus();
       }},
      {oid::kExtendedKeyUsage,
       [](ByteView value, Description& d) -> Status {
         ASSIGN_OR_RETURN(const std::vector<std::string> purposes, ReadExtendedKeyUsage(value));
         for (const std::string& purpose : purposes) d.extended_key_usage.push_back(PurposeName(purpose));
         return absl::OkStatus();
       }},
      {oid::kBasicConstraints,
       [](ByteView value, Description& d) -> Status {
         ASSIGN_OR_RETURN(const BasicConstraintsValue constraints, ReadBasicConstraints(value));
         d.ca = constraints.ca;
         d.path_length = constraints.path_length;
         return absl::OkStatus();
       }},
      {oid::kSubjectKeyIdentifier,
       [](ByteView value, Description& d) -> Status {
         ASSIGN_OR_RETURN(const ByteView identifier, ReadSubjectKeyIdentifier(value));
         d.subject_key_identifier = ToBytes(identifier);
         return absl::OkStatus();
       }},
      {oid::kAuthorityKeyIdentifier, ReadAuthorityKeyIdentifier},
      {oid::kCrlDistributionPoints, ReadDistributionPoints},
      {oid::kAuthorityInfoAccess, ReadAuthorityInfoAccess},
      {oid::kCertificatePolicies, ReadPolicies},
      {oid::kNameConstraints, ReadNameConstraints},
  };
  return readers;
}

}  // namespace

StatusOr<Description> Describe(ByteView certificate) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(certificate));
  Description description;
  ASSIGN_OR_RETURN(description.subject, ReadName(parts.subject));
  ASSIGN_OR_RETURN(description.issuer, ReadName(parts.issuer));
  description.not_before = parts.not_before;
  description.not_after = parts.not_after;
  ASSIGN_OR_RETURN(description.key_type, KeyTypeOf(parts.spki));
  for (const Extension& extension : parts.extensions) {
    const auto reader = Readers().find(extension.oid);
    if (reader != Readers().end() && reader->second(extension.value, description).ok()) continue;
    description.other_extensions.push_back({extension.oid, extension.critical, ToBytes(extension.value)});
  }
  return description;
}

}  // namespace hallmark
