#include "hsm/module_examination.h"

#include <elf.h>
#include <fmt/format.h>
#include <p11-kit/p11-kit.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/openssl.h"

namespace hallmark {
namespace {

namespace fs = std::filesystem;

Examined Good(const std::string& part, const std::string& finding) { return {part, Judgement::kGood, finding, ""}; }
Examined Bad(const std::string& part, const std::string& finding, const std::string& advice) {
  return {part, Judgement::kBad, finding, advice};
}

std::string User() { return fmt::format("user {}", geteuid()); }

// --- A module that does not load.

// The beginning of an ELF file as far as it tells whom it is for; all zero when it cannot be read.
struct Elf {
  std::array<unsigned char, EI_NIDENT> identification = {};
  uint16_t type = 0;
  uint16_t machine = 0;

  bool IsElf() const { return std::memcmp(identification.data(), ELFMAG, SELFMAG) == 0; }
  bool RunsWith(const Elf& other) const {
    return identification[EI_CLASS] == other.identification[EI_CLASS] && machine == other.machine;
  }
  std::string Architecture() const {
    const char* bits = identification[EI_CLASS] == ELFCLASS32 ? "32" : "64";
    switch (machine) {
      case EM_386: return "i386, 32 bits";
      case EM_X86_64: return fmt::format("x86-64, {} bits", bits);
      case EM_AARCH64: return fmt::format("AArch64, {} bits", bits);
      case EM_ARM: return "ARM, 32 bits";
      default: return fmt::format("ELF machine {}, {} bits", machine, bits);
    }
  }
};

Elf ReadElf(const fs::path& path) {
  Elf elf;
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(&elf), sizeof elf);
  return elf;
}

Examined ExplainPath(const std::string& path, const std::string& words) {
  const bool is_complete = path.find('/') != path.npos;
  std::error_code error;
  if (is_complete && !fs::exists(path, error)) {
    return Bad("module", words,
               "There is no such file. Install the module's package (SoftHSM: softhsm2), or correct the path.");
  }
  if (is_complete && access(path.c_str(), R_OK) != 0) {
    return Bad("module", words, fmt::format("Let {} read the file: chmod a+r, and look at its directories.", User()));
  }
  const Elf module = ReadElf(path);
  const Elf self = ReadElf("/proc/self/exe");
  if (is_complete && !module.IsElf()) {
    return Bad("module", words, "The file is not a shared library: name the module's .so file itself.");
  }
  if (is_complete && !module.RunsWith(self)) {
    return Bad("module",
               fmt::format("{} (it is for {}, and Hallmark for {})", words, module.Architecture(), self.Architecture()),
               "Install the module of this machine's architecture.");
  }
  if (words.find("C_GetFunctionList") != words.npos) {
    return Bad("module", words, "The file is a shared library but no PKCS#11 module; name the module's own file.");
  }
  if (words.find("cannot open shared object file") != words.npos && is_complete) {
    return Bad(
        "module", words,
        fmt::format("The module is there, but a library that it needs is not. Install the vendor's whole package; "
                    "see which with: ldd {}",
                    path));
  }
  if (!is_complete) {
    return Bad("module", words,
               "p11-kit looks for a name without a directory in its own module directory only; give the whole path.");
  }
  return Bad("module", words, fmt::format("The words are the dynamic linker's; look further with: ldd {}", path));
}

// The names of the modules in p11-kit's configuration, joined by commas.
std::string ConfiguredNames() {
  using Modules = ssl::Owner<CK_FUNCTION_LIST*, p11_kit_modules_release>;
  const Modules modules(p11_kit_modules_load(nullptr, 0));
  std::string names;
  if (modules == nullptr) return names;
  for (CK_FUNCTION_LIST** module = modules.get(); *module != nullptr; ++module) {
    const ssl::Owner<char, std::free> name(p11_kit_module_get_name(*module));
    if (name != nullptr) names += (names.empty() ? "" : ", ") + std::string(name.get());
  }
  return names;
}

Examined ExplainName(const std::string& words) {
  if (words.find("cannot read its configuration") != words.npos) {
    const char* detail = p11_kit_message();
    return Bad("module", detail == nullptr ? words : fmt::format("{} ({})", words, detail),
               "A .module file is malformed, or a module that one marks as critical does not load. They are in "
               "/etc/pkcs11/modules, /usr/share/p11-kit/modules and ~/.config/pkcs11/modules; correct or remove it, or "
               "give the path of your module.");
  }
  const std::string names = ConfiguredNames();
  return Bad("module", fmt::format("{}; p11-kit has: {}", words, names.empty() ? "none" : names),
             "Use a name that it has, add a .module file to /etc/pkcs11/modules, or give the module's path.");
}

// --- SoftHSM2.

fs::path SoftHsmConfiguration(const ModuleEnvironment& environment) {
  if (!environment.softhsm2_conf.empty()) return environment.softhsm2_conf;
  const fs::path of_user = fs::path(environment.home) / ".config/softhsm2/softhsm2.conf";
  std::error_code error;
  if (!environment.home.empty() && fs::exists(of_user, error)) return of_user;
  return "/etc/softhsm/softhsm2.conf";
}

std::string TokenDirectory(const std::string& configuration) {
  constexpr std::string_view kBlanks = " \t\r";
  std::istringstream lines(configuration);
  std::string directory = "/var/lib/softhsm/tokens/";
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.size(), line.find('#')));
    const size_t equals = line.find('=');
    if (equals == line.npos || line.find("directories.tokendir") >= equals) continue;
    const size_t first = line.find_first_not_of(kBlanks, equals + 1);
    if (first != line.npos) directory = line.substr(first, line.find_last_not_of(kBlanks) + 1 - first);
  }
  return directory;
}

