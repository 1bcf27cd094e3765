#include "tools/hallmark/published_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/reason.h"
#include "ca/crl.h"

namespace hallmark::cli {
namespace {

constexpr char kOwnFile[] = ".hallmark-export.json";
constexpr size_t kOwnLimit = size_t{16} << 20;
constexpr size_t kListLimit = size_t{1} << 30;

Status Failure(const std::string& what, const std::filesystem::path& path, const std::string& why) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("{} {}: {}", what, path.string(), why));
}

Status Older(const std::filesystem::path& path, const std::string& why) {
  return Error(Code::kFailedPrecondition, reason::kRequestInvalid,
               fmt::format("{} is left as it is: {}; if that is not to be, remove the file", path.string(), why));
}

// Paths below the directory that we make: nothing hidden, and no way out of it.
bool IsSafe(const std::string& path) {
  const std::filesystem::path parts(path);
  return !path.empty() && parts.is_relative() && std::none_of(parts.begin(), parts.end(), [](const auto& part) {
    return part.empty() || part.string().starts_with('.');
  });
}

}  // namespace

StatusOr<PublishedTree> PublishedTree::Open(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Failure("cannot make the directory", directory, error.message());
  PublishedTree tree(directory);
  const StatusOr<std::string> text = ReadFile(directory / kOwnFile, kOwnLimit);
  if (absl::IsNotFound(text.status())) return tree;
  RETURN_IF_ERROR(text.status());
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const bool well_formed = json.is_object() && json.contains("files") && json["files"].is_array();
  for (const nlohmann::json& path : well_formed ? json["files"] : nlohmann::json::array()) {
    if (!path.is_string() || !IsSafe(path.get<std::string>())) continue;
    tree.own_.insert(path.get<std::string>());
  }
  if (well_formed && tree.own_.size() == json["files"].size()) return tree;
  return Failure("cannot read", directory / kOwnFile, "it is not what `hallmark repository export` writes; remove it");
}

StatusOr<PublishedTree::Outcome> PublishedTree::PutCertificate(const std::string& path, ByteView der, Time modified) {
  const StatusOr<std::string> present = ReadFile(directory_ / path, kListLimit);
  if (present.ok() && Equal(AsBytes(*present), der)) {
    RETURN_IF_ERROR(Claim(path));
    return Outcome::kUnchanged;
  }
  if (present.ok() && !own_.contains(path)) return Older(directory_ / path, "somebody else put it there");
  return Put(path, der, modified);
}

StatusOr<PublishedTree::Outcome> PublishedTree::PutCrl(const std::string& path, ByteView der) {
  ASSIGN_OR_RETURN(const CrlParts list, ReadCrl(der));
  ASSIGN_OR_RETURN(const uint64_t number, CrlNumberOf(list));
  const StatusOr<std::string> present = ReadFile(directory_ / path, kListLimit);
  if (present.ok() && Equal(AsBytes(*present), der)) {
    RETURN_IF_ERROR(Claim(path));
    return Outcome::kUnchanged;
  }
  if (present.ok()) {
    const StatusOr<CrlParts> other = ReadCrl(AsBytes(*present));
    const StatusOr<uint64_t> other_number = other.ok() ? CrlNumberOf(*other) : other.status();
    if (!other_number.ok() && !own_.contains(path)) {
      return Older(directory_ / path, "it is no CRL, and somebody else's");
    }
    if (other_number.ok() && !Equal(other->issuer, list.issuer)) {
      return Older(directory_ / path, "it is another issuer's list");
    }
    if (other_number.ok() && *other_number >= number) {
      return Older(directory_ / path,
                   fmt::format("its CRLNumber is {}, that of the service's list {}", *other_number, number));
    }
  } else if (!absl::IsNotFound(present.status())) {
    return present.status();
  }
  return Put(path, der, list.this_update);
}

StatusOr<std::set<std::string>> PublishedTree::RemoveOthers(const std::set<std::string>& kept) {
  std::set<std::string> removed;
  for (const std::string& path : own_) {
    if (kept.contains(path)) continue;
    std::error_code error;
    std::filesystem::remove(directory_ / path, error);
    if (error) return Failure("cannot remove", directory_ / path, error.message());
    removed.insert(path);
  }
  if (removed.empty()) return removed;
  for (const std::string& path : removed) own_.erase(path);
  RETURN_IF_ERROR(WriteOwn());
  return removed;
}

// A name is on record before its file is there: after a crash there may be a name without a file, never the reverse.
Status PublishedTree::Claim(const std::string& path) {
  if (!own_.insert(path).second) return absl::OkStatus();
  const Status written = WriteOwn();
  if (!written.ok()) own_.erase(path);
  return written;
}

Status PublishedTree::WriteOwn() const {
  return WriteFile(directory_ / kOwnFile, AsBytes(nlohmann::json({{"files", own_}}).dump(1) + "\n"));
}

StatusOr<PublishedTree::Outcome> PublishedTree::Put(const std::string& path, ByteView der, Time modified) {
  if (!IsSafe(path)) return Failure("will not write", directory_ / path, "it is no path below the directory");
  const std::filesystem::path target = directory_ / path;
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error) return Failure("cannot make the directory", target.parent_path(), error.message());
  RETURN_IF_ERROR(Claim(path));
  // With its time before it is seen, so that a web server never tells another one of it.
  const std::filesystem::path fresh = target.parent_path() / fmt::format(".{}.new", target.filename().string());
  RETURN_IF_ERROR(WriteFile(fresh, der));
  const timespec times[2] = {absl::ToTimespec(modified), absl::ToTimespec(modified)};
  if (utimensat(AT_FDCWD, fresh.c_str(), times, 0) != 0) {
    return Failure("cannot set the time of", fresh, std::strerror(errno));
  }
  std::filesystem::rename(fresh, target, error);
  if (error) return Failure("cannot replace", target, error.message());
  const FileDescriptor folder(open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || fsync(folder.get()) != 0) {
    return Failure("cannot flush the directory", target.parent_path(), std::strerror(errno));
  }
  return Outcome::kWritten;
}

}  // namespace hallmark::cli
