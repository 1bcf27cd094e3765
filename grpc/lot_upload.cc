#include "grpc/lot_upload.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <fstream>

#include "base/reason.h"

namespace hallmark {
namespace {

Status Missing(const char* field, const char* what) { return FieldError(reason::kRequestInvalid, field, what); }

Status TooLarge(const char* field, int64_t limit) {
  return FieldError(reason::kManifestTooLarge, field, fmt::format("is larger than {} octets", limit));
}

Status DiskFailed(const std::filesystem::path& file) {
  return WithRetry(Error(Code::kUnavailable, reason::kStoreUnavailable,
                         fmt::format("cannot write {}: is the disk full?", file.string())),
                   absl::Seconds(10));
}

// A file that grows to a limit.
class Received {
 public:
  Received(const char* field, std::filesystem::path file, int64_t limit)
      : field_(field), file_(std::move(file)), limit_(limit) {}

  Status Append(const std::string& chunk) {
    if (!out_.is_open()) out_.open(file_, std::ios::binary | std::ios::trunc);
    size_ += static_cast<int64_t>(chunk.size());
    if (size_ > limit_) return TooLarge(field_, limit_);
    out_ << chunk;
    return out_ ? absl::OkStatus() : DiskFailed(file_);
  }
  Status Close() {
    if (out_.is_open()) out_.close();
    return out_ ? absl::OkStatus() : DiskFailed(file_);
  }
  bool empty() const { return size_ == 0; }
  const std::filesystem::path& file() const { return file_; }

 private:
  const char* field_;
  const std::filesystem::path file_;
  const int64_t limit_;
  std::ofstream out_;
  int64_t size_ = 0;
};

}  // namespace

StatusOr<LotUpload> LotUpload::Receive(const std::filesystem::path& parent, ImportStream& stream) {
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  std::string directory = (parent / "import-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return DiskFailed(directory);  // mode 0700
  LotUpload upload(directory);
  RETURN_IF_ERROR(upload.Read(stream));
  return upload;
}

LotUpload::~LotUpload() {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Status LotUpload::Read(ImportStream& stream) {
  v1::ImportLotRequest message;
  if (!stream.Read(&message) || !message.has_header()) return Missing("header", "must come first");
  header_ = message.header();
  Received manifest("manifest", directory_ / "manifest", kUploadLimit);
  Received lines("lines", directory_ / "lines", kUploadLimit);
  Received signature("signature", directory_ / "signature", 2 * int64_t{kSignatureLimit});  // PEM is longer
  while (stream.Read(&message)) {
    switch (message.part_case()) {
      case v1::ImportLotRequest::kManifest: RETURN_IF_ERROR(manifest.Append(message.manifest())); break;
      case v1::ImportLotRequest::kLines: RETURN_IF_ERROR(lines.Append(message.lines())); break;
      case v1::ImportLotRequest::kSignature: RETURN_IF_ERROR(signature.Append(message.signature())); break;
      case v1::ImportLotRequest::kHeader: return Missing("header", "must come once");
      case v1::ImportLotRequest::PART_NOT_SET: return Missing("part", "a message has none");
    }
  }
  RETURN_IF_ERROR(manifest.Close());
  RETURN_IF_ERROR(lines.Close());
  RETURN_IF_ERROR(signature.Close());
  if (manifest.empty()) return Missing("manifest", "is required");
  files_ = {.directory = directory_, .manifest = manifest.file(), .signature = std::nullopt, .lines = std::nullopt};
  if (!signature.empty()) files_.signature = signature.file();
  if (!lines.empty()) files_.lines = lines.file();
  return absl::OkStatus();
}

}  // namespace hallmark
