// The last look before the HSM signs: reads the draft's octets, not what they were made from, and says what the
// standards forbid. Lint shares no rule with policy: it is the second opinion. It reads any certificate of the world,
// too: one flaw does not hide the others, as long as the octets can be taken apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "ca/extensions.h"
#include "policies/profile.h"

namespace hallmark {

// What an error forbids is not signed; a warning is; a notice only says what is unusual.
enum class Severity { kNotice, kWarning, kError };
const char* Name(Severity severity);  // "notice", "warning", "error"

// One requirement. The names begin with their source: "rfc5280_4_1_2_2_serial_number".
struct LintRule {
  const char* name;
  const char* citation;  // "RFC 5280 4.1.2.2"
  Severity severity;
  const char* requirement;
};
// All rules, by name. A finding is always of one of these.
const std::vector<LintRule>& LintRules();

struct Finding {
  std::string rule;
  std::string citation;
  std::string message;
  Severity severity = Severity::kError;
};

// What the issuer's own certificate says; views live as long as the issuer.
struct LintIssuer {
  ByteView certificate = {};  // the whole, for its name constraints and its key; empty: not known
  ByteView subject;           // Name
  ByteView key_identifier;
  ByteView algorithm;  // AlgorithmIdentifier that it signs with
  Time not_after;
  int64_t path_length = kNoPathLength;  // of its basicConstraints
  bool self = false;                    // the certificate is the issuer's own (a root)
};

inline constexpr size_t kLintLimit = size_t{64} << 10;  // octets of a certificate

// Returns what is wrong with a certificate's draft by RFC 5280, its issuer, and the standards that its profile names.
// About 10 us for a device's certificate.
std::vector<Finding> LintCertificate(ByteView draft, const LintIssuer& issuer,
                                     const std::vector<Standard>& standards = {});

// The same for any certificate. `issuer`: its issuer's certificate; empty: not known.
std::vector<Finding> LintAnyCertificate(ByteView certificate, ByteView issuer, const std::vector<Standard>& standards);

// The standards that a certificate means to keep, by what only they have: a Matter vendor id, a hardwareModuleName.
std::vector<Standard> DetectStandards(ByteView certificate);

// What is wrong with a CRL's draft (RFC 5280 5).
std::vector<Finding> LintCrl(ByteView draft, const LintIssuer& issuer);

// The same for any CRL. `issuer`: its issuer's certificate; empty: not known.
std::vector<Finding> LintAnyCrl(ByteView crl, ByteView issuer);

// OK without an error among the findings; otherwise kFailedPrecondition (LINT_FAILED) that lists the errors.
Status Verdict(const std::vector<Finding>& findings);

}  // namespace hallmark
