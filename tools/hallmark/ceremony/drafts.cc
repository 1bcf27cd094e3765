#include "tools/hallmark/ceremony/drafts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/certification_request.h"
#include "ca/names.h"

namespace hallmark::ceremony {
namespace {

StatusOr<CertificateRequirements> Requirements(const Ceremony& ceremony, const Material& material,
                                               const Moment& moment) {
  const CertificateWish& wish = *ceremony.certificate;
  CertificateRequirements required{.profile = material.profile,
                                   .facts = {},
                                   .now = moment.time,
                                   .not_before = wish.not_before,
                                   .serial = moment.serials.at(0),
                                   .crl_url = wish.crl_url,
                                   .aia_url = wish.aia_url,
                                   .ocsp_url = wish.ocsp_url};
  if (material.csr.has_value()) {
    required.facts = material.csr->facts;
  } else if (material.certificate.has_value()) {
    ASSIGN_OR_RETURN(required.facts.subject, ReadName(material.certificate->subject));
  } else {
    required.facts.subject = wish.subject;
  }
  required.facts.lifetime = wish.lifetime;
  return required;
}

// The name that the new key's CSR shall have, judged by the profile of the certificate that it is for.
StatusOr<Bytes> RequestedName(const Ceremony& ceremony, const Material& material, const PublicKey& key, Time now) {
  if (!material.profile->ca || material.profile->subject_is_issuer) {
    return Error(Code::kFailedPrecondition, reason::kRequestInvalid,
                 fmt::format("'{}' is no profile of an authority below another", material.profile->name));
  }
  Facts facts;
  facts.key = key.type();
  facts.subject = ceremony.certificate->subject;
  if (material.certificate.has_value()) {
    ASSIGN_OR_RETURN(facts.subject, ReadName(material.certificate->subject));
  }
  ASSIGN_OR_RETURN(const Plan plan, Decide(material.profile, facts, now, IssuerValidity()));
  Bytes name = EncodeName(plan.subject);
  RETURN_IF_ERROR(ReadName(name).status());
  return name;
}

StatusOr<Draft> ComposeList(const Ceremony& ceremony, const Material& material, Time now) {
  const CrlWish& wish = *ceremony.crl;
  const auto early = std::find_if(material.revoked.begin(), material.revoked.end(),
                                  [now](const RevokedCertificate& revoked) { return revoked.revoked > now; });
  if (early != material.revoked.end()) {
    return Error(
        Code::kFailedPrecondition, reason::kRequestInvalid,
        fmt::format("crl.entries revokes {} on {}, in the future", Hex(early->serial), Rfc3339(early->revoked)));
  }
  if (material.previous_this_update.has_value() && *material.previous_this_update > now) {
    return Error(Code::kFailedPrecondition, reason::kRequestInvalid,
                 fmt::format("the previous list is of {}, in the future; set this machine's clock",
                             Rfc3339(*material.previous_this_update)));
  }
  CrlEntries entries;
  for (const RevokedCertificate& revoked : material.revoked) entries.Add(revoked);
  CrlRecord record;
  record.number = wish.number;
  record.this_update = now;
  record.next_update = now + wish.lifetime;
  return DraftCrl(record, entries, *material.issuer, SigningAlgorithm(ceremony, material));
}

StatusOr<std::vector<Draft>> ComposeRotation(const Ceremony& ceremony, const Material& material,
                                             const PublicKey& new_key, const Moment& moment) {
  ASSIGN_OR_RETURN(const CertificateRequirements required, Requirements(ceremony, material, moment));
  ASSIGN_OR_RETURN(Draft root, DraftRoot(required, new_key, ceremony.key->algorithm));
  ASSIGN_OR_RETURN(LinkDrafts links, DraftLinks({.profile = material.profile,
                                                 .fresh = root,
                                                 .fresh_key = new_key,
                                                 .old = *material.certificate,
                                                 .old_algorithm = SigningAlgorithm(ceremony, material),
                                                 .new_with_old_serial = moment.serials.at(1),
                                                 .old_with_new_serial = moment.serials.at(2)}));
  std::vector<Draft> drafts;
  drafts.push_back(std::move(root));
  drafts.push_back(std::move(links.new_with_old));
  drafts.push_back(std::move(links.old_with_new));
  return drafts;
}

StatusOr<Draft> ComposeOne(const Ceremony& ceremony, const Material& material, const PublicKey* new_key,
                           const Moment& moment) {
  if (ceremony.crl.has_value()) return ComposeList(ceremony, material, moment.time);
  if (ceremony.outputs.contains("csr")) {
    ASSIGN_OR_RETURN(const Bytes name, RequestedName(ceremony, material, *new_key, moment.time));
    return ComposeCertificationRequest(name, *new_key, ceremony.key->algorithm);
  }
  ASSIGN_OR_RETURN(const CertificateRequirements required, Requirements(ceremony, material, moment));
  if (ceremony.type == Type::kRoot) return DraftRoot(required, *new_key, ceremony.key->algorithm);
  const PublicKey& key = material.csr.has_value() ? material.csr->key : material.certificate->key;
  return DraftSubordinate(required, key, *material.issuer, SigningAlgorithm(ceremony, material));
}

}  // namespace

const char* Name(Kind kind) { return kind == Kind::kCertificate ? "certificate" : kind == Kind::kCsr ? "csr" : "crl"; }
const char* PemLabel(Kind kind) {
  return kind == Kind::kCertificate ? "CERTIFICATE" : kind == Kind::kCsr ? "CERTIFICATE REQUEST" : "X509 CRL";
}
const char* Name(Signatory signatory) { return signatory == Signatory::kNewKey ? "key" : "signing_key"; }

std::vector<Step> StepsOf(const Ceremony& ceremony) {
  if (ceremony.rotates_root()) {
    return {{"certificate", Kind::kCertificate, Signatory::kNewKey},
            {"new_with_old", Kind::kCertificate, Signatory::kSigningKey},
            {"old_with_new", Kind::kCertificate, Signatory::kNewKey}};
  }
  const Signatory signatory = ceremony.key.has_value() ? Signatory::kNewKey : Signatory::kSigningKey;
  if (ceremony.crl.has_value()) return {{"crl", Kind::kCrl, signatory}};
  if (ceremony.outputs.contains("csr")) return {{"csr", Kind::kCsr, signatory}};
  return {{"certificate", Kind::kCertificate, signatory}};
}

size_t SerialCount(const Ceremony& ceremony) {
  const std::vector<Step> steps = StepsOf(ceremony);
  return static_cast<size_t>(
      std::count_if(steps.begin(), steps.end(), [](const Step& step) { return step.kind == Kind::kCertificate; }));
}

StatusOr<std::vector<NamedDraft>> ComposeDrafts(const Ceremony& ceremony, const Material& material,
                                                const PublicKey* new_key, const Moment& moment) {
  std::vector<Draft> drafts;
  if (ceremony.rotates_root()) {
    ASSIGN_OR_RETURN(drafts, ComposeRotation(ceremony, material, *new_key, moment));
  } else {
    ASSIGN_OR_RETURN(Draft draft, ComposeOne(ceremony, material, new_key, moment));
    drafts.push_back(std::move(draft));
  }
  const std::vector<Step> steps = StepsOf(ceremony);
  std::vector<NamedDraft> named;
  for (size_t i = 0; i < steps.size(); ++i) {
    named.push_back({steps[i].output, steps[i].kind, steps[i].signatory, std::move(drafts.at(i))});
  }
  return named;
}

}  // namespace hallmark::ceremony
