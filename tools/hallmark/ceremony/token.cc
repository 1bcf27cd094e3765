#include "tools/hallmark/ceremony/token.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

#include "base/reason.h"
#include "hsm/pin.h"
#include "hsm/pkcs11_signer.h"
#include "tools/instance.h"

namespace hallmark::ceremony {
namespace {

constexpr size_t kPinLimit = 256;

// The process's terminal with its echo off, which comes back when this dies.
class SilentTerminal {
 public:
  SilentTerminal() : fd_(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (fd_ < 0 || tcgetattr(fd_, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON;
    ready_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  SilentTerminal(const SilentTerminal&) = delete;  // two owners would restore it twice
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal() {
    if (ready_) tcsetattr(fd_, TCSAFLUSH, &before_);
    if (fd_ >= 0) close(fd_);
  }

  bool ready() const { return ready_; }
  bool Write(const std::string& text) const {
    return write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }
  // One line, which the terminal hands over whole.
  StatusOr<Secret> ReadLine() const {
    std::string line(kPinLimit, '\0');
    const ssize_t size = read(fd_, line.data(), line.size());
    if (size <= 0) return absl::CancelledError("nothing was typed");
    line.resize(static_cast<size_t>(size));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    return Secret(std::move(line));
  }

 private:
  const int fd_;
  termios before_ = {};
  bool ready_ = false;
};

StatusOr<Secret> FindPin(const Ceremony& ceremony, const KeyUri& uri, const AskPin& ask_pin) {
  const PinSources sources = PinSourcesOf(
      std::filesystem::path(ceremony.file).parent_path(),
      {.name = kOnlyToken, .module = ceremony.hsm.module, .uri = ceremony.hsm.token}, ReadPinEnvironment());
  const bool nowhere =
      sources.pin_source.empty() && sources.environment_value.empty() && sources.credentials_directory.empty();
  return nowhere && ask_pin ? ask_pin(uri.token) : ReadPin(sources);
}

}  // namespace

StatusOr<Secret> AskPinAtTerminal(const std::string& token) {
  const SilentTerminal terminal;
  const auto fail = [&](const std::string& what) {
    return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                 fmt::format("cannot ask for the PIN of the token \"{}\": {}; give a pin-source in hsm.token, or "
                             "HALLMARK_PIN",
                             token, what));
  };
  if (!terminal.ready() || !terminal.Write(fmt::format("PIN of the token \"{}\": ", token))) {
    return fail("there is no terminal");
  }
  StatusOr<Secret> pin = terminal.ReadLine();
  if (!terminal.Write("\n") || !pin.ok() || pin->empty()) return fail("no PIN was typed");
  return pin;
}

StatusOr<std::shared_ptr<Token>> OpenCeremonyToken(const Ceremony& ceremony, const AskPin& ask_pin) {
  for (const auto& [name, value] : ceremony.hsm.environment) {
    const std::string resolved =
        value.starts_with("./") ? std::filesystem::absolute(ceremony.Resolve(value)).string() : value;
    setenv(name.c_str(), resolved.c_str(), 1);
  }
  ASSIGN_OR_RETURN(const KeyUri uri, KeyUri::Parse(ceremony.hsm.token));
  ASSIGN_OR_RETURN(std::shared_ptr<Module> module, Module::Load(ceremony.hsm.module));
  ASSIGN_OR_RETURN(Secret pin, FindPin(ceremony, uri, ask_pin));
  auto token = std::make_shared<Token>(std::move(module), uri, KeepPin(std::move(pin)), TokenOptions{.sessions = 1});
  RETURN_IF_ERROR(token->LogIn());
  return token;
}

StatusOr<std::shared_ptr<const SigningKey>> OpenCeremonyKey(const std::shared_ptr<Token>& token, const KeyUri& uri,
                                                            SignatureAlgorithm algorithm) {
  ASSIGN_OR_RETURN(std::unique_ptr<Signer> signer, OpenSigner(token, uri, {.algorithm = algorithm}));
  return SigningKey::Create(std::move(signer));
}

}  // namespace hallmark::ceremony
