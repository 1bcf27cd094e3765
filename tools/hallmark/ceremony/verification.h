// The verification of a transcript, years later and away from the token: everything that can be made again is made
// again and compared, every signature is checked.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/hallmark/ceremony/transcript.h"

namespace hallmark::ceremony {

// One thing that was checked.
struct Check {
  std::string what;
  Status status;
  std::string detail;  // what was found, when OK
};

struct VerifyOptions {
  std::vector<Bytes> trust;       // certificates (DER) that are known to be right; empty: none
  std::filesystem::path outputs;  // directory of the outputs, whose files are compared if they are there; may be empty
  std::string previous;           // content of the previous transcript; empty: not given
  std::string tool_version;       // of this program
};

// Checks a transcript that could be read; in the order in which an auditor asks, and all of it.
std::vector<Check> VerifyTranscript(const Transcript& transcript, const VerifyOptions& options);

}  // namespace hallmark::ceremony
