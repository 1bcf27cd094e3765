// Where the programs of this build and the sources are: a test program knows by its own place, build/PRESET/bin, so
// that nothing that is compiled depends on where the repository lies.
#pragma once

#include <filesystem>
#include <string>

namespace hallmark::testing {

inline std::string ProgramDirectory() { return std::filesystem::read_symlink("/proc/self/exe").parent_path().string(); }
inline std::string SourceDirectory() {
  return std::filesystem::path(ProgramDirectory()).parent_path().parent_path().parent_path().string();
}

}  // namespace hallmark::testing
