// What an importer sends over ImportLot, on disk while it is judged.
#pragma once

#include <grpcpp/support/sync_stream.h>

#include <filesystem>

#include "ca/lots.h"
#include "grpc/upload.h"
#include "hallmark/v1/lots.grpc.pb.h"

namespace hallmark {

using ImportStream = grpc::ServerReaderWriter<v1::ImportLotResponse, v1::ImportLotRequest>;

inline constexpr int64_t kUploadLimit = int64_t{1} << 30;  // octets of a manifest, and of a file of lines

class LotUpload {
 public:
  // Reads the stream to its end. kInvalidArgument (REQUEST_INVALID): it does not begin with a header, or has no
  // manifest; MANIFEST_TOO_LARGE. kUnavailable (STORE_UNAVAILABLE): the disk is full.
  static StatusOr<LotUpload> Receive(const std::filesystem::path& parent, ImportStream& stream, SilenceWatch& silence);

  const v1::ImportLotRequest::Header& header() const { return header_; }
  const ImportFiles& files() const { return files_; }

 private:
  explicit LotUpload(UploadDirectory directory) : directory_(std::move(directory)) {}
  Status Read(ImportStream& stream, SilenceWatch& silence);

  UploadDirectory directory_;
  v1::ImportLotRequest::Header header_;
  ImportFiles files_;
};

}  // namespace hallmark
