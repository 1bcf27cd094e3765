// The last look before the HSM signs: reads the draft's octets, not what they were made from, and says what the
// standards forbid. Lint shares no rule with policy: it is the second opinion.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "ca/extensions.h"

namespace hallmark {

// What an error forbids is not signed; a warning is; a notice only says what is unusual.
enum class Severity { kNotice, kWarning, kError };
const char* Name(Severity severity);  // "notice", "warning", "error"

struct Finding {
  std::string rule;      // e.g. "rfc5280_4_1_2_2_serial_number"
  std::string citation;  // e.g. "RFC 5280 4.1.2.2"
  std::string message;
  Severity severity = Severity::kError;
};

// What the issuer's own certificate says; views live as long as the issuer.
struct LintIssuer {
  ByteView subject;  // Name
  ByteView key_identifier;
  ByteView algorithm;  // AlgorithmIdentifier that it signs with
  Time not_after;
  int64_t path_length = kNoPathLength;  // of its basicConstraints
  bool self = false;                    // the certificate is the issuer's own (a root)
};

// Returns what is wrong with a certificate's draft by RFC 5280 and the standards that its profile names.
std::vector<Finding> LintCertificate(ByteView draft, const LintIssuer& issuer,
                                     const std::vector<Standard>& standards = {});

// The same for a CRL's draft (RFC 5280 5).
std::vector<Finding> LintCrl(ByteView draft, const LintIssuer& issuer);

// OK without an error among the findings; otherwise kFailedPrecondition (LINT_FAILED) that lists the errors.
Status Verdict(const std::vector<Finding>& findings);

}  // namespace hallmark
