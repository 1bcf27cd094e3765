#include "base/bytes.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr std::string_view kWhitespace = " \t\r\n";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Status PemError(const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kRequestInvalid, "PEM: " + what);
}

// The octets of a PEM block's base64 lines.
StatusOr<Bytes> DecodeBase64Lines(std::string_view lines) {
  std::string text;
  for (char c : lines) {
    if (kWhitespace.find(c) == std::string_view::npos) text += c;
  }
  StatusOr<Bytes> der = FromBase64(text);
  if (!der.ok() || der->empty()) return PemError("the base64 between BEGIN and END is malformed");
  return der;
}

}  // namespace

bool Equal(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

Digest Sha256(ByteView bytes) {
  Digest digest;
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

std::string Hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t octet : bytes) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 0xf];
  }
  return text;
}

StatusOr<Bytes> FromHex(std::string_view text) {
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) break;
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  if (bytes.size() * 2 != text.size()) {
    return Error(Code::kInvalidArgument, reason::kRequestInvalid,
                 "not hexadecimal: two digits 0-9 a-f an octet are expected");
  }
  return bytes;
}

std::string Base64(ByteView bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  // EVP_EncodeBlock writes a terminating NUL, for which std::string has room.
  EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  return text;
}

StatusOr<Bytes> FromBase64(std::string_view text) {
  const Status malformed =
      Error(Code::kInvalidArgument, reason::kRequestInvalid, "not base64 (RFC 4648 section 4, with its padding)");
  // EVP_DecodeBlock passes over some characters in silence, dashes among them, and accepts misplaced padding.
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  if (text.find_first_not_of(kAlphabet) != text.npos) return malformed;
  const size_t padding = text.size() - std::min(text.find('='), text.size());
  if (text.size() % 4 != 0 || padding > 2 || text.find_first_not_of('=', text.size() - padding) != text.npos) {
    return malformed;
  }
  Bytes bytes(text.size() / 4 * 3);
  if (EVP_DecodeBlock(bytes.data(), AsBytes(text).data(), static_cast<int>(text.size())) < 0) return malformed;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

StatusOr<Bytes> RandomBytes(size_t size) {
  Bytes bytes(size);
  if (RAND_bytes(bytes.data(), static_cast<int>(size)) != 1) {
    return Error(Code::kInternal, reason::kInternal,
                 "the system's random generator failed; nothing can be issued without it");
  }
  return bytes;
}

std::string PemEncode(std::string_view label, ByteView der) {
  constexpr size_t kColumns = 64;
  const std::string base64 = Base64(der);
  std::string text = fmt::format("-----BEGIN {}-----\n", label);
  for (size_t i = 0; i < base64.size(); i += kColumns) text += base64.substr(i, kColumns) + "\n";
  return text + fmt::format("-----END {}-----\n", label);
}

StatusOr<std::vector<Bytes>> PemDecode(std::string_view label, std::string_view text) {
  const std::string begin = fmt::format("-----BEGIN {}-----", label);
  const std::string end = fmt::format("-----END {}-----", label);
  std::vector<Bytes> blocks;
  while (true) {
    const size_t start = text.find_first_not_of(kWhitespace);
    if (start == text.npos) break;
    text.remove_prefix(start);
    if (!text.starts_with(begin)) {
      return PemError(
          fmt::format("expected \"{}\"; nothing else may stand before, between or after the blocks", begin));
    }
    const size_t stop = text.find(end);
    if (stop == text.npos) return PemError(fmt::format("\"{}\" is missing", end));
    ASSIGN_OR_RETURN(Bytes der, DecodeBase64Lines(text.substr(begin.size(), stop - begin.size())));
    blocks.push_back(std::move(der));
    text.remove_prefix(stop + end.size());
  }
  if (blocks.empty()) return PemError(fmt::format("no \"{}\" found", begin));
  return blocks;
}

}  // namespace hallmark
