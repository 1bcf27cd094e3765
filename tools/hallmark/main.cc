// The command line of Hallmark.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "base/openssl_exit.h"
#include "tools/hallmark/caller_commands.h"
#include "tools/hallmark/ceremony_commands.h"
#include "tools/hallmark/doctor.h"
#include "tools/hallmark/init.h"
#include "tools/hallmark/lint_command.h"
#include "tools/hallmark/manifest_commands.h"
#include "tools/hallmark/profile_commands.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/repository_commands.h"
#include "tools/hallmark/revocation_commands.h"
#include "tools/hallmark/session.h"
#include "tools/hallmark/station.h"

namespace hallmark::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int Main(int argc, char** argv) {
  // gRPC reports each failed attempt on standard error by itself; what went wrong comes back in a Status. To see it all
  // the same: GRPC_VERBOSITY=ERROR.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  const SystemClock clock;
  Session session{{.context = Variable("HALLMARK_CONTEXT"),
                   .home = Variable("HOME"),
                   .in_is_terminal = isatty(STDIN_FILENO) == 1,
                   .out_is_terminal = isatty(STDOUT_FILENO) == 1,
                   .err_is_terminal = isatty(STDERR_FILENO) == 1,
                   .no_color = !Variable("NO_COLOR").empty()},
                  std::cin,
                  std::cout,
                  std::cerr,
                  clock};
  CLI::App app;
  AddGlobalOptions(app, session);
  AddInit(app, session);
  AddDoctor(app, session);
  AddCertificate(app, session);
  AddRevokeMany(app, session);
  AddRevocation(app, session);
  AddStatus(app, session);
  AddAuthority(app, session);
  AddCrl(app, session);
  AddProfile(app, session);
  AddManufacturer(app, session);
  AddLot(app, session);
  AddStation(app, session);
  AddBatch(app, session);
  AddCaller(app, session);
  AddRepository(app, session);
  AddPublish(app, session);
  AddCeremony(app, session);
  AddLint(app, session);
  AddManifest(app, session);
  AddCompletion(app, session);
  return Run(app, session, {argv + 1, argv + argc});
}

}  // namespace
}  // namespace hallmark::cli

#if defined(__SANITIZE_ADDRESS__)
// What OpenSSL keeps for a thread of gRPC's belongs to nobody while that thread ends, and LeakSanitizer may look just
// then. The code itself is looked through in the tests' programs, which have no such line.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcrypto.so\n"; }
#endif

int main(int argc, char** argv) {
  hallmark::ssl::KeepUntilProcessEnds();
  return hallmark::cli::Main(argc, argv);
}
