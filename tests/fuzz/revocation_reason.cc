// The reasons that are accepted are those of RFC 5280 5.3.1, by name and by number, and go into a CRL as such.
#include "base/openssl.h"
#include "ca/entries.h"
#include "ca/extensions.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  const StatusOr<RevocationReason> reason = ParseRevocationReason(text);
  if (!Accepted(reason)) return 0;
  const int number = static_cast<int>(*reason);
  Require(text == Name(*reason) || text == std::to_string(number), "the text is the reason's name or number");
  Require(ParseRevocationReason(Name(*reason)).value() == *reason, "its name is read again");
  const Bytes der = ReasonCode(*reason);
  const uint8_t* in = der.data();
  using Extension = ssl::Owner<X509_EXTENSION, X509_EXTENSION_free>;
  using Enumerated = ssl::Owner<ASN1_ENUMERATED, ASN1_ENUMERATED_free>;
  const Extension extension(d2i_X509_EXTENSION(nullptr, &in, static_cast<long>(der.size())));
  Require(extension != nullptr, "OpenSSL reads its extension");
  const Enumerated value(static_cast<ASN1_ENUMERATED*>(X509V3_EXT_d2i(extension.get())));
  Require(value != nullptr && ASN1_ENUMERATED_get(value.get()) == number, "and the same reason in it");
  return 0;
}

}  // namespace hallmark::fuzz
