// A line PC before a Service: its context, its folders, and `hallmark station` as a process that a test may kill.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/factory_floor.h"

namespace hallmark::testing {

class StationLine {
 public:
  // `endpoint`: where the service is reached; empty: at its own.
  explicit StationLine(const Service& service, const std::string& endpoint = "")
      : directory_(service.directory() / "line"), context_(directory_ / "context.yaml") {
    std::filesystem::create_directories(in());
    const std::string contexts = (service.ca() / "contexts").string();
    std::ofstream(context_) << fmt::format(
        "endpoint: {}\ncertificate: {}/station.pem\nkey: {}/station-key.pem\nroots: {}\n",
        endpoint.empty() ? service.endpoint() : endpoint, contexts, contexts, (service.ca() / "tls/root.pem").string());
  }

  std::filesystem::path in() const { return directory_ / "csrs"; }
  std::filesystem::path out() const { return directory_ / "issued"; }
  const std::filesystem::path& directory() const { return directory_; }
  const std::filesystem::path& context() const { return context_; }
  std::filesystem::path spool() const { return directory_ / "context-spool.db"; }

  // A CSR (DER) of a key of its own in csrs/NAME.csr.
  std::string MakeCsr(const std::string& name, const std::string& common_name) const {
    const std::string csr = FactoryFloor::RequestWithKeyOf(common_name, common_name, "").csr();
    std::ofstream(in() / (name + ".csr"), std::ios::binary) << csr;
    return csr;
  }

  CommandResult Station(const std::string& arguments) const {
    return RunCommand(fmt::format("{}/hallmark --context {} station {}", kPrograms, context_.string(), arguments));
  }
  // `station run` from csrs to issued.
  CommandResult Run(const std::string& options) const { return Station(RunArguments() + options); }
  nlohmann::json Status() const {
    const CommandResult status = Station("status --output json");
    const nlohmann::json parsed = nlohmann::json::parse(status.output, nullptr, false);
    if (!parsed.is_object()) throw std::runtime_error(status.output);
    return parsed;
  }

  // The same as a process, which is the caller's to end.
  pid_t Start(const std::string& options) const {
    const std::string command = fmt::format("exec {}/hallmark --context {} station {}{} >>{}/run.log 2>&1", kPrograms,
                                            context_.string(), RunArguments(), options, directory_.string());
    std::string shell = "sh";
    std::string flag = "-c";
    std::string text = command;
    char* arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
    pid_t process = 0;
    if (posix_spawn(&process, "/bin/sh", nullptr, nullptr, arguments, environ) != 0)
      throw std::runtime_error("cannot start a station");
    return process;
  }
  // Returns the exit code, or 128 + n when signal n ended it.
  static int End(pid_t process, int signal = 0) {
    if (signal != 0) kill(process, signal);
    int status = 0;
    waitpid(process, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Log() const { return ReadFile(directory_ / "run.log").value_or("no log"); }

  // How many files of that ending stand in OUT.
  size_t Delivered(const std::string& ending = "-chain.pem") const {
    size_t count = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(out(), error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      count += name.ends_with(ending) && !name.starts_with('.') ? 1 : 0;
    }
    return count;
  }

 private:
  std::string RunArguments() const { return fmt::format("run --in {} --out {} ", in().string(), out().string()); }

  const std::filesystem::path directory_;
  const std::filesystem::path context_;
};

}  // namespace hallmark::testing
