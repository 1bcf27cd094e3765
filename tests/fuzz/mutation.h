// Changes to an input that are likely to get somewhere: of its octets, and of the elements of its DER.
#pragma once

#include <random>
#include <vector>

#include "base/bytes.h"

namespace hallmark::fuzz {

using Random = std::mt19937;

// Changes 1 to 4 places: bits, octets and lengths; cuts, doubles, moves and inserts blocks; splices with one of
// `others`.
Bytes MutateOctets(ByteView octets, const std::vector<Bytes>& others, Random& random);

// Changes 1 to 4 elements of a DER encoding and sets the lengths around them anew, so that the change reaches the rules
// behind the length checks. Returns octets that are not DER as they are.
Bytes MutateElements(ByteView der, Random& random);

}  // namespace hallmark::fuzz
