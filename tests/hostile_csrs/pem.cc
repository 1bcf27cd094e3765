// PEM (RFC 7468): one block and nothing else.
#include <algorithm>

#include "ca/csr.h"
#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

constexpr char kLabel[] = "CERTIFICATE REQUEST";
constexpr char kBegin[] = "-----BEGIN CERTIFICATE REQUEST-----";
constexpr char kEnd[] = "-----END CERTIFICATE REQUEST-----";

std::string Replaced(std::string text, std::string_view what, std::string_view by) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::string AsUtf16(const std::string& text) {
  std::string wide = "\xff\xfe";
  for (char c : text) {
    wide += c;
    wide += '\0';
  }
  return wide;
}

std::string Block(const std::string& base64) { return std::string(kBegin) + "\n" + base64 + "\n" + kEnd + "\n"; }

std::vector<HostileCsr> Refused() {
  const Bytes good = SignedCsr();
  const std::string pem = PemEncode(kLabel, good);
  const std::string base64 = Base64(good);
  const std::string nul(1, '\0');
  // Of a number of octets that takes padding, and whose last digit hence has bits that say nothing.
  const std::string padded = Base64(Octets("3003020100"));
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, const std::string& text, const char* says = "neither DER nor") {
    rows.push_back({name, Text(text), reason::kCsrMalformed, "csr", says});
  };
  add("PEM: two blocks", pem + pem);
  add("PEM: another label", PemEncode("CERTIFICATE", good));
  add("PEM: a private key's label", PemEncode("PRIVATE KEY", good));
  add("PEM: a label in lower case", Replaced(pem, kLabel, "certificate request"));
  add("PEM: two blanks in the label", Replaced(pem, kLabel, "CERTIFICATE  REQUEST"));
  add("PEM: BEGIN and END with different labels", Replaced(pem, kEnd, "-----END NEW CERTIFICATE REQUEST-----"));
  add("PEM: text before", "Certificate Request:\n" + pem);
  add("PEM: text after", pem + "rubbish");
  add("PEM: a NUL after", pem + nul);
  add("PEM: a private key after", pem + PemEncode("PRIVATE KEY", good));
  add("PEM: a byte order mark before", "\xef\xbb\xbf" + pem);
  add("PEM: in UTF-16", AsUtf16(pem));
  add("PEM: no BEGIN", pem.substr(pem.find('\n') + 1));
  add("PEM: no END", pem.substr(0, pem.find("-----END")));
  add("PEM: four dashes", Replaced(pem, "-----", "----"));
  add("PEM: nothing in it", Block(""));
  add("PEM: a header in it (RFC 1421)", Block("Proc-Type: 4,ENCRYPTED\n\n" + base64));
  add("PEM: a comment in it", Block("# hello\n" + base64));
  add("PEM: a NUL in the base64", Block(base64.substr(0, 8) + nul + base64.substr(8)));
  add("PEM: a NUL in place of a digit", Block(base64.substr(0, 8) + nul + base64.substr(9)));
  add("PEM: the digits of base64url", Block(Replaced(base64.substr(0, 8), base64.substr(4, 1), "_")));
  add("PEM: a digit that is none", Block(base64.substr(0, 8) + "*" + base64.substr(9)));
  add("PEM: a digit of two octets", Block(base64.substr(0, 8) + "\xc3\xa4" + base64.substr(10)));
  add("PEM: padding in the middle", Block(base64.substr(0, 8) + "=" + base64.substr(9)));
  add("PEM: padding alone", Block("===="));
  add("PEM: three octets of padding", Block("M==="));
  add("PEM: a digit missing", Block(base64.substr(1)));
  add("PEM: its padding missing", Block(Replaced(padded, "=", "")));
  add("PEM: of PEM", PemEncode(kLabel, AsBytes(pem)), "expected tag 0x30, found 0x2d");
  add("PEM: of a CSR and a zero", PemEncode(kLabel, Join({good, Octets("00")})), "1 octets too many");
  rows.push_back(
      {"PEM: longer than the limit by blanks", Text(pem + std::string(kCsrLimit, '\n')), reason::kCsrTooLarge, "csr"});
  return rows;
}

std::vector<HostileCsr> Granted() {
  const Bytes good = SignedCsr();
  const std::string pem = PemEncode(kLabel, good);
  return {
      {"PEM: as it should be", Text(pem), "", ""},
      {"PEM: lines that end as on Windows", Text(Replaced(pem, "\n", "\r\n")), "", ""},
      {"PEM: no line break at the end", Text(pem.substr(0, pem.size() - 1)), "", ""},
      {"PEM: blank lines around it", Text("\n\r\n" + pem + "\n \n"), "", ""},
      {"PEM: all in one line", Text(Block(Base64(good))), "", ""},
      {"PEM: the label of old programs", Text(PemEncode("NEW CERTIFICATE REQUEST", good)), "", ""},
  };
}

}  // namespace

std::vector<HostileCsr> HostilePem() {
  std::vector<HostileCsr> rows = Refused();
  for (HostileCsr& row : Granted()) rows.push_back(std::move(row));
  return rows;
}

}  // namespace hallmark::testing
