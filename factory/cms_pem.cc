#include "factory/cms_pem.h"

#include <fmt/format.h>

#include <array>

#include "factory/cms_ber.h"

namespace hallmark {
namespace {

constexpr std::array<std::string_view, 2> kBegins = {"-----BEGIN CMS-----", "-----BEGIN PKCS7-----"};
constexpr size_t kLineLimit = 1024;
constexpr char kBlanks[] = " \t\r\n";

}  // namespace

bool IsPem(std::istream& in) { return in.peek() == '-'; }

PemInput::PemInput(std::istream& in) : in_(in), decoder_(EVP_ENCODE_CTX_new()), block_(2 * kLineLimit) {
  std::string line;
  const StatusOr<bool> read = ReadLine(line);
  for (const std::string_view begin : kBegins) {
    if (line == begin) end_ = "-----END " + line.substr(sizeof("-----BEGIN ") - 1);
  }
  if (decoder_ == nullptr || !read.ok() || end_.empty()) {
    status_ = ber::Malformed("it begins like PEM, but not with -----BEGIN CMS-----");
    return;
  }
  EVP_DecodeInit(decoder_.get());
}

// A line without its break and the blanks before it; false: there is none any more.
StatusOr<bool> PemInput::ReadLine(std::string& line) {
  line.clear();
  int c = in_.get();
  if (c == std::char_traits<char>::eof()) return false;
  for (; c != std::char_traits<char>::eof() && c != '\n'; c = in_.get()) {
    if (line.size() >= kLineLimit) return ber::Malformed("it has a line that no PEM has");
    line += static_cast<char>(c);
  }
  line.erase(line.find_last_not_of(kBlanks) + 1);
  return true;
}

PemInput::int_type PemInput::underflow() {
  while (status_.ok() && !ended_) {
    const StatusOr<size_t> size = Decode();
    if (!size.ok()) {
      status_ = size.status();
    } else if (*size > 0) {
      setg(block_.data(), block_.data(), block_.data() + *size);
      return traits_type::to_int_type(block_[0]);
    }
  }
  return traits_type::eof();
}

StatusOr<size_t> PemInput::Decode() {
  std::string line;
  ASSIGN_OR_RETURN(const bool read, ReadLine(line));
  if (!read) return ber::Malformed("its PEM is cut off");
  auto* out = reinterpret_cast<uint8_t*>(block_.data());
  int size = 0;
  if (line.starts_with('-')) {
    RETURN_IF_ERROR(Finish(line));
    if (EVP_DecodeFinal(decoder_.get(), out, &size) != 1) return ber::Malformed("its base64 is cut off");
    return static_cast<size_t>(size);
  }
  line += '\n';
  const auto* in = reinterpret_cast<const uint8_t*>(line.data());
  if (EVP_DecodeUpdate(decoder_.get(), out, &size, in, static_cast<int>(line.size())) < 0) {
    return ber::Malformed("its PEM has a line that is no base64");
  }
  return static_cast<size_t>(size);
}

Status PemInput::Finish(const std::string& line) {
  ended_ = true;
  if (line != end_) return ber::Malformed(fmt::format("its PEM does not end with {}", end_));
  for (int c = in_.get(); c != std::char_traits<char>::eof(); c = in_.get()) {
    if (std::string_view(kBlanks).find(static_cast<char>(c)) == std::string_view::npos) {
      return ber::Malformed("something follows after its PEM");
    }
  }
  return absl::OkStatus();
}

}  // namespace hallmark
