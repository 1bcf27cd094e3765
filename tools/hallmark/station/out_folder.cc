#include "tools/hallmark/station/out_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file_descriptor.h"
#include "base/reason.h"
#include "tools/hallmark/names.h"

namespace hallmark::cli::station {
namespace {

Status FileError(const char* action, const std::filesystem::path& path) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot {} {}: {}; mend that and run again, nothing is lost", action, path.string(),
                           std::strerror(errno)));
}

Status Write(int file, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t size = write(file, content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return FileError("write", path);
    content.remove_prefix(static_cast<size_t>(size));
  }
  if (fchmod(file, 0644) != 0 || fsync(file) != 0) return FileError("flush", path);
  return absl::OkStatus();
}

std::string RefusalOf(const Entry& entry) {
  const nlohmann::json error = nlohmann::json::parse(entry.error, nullptr, false);
  nlohmann::json refusal = {{"name", entry.name}, {"source", entry.source}, {"error", error}};
  if (!entry.request.request_id().empty()) refusal["request_id"] = entry.request.request_id();
  if (!entry.request.lot().empty()) refusal["lot"] = entry.request.lot();
  return refusal.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

StatusOr<OutFolder> OutFolder::Open(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path / "refused", error);
  if (!error) return OutFolder(path);
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot create the folder {}: {}", (path / "refused").string(), error.message()));
}

Status OutFolder::Stage(const std::filesystem::path& file, const std::string& content) {
  // In the folder itself, under a name that is none of an answer's, and the same after a crash.
  const std::string temporary = (file.parent_path() / ("." + file.filename().string() + ".part")).string();
  const FileDescriptor descriptor(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (descriptor.get() < 0) return FileError("create", temporary);
  RETURN_IF_ERROR(Write(descriptor.get(), content, temporary));
  staged_.emplace_back(temporary, file);
  return absl::OkStatus();
}

Status OutFolder::Publish() {
  for (const auto& [temporary, file] : staged_) {
    if (rename(temporary.c_str(), file.c_str()) != 0) return FileError("rename a file to", file);
  }
  staged_.clear();
  for (const std::filesystem::path& folder : {path_ / "refused", path_}) {
    const FileDescriptor descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.get() < 0 || fsync(descriptor.get()) != 0) return FileError("flush the folder", folder);
  }
  return absl::OkStatus();
}

Status OutFolder::Deliver(const std::vector<Entry>& entries) {
  if (entries.empty()) return absl::OkStatus();
  staged_.clear();
  for (const Entry& entry : entries) {
    const std::filesystem::path refusal = path_ / "refused" / (entry.name + ".json");
    if (entry.state == "refused") {
      RETURN_IF_ERROR(Stage(refusal, RefusalOf(entry)));
      continue;
    }
    RETURN_IF_ERROR(Stage(path_ / (entry.name + "-chain.pem"), ChainPem(entry.certificate)));
    RETURN_IF_ERROR(Stage(path_ / (entry.name + ".pem"), CertificatePem(entry.certificate)));
    if (!entry.certificate.device_bundle().empty()) {
      RETURN_IF_ERROR(Stage(path_ / (entry.name + ".json"), entry.certificate.device_bundle()));
    }
    unlink(refusal.c_str());  // of an earlier attempt
  }
  return Publish();
}

}  // namespace hallmark::cli::station
