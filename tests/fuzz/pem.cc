// What PemDecode accepts OpenSSL reads as the same blocks, and PemEncode writes so that they are read again.
#include <openssl/err.h>

#include "base/openssl.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

using Text = ssl::Owner<char, [](char* text) { OPENSSL_free(text); }>;
using Octets = ssl::Owner<unsigned char, [](unsigned char* octets) { OPENSSL_free(octets); }>;

// The next block, or nothing.
Bytes ReadByOpenssl(BIO* pem) {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  const bool read = PEM_read_bio(pem, &name, &header, &data, &size) == 1;
  const Text name_owner(name);
  const Text header_owner(header);
  const Octets data_owner(data);
  return read ? Bytes(data, data + size) : Bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr char kLabel[] = "CERTIFICATE";
  const StatusOr<std::vector<Bytes>> blocks = PemDecode(kLabel, AsText({data, size}));
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (!Accepted(blocks)) return 0;
  const ssl::Bio pem(BIO_new_mem_buf(data, static_cast<int>(size)));
  std::string again;
  for (const Bytes& block : *blocks) {
    Require(ReadByOpenssl(pem.get()) == block, "OpenSSL reads the same block");
    again += PemEncode(kLabel, block);
  }
  Require(PemDecode(kLabel, again).value() == *blocks, "what is written is read again");
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
