// The mutator of targets that read DER: of octets and of elements by turns.
#include "tests/fuzz/custom_mutator.h"
#include "tests/fuzz/mutation.h"

namespace hallmark::fuzz {

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Random random(seed);
  if (random() % 3 == 0) return LLVMFuzzerMutate(data, size, max_size);
  return Put(MutateElements({data, size}, random), data, max_size);
}

}  // namespace hallmark::fuzz
