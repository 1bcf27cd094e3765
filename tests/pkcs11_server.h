// A token that a process of its own serves over a socket, as a network HSM would: `p11-kit server`, which tests kill
// and start again.
//
// What p11-kit 0.24.1 does, tried:
// - The server starts one p11-kit-remote for each connection, which outlives it: only the death of the whole process
//   group is an HSM that is gone. The socket's file stays; the next server replaces it.
// - A module p11-kit-client.so has one connection, in which the server answers one call after the other.
// - After a loss every call gives CKR_DEVICE_ERROR until C_Finalize and C_Initialize. The latter succeeds also while
//   nobody listens: there are no slots then, and it takes another C_Finalize and C_Initialize to see them.
// - Of several calls that are under way on a connection when it is lost, some may never return; a call that is alone
//   does.
// - Who calls it must ignore SIGPIPE.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/temporary_directory.h"

extern char** environ;

namespace hallmark::testing {

// Owns the process; a client finds it by the environment P11_KIT_SERVER_ADDRESS=address() and the module kClient.
class Pkcs11Server {
 public:
  static constexpr char kClient[] = "p11-kit-client.so";

  // Serves the tokens of the module `provider` that match `uri`. `environment`: NAME=VALUE, besides our own.
  Pkcs11Server(std::string provider, std::string uri, std::vector<std::string> environment = {})
      : provider_(std::move(provider)), uri_(std::move(uri)), environment_(std::move(environment)) {
    Start();
  }
  Pkcs11Server(const Pkcs11Server&) = delete;  // two owners would end it twice
  Pkcs11Server& operator=(const Pkcs11Server&) = delete;
  ~Pkcs11Server() { Kill(); }

  std::string address() const { return "unix:path=" + socket_; }
  pid_t process() const { return process_; }

  // Starts it, on the same socket each time, and waits until it listens.
  void Start() {
    process_ = Spawn();
    for (int i = 0; i < 10000; ++i) {
      if (IsListening()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    Kill();
    throw std::runtime_error("p11-kit server does not listen on " + socket_);
  }

  // kill -9, of what serves its clients too.
  void Kill() {
    if (process_ == 0) return;
    kill(-process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  // In a process group of its own, so that its children can be killed with it.
  pid_t Spawn() const {
    std::vector<std::string> command = {"env"};
    command.insert(command.end(), environment_.begin(), environment_.end());
    for (const std::string& word : {std::string("p11-kit"), std::string("server"), std::string("--foreground"),
                                    std::string("--name"), socket_, std::string("--provider"), provider_, uri_}) {
      command.push_back(word);
    }
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int output : {STDOUT_FILENO, STDERR_FILENO}) {
      posix_spawn_file_actions_addopen(&actions, output, (directory_ / "output").c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                       0600);
    }
    pid_t process = 0;
    const int error = posix_spawnp(&process, "env", &actions, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) throw std::runtime_error("cannot start p11-kit server");
    return process;
  }

  bool IsListening() const {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    socket_.copy(name.sun_path, sizeof name.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool listening = connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    close(fd);
    return listening;
  }

  const TemporaryDirectory directory_;
  const std::string socket_ = (directory_ / "socket").string();
  const std::string provider_;
  const std::string uri_;
  const std::vector<std::string> environment_;
  pid_t process_ = 0;
};

}  // namespace hallmark::testing
