// The ceremony itself: rehearsed, approved, done on the token, written, recorded.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/hallmark/ceremony/rehearsal.h"
#include "tools/hallmark/ceremony/token.h"

namespace hallmark::ceremony {

// Asks a participant for the plan's code and returns what was typed. kPermissionDenied: there is nobody to ask.
using AskCode = std::function<StatusOr<std::string>(const Participant& participant)>;

struct RunOptions {
  std::vector<std::string> approvals;  // NAME=CODE, for who cannot type it now
  AskCode ask_code;
  AskPin ask_pin;
  std::function<void(const std::string&)> progress;
  std::string tool_version;
  std::string host;
};

// kAlreadyExists (REQUEST_INVALID): an output, the transcript or the record of an interrupted ceremony is there;
// kFailedPrecondition (FILE_UNREADABLE): the directory of one is not, or cannot be written to.
Status CheckOutputs(const Ceremony& ceremony);

// Runs a prepared ceremony. Until the first key is generated or the first octet signed, a failure changes nothing:
// kPermissionDenied (PERMISSION_DENIED) for a code that is wrong or missing, and what CheckOutputs, Rehearse, the token
// and its keys say. After that, a failure leaves the record of what was made beside the transcript, with ".partial" at
// its end, and the error names it and the key. `clock` is read throughout.
StatusOr<Transcript> RunCeremony(const Prepared& prepared, const RunOptions& options, const Clock& clock);

// Where the record of a ceremony stands until it is complete.
std::filesystem::path PartialTranscript(const Ceremony& ceremony);

// Writes a file that must not exist yet: kAlreadyExists (REQUEST_INVALID).
Status WriteNewFile(const std::filesystem::path& path, ByteView content);

}  // namespace hallmark::ceremony
