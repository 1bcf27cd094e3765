// Files of lines, CSV and JSON lines: what is accepted are serial numbers, as many as were announced.
#include <sstream>

#include "factory/manifest.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  const auto format = text.starts_with('{') ? LinesFile::Format::kJsonLines : LinesFile::Format::kCsv;
  // How many there are is what the error says; every count up to a few is tried.
  for (int64_t count = 0; count < 4; ++count) {
    int64_t lines = 0;
    const auto take = [&lines](const std::vector<DeviceLine>& batch, const std::vector<std::string>& withdrawn) {
      for (const DeviceLine& line : batch) Require(IsSerialNumber(line.serial), "each line has a serial number");
      for (const std::string& serial : withdrawn) Require(IsSerialNumber(serial), "what is withdrawn, too");
      lines += static_cast<int64_t>(batch.size() + withdrawn.size());
      return absl::OkStatus();
    };
    std::istringstream in(text);
    const Status read = ReadLines(in, {format, Sha256({data, size}), count}, take);
    if (Accepted(read.ok() ? StatusOr<int64_t>(lines) : StatusOr<int64_t>(read))) {
      Require(lines == count, "as many lines as announced");
    }
  }
  return 0;
}

}  // namespace hallmark::fuzz
