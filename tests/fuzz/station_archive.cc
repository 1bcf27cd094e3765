// Archives of CSRs: what is accepted stays within the archive and the limits.
#include <algorithm>

#include "tests/fuzz/scratch_file.h"
#include "tools/hallmark/station/archive.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ScratchFile archive("csrs.tar", {data, size});
  constexpr cli::station::ArchiveLimits kLimits = {.file = 1 << 20, .member = 2048, .expanded = 1 << 20, .members = 64};
  const auto members = cli::station::ReadArchive(archive.path(), kLimits);
  if (!Accepted(members)) return 0;
  Require(members->size() <= kLimits.members, "no more members than the limit");
  for (const cli::station::Member& member : *members) {
    const std::filesystem::path path = member.path;
    Require(path.is_relative() && std::find(path.begin(), path.end(), "..") == path.end(), "within the archive");
    Require(cli::station::IsCsrName(path), "named as CSRs are");
    Require(member.content.size() <= kLimits.member, "no longer than the limit");
  }
  return 0;
}

}  // namespace hallmark::fuzz
