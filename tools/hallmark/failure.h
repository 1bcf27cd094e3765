// What goes wrong, as the command line tells it: an exit code for scripts, text for people, JSON for programs.
#pragma once

#include <google/rpc/status.pb.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "hallmark/v1/resources.pb.h"

namespace hallmark::cli {

// The exit codes of `hallmark`; its --help documents them and scripts rely on them.
enum ExitCode {
  kDone = 0,
  kFailed = 1,       // of the machine's own: a file, the configuration, a defect
  kUsage = 2,        // the command line makes no sense
  kRefused = 3,      // the service said no, to all or in part
  kUnavailable = 4,  // no answer, or not now: the same command again is safe
  kNotFound = 5,
  kPermission = 6,
  kDiffers = 7,  // what was compared is not the same
};
ExitCode ExitCodeOf(const Status& status);

// kInvalidArgument, COMMAND_LINE_INVALID: what the command line asks for makes no sense.
Status UsageError(const std::string& message);

// Reads the error of a service: the code, the message, and of the details ErrorInfo, BadRequest, RetryInfo and
// Validation. Never OK, and never with a control character of the far side.
Status FromRpc(const google::rpc::Status& rpc);

// How the service judged what it refused with this error; empty if it does not say.
v1::Validation ValidationOf(const Status& status);

// "hallmark: <message>", then the fields at fault that the message does not name already, then the reason and what to
// do next. Ends with a line break.
std::string FailureText(const Status& status);

// {"code", "reason", "message", "fields", "retry_delay_ms", "next_step"}; what is unknown is left out.
nlohmann::json FailureJson(const Status& status);

}  // namespace hallmark::cli
