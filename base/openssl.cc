#include "base/openssl.h"

#include <openssl/err.h>

#include <array>

namespace hallmark::ssl {

std::string DrainErrors() {
  std::string text;
  while (const unsigned long error = ERR_get_error()) {
    std::array<char, 256> line;
    ERR_error_string_n(error, line.data(), line.size());
    text += (text.empty() ? "" : "; ") + std::string(line.data());
  }
  return text.empty() ? "no detail" : text;
}

}  // namespace hallmark::ssl