// The tokens that SoftHSM silently leaves out, since this user may not use their directories.
std::string ForeignTokens(const fs::path& directory) {
  std::string foreign;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (!entry.is_directory(error) || access(entry.path().c_str(), R_OK | W_OK | X_OK) == 0) continue;
    foreign += (foreign.empty() ? "" : ", ") + entry.path().filename().string();
  }
  return foreign;
}

Examined ExamineSoftHsm(const ModuleEnvironment& environment) {
  constexpr char kPart[] = "softhsm";
  const fs::path file = SoftHsmConfiguration(environment);
  const char* set_by = environment.softhsm2_conf.empty() ? "SOFTHSM2_CONF is not set" : "as SOFTHSM2_CONF says";
  const StatusOr<std::string> configuration = ReadFile(file);
  if (!configuration.ok()) {
    return Bad(
        kPart, fmt::format("{} ({})", Message(configuration.status()), set_by),
        fmt::format("SoftHSM fails with CKR_GENERAL_ERROR without it. Set SOFTHSM2_CONF to the file that the token "
                    "was made with (hsm.environment in hallmark.yaml), and let {} read it.",
                    User()));
  }
  const fs::path directory = TokenDirectory(*configuration);
  const std::string what = fmt::format("{} ({}), tokens in {}", file.string(), set_by, directory.string());
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return Bad(kPart, what + ", which is no directory that this user sees",
               fmt::format("SoftHSM fails with CKR_GENERAL_ERROR without it. Make the directory, restore it, correct "
                           "directories.tokendir, or let {} into the directories above it.",
                           User()));
  }
  if (access(directory.c_str(), R_OK | X_OK) != 0) {
    return Bad(kPart, fmt::format("{}, which {} may not read", what, User()),
               "Give the directory to the user that the service runs as: chown -R USER, chmod 0700.");
  }
  if (const std::string foreign = ForeignTokens(directory); !foreign.empty()) {
    return Bad(
        kPart, fmt::format("{}; {} may not read and write: {}", what, User(), foreign),
        "SoftHSM leaves such tokens out without a word. Give them to the user that the service runs as: chown -R.");
  }
  if (access(directory.c_str(), W_OK) != 0) {
    return {kPart, Judgement::kWarning, fmt::format("{}, which {} may not write", what, User()),
            "The tokens there can be used, but none can be made."};
  }
  return Good(kPart, what);
}

// --- p11-kit's client.

// The errno of connecting to a socket, 0 when somebody answers.
int ConnectError(const std::string& path) {
  const FileDescriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) return ENAMETOOLONG;
  std::memcpy(name.sun_path, path.data(), path.size());
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ? 0 : errno;
}

Examined ExamineServer(const ModuleEnvironment& environment) {
  constexpr char kPart[] = "p11-kit server";
  constexpr std::string_view kUnix = "unix:path=";
  const std::string& address = environment.p11_kit_server_address;
  if (!address.empty() && !address.starts_with(kUnix)) {
    return Bad(kPart, fmt::format("P11_KIT_SERVER_ADDRESS is \"{}\"", address),
               "Write it as unix:path=/run/..., the socket that p11-kit server prints when it starts.");
  }
  if (address.empty() && environment.runtime_directory.empty()) {
    return Bad(kPart, "neither P11_KIT_SERVER_ADDRESS nor XDG_RUNTIME_DIR is set, so the module looks for no server",
               "Set P11_KIT_SERVER_ADDRESS=unix:path=SOCKET (hsm.environment in hallmark.yaml).");
  }
  const std::string path =
      address.empty() ? environment.runtime_directory + "/p11-kit/pkcs11" : address.substr(kUnix.size());
  const int error = ConnectError(path);
  if (error == 0) return Good(kPart, "it answers at " + path);
  std::string advice = "Look at the socket; the module says nothing of it and shows no slots.";
  if (error == ENOENT) {
    advice =
        "The server does not run, or makes its socket elsewhere. Start it: p11-kit server --provider MODULE --name "
        "SOCKET "
        "TOKEN-URI, and set P11_KIT_SERVER_ADDRESS to its socket.";
  } else if (error == ECONNREFUSED) {
    advice = "The socket is left over and nobody listens: the server ended. Remove the socket and start it again.";
  } else if (error == EACCES) {
    advice = fmt::format("Let {} use the socket and enter the directories above it.", User());
  }
  return Bad(kPart, fmt::format("cannot connect to {}: {}; the module then shows no slots", path, std::strerror(error)),
             advice);
}

}  // namespace

Examined ExplainLoadFailure(const std::string& module, const Status& failure) {
  const std::string words = Message(failure);
  if (failure.code() == Code::kFailedPrecondition && words.starts_with("cannot load")) {
    const bool is_path = module.find('/') != module.npos || module.ends_with(".so");
    return is_path ? ExplainPath(module, words) : ExplainName(words);
  }
  return Bad("module", words,
             "The module is loaded but does not start. See the system's log and the vendor's, and what it needs: its "
             "configuration, its environment variables (hsm.environment in hallmark.yaml), its daemon.");
}

std::vector<Examined> ExamineModuleEnvironment(const std::string& module, const ModuleEnvironment& environment) {
  if (module.find("softhsm") != module.npos) return {ExamineSoftHsm(environment)};
  if (module.find("p11-kit-client") != module.npos) return {ExamineServer(environment)};
  return {};
}

}  // namespace hallmark
