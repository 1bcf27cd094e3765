// The Merkle tree of the ledger: RFC 9162 section 2.1 with SHA-256.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace hallmark {

// The hash of a leaf: SHA-256(0x00 || entry).
Digest LeafHash(ByteView entry);
// The hash of an inner node: SHA-256(0x01 || left || right).
Digest NodeHash(const Digest& left, const Digest& right);

// The right edge of the tree, which is all that appending and the root need: one hash for each perfect subtree, i.e.
// for each bit that is set in the size. A plain value of at most 64 hashes; not for several threads at once.
class MerkleFrontier {
 public:
  void Append(const Digest& leaf_hash);

  // The number of leaves.
  uint64_t size() const { return size_; }
  // The Merkle tree hash of all leaves; of none: SHA-256 of nothing.
  Digest Root() const;

 private:
  uint64_t size_ = 0;
  std::vector<Digest> subtrees_;  // the largest, leftmost, first
};

}  // namespace hallmark
