// What a service should have of us: a description and the authorities as they are, put together.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "ca/issuers.h"
#include "publish/description.h"

namespace hallmark {

struct WantedCertificate {
  std::string authority;
  Bytes certificate;        // DER
  std::string thumbprint;   // SHA-1, upper-case hexadecimal, as Azure names certificates
  std::string fingerprint;  // SHA-256, the same
  bool proof = true;
  Status provable;  // why possession of its key cannot be proven from here; kUnavailable: not now
};

struct WantedGroup {
  DescribedGroup described;
  bool enabled = true;
  bool revoked = false;  // nobody below it may be let in, whatever the description says
  // Of the authority; while it is rolled over, of its successor, too. Never empty.
  std::vector<WantedCertificate> certificates;
};

struct WantedChain {
  std::vector<WantedCertificate> certificates;
  std::vector<WantedGroup> groups;
  // Of revoked authorities below a group's, all certificates that have not expired: the service looks at the closest
  // authority first, and must find it disabled.
  std::vector<WantedCertificate> denied;
  std::vector<std::string> warnings;  // for people
};

// Of an authority, the certificates of those that go on under its name and count now: valid, not revoked, also an
// earlier one of the same key; the older first and at most two, which is what a group takes; if none is left, the
// newest. kNotFound (AUTHORITY_UNKNOWN);
// kFailedPrecondition (AUTHORITY_NOT_ISSUING): it has no certificate yet.
StatusOr<WantedChain> WantedOf(const DpsDescription& description, const Issuers::Snapshot& authorities, Time now);

// Whose devices are let in: below the groups' authorities, with all that go on under their names.
std::vector<std::string> AuthoritiesBelow(const DpsDescription& description,
                                          const std::vector<AuthorityRecord>& authorities);

// Those that are REVOKED, and those below them.
std::set<std::string> AuthoritiesOutOfUse(const std::vector<AuthorityRecord>& authorities);

// SHA-256 and SHA-1 of a certificate, upper-case hexadecimal.
std::string FingerprintOf(ByteView certificate);
std::string ThumbprintOf(ByteView certificate);

}  // namespace hallmark
