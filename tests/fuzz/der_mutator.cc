// The mutator of targets that read DER: of octets and of elements by turns.
#include "tests/fuzz/custom_mutator.h"
#include "tests/fuzz/mutation.h"

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  hallmark::fuzz::Random random(seed);
  if (random() % 3 == 0) return LLVMFuzzerMutate(data, size, max_size);
  return hallmark::fuzz::Put(hallmark::fuzz::MutateElements({data, size}, random), data, max_size);
}
