// Answers of token endpoints: a token that is read can be sent as a field's value, and what is told of a refusal is
// codes only.
#include <algorithm>

#include "base/bytes.h"
#include "publish/bearer_token.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string body = ToString({data, size});
  const Time now = absl::FromUnixSeconds(1'795'514'400);
  const StatusOr<BearerToken> token = ReadTokenAnswer(body, now);
  if (Accepted(token)) {
    const std::string_view value = token->authorization.Reveal();
    Require(value.starts_with("Bearer ") && value.size() > std::string_view("Bearer ").size(), "there is a token");
    Require(std::all_of(value.begin() + 7, value.end(), [](char c) { return c > ' ' && c < 0x7f; }),
            "it is one word of ASCII");
    Require(token->expires <= now + absl::Hours(24), "it is good for a day at most");
  }
  const std::string told = ReadTokenRefusal(body);
  Require(told.size() <= 60, "what is told is short");
  Require(told.find_first_not_of("abcdefghijklmnopqrstuvwxyz_, AADSTS0123456789") == told.npos, "and codes only");
  return 0;
}

}  // namespace hallmark::fuzz
