// Answers to a bundle (JSON lines): each that is handed over names its request and says what came of it.
#include <sstream>

#include "tests/fuzz/property.h"
#include "tools/hallmark/station/bundle.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream in(ToString({data, size}));
  size_t answers = 0;
  const auto take = [&answers](const v1::IssueCertificatesResponse& answer) {
    Require(!answer.request_id().empty(), "an answer names its request");
    Require(answer.has_certificate() || answer.has_error(), "an answer says what came of it");
    ++answers;
    return absl::OkStatus();
  };
  if (Accepted(cli::station::ReadAnswers(in, take))) Require(answers <= size, "no more answers than lines");
  return 0;
}

}  // namespace hallmark::fuzz
