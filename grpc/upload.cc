#include "grpc/upload.h"

#include <fmt/format.h>
#include <stdlib.h>

#include "base/reason.h"
#include "grpc/convert.h"

namespace hallmark {
namespace {

constexpr Duration kSilence = absl::Seconds(60);
constexpr Duration kLookPeriod = absl::Seconds(1);

Status DiskFailed(const std::filesystem::path& file) {
  return WithRetry(Error(Code::kUnavailable, reason::kStoreUnavailable,
                         fmt::format("cannot write {}: is the disk full?", file.string())),
                   absl::Seconds(10));
}

}  // namespace

StatusOr<UploadDirectory> UploadDirectory::Make(const std::filesystem::path& parent) {
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  std::string directory = (parent / "upload-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return DiskFailed(directory);  // mode 0700
  return UploadDirectory(directory);
}

UploadDirectory::~UploadDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Status ReceivedFile::Append(const std::string& chunk) {
  if (!out_.is_open()) out_.open(file_, std::ios::binary | std::ios::trunc);
  size_ += static_cast<int64_t>(chunk.size());
  if (size_ > limit_) return FieldError(too_large_, field_, fmt::format("is larger than {} octets", limit_));
  out_ << chunk;
  return out_ ? absl::OkStatus() : DiskFailed(file_);
}

Status ReceivedFile::Close() {
  if (out_.is_open()) out_.close();
  return out_ ? absl::OkStatus() : DiskFailed(file_);
}

Status UploadTurn::Check(int limit) const {
  if (number_ <= limit) return absl::OkStatus();
  return WithRetry(Error(Code::kResourceExhausted, reason::kRateLimited,
                         fmt::format("{} of these are under way; try again in a while", limit)),
                   absl::Seconds(10));
}

SilenceWatch::SilenceWatch(grpc::ServerContext& context)
    : heard_(absl::ToUnixSeconds(absl::Now())), watch_(kLookPeriod, [this, &context](const std::atomic<bool>&) {
        if (absl::ToUnixSeconds(absl::Now()) - heard_ > absl::ToInt64Seconds(kSilence)) context.TryCancel();
      }) {}

}  // namespace hallmark
