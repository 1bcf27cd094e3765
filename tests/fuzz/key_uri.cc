// What KeyUri::Parse accepts it writes so that it reads the same again, and no refusal shows a PIN.
#include "hsm/key_uri.h"

#include <algorithm>
#include <cctype>

#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

// The value of pin-value wherever the corpus has one.
constexpr std::string_view kPin = "secret-7391";

// Whether the PIN stands in `text` as the value of pin-value, and nowhere else.
bool HoldsPin(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::string_view kName = "pin-value=";
  size_t count = 0;
  for (size_t at = text.find(kPin); at != text.npos; at = text.find(kPin, at + 1), ++count) {
    if (at < kName.size() || text.compare(at - kName.size(), kName.size(), kName) != 0) return false;
  }
  return count > 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  const StatusOr<KeyUri> uri = KeyUri::Parse(text);
  if (!Accepted(uri)) {
    Require(!HoldsPin(text) || Message(uri.status()).find(kPin) == std::string::npos, "no message holds a PIN");
    return 0;
  }
  Require(!uri->token.empty() && uri->token.size() <= 32, "a token is named");
  const std::string written = uri->ToString();
  const StatusOr<KeyUri> again = KeyUri::Parse(written);
  Require(again.ok() && *again == *uri, "what is written is read again");
  Require(again->ToString() == written, "and written the same");
  return 0;
}

}  // namespace hallmark::fuzz
