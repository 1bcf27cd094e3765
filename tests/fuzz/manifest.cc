// What ReadManifest accepts has terms that are kept and read again, and lines that are what they must be; and a second
// pass reads the same.
#include "factory/manifest.h"

#include <sstream>

#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = ToString({data, size});
  std::istringstream first(text);
  const StatusOr<Manifest> manifest = ReadManifest(first);
  if (!Accepted(manifest)) return 0;
  Require(ParseTerms(ToJson(manifest->terms)).ok(), "terms that are accepted are read again");
  Require(manifest->digest == Sha256({data, size}), "the digest is of all octets");
  int64_t lines = 0;
  int64_t withdrawals = 0;
  std::istringstream second(text);
  const auto count = [&](const std::vector<DeviceLine>& batch, const std::vector<std::string>& withdrawn) {
    for (const DeviceLine& line : batch) Require(IsSerialNumber(line.serial), "each line has a serial number");
    lines += static_cast<int64_t>(batch.size());
    withdrawals += static_cast<int64_t>(withdrawn.size());
    return absl::OkStatus();
  };
  Require(ReadManifest(second, count).ok(), "what is accepted once is accepted again");
  Require(lines == manifest->devices && withdrawals == manifest->withdrawals, "both passes count the same");
  return 0;
}

}  // namespace hallmark::fuzz
