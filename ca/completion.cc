#include "ca/completion.h"

#include <algorithm>

#include "ca/entries.h"

namespace hallmark {

std::string CaselessName(const Plan& plan) {
  const std::vector<Standard>& standards = plan.profile->standards;
  // Azure takes a registration ID without its case.
  if (std::find(standards.begin(), standards.end(), Standard::kAzureDps) == standards.end()) return "";
  for (const Attribute& attribute : plan.subject) {
    if (attribute.type == "CN") return attribute.value;
  }
  return "";
}

StatusOr<CertificateRecord> CompleteIntent(Store& store, const Clock& clock, const SigningKey& issuer_key,
                                           const Intended& intended, Time deadline) {
  if (intended.certificate.has_value()) return *intended.certificate;
  ASSIGN_OR_RETURN(Draft draft, Draft::FromUnsigned(intended.intent.draft, issuer_key.signer().algorithm()));
  ASSIGN_OR_RETURN(const Bytes certificate, Seal(std::move(draft), issuer_key, deadline));
  const Time issued = TruncateToSecond(clock.Now());
  return store.Record(intended.intent, certificate, issued,
                      CertificateIssuedEntry(intended.intent, certificate, issued));
}

}  // namespace hallmark
