// A transcript that is read is written as it was read, octet for octet, and can be verified without harm.
#include "tools/hallmark/ceremony/transcript.h"

#include "tests/fuzz/property.h"
#include "tools/hallmark/ceremony/verification.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  const StatusOr<ceremony::Transcript> transcript = ceremony::ReadTranscript(text);
  if (!Accepted(transcript)) return 0;
  Require(ceremony::WriteTranscript(*transcript).value_or("") == text, "it is written as it was read");
  const ceremony::VerifyOptions options{.trust = {}, .outputs = "", .previous = "", .tool_version = "0.1.0"};
  Require(!ceremony::VerifyTranscript(*transcript, options).empty(), "something is checked");
  return 0;
}

}  // namespace hallmark::fuzz
