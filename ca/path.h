// The certification path of an authority whose certificate was made elsewhere: from its own certificate up to the root.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "policies/profile.h"

namespace hallmark {

// Orders `certificates` into the path of the authority whose key is `spki`: its own certificate first, the root last.
// What is missing above is taken from `known`, chains of which each is one; every given certificate must be used.
// kInvalidArgument (CHAIN_INVALID), field "certificates".
StatusOr<std::vector<Bytes>> OrderPath(const std::vector<Bytes>& certificates, ByteView spki,
                                       const std::vector<std::vector<Bytes>>& known);

// What the authority was to become.
struct PathExpectation {
  ByteView spki;                 // of its key
  ByteView subject;              // Name
  bool exact_subject = false;    // octet for octet, since certificates bear it; else its attributes' types and values
  ByteView key_identifier = {};  // of the certificate before this one; empty: none
  int64_t path_length = 0;       // that its profile needs
  Time now;
};

// Checks an ordered path (RFC 5280 6.1, and what an authority must be, 4.2.1): keys, names, signatures, algorithms,
// basicConstraints, keyUsage, key identifiers, validity, critical extensions; at the end OpenSSL's own path validation
// as a second opinion. kInvalidArgument (CHAIN_INVALID) with all that is wrong, fields "certificates[0].subject"...,
// where 0 is the authority's own.
Status CheckPath(const std::vector<Bytes>& path, const PathExpectation& expected);

}  // namespace hallmark
