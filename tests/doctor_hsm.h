// An instance to examine with hallmark doctor --hsm, and what it says.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>

#include "base/file.h"
#include "tests/command.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

inline constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";

// A copy of an instance that was made once for the whole program.
class Instance {
 public:
  Instance() {
    const auto made = RunCommand(fmt::format("cp -a {0}/ca {1} && sed -i 's#{0}#{2}#' {1}/softhsm2.conf",
                                             Original().path().string(), ca(), directory_.path().string()));
    if (made.exit_code != 0) throw std::runtime_error(made.output);
  }

  std::string ca() const { return (directory_ / "ca").string(); }
  const TemporaryDirectory& directory() const { return directory_; }

  // Runs a shell command with $CA, $M (SoftHSM), SOFTHSM2_CONF and `pkcs11`, which is pkcs11-tool, logged in.
  CommandResult Shell(const std::string& command) const {
    return RunCommand(
        fmt::format("CA={} M={} PIN={}\nexport SOFTHSM2_CONF=$CA/softhsm2.conf\n"
                    "pkcs11() {{ pkcs11-tool --module $M --token-label hallmark --login --pin $PIN \"$@\"; }}\n{}",
                    ca(), kSoftHsm, Pin(), command));
  }
  void MustShell(const std::string& command) const {
    const CommandResult result = Shell(command);
    if (result.exit_code != 0) throw std::runtime_error(command + ":\n" + result.output);
  }

  std::string Pin() const { return ReadFile(Original() / "ca/secrets/pin").value(); }
  std::string Config() const { return "--config " + ca() + "/hallmark.yaml"; }
  std::string TokenUri() const { return fmt::format("pkcs11:token=hallmark?pin-source=file:{}/secrets/pin", ca()); }

 private:
  static const TemporaryDirectory& Original() {
    static const TemporaryDirectory original;
    static const CommandResult made =
        RunCommand(fmt::format("{}/hallmark init {}/ca --realm test --grpc-port 0 --http-port 0", ProgramDirectory(),
                               original.path().string()));
    if (made.exit_code != 0) throw std::runtime_error(made.output);
    return original;
  }

  const TemporaryDirectory directory_;
};

// What doctor --hsm --output json says, after a shell command that begins its own ("setpriv", "VARIABLE=value").
struct Report {
  int exit_code = -1;
  nlohmann::json document;

  // The verdicts and texts of a part, all of them.
  std::string Of(const std::string& part) const {
    std::string all;
    for (const nlohmann::json& p : document["parts"]) {
      if (p["part"] != part) continue;
      all += fmt::format("{}: {} -> {}\n", p["verdict"].get<std::string>(), p["finding"].get<std::string>(),
                         p["advice"].get<std::string>());
    }
    return all;
  }
  std::set<std::string> PartsThatAre(const std::string& verdict) const {
    std::set<std::string> parts;
    for (const nlohmann::json& p : document["parts"]) {
      if (p["verdict"] == verdict) parts.insert(p["part"]);
    }
    return parts;
  }
  const nlohmann::json& hsm() const { return document["hsms"][0]; }
};

inline Report Doctor(const Instance& instance, const std::string& options, const std::string& before = "") {
  const CommandResult result =
      instance.Shell(fmt::format("{} {}/hallmark doctor --hsm {} --output json", before, ProgramDirectory(), options));
  Report report{result.exit_code, nlohmann::json::parse(result.output, nullptr, false)};
  EXPECT_FALSE(report.document.is_discarded()) << result.output;
  if (report.document.is_discarded()) return report;
  EXPECT_EQ(report.exit_code, report.document["healthy"] == true ? 0 : 1) << result.output;
  EXPECT_THAT(result.output, ::testing::Not(::testing::HasSubstr(instance.Pin())));
  for (const nlohmann::json& p : report.document["parts"]) {
    EXPECT_EQ(p["advice"] == "", p["verdict"] == "good") << p;
  }
  return report;
}

}  // namespace hallmark::testing
