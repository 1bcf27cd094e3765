#include "tools/hallmark/station/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/openssl.h"
#include "base/reason.h"

namespace hallmark::cli::station {
namespace {

using Archive = ssl::Owner<archive, archive_read_free>;

constexpr size_t kBlock = size_t{64} << 10;

bool EndsIn(const std::filesystem::path& path, std::initializer_list<std::string_view> endings) {
  std::string name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::any_of(endings.begin(), endings.end(), [&name](std::string_view ending) {
    return name.size() > ending.size() && name.ends_with(ending);
  });
}

Status Refused(const std::filesystem::path& path, const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kRequestInvalid,
               fmt::format("the archive {} {}; nothing of it was used", path.string(), what));
}

bool LeadsOut(const std::filesystem::path& name) {
  return name.empty() || name.is_absolute() || name.string().find('\\') != std::string::npos ||
         std::find(name.begin(), name.end(), "..") != name.end();
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const ArchiveLimits& limits)
      : path_(path), limits_(limits), archive_(archive_read_new()) {}

  StatusOr<std::vector<Member>> Read() {
    archive* const handle = archive_.get();
    archive_read_support_format_tar(handle);
    archive_read_support_format_zip(handle);
    archive_read_support_filter_gzip(handle);
    if (archive_read_open_filename(handle, path_.c_str(), kBlock) != ARCHIVE_OK) return Unreadable();
    std::vector<Member> members;
    for (size_t count = 1;; ++count) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(handle, &entry);
      if (code == ARCHIVE_EOF) return members;
      if (code != ARCHIVE_OK) return Unreadable();
      if (count > limits_.members) return Refused(path_, fmt::format("has more than {} members", limits_.members));
      RETURN_IF_ERROR(ReadMember(entry, members));
    }
  }

 private:
  Status Unreadable() const {
    const char* what = archive_error_string(archive_.get());
    return Refused(path_, fmt::format("cannot be read: {}", what == nullptr ? "it is damaged" : what));
  }

  Status ReadMember(archive_entry* entry, std::vector<Member>& members) {
    const char* raw = archive_entry_pathname(entry);
    const std::filesystem::path name = raw == nullptr ? "" : raw;
    if (LeadsOut(name)) return Refused(path_, fmt::format("has a member '{}', which leads out of it", name.string()));
    if (archive_entry_is_encrypted(entry) != 0) return Refused(path_, "is encrypted");
    const bool regular = archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr;
    const bool wanted = regular && IsCsrName(name);
    std::string content;
    // What is not wanted is read as well, by us, so that it counts: skipping it would expand it unseen.
    std::array<char, kBlock> block;
    while (true) {
      const la_ssize_t size = archive_read_data(archive_.get(), block.data(), block.size());
      if (size < 0) return Unreadable();
      if (size == 0) break;
      expanded_ += static_cast<size_t>(size);
      if (expanded_ > limits_.expanded) {
        return Refused(path_, fmt::format("expands to more than {} octets", limits_.expanded));
      }
      if (!wanted) continue;
      content.append(block.data(), static_cast<size_t>(size));
      if (content.size() > limits_.member) {
        return Refused(path_, fmt::format("has a CSR {} of more than {} octets", name.string(), limits_.member));
      }
    }
    if (wanted) members.push_back({name.lexically_normal().string(), std::move(content)});
    return absl::OkStatus();
  }

  const std::filesystem::path& path_;
  const ArchiveLimits& limits_;
  Archive archive_;
  size_t expanded_ = 0;
};

}  // namespace

bool IsArchive(const std::filesystem::path& path) { return EndsIn(path, {".zip", ".tar", ".tar.gz", ".tgz"}); }

bool IsCsrName(const std::filesystem::path& path) { return EndsIn(path, {".csr", ".req", ".p10"}); }

StatusOr<std::vector<Member>> ReadArchive(const std::filesystem::path& path, const ArchiveLimits& limits) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return Refused(path, fmt::format("cannot be read: {}", error.message()));
  if (size > limits.file) return Refused(path, fmt::format("has {} octets, more than {}", size, limits.file));
  return Reader(path, limits).Read();
}

}  // namespace hallmark::cli::station
