// What a fuzz target demands of the parser under test, and the count that shows that it was reached.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "base/status.h"

namespace hallmark::fuzz {

// How many inputs the parser has accepted. A replay without any has tested nothing, and fails.
inline size_t accepted_inputs = 0;

// Ends the process, which is how a fuzzer learns of it, when a property does not hold.
inline void Require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

// False for what a parser refused, which it has to do as an INVALID_ARGUMENT that says why.
template <class T>
bool Accepted(const StatusOr<T>& result) {
  if (result.ok()) {
    ++accepted_inputs;
    return true;
  }
  Require(result.status().code() == Code::kInvalidArgument, "a refusal is INVALID_ARGUMENT");
  Require(!result.status().message().empty(), "a refusal says why");
  return false;
}

}  // namespace hallmark::fuzz
