// validate_only: the walk up to the record, and how it came to its verdict.
#include "base/reason.h"
#include "ca/authority.h"
#include "ca/judgement.h"
#include "ca/serial.h"

namespace hallmark {

Validated CertificateAuthority::Validate(const Caller& caller, Request request, Time deadline) const {
  request.validate_only = true;
  const PolicyPointer policies = parts_.policies.Current();
  Validated validated{Issue(policies, caller, request, deadline, permission::kIssue), {}, {}};
  // Who may not ask learns nothing else.
  const std::string why = validated.outcome.ok() ? "" : Reason(validated.outcome.status());
  if (why == reason::kPermissionDenied) return validated;
  const StatusOr<IssuerPointer> issuer = parts_.issuers.Find(request.authority, policies);
  const auto profile = policies->profiles.find(request.profile);
  if (!issuer.ok() || profile == policies->profiles.end() || (*issuer)->FindTemplate(request.profile) == nullptr)
    return validated;
  StatusOr<Csr> csr = ReadCsr(request.csr);
  const StatusOr<Bytes> serial = NewSerial();
  if (!csr.ok() || !serial.ok()) return validated;
  const StatusOr<Admission> admission = admissions_.Admit(*profile->second, caller, request, *csr, parts_.clock.Now());
  AddFacts(caller, request, admission.ok() ? *admission : Admission(), csr->facts);
  Judgement judgement = Judge(**issuer, profile->second, *csr, parts_.clock.Now(), *serial);
  validated.comparisons = std::move(judgement.comparisons);
  validated.findings = std::move(judgement.findings);
  return validated;
}

}  // namespace hallmark
