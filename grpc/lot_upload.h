// What an importer sends over ImportLot, on disk while it is judged.
#pragma once

#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <filesystem>
#include <utility>

#include "ca/lots.h"
#include "hallmark/v1/lots.grpc.pb.h"

namespace hallmark {

using ImportStream = grpc::ServerReaderWriter<v1::ImportLotResponse, v1::ImportLotRequest>;

inline constexpr int64_t kUploadLimit = int64_t{1} << 30;  // octets of a manifest, and of a file of lines

// Counts the imports under way.
class ImportTurn {
 public:
  explicit ImportTurn(std::atomic<int>& imports) : imports_(imports), number_(++imports) {}
  ImportTurn(const ImportTurn&) = delete;
  ~ImportTurn() { --imports_; }
  int number() const { return number_; }

 private:
  std::atomic<int>& imports_;
  const int number_;
};

// Owns a directory of its own, which is gone with it.
class LotUpload {
 public:
  // Reads the stream to its end. kInvalidArgument (REQUEST_INVALID): it does not begin with a header, or has no
  // manifest; MANIFEST_TOO_LARGE. kUnavailable (STORE_UNAVAILABLE): the disk is full.
  static StatusOr<LotUpload> Receive(const std::filesystem::path& parent, ImportStream& stream);

  LotUpload(LotUpload&& other) noexcept
      : directory_(std::exchange(other.directory_, {})),
        header_(std::move(other.header_)),
        files_(std::move(other.files_)) {}
  ~LotUpload();

  const v1::ImportLotRequest::Header& header() const { return header_; }
  const ImportFiles& files() const { return files_; }

 private:
  explicit LotUpload(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Status Read(ImportStream& stream);

  std::filesystem::path directory_;
  v1::ImportLotRequest::Header header_;
  ImportFiles files_;
};

}  // namespace hallmark
