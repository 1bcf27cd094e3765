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
  // False: it is revoked or has expired. Where it stands it may stay; it is not uploaded, proven or claimed any more.
  bool counts = true;
};

struct WantedGroup {
  DescribedGroup described;
  bool enabled = true;
  bool revoked = false;  // or expired: nobody below it may be let in, whatever the description says
  // Of the authority; while it is rolled over, of its successor, too. Never empty.
  std::vector<WantedCertificate> certificates;
};

struct WantedChain {
  std::vector<WantedCertificate> certificates;
  std::vector<WantedGroup> groups;
  // Of revoked authorities whose devices are or were let in, all certificates that have not expired: the service looks
  // at the closest authority first, and must find it disabled.
  std::vector<WantedCertificate> denied;
  std::vector<std::string> warnings;  // for people
  // The same of those that are not revoked: they may stand in groups that the description does not have any more.
  std::vector<WantedCertificate> known = {};
};

// Of an authority, the certificates of those that go on under its name and count now: valid, not revoked, also an
// earlier one of the same key; the older first and at most two, which is what a group takes; if none is left, the
// newest. `let_in`: whose devices the target lets in or has let in (TargetRecord), since its groups may stand there
// still; `revoked`: CertificateAuthority::OutOfUse. kNotFound (AUTHORITY_UNKNOWN); kFailedPrecondition
// (AUTHORITY_NOT_ISSUING): it has no certificate yet.
StatusOr<WantedChain> WantedOf(const DpsDescription& description, const std::vector<std::string>& let_in,
                               const std::set<std::string>& revoked, const Issuers::Snapshot& authorities, Time now);

// Whose devices are let in: below the groups' authorities, with all that go on under their names.
std::vector<std::string> AuthoritiesBelow(const DpsDescription& description,
                                          const std::vector<AuthorityRecord>& authorities);

// SHA-256 and SHA-1 of a certificate, upper-case hexadecimal.
std::string FingerprintOf(ByteView certificate);
std::string ThumbprintOf(ByteView certificate);

}  // namespace hallmark
