#include "ca/completion.h"

#include "ca/entries.h"

namespace hallmark {

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
