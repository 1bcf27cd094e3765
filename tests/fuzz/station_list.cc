// Lists of CSRs at a line (CSV): what is accepted names files, by normal paths.
#include "tests/fuzz/scratch_file.h"
#include "tools/hallmark/station/request.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ScratchFile list("list.csv", {data, size});
  const auto read = cli::station::ReadList(list.path());
  if (absl::IsNotFound(read.status())) return 0;  // a key's file
  if (!Accepted(read)) return 0;
  for (const auto& [file, attributes] : *read) {
    Require(!file.empty(), "each record names a file");
    Require(std::filesystem::path(file).lexically_normal() == file, "as its normal path");
    Require(attributes.serial.size() + attributes.reissue_reason.size() <= size, "of what was there");
  }
  return 0;
}

}  // namespace hallmark::fuzz
