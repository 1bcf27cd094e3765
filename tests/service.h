// A real instance for end-to-end tests: made by `hallmark init`, served by a hallmarkd of its own on free ports, which
// is stopped by its own process id.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "tests/command.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

extern char** environ;

namespace hallmark::testing {

inline const std::string kPrograms = ProgramDirectory();

// Runs a command that must not fail.
inline CommandResult Succeed(const std::string& command) {
  CommandResult result = RunCommand(command);
  EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
  return result;
}

class Service {
 public:
  explicit Service(const std::string& init_options = "") : Service(init_options, true) {}
  // One that is not started yet.
  static std::unique_ptr<Service> Stopped(const std::string& init_options = "") {
    return std::unique_ptr<Service>(new Service(init_options, false));  // the constructor is private
  }
  // One whose devices need lots, as shipped; not started yet.
  static std::unique_ptr<Service> WithLots(const std::string& init_options = "") {
    return std::unique_ptr<Service>(new Service(init_options, false, true));
  }
  Service(const Service&) = delete;  // it owns a process
  Service& operator=(const Service&) = delete;
  ~Service() {
    if (process_ > 0) Kill();
  }

  // Starts hallmarkd and waits until it is ready.
  void Start() {
    process_ = Spawn();
    for (int i = 0; i < 600; ++i) {
      if (RunCommand(fmt::format("curl -sf {}/readyz", base_url_)).exit_code == 0) return;
      if (waitpid(process_, nullptr, WNOHANG) == process_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw std::runtime_error("hallmarkd did not become ready:\n" + Log());
  }
  // Starts hallmarkd where it must fail; returns its exit code, or -1 if it lives.
  int StartAndFail() {
    process_ = Spawn();
    for (int i = 0; i < 400; ++i) {
      int status = 0;
      if (waitpid(process_, &status, WNOHANG) == process_) {
        process_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return -1;
  }
  // SIGTERM; returns the exit code.
  int Stop() { return End(SIGTERM); }
  void Kill() { End(SIGKILL); }
  pid_t process() const { return process_; }

  // `hallmark` as one of the contexts that init made: operator, station, auditor.
  CommandResult Hallmark(const std::string& context, const std::string& arguments) const {
    CommandResult result = RunCommand(
        fmt::format("{}/hallmark --context {}/contexts/{}.yaml {}", kPrograms, ca().string(), context, arguments));
    EXPECT_EQ(result.output.find("Sanitizer: "), result.output.npos) << result.output;
    return result;
  }

  // Makes EC keys and CSRs named PREFIX-1.csr... in `directory`, with CNs alike.
  void MakeCsrs(const std::filesystem::path& directory, const std::string& prefix, int count) const {
    const auto made = RunCommand(fmt::format(
        "mkdir -p {0} && for i in $(seq {2}); do openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-subj /CN={1}-$i -keyout {0}/{1}-$i.key -out {0}/{1}-$i.csr 2>/dev/null || exit 1; done",
        directory.string(), prefix, count));
    if (made.exit_code != 0) throw std::runtime_error(made.output);
  }

  std::filesystem::path ca() const { return directory_ / "ca"; }
  const TemporaryDirectory& directory() const { return directory_; }
  const std::string& base_url() const { return base_url_; }
  const std::string& endpoint() const { return grpc_; }
  std::string Log() const { return ReadText("hallmarkd.log"); }
  std::string ReadText(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(directory_ / name).rdbuf();
    return text.str();
  }

 private:
  // Devices need no lot here, unless the test says so: most tests are about something else.
  void DropAdmission() const {
    const auto dropped =
        RunCommand(fmt::format("sed -i '/^admission: lot$/d' {}/policies/profiles/*.yaml", ca().string()));
    if (dropped.exit_code != 0) throw std::runtime_error(dropped.output);
  }

  Service(const std::string& init_options, bool start, bool with_lots = false) {
    const auto made = RunCommand(fmt::format("{}/hallmark init {} --realm test --grpc-port 0 --http-port 0 {}",
                                             kPrograms, ca().string(), init_options));
    if (made.exit_code != 0) throw std::runtime_error(made.output);
    if (!with_lots) DropAdmission();
    base_url_ = ValueOf("base_url: ");
    grpc_ = ValueOf("  grpc: ");
    if (start) Start();
  }

  pid_t Spawn() const {
    const std::string program = kPrograms + "/hallmarkd";
    const std::string config = (ca() / "hallmark.yaml").string();
    std::string name = "hallmarkd";
    std::string option = "--config=" + config;
    char* arguments[] = {name.data(), option.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (directory_ / "hallmarkd.log").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    // Whoever waits for the test's output does not wait for the service of a test that was aborted.
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t process = 0;
    const int error = posix_spawn(&process, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot start " + program);
    return process;
  }
  int End(int signal) {
    kill(process_, signal);
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string ValueOf(const std::string& prefix) const {
    std::ifstream file(ca() / "hallmark.yaml");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(prefix)) return line.substr(prefix.size());
    }
    throw std::runtime_error("no " + prefix + " in hallmark.yaml");
  }

  TemporaryDirectory directory_;
  std::string base_url_;
  std::string grpc_;
  pid_t process_ = 0;
};

}  // namespace hallmark::testing
