#include "factory/manifest_csv.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "factory/manifest_json.h"

namespace hallmark {
namespace {

constexpr int kEof = std::char_traits<char>::eof();
constexpr size_t kValuesLimit = 64;

Status Broken(const std::string& why) { return Error(Code::kInvalidArgument, reason::kManifestInvalid, why); }

}  // namespace

int CsvReader::Get() {
  const int c = in_.sbumpc();
  ++size_;
  if (c == '\n') ++next_line_;
  return c;
}

Status CsvReader::SkipMark() {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (in_.sgetc() != static_cast<unsigned char>(kMark[0])) return absl::OkStatus();
  for (const char octet : kMark) {
    if (in_.sbumpc() != static_cast<unsigned char>(octet)) return Broken("begins with octets that are no UTF-8");
  }
  return absl::OkStatus();
}

// The rest of a value after its first quote, and the closing one.
Status CsvReader::Quoted(std::string& value) {
  while (size_ <= kLineLimit) {
    const int c = Get();
    if (c == kEof) return Broken("has a quoted value without its closing quote");
    if (c == '"') {
      if (in_.sgetc() != '"') return absl::OkStatus();
      Get();
    }
    value += static_cast<char>(c);
  }
  return absl::OkStatus();
}

// One value, and in `end` what stands after it: a comma, LF or the end.
Status CsvReader::Value(std::vector<std::string>& values, int& end) {
  std::string value;
  const bool quoted = in_.sgetc() == '"';
  if (quoted) {
    Get();
    RETURN_IF_ERROR(Quoted(value));
  }
  for (end = Get(); end != ',' && end != '\n' && end != kEof; end = Get()) {
    if (size_ > kLineLimit) return Broken(fmt::format("has more than {} octets", kLineLimit));
    if (end == '\r' && in_.sgetc() == '\n') continue;
    if (end == '\r') return Broken("has a carriage return without a line feed");
    if (end == '"') return Broken("has a quote inside a value; quote the whole value and double the quotes in it");
    if (quoted) return Broken("has text between a closing quote and the next comma");
    value += static_cast<char>(end);
  }
  if (size_ > kLineLimit) return Broken(fmt::format("has more than {} octets", kLineLimit));
  if (values.size() >= kValuesLimit) return Broken(fmt::format("has more than {} values", kValuesLimit));
  values.push_back(std::move(value));
  return absl::OkStatus();
}

StatusOr<bool> CsvReader::Next(std::vector<std::string>& values) {
  if (line_ == 0) RETURN_IF_ERROR(SkipMark());
  do {
    if (in_.sgetc() == kEof) return false;
    values.clear();
    line_ = next_line_;
    size_ = 0;
    for (int end = ','; end == ',';) RETURN_IF_ERROR(Value(values, end));
  } while (values.size() == 1 && values[0].empty());
  return true;
}

}  // namespace hallmark
