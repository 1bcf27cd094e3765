#include "ca/judgement.h"

namespace hallmark {

Judgement Judge(const Issuer& issuer, const std::shared_ptr<const Profile>& profile, const Csr& csr, Time now,
                ByteView serial) {
  const StatusOr<Plan> plan = Decide(profile, csr.facts, now, {issuer.not_before(), issuer.not_after()});
  Judgement judgement{Compare(*profile, csr.facts, plan), {}, {}, plan.status()};
  if (!plan.ok()) return judgement;
  const StatusOr<Draft> draft = issuer.FindTemplate(profile->name)->Compose(*plan, csr.key, serial);
  judgement.verdict = draft.status();
  if (!draft.ok()) return judgement;
  judgement.draft = draft->Unsigned();
  judgement.findings = LintCertificate(judgement.draft, issuer.lint(), profile->standards);
  judgement.verdict = Verdict(judgement.findings);
  return judgement;
}

}  // namespace hallmark
