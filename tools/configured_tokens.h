// The tokens of one configuration, and which of them a key's URI means.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"
#include "hsm/pin.h"
#include "hsm/token.h"
#include "tools/config.h"

namespace hallmark {

// What the process was given for the tokens' PINs. The PIN of a token is, in this order: its URI's pin-source; the
// systemd credential hallmark-pin-NAME, or hallmark-pin of the token "default"; the environment variable
// HALLMARK_PIN_NAME (in capitals, _ for -), or HALLMARK_PIN.
struct PinEnvironment {
  std::map<std::string, Secret> variables;  // those whose name begins with HALLMARK_PIN
  std::filesystem::path credentials_directory;
};
PinEnvironment ReadPinEnvironment();  // for main
// `directory`: of the file that names the token, beside which a relative pin-source lies.
PinSources PinSourcesOf(const std::filesystem::path& directory, const TokenConfig& token,
                        const PinEnvironment& environment);

// Thread-safe, and nothing is touched by making it: a token that is away is found when it is back.
class ConfiguredTokens {
 public:
  // Told when a token goes away (a status that is not OK) and when it is back.
  using Observer = std::function<void(const std::string& token, const Health& health)>;

  // Loads the modules, each once. kInvalidArgument (CONFIGURATION_INVALID): a token's URI is malformed, or two name the
  // same token. Otherwise as Module::Load.
  static StatusOr<std::unique_ptr<ConfiguredTokens>> Open(const Config& config, const PinEnvironment& environment,
                                                          Observer observer);

  // kNotFound (HSM_TOKEN_NOT_FOUND): the configuration has none of that name; empty: its first.
  StatusOr<std::shared_ptr<Token>> FindNamed(const std::string& name) const;
  // The token that a key's URI means. kFailedPrecondition (HSM_TOKEN_NOT_FOUND): none, or several.
  StatusOr<std::shared_ptr<Token>> FindOf(const KeyUri& key) const;

  struct Entry {
    std::string name;
    std::shared_ptr<Token> token;
  };
  const std::vector<Entry>& all() const { return entries_; }  // in the order of the configuration

 private:
  std::vector<Entry> entries_;
};

}  // namespace hallmark
