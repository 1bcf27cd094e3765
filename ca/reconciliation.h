// What became of a lot: counted anew, compared with what is kept, and whether it adds up.
#pragma once

#include <string>
#include <vector>

#include "ca/authority.h"

namespace hallmark {

struct Reconciliation {
  LotRecord lot;
  LotTerms terms;
  Time time;
  int64_t unclaimed = 0;  // announced lines, and numbers of a range up to the quantity
  int64_t certificates = 0;
  int64_t live = 0;         // current and not revoked
  int64_t unconfirmed = 0;  // should have been confirmed by now
  std::vector<AttemptRecord> attempts;
  std::vector<std::string> contradictions;  // empty: everything adds up
};

// kNotFound (LOT_UNKNOWN). Reads every line of the lot.
StatusOr<Reconciliation> Reconcile(const CertificateAuthority& authority, const std::string& lot);

// The reconciliation as JSON, for a report.
std::string ToJson(const Reconciliation& reconciliation, const std::string& caller);

}  // namespace hallmark
