// The rehearsal of a ceremony: the same drafts, lint and Seal, with throw-away keys of the same types in place of the
// token's. Every ceremony begins with one, and what it then signs must be what was rehearsed, but for the new key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/hallmark/ceremony/transcript.h"

namespace hallmark::ceremony {

// A ceremony whose files were read, examined and planned.
struct Prepared {
  Ceremony ceremony;
  Inputs inputs;
  Material material;
  Json plan;
  PlanCode code;
};
// Errors as ReadCeremony, LoadInputs and Examine.
StatusOr<Prepared> Prepare(const std::filesystem::path& file);

struct Rehearsal {
  Moment moment;
  std::shared_ptr<const SigningKey> twin;  // of the key to be generated; nullptr when there is none
  std::vector<Bytes> tbs;                  // of each draft
  std::vector<OutputRecord> outputs;       // signed with throw-away keys: they verify nowhere
};

// Draws the serial numbers and rehearses at `now`. Errors as ComposeDrafts and Seal.
StatusOr<Rehearsal> Rehearse(const Prepared& prepared, Time now);

// Seals a draft, and reads a CSR back with proof of possession, as it cannot be linted.
StatusOr<Bytes> SealChecked(NamedDraft draft, const SigningKey& key);

// kInternal (INTERNAL) unless the drafts are the rehearsed ones, octet for octet, once the new key and its identifier
// stand in place of the throw-away one's.
Status CheckRehearsed(const Rehearsal& rehearsal, const std::vector<NamedDraft>& drafts, const PublicKey* new_key);

}  // namespace hallmark::ceremony
