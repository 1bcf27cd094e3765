#include "base/secret_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/reason.h"

namespace hallmark {
namespace {

constexpr std::string_view kCredential = "credential:";
constexpr std::string_view kEnvironment = "env:";

Status Missing(const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable, "cannot read a secret: " + what);
}

// Empty for a variable.
std::filesystem::path PathOf(const SecretSource& source, const SecretEnvironment& environment) {
  switch (source.kind) {
    case SecretSource::Kind::kFile: return source.name;
    case SecretSource::Kind::kCredential: return environment.credentials_directory / source.name;
    case SecretSource::Kind::kEnvironment: return {};
  }
  return {};
}

}  // namespace

std::string SecretSource::ToString() const {
  switch (kind) {
    case Kind::kFile: return name;
    case Kind::kCredential: return std::string(kCredential) + name;
    case Kind::kEnvironment: return std::string(kEnvironment) + name;
  }
  return name;
}

StatusOr<SecretSource> ParseSecretSource(const std::string& text, const std::filesystem::path& directory) {
  SecretSource source;
  if (text.starts_with(kCredential)) {
    source = {.kind = SecretSource::Kind::kCredential, .name = text.substr(kCredential.size())};
  } else if (text.starts_with(kEnvironment)) {
    source = {.kind = SecretSource::Kind::kEnvironment, .name = text.substr(kEnvironment.size())};
  } else if (!text.empty()) {
    source.name = std::filesystem::absolute(directory / text).lexically_normal().string();
  }
  if (!source.name.empty() &&
      (source.kind != SecretSource::Kind::kCredential || source.name.find('/') == std::string::npos)) {
    return source;
  }
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("\"{}\" is no place of a secret; give FILE, credential:NAME or env:NAME", text));
}

StatusOr<Secret> ReadSecret(const SecretSource& source, const SecretEnvironment& environment) {
  if (source.kind == SecretSource::Kind::kEnvironment) {
    const auto value = environment.variables.find(source.name);
    if (value != environment.variables.end() && !value->second.empty()) return value->second.Copy();
    return Missing(fmt::format("the environment variable {} is not set", source.name));
  }
  if (source.kind == SecretSource::Kind::kCredential && environment.credentials_directory.empty()) {
    return Missing(fmt::format("there is no credentials directory for {}; give LoadCredential= in the service's unit",
                               source.ToString()));
  }
  const std::filesystem::path path = PathOf(source, environment);
  StatusOr<Secret> secret = ReadSecretText(path);
  // Not found is what a target says of its own things.
  if (!secret.ok()) return Missing(Message(secret.status()));
  if (secret->empty()) return Missing(fmt::format("{} is empty", path.string()));
  return secret;
}

std::string SecretVersion(const SecretSource& source, const SecretEnvironment& environment) {
  const std::filesystem::path path = PathOf(source, environment);
  struct stat attributes = {};
  if (path.empty() || stat(path.c_str(), &attributes) != 0) return "";
  return fmt::format("{}:{}:{}.{}:{}", attributes.st_dev, attributes.st_ino, attributes.st_mtim.tv_sec,
                     attributes.st_mtim.tv_nsec, attributes.st_size);
}

}  // namespace hallmark
