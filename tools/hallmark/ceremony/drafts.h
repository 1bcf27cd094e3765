// Everything that a ceremony signs, as linted drafts: a function of what was asked, what was read and which keys there
// are, so that a rehearsal, the ceremony and its verification years later come to the same octets.
#pragma once

#include <string>
#include <vector>

#include "tools/hallmark/ceremony/inputs.h"

namespace hallmark::ceremony {

enum class Kind { kCertificate, kCsr, kCrl };
const char* Name(Kind kind);      // "certificate", "csr", "crl"
const char* PemLabel(Kind kind);  // RFC 7468
enum class Signatory { kNewKey, kSigningKey };
const char* Name(Signatory signatory);  // "key", "signing_key": the sections of the ceremony's file

// What is random or depends on when a ceremony is run.
struct Moment {
  Time time;                   // whole seconds
  std::vector<Bytes> serials;  // one for each certificate, in the order of the drafts
};
size_t SerialCount(const Ceremony& ceremony);

struct NamedDraft {
  std::string output;  // the field under outputs:
  Kind kind;
  Signatory signatory;
  Draft draft;
};

// In the order in which they are signed. `new_key`: nullptr when the ceremony generates none. Errors of ca/offline.h
// and Decide, and kFailedPrecondition (REQUEST_INVALID) for a revocation in the future of `moment`.
StatusOr<std::vector<NamedDraft>> ComposeDrafts(const Ceremony& ceremony, const Material& material,
                                                const PublicKey* new_key, const Moment& moment);

// The drafts' names and kinds without their content.
struct Step {
  std::string output;
  Kind kind;
  Signatory signatory;
};
std::vector<Step> StepsOf(const Ceremony& ceremony);

}  // namespace hallmark::ceremony
