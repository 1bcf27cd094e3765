// The context of a command: which service it talks to, and as whom. A YAML file whose paths are relative to itself:
//   endpoint: ca.example.com:8443    # the name that the service's certificate must bear
//   certificate: operator.pem        # the caller's, with the chain up to but without the root
//   key: operator.key
//   roots: roots.pem                 # whom to believe that it is the service
#pragma once

#include <filesystem>
#include <string>

#include "base/secret.h"
#include "base/status.h"

namespace hallmark::cli {

struct Context {
  std::filesystem::path file;
  std::string endpoint;     // host:port
  std::string certificate;  // PEM, as are the two below
  Secret key;
  std::string roots;
};

// Where a context may stand: --context, $HALLMARK_CONTEXT and $HOME, each empty when not given.
struct ContextPlaces {
  std::string option;
  std::string variable;
  std::string home;
};

// The first of: the option, the variable, ./context.yaml, ~/.config/hallmark/context.yaml. A file that was named must
// exist. kNotFound (CONFIGURATION_INVALID) when there is none; the message says how to get one.
StatusOr<std::filesystem::path> FindContext(const ContextPlaces& places);

// kFailedPrecondition (FILE_UNREADABLE) for a key that others than the owner and the group may read, or what ReadFile
// and Mapping say.
StatusOr<Context> ReadContext(const std::filesystem::path& file);

}  // namespace hallmark::cli
