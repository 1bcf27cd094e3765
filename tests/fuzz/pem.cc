// What PemDecode accepts are blocks of base64 and nothing else: written by PemEncode, they are the same text but for
// white space, and OpenSSL reads the same octets in it.
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

std::string WithoutSpace(std::string_view text) {
  std::string rest;
  for (char c : text) {
    if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) rest += c;
  }
  return rest;
}

// The last digit before padding may have bits that mean nothing (RFC 4648 3.5).
bool SameButForPadBits(const std::string& a, const std::string& b) {
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const bool before_padding = i + 1 < a.size() && a[i + 1] == '=';
    if (a[i] != b[i] && !before_padding) return false;
  }
  return a.size() == b.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr char kLabel[] = "CERTIFICATE";
  const std::string_view text = AsText({data, size});
  const StatusOr<std::vector<Bytes>> blocks = PemDecode(kLabel, text);
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (!Accepted(blocks)) return 0;
  std::string written;
  for (const Bytes& block : *blocks) written += PemEncode(kLabel, block);
  Require(SameButForPadBits(WithoutSpace(text), WithoutSpace(written)), "the text is what the blocks are written as");
  Require(PemDecode(kLabel, written).value() == *blocks, "what is written is read again");
  const ssl::Bio pem(BIO_new_mem_buf(written.data(), static_cast<int>(written.size())));
  for (const Bytes& block : *blocks) Require(ReadByOpenssl(pem.get()) == block, "OpenSSL reads the same block");
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
