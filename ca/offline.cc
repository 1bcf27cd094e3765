#include "ca/offline.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/der.h"
#include "ca/lint.h"
#include "ca/names.h"

namespace hallmark {
namespace {

Status NoAuthority(const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kRequestInvalid, "this is no CA certificate: " + what);
}

Status Unfit(const std::string& what) { return Error(Code::kFailedPrecondition, reason::kRequestInvalid, what); }

std::string NameText(ByteView name) {
  const StatusOr<Subject> subject = ReadName(name);
  return subject.ok() ? ToRfc4514(*subject) : "(unreadable)";
}

IssuerNames NamesOf(ByteView name, ByteView key_identifier, const CertificateRequirements& required) {
  return {ToBytes(name), ToBytes(key_identifier), required.crl_url, required.aia_url, required.ocsp_url};
}

Status CheckUrls(const CertificateRequirements& required) {
  const auto check = [&required](bool wanted, const std::string& url, const char* extension, const char* field) {
    if (wanted != url.empty()) return absl::OkStatus();
    return Unfit(fmt::format("the profile '{}' {} {}: {} {}", required.profile->name, wanted ? "has" : "has no",
                             extension, wanted ? "give" : "leave out", field));
  };
  RETURN_IF_ERROR(
      check(required.profile->crl_distribution_points, required.crl_url, "cRLDistributionPoints", "crl_url"));
  RETURN_IF_ERROR(check(required.profile->ocsp, required.ocsp_url, "OCSP in authorityInfoAccess", "ocsp_url"));
  return check(required.profile->authority_info_access, required.aia_url, "authorityInfoAccess", "aia_url");
}

StatusOr<Plan> DecideFor(const CertificateRequirements& required, const PublicKey& key, const IssuerValidity& issuer) {
  RETURN_IF_ERROR(CheckUrls(required));
  Facts facts = required.facts;
  facts.key = key.type();
  const Time from = required.not_before.value_or(required.now);
  if (from < issuer.not_before) {
    return Unfit(fmt::format("the certificate would be valid from {}, before its issuer, which is from {}",
                             Rfc3339(from), Rfc3339(issuer.not_before)));
  }
  ASSIGN_OR_RETURN(Plan plan, Decide(required.profile, facts, from, issuer));
  if (required.not_before.has_value()) plan.not_before = from;
  if (plan.not_after > required.now) return plan;
  return Unfit(fmt::format("the certificate would have expired already, on {}", Rfc3339(plan.not_after)));
}

// What the issuer's own certificate sets to what is below it.
struct IssuerLimits {
  ByteView certificate;  // empty: it is being made
  Time not_after;
  int64_t path_length = kNoPathLength;
  bool self = false;  // subject and issuer have the same name
};

StatusOr<Draft> ComposeLinted(const Plan& plan, const PublicKey& key, const IssuerNames& names,
                              const IssuerLimits& limits, SignatureAlgorithm algorithm, ByteView serial) {
  const LintIssuer lint{.certificate = limits.certificate,
                        .subject = names.name,
                        .key_identifier = names.key_identifier,
                        .algorithm = AlgorithmIdentifier(algorithm),
                        .not_after = limits.not_after,
                        .path_length = limits.path_length,
                        .self = limits.self};
  ASSIGN_OR_RETURN(Draft draft, CertificateTemplate(*plan.profile, names, algorithm).Compose(plan, key, serial));
  RETURN_IF_ERROR(Verdict(LintCertificate(draft.Unsigned(), lint, plan.profile->standards)));
  return draft;
}

}  // namespace

StatusOr<SignedObject> ReadSignedObject(ByteView der) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(der, der::kSequence));
  der::Reader reader(content);
  ASSIGN_OR_RETURN(const der::Element tbs, reader.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, reader.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView bits, reader.Content(der::kBitString));
  RETURN_IF_ERROR(reader.ExpectEnd());
  ASSIGN_OR_RETURN(const ByteView signature, der::BitStringOctets(bits));
  return SignedObject{tbs.whole, algorithm.whole, signature};
}

