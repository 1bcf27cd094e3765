#include "publish/bundle_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/file.h"
#include "base/reason.h"

namespace hallmark {
namespace {

constexpr char kSignature[] = "manifest.p7s";
constexpr size_t kOthersNamed = 3;

Status Failure(const std::string& message) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable, message);
}

// A plain name: nothing hidden, and no way out of the directory.
bool IsFileName(const std::string& name) {
  static const std::regex kName("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");
  return std::regex_match(name, kName);
}

bool IsPossession(const std::string& name) {
  static const std::regex kName("possession-[0-9A-Fa-f]+\\.(pem|cer)");
  return std::regex_match(name, kName);
}

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What WriteFile leaves when it is cut off.
bool IsUnfinished(const std::string& name) {
  static const std::regex kName("(SHA256SUMS|.+\\.(cer|pem|json|p7s|sh|md))\\.[A-Za-z0-9]{6}");
  return std::regex_match(name, kName);
}

nlohmann::json ReadManifest(const std::filesystem::path& directory) {
  const StatusOr<std::string> text = ReadFile(directory / kBundleManifest);
  nlohmann::json manifest = nlohmann::json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
  const bool ours = manifest.is_object() && manifest.value("what", nlohmann::json()) == kBundleKind;
  return ours ? manifest : nlohmann::json::object();
}

}  // namespace

std::string PossessionFile(const std::string& code, const std::string& extension) {
  return fmt::format("possession-{}.{}", code, extension);
}

bool BundleDirectory::Holds(const Bundle& bundle) const {
  std::vector<std::string> expected = {kBundleManifest, kSignature, kBundleSums};  // which differ each time
  for (const auto& [name, content] : bundle) {
    if (Contains(expected, name)) continue;
    expected.push_back(name);
    const StatusOr<std::string> present = ReadFile(directory_ / name);
    if (!present.ok() || *present != content) return false;
  }
  for (const std::string& name : expected) {
    if (!std::filesystem::exists(directory_ / name)) return false;
  }
  const std::vector<std::string> earlier = EarlierFiles();
  return earlier.size() == expected.size() &&
         std::all_of(earlier.begin(), earlier.end(), [&](const auto& name) { return Contains(expected, name); });
}

StatusOr<bool> BundleDirectory::Write(const Bundle& bundle) const {
  if (Holds(bundle)) return false;
  RETURN_IF_ERROR(Replace(bundle, /*among_others=*/false));
  return true;
}

Status BundleDirectory::Replace(const Bundle& bundle, bool among_others) const {
  for (const auto& [name, content] : bundle) {
    if (!IsFileName(name)) {
      return Error(Code::kInternal, reason::kInternal,
                   fmt::format("the bundle has a file '{}'; nothing was written", name));
    }
  }
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return Failure(fmt::format("cannot make the directory {}: {}", directory_.string(), error.message()));
  const std::vector<std::string> earlier = EarlierFiles();
  if (!among_others) RETURN_IF_ERROR(CheckOthers(earlier));

  std::filesystem::remove(directory_ / kBundleSums, error);
  for (const std::string& name : earlier) {
    if (!error && !bundle.contains(name)) std::filesystem::remove(directory_ / name, error);
  }
  if (error) return Failure(fmt::format("cannot remove files of {}: {}", directory_.string(), error.message()));
  // The manifest first, since it says which files are ours.
  const auto manifest = bundle.find(kBundleManifest);
  if (manifest != bundle.end()) RETURN_IF_ERROR(WriteFile(directory_ / kBundleManifest, AsBytes(manifest->second)));
  for (const auto& [name, content] : bundle) {
    if (name == kBundleManifest || name == kBundleSums) continue;
    RETURN_IF_ERROR(WriteFile(directory_ / name, AsBytes(content)));
  }
  const auto sums = bundle.find(kBundleSums);
  return sums == bundle.end() ? absl::OkStatus() : WriteFile(directory_ / kBundleSums, AsBytes(sums->second));
}

std::string BundleDirectory::authority() const {
  const nlohmann::json manifest = ReadManifest(directory_);
  const auto authority = manifest.find("authority");
  return authority != manifest.end() && authority->is_string() ? authority->get<std::string>() : "";
}

std::vector<std::string> BundleDirectory::EarlierFiles() const {
  const nlohmann::json manifest = ReadManifest(directory_);
  if (manifest.empty()) return {};
  std::vector<std::string> names = {kBundleManifest, kSignature, kBundleSums};
  const auto files = manifest.find("files");
  if (files == manifest.end() || !files->is_object()) return names;
  for (const auto& [name, digest] : files->items()) {
    if (IsFileName(name)) names.push_back(name);
  }
  return names;
}

Status BundleDirectory::CheckOthers(const std::vector<std::string>& earlier) const {
  std::vector<std::string> others;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool ours =
        entry->is_regular_file(error) && (Contains(earlier, name) || IsPossession(name) || IsUnfinished(name));
    if (!ours) others.push_back(name);
  }
  if (error) return Failure(fmt::format("cannot read the directory {}: {}", directory_.string(), error.message()));
  if (others.empty()) return absl::OkStatus();
  std::sort(others.begin(), others.end());
  std::string named;
  for (size_t i = 0; i < others.size() && i < kOthersNamed; ++i) named += (i == 0 ? "" : ", ") + others[i];
  if (others.size() > kOthersNamed) named += fmt::format(" and {} more", others.size() - kOthersNamed);
  return Failure(
      fmt::format("{} holds other files than a bundle's: {}; nothing was written. Name an empty directory, or force it",
                  directory_.string(), named));
}

}  // namespace hallmark
