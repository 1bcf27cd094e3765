#include "http/encoding.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr int kGzip = 16;  // added to the window's bits: with gzip's head and end instead of zlib's
constexpr int kMostMemory = 9;

bool IsSame(std::string_view a, std::string_view b) {  // without regard to case, as tokens of HTTP are
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(" \t") + 1));  // of npos: all of it
  return text;
}

// A qvalue (RFC 9110 12.4.2) in thousandths; nullopt: it is none.
std::optional<int> QualityOf(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1') || (text.size() > 1 && text[1] != '.')) {
    return std::nullopt;
  }
  int thousandths = (text[0] - '0') * 1000;
  int place = 100;
  for (const char digit : text.substr(std::min<size_t>(2, text.size()))) {
    if (digit < '0' || digit > '9') return std::nullopt;
    thousandths += (digit - '0') * place;
    place /= 10;
  }
  return thousandths <= 1000 ? std::optional(thousandths) : std::nullopt;
}

struct Coding {
  std::string_view name;
  int quality = 1000;
};

// One part of Accept-Encoding: a coding, and perhaps its weight.
std::optional<Coding> ReadCoding(std::string_view part) {
  const size_t semicolon = std::min(part.find(';'), part.size());
  Coding coding{Trimmed(part.substr(0, semicolon))};
  if (coding.name.empty()) return std::nullopt;
  if (semicolon == part.size()) return coding;
  const std::string_view weight = Trimmed(part.substr(semicolon + 1));
  if (!IsSame(weight.substr(0, 2), "q=")) return std::nullopt;
  const std::optional<int> quality = QualityOf(weight.substr(2));
  if (!quality.has_value()) return std::nullopt;
  coding.quality = *quality;
  return coding;
}

struct EndDeflate {
  void operator()(z_stream* stream) const { deflateEnd(stream); }
};

Status NoMemory() { return Error(Code::kInternal, reason::kInternal, "gzip found no memory; it is served without"); }

}  // namespace

bool PrefersGzip(std::string_view accept_encoding) {
  std::optional<int> gzip;
  std::optional<int> identity;
  std::optional<int> others;
  for (size_t start = 0; start <= accept_encoding.size();) {
    const size_t comma = std::min(accept_encoding.find(',', start), accept_encoding.size());
    const std::optional<Coding> coding = ReadCoding(accept_encoding.substr(start, comma - start));
    start = comma + 1;
    if (!coding.has_value()) continue;
    if (IsSame(coding->name, "gzip") || IsSame(coding->name, "x-gzip")) {
      gzip = std::max(gzip.value_or(0), coding->quality);
    } else if (IsSame(coding->name, "identity")) {
      identity = coding->quality;
    } else if (coding->name == "*") {
      others = coding->quality;
    }
  }
  const int quality = gzip.value_or(others.value_or(0));
  return quality > 0 && quality >= identity.value_or(0);
}

StatusOr<std::string> Gzip(ByteView octets) {
  z_stream stream = {};
  if (octets.size() > std::numeric_limits<uInt>::max() ||
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, kMostMemory, Z_DEFAULT_STRATEGY) !=
          Z_OK) {
    return NoMemory();
  }
  const std::unique_ptr<z_stream, EndDeflate> end(&stream);
  std::string encoded(deflateBound(&stream, octets.size()), '\0');
  stream.next_in = const_cast<Bytef*>(octets.data());  // zlib's own, which it does not write to
  stream.avail_in = static_cast<uInt>(octets.size());
  stream.next_out = reinterpret_cast<Bytef*>(encoded.data());
  stream.avail_out = static_cast<uInt>(encoded.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return NoMemory();
  encoded.resize(stream.total_out);
  encoded.shrink_to_fit();
  return encoded;
}

}  // namespace hallmark
