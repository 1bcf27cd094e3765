#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file_descriptor.h"
#include "base/reason.h"

namespace hallmark {
namespace {

Status FileError(std::string_view action, const std::filesystem::path& path) {
  const int error = errno;
  return Error(error == ENOENT ? Code::kNotFound : Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(error)));
}

StatusOr<std::string> ReadDescriptor(int fd, const std::filesystem::path& path, size_t limit) {
  std::string content;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return FileError("read", path);
    if (size == 0) return content;
    if (content.size() + static_cast<size_t>(size) > limit) {
      return Error(Code::kInvalidArgument, reason::kFileUnreadable,
                   fmt::format("{} is larger than the limit of {} octets", path.string(), limit));
    }
    content.append(buffer.data(), static_cast<size_t>(size));
  }
}

}  // namespace

StatusOr<std::string> ReadFile(const std::filesystem::path& path, size_t limit) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError("open", path);
  return ReadDescriptor(file.get(), path, limit);
}

StatusOr<Secret> ReadSecretText(const std::filesystem::path& path) {
  constexpr size_t kLimit = 65536;
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError("open", path);
  struct stat attributes = {};
  if (fstat(file.get(), &attributes) != 0) return FileError("read the mode of", path);
  if ((attributes.st_mode & 007) != 0) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("{} holds a secret but others may read it (mode {:04o}); run: chmod o= {}", path.string(),
                             attributes.st_mode & 07777, path.string()));
  }
  ASSIGN_OR_RETURN(std::string content, ReadDescriptor(file.get(), path, kLimit));
  return Secret(std::move(content));
}

StatusOr<Secret> ReadSecretFile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Secret content, ReadSecretText(path));
  const std::string_view text = content.Reveal();
  return Secret(std::string(text.substr(0, text.find_first_of("\r\n"))));
}

Status WriteFile(const std::filesystem::path& path, ByteView content, unsigned mode) {
  std::string temporary = path.string() + ".XXXXXX";
  const FileDescriptor file(mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return FileError("create a file beside", path);
  const auto fail = [&](std::string_view action) {
    Status status = FileError(action, path);
    unlink(temporary.c_str());
    return status;
  };
  while (!content.empty()) {
    const ssize_t size = write(file.get(), content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail("write");
    content = content.subspan(static_cast<size_t>(size));
  }
  if (fchmod(file.get(), mode) != 0) return fail("set the mode of");
  if (fsync(file.get()) != 0) return fail("flush");
  if (rename(temporary.c_str(), path.c_str()) != 0) return fail("rename a file to");
  const FileDescriptor directory(
      open(path.has_parent_path() ? path.parent_path().c_str() : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || fsync(directory.get()) != 0) return FileError("flush the directory of", path);
  return absl::OkStatus();
}

}  // namespace hallmark