StatusOr<AuthorityCertificate> AuthorityCertificate::Read(ByteView der) {
  const StatusOr<CertificateParts> parts = ReadCertificate(der);
  if (!parts.ok()) return NoAuthority(Message(parts.status()));
  StatusOr<PublicKey> key = PublicKey::FromSpki(parts->spki);
  if (!key.ok()) return NoAuthority("its key: " + Message(key.status()));
  const Extension* constraints = FindExtension(parts->extensions, oid::kBasicConstraints);
  const Extension* usage = FindExtension(parts->extensions, oid::kKeyUsage);
  const Extension* identifier = FindExtension(parts->extensions, oid::kSubjectKeyIdentifier);
  if (constraints == nullptr || usage == nullptr || identifier == nullptr) {
    return NoAuthority("it lacks basicConstraints, keyUsage or subjectKeyIdentifier");
  }
  const StatusOr<BasicConstraintsValue> value = ReadBasicConstraints(constraints->value);
  const StatusOr<std::vector<KeyUsage>> usages = ReadKeyUsage(usage->value);
  const StatusOr<ByteView> key_identifier = ReadSubjectKeyIdentifier(identifier->value);
  if (!value.ok() || !usages.ok() || !key_identifier.ok()) return NoAuthority("an extension of it is malformed");
  const auto uses = [&](KeyUsage wanted) { return std::find(usages->begin(), usages->end(), wanted) != usages->end(); };
  if (!value->ca || !uses(KeyUsage::kKeyCertSign)) return NoAuthority("CA:TRUE and keyCertSign are needed");
  return AuthorityCertificate{.der = ToBytes(der),
                              .subject = ToBytes(parts->subject),
                              .issuer = ToBytes(parts->issuer),
                              .serial = ToBytes(parts->serial),
                              .key_identifier = ToBytes(*key_identifier),
                              .key = *std::move(key),
                              .not_before = parts->not_before,
                              .not_after = parts->not_after,
                              .path_length = value->path_length.value_or(kNoPathLength),
                              .signs_crls = uses(KeyUsage::kCrlSign)};
}

bool AuthorityCertificate::Issued(ByteView signed_object) const {
  const StatusOr<CertificateParts> certificate = ReadCertificate(signed_object);
  const StatusOr<CrlParts> crl = ReadCrl(signed_object);
  const bool by_name =
      (certificate.ok() && Equal(certificate->issuer, subject)) || (crl.ok() && Equal(crl->issuer, subject));
  const StatusOr<SignedObject> object = ReadSignedObject(signed_object);
  if (!by_name || !object.ok()) return false;
  const std::optional<SignatureScheme> scheme = FindScheme(object->algorithm);
  return scheme.has_value() && key.Verify(*scheme, object->tbs, object->signature);
}

StatusOr<Draft> DraftRoot(const CertificateRequirements& required, const PublicKey& key, SignatureAlgorithm algorithm) {
  if (!required.profile->ca || !required.profile->subject_is_issuer) {
    return Unfit(fmt::format("'{}' is no profile of a root", required.profile->name));
  }
  ASSIGN_OR_RETURN(const Plan plan, DecideFor(required, key, IssuerValidity()));
  const IssuerNames names = NamesOf(
      EncodeName(plan.subject), KeyIdentifier(key.key_octets(), required.profile->subject_key_identifier), required);
  return ComposeLinted(plan, key, names, {.certificate = {}, .not_after = plan.not_after, .self = true}, algorithm,
                       required.serial);
}

StatusOr<Draft> DraftSubordinate(const CertificateRequirements& required, const PublicKey& key,
                                 const AuthorityCertificate& issuer, SignatureAlgorithm algorithm) {
  if (!required.profile->ca || required.profile->subject_is_issuer) {
    return Unfit(fmt::format("'{}' is no profile of an authority below another", required.profile->name));
  }
  if (required.now < issuer.not_before || required.now > issuer.not_after) {
    return Unfit(fmt::format("the issuer {} is valid from {} to {}, not at {}", NameText(issuer.subject),
                             Rfc3339(issuer.not_before), Rfc3339(issuer.not_after), Rfc3339(required.now)));
  }
  ASSIGN_OR_RETURN(const Plan plan, DecideFor(required, key, {issuer.not_before, issuer.not_after}));
  return ComposeLinted(plan, key, NamesOf(issuer.subject, issuer.key_identifier, required),
                       {.certificate = issuer.der, .not_after = issuer.not_after, .path_length = issuer.path_length},
                       algorithm, required.serial);
}

