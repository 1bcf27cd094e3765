#include "tools/hallmark/csr.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "base/file.h"
#include "tools/hallmark/failure.h"

namespace hallmark::cli {
namespace {

constexpr size_t kFileLimit = size_t{64} << 20;

StatusOr<std::vector<std::filesystem::path>> FilesOf(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string extension = entry->path().extension().string();
    if (extension == ".csr" || extension == ".req" || extension == ".p10") files.push_back(entry->path());
  }
  if (error) return UsageError(fmt::format("cannot read the directory {}: {}", directory.string(), error.message()));
  if (files.empty()) {
    return UsageError(
        fmt::format("there is no *.csr, *.req or *.p10 in the directory {}; name the files themselves if "
                    "they are called otherwise",
                    directory.string()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The DER of the PEM blocks in `text`; none unless it is such blocks and nothing else.
std::vector<Bytes> Blocks(const std::string& text) {
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    StatusOr<std::vector<Bytes>> blocks = PemDecode(label, text);
    if (blocks.ok()) return *std::move(blocks);
  }
  return {};
}

Status Add(const std::string& source, const std::string& stem, const std::string& text, std::vector<Csr>& csrs) {
  if (text.empty()) return UsageError(fmt::format("{} is empty; a CSR was expected in it", source));
  if (text.find("PRIVATE KEY-----") != text.npos) {
    return UsageError(fmt::format(
        "{} holds a private key, which must not leave its owner; nothing was sent. Make a CSR with it: openssl "
        "req -new -key FILE -subj /CN=NAME -out NAME.csr",
        source));
  }
  std::vector<Bytes> blocks = Blocks(text);
  if (blocks.empty()) {
    csrs.push_back({source, stem, ToBytes(AsBytes(text))});
  } else if (blocks.size() == 1) {
    csrs.push_back({source, stem, std::move(blocks[0])});
  } else {
    for (size_t i = 0; i < blocks.size(); ++i) {
      csrs.push_back({fmt::format("{}#{}", source, i + 1), "", std::move(blocks[i])});
    }
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::vector<Csr>> ReadCsrs(const std::vector<std::string>& arguments, std::istream& in) {
  std::vector<Csr> csrs;
  for (const std::string& argument : arguments) {
    if (argument == "-") {
      const std::string text(std::istreambuf_iterator<char>(in), {});
      RETURN_IF_ERROR(Add("standard input", "", text, csrs));
      continue;
    }
    std::vector<std::filesystem::path> files = {argument};
    std::error_code error;
    if (std::filesystem::is_directory(argument, error)) {
      ASSIGN_OR_RETURN(files, FilesOf(argument));
    }
    for (const std::filesystem::path& file : files) {
      ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kFileLimit));
      RETURN_IF_ERROR(Add(file.string(), file.stem().string(), text, csrs));
    }
  }
  return csrs;
}

std::string DefaultRequestId(const std::string& authority, const std::string& profile, ByteView csr) {
  // The lengths in front keep two different questions from having the same octets.
  std::string question = fmt::format("{}:{}{}:{}{}:", authority.size(), authority, profile.size(), profile, csr.size());
  question += AsText(csr);
  return "sha256:" + Hex(Sha256(AsBytes(question))).substr(0, 32);
}

std::string FileName(const std::string& text) {
  std::string name = text;
  for (char& c : name) {
    const bool safe =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!safe) c = '_';
  }
  if (name.starts_with('.')) name[0] = '_';
  return name;
}

}  // namespace hallmark::cli
