// A file for targets whose parser reads files; of this process alone, gone at the end of the input.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

class ScratchFile {
 public:
  ScratchFile(const std::string& name, ByteView content, mode_t mode = 0644)
      : directory_(std::filesystem::temp_directory_path() / ("hallmark-fuzz-" + std::to_string(getpid()))),
        path_(directory_ / name) {
    std::filesystem::create_directories(directory_);
    Require(WriteFile(path_, content, mode).ok(), "the input can be written");
  }
  ScratchFile(const ScratchFile&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& directory() const { return directory_; }

 private:
  const std::filesystem::path directory_;
  const std::filesystem::path path_;
};

}  // namespace hallmark::fuzz
