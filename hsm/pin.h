// Where the user PIN of a token comes from: a file, a systemd credential or the environment, never the command line.
#pragma once

#include <filesystem>
#include <string>

#include "base/secret.h"
#include "base/status.h"

namespace hallmark {

// What the program was given, filled in by main, since nothing below it reads the environment. Empty fields are left
// out.
struct PinSources {
  std::string pin_source;                       // of the token's URI (RFC 7512 2.4): file:/path, or a plain path
  std::filesystem::path credentials_directory;  // of systemd, $CREDENTIALS_DIRECTORY
  std::string credential;                       // the file's name in it
  std::string environment_variable;             // its name, for messages
  Secret environment_value;
};

// Returns the PIN of the first source there is, in the order of the fields. A source that is there but cannot be read,
// is readable by everybody or is empty is an error, not a reason to try the next; only a missing credential is.
// kFailedPrecondition: CONFIGURATION_INVALID when no source has a PIN (the message says which were tried),
// FILE_UNREADABLE as ReadSecretFile says.
StatusOr<Secret> ReadPin(const PinSources& sources);

}  // namespace hallmark
