#include "tools/configured_tokens.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr char kPinVariable[] = "HALLMARK_PIN";

// What is appended to the name of a token's credential and, in capitals, of its environment variable.
std::string Suffix(const std::string& token) { return token == kOnlyToken ? "" : "-" + token; }

std::string VariableOf(const std::string& token) {
  std::string name = kPinVariable + Suffix(token);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

std::string ResolvePinSource(const std::filesystem::path& directory, const std::string& pin_source) {
  if (pin_source.empty() || pin_source[0] == '/' || pin_source.starts_with("file:")) return pin_source;
  return std::filesystem::absolute(directory / pin_source).lexically_normal();
}

}  // namespace

PinEnvironment ReadPinEnvironment() {
  PinEnvironment environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const size_t equals = text.find('=');
    if (!text.starts_with(kPinVariable) || equals == text.npos) continue;
    environment.variables.emplace(text.substr(0, equals), Secret(std::string(text.substr(equals + 1))));
  }
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY")) environment.credentials_directory = directory;
  return environment;
}

PinSources PinSourcesOf(const std::filesystem::path& directory, const TokenConfig& token,
                        const PinEnvironment& environment) {
  PinSources sources;
  // A URI that cannot be parsed is reported by who opens the token.
  if (const StatusOr<KeyUri> uri = KeyUri::Parse(token.uri); uri.ok()) {
    sources.pin_source = ResolvePinSource(directory, uri->pin_source);
  }
  sources.credentials_directory = environment.credentials_directory;
  sources.credential = "hallmark-pin" + Suffix(token.name);
  sources.environment_variable = VariableOf(token.name);
  const auto value = environment.variables.find(sources.environment_variable);
  if (value != environment.variables.end()) sources.environment_value = value->second.Copy();
  return sources;
}

StatusOr<std::unique_ptr<ConfiguredTokens>> ConfiguredTokens::Open(const Config& config,
                                                                   const PinEnvironment& environment,
                                                                   Observer observer) {
  auto tokens = std::make_unique<ConfiguredTokens>();
  std::map<std::string, std::shared_ptr<Module>> modules;
  for (const TokenConfig& entry : config.hsm_tokens) {
    const StatusOr<KeyUri> uri = KeyUri::Parse(entry.uri);
    if (!uri.ok()) return Annotate(uri.status(), fmt::format("{}: token '{}'", config.file.string(), entry.name));
    for (const Entry& other : tokens->entries_) {
      if (!MeanTheSameToken(other.token->uri(), *uri)) continue;
      return Error(
          Code::kInvalidArgument, reason::kConfigurationInvalid,
          fmt::format("{}: the tokens '{}' and '{}' may be the same one; tell them apart with serial= in their "
                      "URIs",
                      config.file.string(), other.name, entry.name));
    }
    std::shared_ptr<Module>& module = modules[entry.module];
    if (module == nullptr) {
      ASSIGN_OR_RETURN(module, Module::Load(entry.module));
    }
    TokenOptions options;
    options.sessions = static_cast<size_t>(entry.sessions);
    if (observer) {
      options.observe = [observer, name = entry.name](const Health& health) { observer(name, health); };
    }
    const auto read_pin = [sources = std::make_shared<const PinSources>(PinSourcesOf(
                               config.file.parent_path(), entry, environment))] { return ReadPin(*sources); };
    tokens->entries_.push_back({entry.name, std::make_shared<Token>(module, *uri, read_pin, std::move(options))});
  }
  return tokens;
}

StatusOr<std::shared_ptr<Token>> ConfiguredTokens::FindNamed(const std::string& name) const {
  if (name.empty()) return entries_.front().token;
  std::string known;
  for (const Entry& entry : entries_) {
    if (entry.name == name) return entry.token;
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  return Error(Code::kNotFound, reason::kHsmTokenNotFound,
               fmt::format("the configuration has no token '{}'; known: {}", name, known));
}

StatusOr<std::shared_ptr<Token>> ConfiguredTokens::FindOf(const KeyUri& key) const {
  std::shared_ptr<Token> found;
  for (const Entry& entry : entries_) {
    if (!MeanTheSameToken(entry.token->uri(), key)) continue;
    if (found != nullptr) {
      return Error(Code::kFailedPrecondition, reason::kHsmTokenNotFound,
                   fmt::format("several tokens of the configuration may hold the key {}; add serial= to its URI",
                               key.ToString()));
    }
    found = entry.token;
  }
  if (found != nullptr) return found;
  return Error(
      Code::kFailedPrecondition, reason::kHsmTokenNotFound,
      fmt::format("no token of the configuration is that of the key {}; add it under hsm.tokens", key.ToString()));
}

}  // namespace hallmark
