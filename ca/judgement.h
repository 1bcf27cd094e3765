// What an issuance would make of a request, step by step, with nothing recorded and nothing signed: for whoever asks
// before, and for whoever asks again with another profile.
#pragma once

#include <vector>

#include "ca/csr.h"
#include "ca/issuer.h"
#include "ca/lint.h"
#include "policies/compare.h"

namespace hallmark {

struct Judgement {
  std::vector<Comparison> comparisons;
  std::vector<Finding> findings;
  Bytes draft;     // with an empty signature; empty: the profile refuses
  Status verdict;  // as Issue would refuse: of the profile, or of lint
};

// `profile` is one that the issuer has a template of. `now`: when it is asked; `serial`: of the draft.
Judgement Judge(const Issuer& issuer, const std::shared_ptr<const Profile>& profile, const Csr& csr, Time now,
                ByteView serial);

}  // namespace hallmark
