// The last two steps of an issuance, for a request, its retry and the recovery after a crash alike.
#pragma once

#include "base/clock.h"
#include "ca/draft.h"
#include "policies/profile.h"
#include "store/store.h"

namespace hallmark {

// The plan's CN if its profile's standards compare names without their case, for Intent::caseless_name; else nothing.
std::string CaselessName(const Plan& plan);

// Seals the draft that is on record as intended and records the certificate, before anybody sees it; or returns the
// certificate that is on record already. Errors of Seal and Store::Record.
StatusOr<CertificateRecord> CompleteIntent(Store& store, const Clock& clock, const SigningKey& issuer_key,
                                           const Intended& intended, Time deadline);

}  // namespace hallmark
