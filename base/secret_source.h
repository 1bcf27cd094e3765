// Where an operator keeps a secret that a configuration names: in a file, as a systemd credential or in an environment
// variable; never in the configuration itself or on a command line.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/secret.h"
#include "base/status.h"

namespace hallmark {

struct SecretSource {
  enum class Kind { kFile, kCredential, kEnvironment };
  Kind kind = Kind::kFile;
  std::string name;  // an absolute path, the credential's name, or the variable's

  std::string ToString() const;  // as a configuration writes it
};

// Reads "FILE" (a relative one is beside the configuration, in `directory`), "credential:NAME" or "env:NAME".
// kInvalidArgument (CONFIGURATION_INVALID) when the name is empty, or a credential's has a slash.
StatusOr<SecretSource> ParseSecretSource(const std::string& text, const std::filesystem::path& directory);

// What the process was given, filled in by main, since nothing below it reads the environment.
struct SecretEnvironment {
  std::map<std::string, Secret> variables;      // those that the configuration names
  std::filesystem::path credentials_directory;  // of systemd, $CREDENTIALS_DIRECTORY
};

// Returns all of the secret. kFailedPrecondition (FILE_UNREADABLE) with the name of what is missing, empty, too long or
// readable by everybody.
StatusOr<Secret> ReadSecret(const SecretSource& source, const SecretEnvironment& environment);

// A text that changes when the secret's file is written or replaced; empty when there is no file.
std::string SecretVersion(const SecretSource& source, const SecretEnvironment& environment);

}  // namespace hallmark
