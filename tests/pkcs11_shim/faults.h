// Carries out the rules of ShimControl that hold for one call of any function.
#pragma once

#include <sys/types.h>

#include "tests/pkcs11_shim/control.h"

namespace hallmark::testing {

// One call while it lasts: counted, with those that run at the same time in this process.
class Visit {
 public:
  Visit(ShimControl& control, Function function);
  Visit(const Visit&) = delete;  // it would leave twice
  Visit& operator=(const Visit&) = delete;
  ~Visit();

 private:
  const Function function_;
};

// Waits as the rules for the function say.
void WaitAsTold(ShimControl& control, Function function);

// The CK_RV that a rule gives instead of a call; CKR_OK: the call is to be made.
unsigned long ChooseFailure(ShimControl& control, Function function);

}  // namespace hallmark::testing
