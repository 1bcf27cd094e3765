// What a client sends piece by piece, on disk until it is judged.
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/periodic.h"
#include "base/status.h"

namespace hallmark {

// A directory of its own below `parent`, readable by nobody else; gone with it. Movable.
class UploadDirectory {
 public:
  // Makes `parent`, too, if need be. kUnavailable (STORE_UNAVAILABLE).
  static StatusOr<UploadDirectory> Make(const std::filesystem::path& parent);
  UploadDirectory(UploadDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~UploadDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit UploadDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// A file that grows to a limit.
class ReceivedFile {
 public:
  // Errors name `field` and have `too_large` as their reason.
  ReceivedFile(const char* field, std::filesystem::path file, int64_t limit, const char* too_large)
      : field_(field), file_(std::move(file)), limit_(limit), too_large_(too_large) {}

  // kInvalidArgument; kUnavailable (STORE_UNAVAILABLE): the disk is full.
  Status Append(const std::string& chunk);
  Status Close();
  bool empty() const { return size_ == 0; }
  const std::filesystem::path& file() const { return file_; }

 private:
  const char* field_;
  const std::filesystem::path file_;
  const int64_t limit_;
  const char* too_large_;
  std::ofstream out_;
  int64_t size_ = 0;
};

// Counts the uploads of one kind that are under way.
class UploadTurn {
 public:
  explicit UploadTurn(std::atomic<int>& uploads) : uploads_(uploads), number_(++uploads) {}
  UploadTurn(const UploadTurn&) = delete;
  ~UploadTurn() { --uploads_; }
  // kResourceExhausted (RATE_LIMITED) with RetryInfo when more than `limit` are under way with this one.
  Status Check(int limit) const;

 private:
  std::atomic<int>& uploads_;
  const int number_;
};

// Cancels the call of a client that neither sends nor reads for 60 s, so that it does not hold its turn for ever.
class SilenceWatch {
 public:
  // `context` outlives it. Whoever serves the call tells when something was read, written or done.
  explicit SilenceWatch(grpc::ServerContext& context);
  void Heard() { heard_ = absl::ToUnixSeconds(absl::Now()); }

 private:
  std::atomic<int64_t> heard_;
  Periodic watch_;
};

}  // namespace hallmark
