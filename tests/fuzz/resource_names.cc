// The resource names that are accepted are those that their parts make (AIP-122).
#include <cctype>

#include "grpc/convert.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  const StatusOr<std::string> authority = ParseAuthorityName(text, "parent");
  if (Accepted(authority)) {
    Require("authorities/" + *authority == text, "an authority's name is its prefix and its id");
    Require(!authority->empty() && authority->find('/') == authority->npos, "an authority's id is one segment");
  }
  const StatusOr<CertificateName> name = ParseCertificateName(text);
  if (!Accepted(name)) return 0;
  Require(!authority.ok(), "a certificate's name is no authority's");
  Require(!name->authority.empty() && name->authority.find('/') == std::string::npos,
          "an authority's id is one segment");
  Require(!name->serial.empty() && name->serial.size() <= 20, "a serial number has 1 to 20 octets");
  std::string lower = text;
  const size_t serial = lower.rfind('/') + 1;
  for (size_t i = serial; i < lower.size(); ++i)
    lower[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(lower[i])));
  Require("authorities/" + name->authority + "/certificates/" + Hex(name->serial) == lower,
          "a certificate's name is made of its parts");
  return 0;
}

}  // namespace hallmark::fuzz
