// The two functions of libFuzzer's interface (llvm.org/docs/LibFuzzer.html) that shape the inputs of a target: one that
// a target may bring, one that libFuzzer, or replay.cc in its place, provides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

// Changes the `size` octets of `data` in place, which has room for `max_size`. Returns how many there are now.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace hallmark::fuzz {

// Puts `octets` where a mutator's result goes; cuts what there is no room for.
inline size_t Put(ByteView octets, uint8_t* data, size_t max_size) {
  const size_t size = std::min(octets.size(), max_size);
  std::copy_n(octets.begin(), size, data);
  return size;
}

}  // namespace hallmark::fuzz
