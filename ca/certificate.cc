#include "ca/certificate.h"

#include <algorithm>

#include "ca/der.h"
#include "ca/names.h"

namespace hallmark {
namespace {

constexpr uint8_t kVersion3 = 2;

Bytes BeforeKeyIdentifier(const Profile& profile, KeyType key) {
  Bytes extensions = BasicConstraints(profile.ca, profile.ca ? profile.path_length : std::nullopt);
  Append(extensions, KeyUsageExtension(profile.KeyUsageOf(key)));
  if (!profile.extended_key_usage.empty()) Append(extensions, ExtendedKeyUsage(profile.extended_key_usage));
  return extensions;
}

}  // namespace

StatusOr<CertificateParts> ReadCertificate(ByteView der) {
  CertificateParts parts;
  ASSIGN_OR_RETURN(const ByteView certificate, der::ReadWhole(der, der::kSequence));
  der::Reader outer(certificate);
  ASSIGN_OR_RETURN(const der::Element tbs, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView bits, outer.Content(der::kBitString));
  ASSIGN_OR_RETURN(parts.signature, der::BitStringOctets(bits));
  RETURN_IF_ERROR(outer.ExpectEnd());
  parts.tbs = tbs.whole;
  parts.algorithm = algorithm.whole;

  der::Reader inner(tbs.content);
  ASSIGN_OR_RETURN(const ByteView version, inner.Content(der::ContextConstructed(0)));
  ASSIGN_OR_RETURN(const ByteView number, der::ReadWhole(version, der::kInteger));
  if (number.size() != 1 || number[0] != kVersion3)
    return absl::InvalidArgumentError("the certificate is not of version 3");
  ASSIGN_OR_RETURN(parts.serial, inner.Content(der::kInteger));
  ASSIGN_OR_RETURN(const der::Element signature, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element issuer, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView validity, inner.Content(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element subject, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element spki, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView extensions, inner.Content(der::ContextConstructed(3)));
  RETURN_IF_ERROR(inner.ExpectEnd());
  ASSIGN_OR_RETURN(parts.extensions, ReadExtensions(extensions));
  parts.inner_algorithm = signature.whole;
  parts.issuer = issuer.whole;
  parts.subject = subject.whole;
  parts.spki = spki.whole;

  der::Reader times(validity);
  ASSIGN_OR_RETURN(const der::Element not_before, times.Next());
  ASSIGN_OR_RETURN(const der::Element not_after, times.Next());
  RETURN_IF_ERROR(times.ExpectEnd());
  ASSIGN_OR_RETURN(parts.not_before, der::ReadTime(not_before));
  ASSIGN_OR_RETURN(parts.not_after, der::ReadTime(not_after));
  parts.not_before_tag = not_before.tag;
  parts.not_after_tag = not_after.tag;
  return parts;
}

const Extension* FindExtension(const std::vector<Extension>& extensions, std::string_view oid) {
  const auto found = std::find_if(extensions.begin(), extensions.end(),
                                  [&](const Extension& extension) { return extension.oid == oid; });
  return found == extensions.end() ? nullptr : &*found;
}

CertificateTemplate::CertificateTemplate(const Profile& profile, const IssuerNames& issuer,
                                         SignatureAlgorithm algorithm)
    : algorithm_(algorithm),
      key_identifier_method_(profile.subject_key_identifier),
      issuer_(issuer.name),
      before_key_identifier_of_rsa_(BeforeKeyIdentifier(profile, KeyType::kRsa2048)),
      before_key_identifier_of_ec_(BeforeKeyIdentifier(profile, KeyType::kEcP256)),
      authority_key_identifier_(AuthorityKeyIdentifier(issuer.key_identifier)),
      name_constraints_(profile.name_constraints) {
  if (profile.crl_distribution_points) crl_distribution_points_ = CrlDistributionPoints(issuer.crl_url);
  if (profile.authority_info_access || profile.ocsp) {
    Append(after_distribution_points_, AuthorityInfoAccess(profile.authority_info_access ? issuer.aia_url : "",
                                                           profile.ocsp ? issuer.ocsp_url : ""));
  }
  if (!profile.certificate_policies.empty()) {
    Append(after_distribution_points_, CertificatePolicies(profile.certificate_policies));
  }
}

StatusOr<Draft> CertificateTemplate::Compose(const Plan& plan, const PublicKey& key, ByteView serial,
                                             const std::string& crl_url) const {
  ASSIGN_OR_RETURN(const Bytes of_plan, ExtensionsOf(plan));
  const bool has_points = !crl_distribution_points_.empty() && !crl_url.empty();
  const Bytes points = has_points ? CrlDistributionPoints(crl_url) : crl_distribution_points_;
  const Bytes key_identifier = SubjectKeyIdentifier(KeyIdentifier(key.key_octets(), key_identifier_method_));
  const Bytes extensions =
      der::Sequence({IsEc(key.type()) ? before_key_identifier_of_ec_ : before_key_identifier_of_rsa_, key_identifier,
                     authority_key_identifier_, points, after_distribution_points_, of_plan});
  const Bytes version = der::Tlv(der::ContextConstructed(0), der::Unsigned(kVersion3));
  const Bytes validity = der::Sequence({der::EncodeTime(plan.not_before), der::EncodeTime(plan.not_after)});
  Bytes tbs = der::Sequence({version, der::Unsigned(serial), AlgorithmIdentifier(algorithm_), issuer_, validity,
                             EncodeName(plan.subject), key.spki(), der::Tlv(der::ContextConstructed(3), extensions)});
  return Draft(std::move(tbs), algorithm_);
}

// nameConstraints, subjectAltName and the profile's own.
StatusOr<Bytes> CertificateTemplate::ExtensionsOf(const Plan& plan) const {
  ASSIGN_OR_RETURN(Bytes extensions, name_constraints_.Encode(plan.subject));
  if (!plan.subject_alt_names.empty()) {
    ASSIGN_OR_RETURN(const Bytes names, EncodeGeneralNames(plan.subject_alt_names));
    // Critical only when there is no subject to name the holder (RFC 5280 4.2.1.6).
    Append(extensions, SubjectAltName(names, plan.subject.empty()));
  }
  for (const PlannedExtension& planned : plan.extensions) {
    ASSIGN_OR_RETURN(const Bytes extension, EncodeExtension(planned));
    Append(extensions, extension);
  }
  return extensions;
}

}  // namespace hallmark
