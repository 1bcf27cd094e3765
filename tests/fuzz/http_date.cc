// Each form of a date that is accepted is an instant that IMF-fixdate can write (RFC 9110 5.6.7).
#include "base/http_date.h"

#include "base/bytes.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::optional<Time> time = ParseHttpDate(ToString({data, size}));
  if (!time.has_value()) return 0;
  ++accepted_inputs;
  const std::string text = HttpDate(*time);
  Require(text.size() == std::string_view("Tue, 24 Nov 2026 10:00:00 GMT").size(),
          "the date has IMF-fixdate's 29 characters");
  Require(ParseHttpDate(text) == *time, "what is written is read again");
  return 0;
}

}  // namespace hallmark::fuzz
