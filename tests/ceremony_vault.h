// Ceremonies for tests: machines with one SoftHSM token each, and the hierarchy that the examples make on them.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/command.h"
#include "tests/places.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/ceremony/rehearsal.h"

namespace hallmark::testing {

namespace fs = std::filesystem;

constexpr char kPin[] = "never-shown";
constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";

using Replacements = std::vector<std::pair<std::string, std::string>>;

inline std::string Replace(std::string text, const Replacements& replacements) {
  for (const auto& [from, to] : replacements) {
    EXPECT_NE(text.find(from), std::string::npos) << "the example has no '" << from << "'";
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

// A directory with ceremonies, and machines that each have one token, named like the machine.
class Vault {
 public:
  Vault() {
    for (const char* machine : {"offline-root", "online", "second-root"}) {
      fs::create_directory(Path(machine));
      Write(std::string(machine) + ".conf",
            fmt::format("directories.tokendir = {}\nlog.level = ERROR\n", Path(machine).string()));
      const CommandResult made = OnMachine(
          machine,
          fmt::format("softhsm2-util --init-token --free --label {} --pin {} --so-pin {}", machine, kPin, kPin));
      EXPECT_EQ(made.exit_code, 0) << made.output;
    }
  }

  fs::path Path(const std::string& name) const { return directory_ / name; }
  void Write(const std::string& name, const std::string& text) const {
    ASSERT_THAT(WriteFile(Path(name), AsBytes(text)), IsOk());
  }
  std::string Read(const std::string& name) const { return ReadFile(Path(name)).value_or(""); }

  CommandResult OnMachine(const std::string& machine, const std::string& command) const {
    return RunCommand(fmt::format("cd {} && export SOFTHSM2_CONF={} && {}", Path("").string(),
                                  Path(machine + ".conf").string(), command));
  }
  CommandResult Shell(const std::string& command) const {
    return RunCommand(fmt::format("cd {} && {}", Path("").string(), command));
  }
  static std::string Program() { return ProgramDirectory() + "/hallmark ceremony"; }

  // Writes the example of a type, changed, as `name`.yaml.
  void WriteExample(const std::string& type, const std::string& name, const Replacements& replacements = {}) const {
    const CommandResult example = RunCommand(fmt::format("{} example {}", Program(), type));
    ASSERT_EQ(example.exit_code, 0) << example.output;
    Write(name + ".yaml", Replace(example.output, replacements));
  }

  // A run whose participants all give the code of the plan; --approve can be overridden.
  CommandResult Run(const std::string& machine, const std::string& name, const std::string& more = "",
                    const std::string& code = "") const {
    std::string approvals;
    const StatusOr<ceremony::Prepared> prepared = ceremony::Prepare(Path(name + ".yaml"));
    for (size_t i = 0; prepared.ok() && i < prepared->ceremony.participants.size(); ++i) {
      const ceremony::Participant& participant = prepared->ceremony.participants[i];
      if (!participant.approve) continue;
      approvals += fmt::format(" --approve '{}={}'", participant.name, code.empty() ? prepared->code.code : code);
    }
    return OnMachine(machine,
                     fmt::format("HALLMARK_PIN={} {} run {}.yaml {} {}", kPin, Program(), name, approvals, more));
  }
  void MustRun(const std::string& machine, const std::string& name) const {
    const CommandResult run = Run(machine, name);
    ASSERT_EQ(run.exit_code, 0) << name << ": " << run.output;
  }
  CommandResult Verify(const std::string& transcript, const std::string& more = "") const {
    return Shell(fmt::format("{} verify {} {}", Program(), transcript, more));
  }

  // Every object on a machine's token, as p11tool lists them, and every file beside the ceremonies.
  std::string Objects(const std::string& machine) const {
    return OnMachine(machine, fmt::format("p11tool --provider {} --login --set-pin {} --list-all 'pkcs11:token={}' | "
                                          "grep -E 'URL|Object' | sort",
                                          kSoftHsm, kPin, machine))
        .output;
  }
  std::string Files() const { return Shell("sha256sum *").output; }

 private:
  const TemporaryDirectory directory_;
};

// All examples, in the order in which they make a hierarchy, and a second list of the root with an entry.
class Hierarchy : public Vault {
 public:
  Hierarchy() {
    WriteExample("root", "root");
    WriteExample("root", "second-root",
                 {{"offline-root", "second-root"},
                  {"example-root-g1", "second-root"},
                  {"Example Root G1", "Second Root"},
                  {": root.pem", ": second-root.pem"},
                  {"root.transcript", "second-root.transcript"}});
    for (const char* type : {"intermediate", "sign-intermediate", "cross-sign", "root-crl", "rotate-key"}) {
      WriteExample(type, type);
    }
    WriteExample(
        "root-crl", "root-crl-2",
        {{"number: 1\n", "number: 2\n"},
         {"# previous_crl", "previous_crl"},
         {"entries: []", "entries: [{certificate: devices.pem, date: 2026-01-01T00:00:00Z, reason: superseded}]"},
         {": root-1.crl\n  transcript", ": root-2.crl\n  transcript"},
         {"root-crl-1", "root-crl-2"}});
    MustRun("offline-root", "root");
    MustRun("online", "intermediate");
    MustRun("offline-root", "sign-intermediate");
    MustRun("second-root", "second-root");
    MustRun("second-root", "cross-sign");
    MustRun("offline-root", "root-crl");
    MustRun("offline-root", "root-crl-2");
    MustRun("offline-root", "rotate-key");
  }
};

// One hierarchy for all tests of a process; each test adds files of its own to it.
class CeremonyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { vault_ = std::make_unique<Hierarchy>(); }
  static void TearDownTestSuite() { vault_.reset(); }

  static std::string Judge(const std::string& command) {
    const CommandResult result = vault_->Shell(command);
    EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
    return result.output;
  }

  inline static std::unique_ptr<Hierarchy> vault_;
};

}  // namespace hallmark::testing
