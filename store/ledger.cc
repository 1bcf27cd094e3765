#include "store/ledger.h"

#include <algorithm>

namespace hallmark {

Digest LeafHash(ByteView entry) {
  Bytes input;
  input.reserve(1 + entry.size());
  input.push_back(0x00);
  Append(input, entry);
  return Sha256(input);
}

Digest NodeHash(const Digest& left, const Digest& right) {
  std::array<uint8_t, 1 + 2 * std::tuple_size_v<Digest>> input;
  input[0] = 0x01;
  std::copy(right.begin(), right.end(), std::copy(left.begin(), left.end(), input.begin() + 1));
  return Sha256(input);
}

void MerkleFrontier::Append(const Digest& leaf_hash) {
  Digest hash = leaf_hash;
  // Each bit that is set at the bottom of the old size is a subtree as large as the new one: they make one.
  for (uint64_t size = size_; size & 1; size >>= 1) {
    hash = NodeHash(subtrees_.back(), hash);
    subtrees_.pop_back();
  }
  subtrees_.push_back(hash);
  ++size_;
}

Digest MerkleFrontier::Root() const {
  if (subtrees_.empty()) return Sha256({});
  Digest root = subtrees_.back();
  for (auto left = std::next(subtrees_.rbegin()); left != subtrees_.rend(); ++left) root = NodeHash(*left, root);
  return root;
}

}  // namespace hallmark
