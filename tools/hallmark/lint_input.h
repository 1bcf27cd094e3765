// The certificates and CRLs that `hallmark lint` is given, as they stand in the files of the world.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark::cli {

struct LintInput {
  enum class Kind { kCertificate, kCrl };
  std::string source;  // for messages: the file, or "standard input", with "#2" behind it when it holds several
  Kind kind = Kind::kCertificate;
  Bytes der;
};

// Reads files, and `in` for "-": DER, or PEM (RFC 7468) with any text around its blocks and blocks of other kinds, such
// as private keys, which are passed over. kInvalidArgument (COMMAND_LINE_INVALID) when a file holds neither a
// certificate nor a CRL or a block is broken, and what ReadFile says; the first error ends it.
StatusOr<std::vector<LintInput>> ReadLintInputs(const std::vector<std::string>& arguments, std::istream& in);

}  // namespace hallmark::cli
