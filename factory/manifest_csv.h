// CSV of RFC 4180, read record by record, each within a limit.
#pragma once

#include <cstdint>
#include <streambuf>
#include <string>
#include <vector>

#include "base/status.h"

namespace hallmark {

// Borrows the input. Lines end with LF or CR LF; a byte order mark of UTF-8 may stand before the first; empty lines are
// passed over. Not thread-safe.
class CsvReader {
 public:
  explicit CsvReader(std::streambuf& in) : in_(in) {}

  // Reads the next record's values; false: there is none any more. kInvalidArgument (MANIFEST_INVALID) without the
  // line, after which nothing can be read.
  StatusOr<bool> Next(std::vector<std::string>& values);
  // Where the record that was read last began, or the broken one; from 1.
  int64_t line() const { return line_; }

 private:
  int Get();
  Status SkipMark();
  Status Value(std::vector<std::string>& values, int& end);
  Status Quoted(std::string& value);

  std::streambuf& in_;
  int64_t line_ = 0;
  int64_t next_line_ = 1;
  size_t size_ = 0;  // octets of the record so far
};

}  // namespace hallmark