StatusOr<LinkDrafts> DraftLinks(const LinkRequirements& required) {
  RETURN_IF_ERROR(CheckReissuable(required.old, *required.profile));
  const Bytes root = required.fresh.Unsigned();
  ASSIGN_OR_RETURN(const CertificateParts fresh, ReadCertificate(root));
  if (!Equal(fresh.subject, required.old.subject)) return Unfit("the old and the new root have different names");
  ASSIGN_OR_RETURN(const Subject subject, ReadName(fresh.subject));
  const IssuerNames old_names{required.old.subject, required.old.key_identifier, "", ""};
  const IssuerNames new_names{required.old.subject,
                              KeyIdentifier(required.fresh_key.key_octets(), required.profile->subject_key_identifier),
                              "", ""};
  const Plan new_with_old{
      required.profile, subject, {}, {}, fresh.not_before, std::min(fresh.not_after, required.old.not_after)};
  const Plan old_with_new{required.profile, subject, {}, {}, required.old.not_before, required.old.not_after};
  ASSIGN_OR_RETURN(Draft first,
                   ComposeLinted(new_with_old, required.fresh_key, old_names,
                                 {.certificate = required.old.der, .not_after = required.old.not_after, .self = true},
                                 required.old_algorithm, required.new_with_old_serial));
  ASSIGN_OR_RETURN(Draft second, ComposeLinted(old_with_new, required.old.key, new_names,
                                               {.certificate = {}, .not_after = fresh.not_after, .self = true},
                                               required.fresh.algorithm(), required.old_with_new_serial));
  return LinkDrafts{std::move(first), std::move(second)};
}

StatusOr<Draft> DraftCrl(const CrlRecord& record, const CrlEntries& entries, const AuthorityCertificate& issuer,
                         SignatureAlgorithm algorithm) {
  if (!issuer.signs_crls) {
    return Unfit(fmt::format("{} may not sign CRLs: its keyUsage lacks cRLSign", NameText(issuer.subject)));
  }
  if (record.this_update > issuer.not_after) {
    return Unfit(fmt::format("the issuer {} has expired on {}", NameText(issuer.subject), Rfc3339(issuer.not_after)));
  }
  Draft draft = ComposeCrl(issuer.subject, issuer.key_identifier, algorithm, record, entries);
  RETURN_IF_ERROR(Verdict(LintCrl(draft.Unsigned(), {.certificate = issuer.der,
                                                     .subject = issuer.subject,
                                                     .key_identifier = issuer.key_identifier,
                                                     .algorithm = AlgorithmIdentifier(algorithm),
                                                     .not_after = issuer.not_after})));
  return draft;
}

Status CheckReissuable(const AuthorityCertificate& certificate, const Profile& profile) {
  StatusOr<Subject> subject = ReadName(certificate.subject);
  if (subject.ok() && !profile.subject_as_requested) {
    for (Attribute& attribute : *subject) attribute.string_type.reset();
  }
  if (!subject.ok() || EncodeName(*subject) != certificate.subject) {
    return Unfit(
        fmt::format("the Name {} is encoded otherwise than Hallmark would: certificates below it would not "
                    "chain to a new certificate of it; ask its own authority for one",
                    NameText(certificate.subject)));
  }
  const Bytes identifier = KeyIdentifier(certificate.key.key_octets(), profile.subject_key_identifier);
  if (identifier == certificate.key_identifier) return absl::OkStatus();
  return Unfit(
      fmt::format("the subjectKeyIdentifier of {} was not computed as profile '{}' does: certificates below it would "
                  "not chain to a new certificate of it; choose a profile with the other subject_key_identifier",
                  NameText(certificate.subject), profile.name));
}

}  // namespace hallmark
