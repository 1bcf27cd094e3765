// Enrollment credentials: what is accepted has an endpoint of one line, a certificate and roots.
#include "tests/fuzz/scratch_file.h"
#include "tools/hallmark/station_credential.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ScratchFile file("line.enrollment", {data, size}, 0600);
  const StatusOr<cli::Context> read = cli::ReadEnrollmentCredential(file.path());
  if (!Accepted(read)) return 0;
  Require(read->endpoint.find('\n') == std::string::npos, "the endpoint is one line");
  Require(read->certificate.starts_with("-----BEGIN CERTIFICATE-----"), "there is a certificate");
  Require(read->key.Reveal().starts_with("-----BEGIN "), "there is a key");
  return 0;
}

}  // namespace hallmark::fuzz
