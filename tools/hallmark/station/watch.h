// Folders in which files appear: inotify (Linux).
#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/status.h"

namespace hallmark::cli::station {

// One thread.
class Watch {
 public:
  // Watches nothing yet.
  Watch();

  // kFailedPrecondition (FILE_UNREADABLE) when the folder cannot be watched.
  Status Add(const std::filesystem::path& folder);

  struct Changes {
    std::vector<std::filesystem::path> files;  // closed after writing, or renamed into place
    bool missed = false;                       // there were more than the kernel keeps: look at everything
  };
  // What happened since the last call; does not wait.
  Changes Take();
  // Waits for something to happen, at most `longest`.
  void Wait(Duration longest) const;

 private:
  FileDescriptor events_;
  std::map<int, std::filesystem::path> folders_;
};

}  // namespace hallmark::cli::station
