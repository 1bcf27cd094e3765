// What a return value of PKCS#11 (CK_RV, v2.40 5.1) usually means in practice, and what to do about it: for people.
#pragma once

#include <string>

#include "hsm/return_value.h"

namespace hallmark {

// Both are clauses without a full stop, for "<meaning>; <next step>".
struct Explanation {
  std::string meaning;
  std::string next_step;
};

// Never empty: a value of a vendor's own (CKR_VENDOR_DEFINED and above) and one of no standard have a general one.
Explanation Explain(ReturnValue value);

}  // namespace hallmark
