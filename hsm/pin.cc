#include "hsm/pin.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"

namespace hallmark {
namespace {

Status NoPin(const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid, "cannot get the HSM's PIN: " + what);
}

StatusOr<Secret> ReadPinFile(const std::filesystem::path& path) {
  StatusOr<Secret> pin = ReadSecretFile(path);
  if (!pin.ok()) return Annotate(pin.status(), "cannot get the HSM's PIN");
  if (pin->empty()) return NoPin(fmt::format("the first line of {} is empty; write the PIN there", path.string()));
  return pin;
}

StatusOr<std::filesystem::path> PathOf(const std::string& pin_source) {
  constexpr std::string_view kFile = "file:";
  constexpr std::string_view kAuthority = "//";
  std::string path = pin_source;
  if (path.starts_with(kFile)) {
    path.erase(0, kFile.size());
    if (path.starts_with(kAuthority)) path.erase(0, kAuthority.size());
  }
  if (path.starts_with('/')) return std::filesystem::path(path);
  return NoPin(fmt::format("the pin-source \"{}\" is neither file:/path nor an absolute path", pin_source));
}

}  // namespace

StatusOr<Secret> ReadPin(const PinSources& sources) {
  std::string tried;
  if (!sources.pin_source.empty()) {
    ASSIGN_OR_RETURN(const std::filesystem::path path, PathOf(sources.pin_source));
    return ReadPinFile(path);
  }
  tried += "the token's URI has no pin-source";
  if (!sources.credentials_directory.empty() && !sources.credential.empty()) {
    const std::filesystem::path path = sources.credentials_directory / sources.credential;
    StatusOr<Secret> pin = ReadPinFile(path);
    if (pin.ok() || pin.status().code() != Code::kNotFound) return pin;
    tried += fmt::format(", there is no credential {}", path.string());
  } else {
    tried += ", there is no credentials directory";
  }
  if (!sources.environment_value.empty()) return sources.environment_value.Copy();
  tried += sources.environment_variable.empty() ? "" : fmt::format(", {} is not set", sources.environment_variable);
  return NoPin(tried + "; give one of them");
}

}  // namespace hallmark
