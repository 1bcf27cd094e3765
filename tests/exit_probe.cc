// A library that a test loads into Hallmark's programs: one that takes OpenSSL down before it ends, ends with exit code
// 97. A handler that is registered before main runs after all that are registered later, as OpenSSL's is.
#include <errno.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace {

void Probe() {
  if (OPENSSL_init_crypto(0, nullptr) == 0) _exit(97);
}

[[gnu::constructor]] void Register() {
  if (std::string_view(program_invocation_short_name).starts_with("hallmark")) std::atexit(Probe);
}

}  // namespace
