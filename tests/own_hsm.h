// An HSM of a test's own: several may be there at once, each with one token that fails on demand.
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

// SoftHSM keeps one state for each file that it is loaded from, and the shim, too: so this loads copies of both. All
// share one directory of tokens, since a module that is initialised again reads the environment again.
class OwnHsm {
 public:
  static constexpr char kPin[] = "314159";
  static constexpr size_t kSessions = 4;

  // Makes a token with that label.
  explicit OwnHsm(const std::string& label) : label_(label), softhsm_(directory_ / "libsofthsm2.so") {
    std::filesystem::copy("/usr/lib/softhsm/libsofthsm2.so", softhsm_);
    std::filesystem::copy(Pkcs11Shim::Path(), directory_ / "shim.so");
    Run(fmt::format("softhsm2-util --init-token --free --label {} --pin {} --so-pin 271828", label_, kPin));
    setenv("HALLMARK_SHIM_MODULE", softhsm_.c_str(), 1);
    setenv("SOFTHSM2_CONF", Configuration().c_str(), 1);
    module_ = Module::Load(directory_ / "shim.so").value();
    unsetenv("HALLMARK_SHIM_MODULE");
  }
  OwnHsm(const OwnHsm&) = delete;  // the label is of one
  OwnHsm& operator=(const OwnHsm&) = delete;
  ~OwnHsm() { Run("softhsm2-util --delete-token --token " + label_); }

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
        module_, TokenUri(), [] { return Secret(std::string(kPin)); }, TokenOptions{.sessions = kSessions});
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
  // Of the program's SoftHSMs.
  static std::filesystem::path Configuration() {
    static const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "softhsm2.conf";
    if (std::filesystem::exists(path)) return path;
    std::filesystem::create_directory(directory / "tokens");
    const std::string configuration =
        fmt::format("directories.tokendir = {}\nlog.level = ERROR\n", (directory / "tokens").string());
    if (!WriteFile(path, AsBytes(configuration)).ok()) throw std::runtime_error("disk full");
    return path;
  }

  // What a person does with it.
  std::string Run(const std::string& command) const {
    const CommandResult result = RunCommand(fmt::format("SOFTHSM2_CONF={} {}", Configuration().string(), command));
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
