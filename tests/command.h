// Runs programs as a person or an outside judge would.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace hallmark::testing {

struct CommandResult {
  int exit_code = -1;  // 128 + n when signal n ended it
  std::string output;  // standard output and standard error
};

// Runs a shell command line and waits for it.
inline CommandResult RunCommand(const std::string& command) {
  FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  CommandResult result;
  std::array<char, 4096> buffer;
  while (const size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) result.output.append(buffer.data(), size);
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace hallmark::testing
