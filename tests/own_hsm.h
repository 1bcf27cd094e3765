// An HSM of a test's own: several may be there at once, each with a token of its own that fails on demand.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/file.h"
#include "hsm/module.h"
#include "hsm/token.h"
#include "tests/command.h"
#include "tests/pkcs11_shim.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

// Where the tokens of SoftHSM lie, for this process and those that it starts while this is there.
class TokenDirectory {
 public:
  TokenDirectory() {
    std::filesystem::create_directory(directory_ / "tokens");
    const std::string configuration =
        fmt::format("directories.tokendir = {}\nlog.level = ERROR\n", (directory_ / "tokens").string());
    if (!WriteFile(directory_ / "softhsm2.conf", AsBytes(configuration)).ok()) throw std::runtime_error("disk full");
    setenv("SOFTHSM2_CONF", (directory_ / "softhsm2.conf").c_str(), 1);
  }

 private:
  const TemporaryDirectory directory_;
};

// SoftHSM keeps one state for each file that it is loaded from, and the shim, too: so this loads copies of both. They
// read the environment again when they are initialised again, hence the TokenDirectory for all.
class OwnHsm {
 public:
  static constexpr char kPin[] = "314159";
  static constexpr size_t kSessions = 4;

  // Makes a token with that label.
  OwnHsm(const TokenDirectory&, const std::string& label) : label_(label), softhsm_(directory_ / "libsofthsm2.so") {
    std::filesystem::copy("/usr/lib/softhsm/libsofthsm2.so", softhsm_);
    std::filesystem::copy(Pkcs11Shim::Path(), directory_ / "shim.so");
    Run(fmt::format("softhsm2-util --init-token --free --label {} --pin {} --so-pin 271828", label_, kPin));
    setenv("HALLMARK_SHIM_MODULE", softhsm_.c_str(), 1);
    module_ = Module::Load(directory_ / "shim.so").value();
    unsetenv("HALLMARK_SHIM_MODULE");
  }

  // Makes the token empty, with the same label and PIN.
  void InitializeAnew() const {
    Run(fmt::format("softhsm2-util --init-token --token {0} --label {0} --pin {1} --so-pin 271828", label_, kPin));
  }

  Pkcs11Shim& shim() { return shim_; }
  uint64_t Signatures() const { return shim_.Calls(Function::kSign); }
  KeyUri TokenUri() const { return KeyUri::Parse("pkcs11:token=" + label_).value(); }
  KeyUri Uri(const std::string& object) const {
    return KeyUri::Parse("pkcs11:token=" + label_ + ";object=" + object).value();
  }
  std::shared_ptr<Token> MakeToken() const {
    return std::make_shared<Token>(
        module_, TokenUri(), [] { return StatusOr<Secret>(Secret(std::string(kPin))); },
        TokenOptions{.sessions = kSessions});
  }

  // Imports a private key (PKCS #8, PEM), whose copy so is not LOCAL, and its public key.
  void Import(const std::filesystem::path& pem, const std::string& object, const std::string& id) const {
    Run(fmt::format("softhsm2-util --import {} --token {} --label {} --id {} --pin {}", pem.string(), label_, object,
                    id, kPin));
  }
  std::string Pkcs11Tool(const std::string& arguments) const {
    return Run(fmt::format("pkcs11-tool --module {} --token-label {} --login --pin {} {}", softhsm_.string(), label_,
                           kPin, arguments));
  }

 private:
  // What a person does with it.
  static std::string Run(const std::string& command) {
    const CommandResult result = RunCommand(command);
    if (result.exit_code != 0) throw std::runtime_error(command + ": " + result.output);
    return result.output;
  }

  const TemporaryDirectory directory_;
  const std::string label_;
  const std::filesystem::path softhsm_;
  Pkcs11Shim shim_;
  std::shared_ptr<Module> module_;
};

}  // namespace hallmark::testing
