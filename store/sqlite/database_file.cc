#include "store/sqlite/database_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/reason.h"

namespace hallmark::sqlite {
namespace {

constexpr mode_t kOwnerOnly = 0600;

Status FileError(std::string_view action, const std::filesystem::path& path, int error) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot {} {}: {}; check the directory and its permissions", action, path.string(),
                           std::strerror(error)));
}

// Whoever holds the lock has written its process id into the file.
std::string Holder(int lock) {
  std::array<char, 16> text;
  const ssize_t size = pread(lock, text.data(), text.size(), 0);
  return size > 0 ? fmt::format("process {}", std::string_view(text.data(), static_cast<size_t>(size)))
                  : std::string("another process");
}

Status Lock(int lock, const std::filesystem::path& path) {
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError("lock", path, errno);
    return Error(Code::kUnavailable, reason::kStoreUnavailable,
                 fmt::format("{} has the database of {} open, and only one may write it; stop that one or configure "
                             "another path",
                             Holder(lock), path.string()));
  }
  const std::string pid = std::to_string(getpid());
  // For the message above only, so a full disk does not matter here.
  if (ftruncate(lock, 0) != 0 || pwrite(lock, pid.data(), pid.size(), 0) < 0) errno = 0;
  return absl::OkStatus();
}

Status Create(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly);
  if (file < 0) return errno == EEXIST ? absl::OkStatus() : FileError("create", path, errno);
  close(file);
  const int directory = open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return FileError("open the directory of", path, errno);
  const int error = fsync(directory) == 0 ? 0 : errno;
  close(directory);
  return error == 0 ? absl::OkStatus() : FileError("flush the directory of", path, error);
}

}  // namespace

StatusOr<DatabaseFile> DatabaseFile::Claim(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  if (error) return FileError("resolve", path, error.value());
  const std::string lock_path = real.string() + ".lock";
  DatabaseFile file(real, open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly));
  if (file.lock_ < 0) return FileError("open", lock_path, errno);
  RETURN_IF_ERROR(Lock(file.lock_, lock_path));
  RETURN_IF_ERROR(Create(real));
  return file;
}

DatabaseFile::~DatabaseFile() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace hallmark::sqlite
