// The database's file: claimed by one process at a time, readable by its owner only. Private to store/sqlite.
#pragma once

#include <filesystem>

#include "base/status.h"

namespace hallmark::sqlite {

// A claim on a database: held until it dies, also over kill -9, since the kernel ends it with the process.
//
// It is a flock of `<path>.lock`, not of the database itself: SQLite locks that with fcntl, and closing any further
// descriptor of it would drop SQLite's own locks. The lock file stays: to remove it would let two processes hold
// locks of two files with the same name.
class DatabaseFile {
 public:
  // Claims `path` and creates an empty file of mode 0600 there when there is none. kUnavailable (STORE_UNAVAILABLE):
  // another process has claimed it. kFailedPrecondition (FILE_UNREADABLE): it cannot be created or locked.
  static StatusOr<DatabaseFile> Claim(const std::filesystem::path& path);

  DatabaseFile(DatabaseFile&& other) noexcept : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}
  ~DatabaseFile();

  // Free of symbolic links, so that one database has one lock.
  const std::filesystem::path& path() const { return path_; }

 private:
  DatabaseFile(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_;  // a descriptor, owned
};

}  // namespace hallmark::sqlite
