// The CSRs in a .zip, .tar, .tar.gz or .tgz, read by libarchive without writing anything.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"

namespace hallmark::cli::station {

// What an archive may hold. Whatever is beyond makes the whole archive refused, before anything of it is used.
struct ArchiveLimits {
  size_t file = size_t{256} << 20;      // octets of the archive itself
  size_t member = size_t{16} << 10;     // octets of a CSR
  size_t expanded = size_t{512} << 20;  // octets of all members
  size_t members = 200'000;
};

struct Member {
  std::string path;  // in the archive: relative, without ".."
  std::string content;
};

bool IsArchive(const std::filesystem::path& path);
// Whether a file's name says that it is a CSR: *.csr, *.req, *.p10.
bool IsCsrName(const std::filesystem::path& path);

// The regular files in an archive whose names are those of CSRs. Nothing is followed or unpacked: no links, no devices,
// no archives within. kInvalidArgument (REQUEST_INVALID) for what is no archive, beyond a limit, encrypted, or has
// names that lead out of it.
StatusOr<std::vector<Member>> ReadArchive(const std::filesystem::path& path, const ArchiveLimits& limits = {});

}  // namespace hallmark::cli::station
