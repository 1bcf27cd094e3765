#include "grpc/lot_upload.h"

#include "base/reason.h"

namespace hallmark {
namespace {

Status Missing(const char* field, const char* what) { return FieldError(reason::kRequestInvalid, field, what); }

}  // namespace

StatusOr<LotUpload> LotUpload::Receive(const std::filesystem::path& parent, ImportStream& stream,
                                       SilenceWatch& silence) {
  ASSIGN_OR_RETURN(UploadDirectory directory, UploadDirectory::Make(parent));
  LotUpload upload(std::move(directory));
  RETURN_IF_ERROR(upload.Read(stream, silence));
  return upload;
}

Status LotUpload::Read(ImportStream& stream, SilenceWatch& silence) {
  v1::ImportLotRequest message;
  if (!stream.Read(&message) || !message.has_header()) return Missing("header", "must come first");
  header_ = message.header();
  ReceivedFile manifest("manifest", directory_.path() / "manifest", kUploadLimit, reason::kManifestTooLarge);
  ReceivedFile lines("lines", directory_.path() / "lines", kUploadLimit, reason::kManifestTooLarge);
  ReceivedFile signature("signature", directory_.path() / "signature", 2 * int64_t{kSignatureLimit},
                         reason::kManifestTooLarge);  // PEM is longer
  while (stream.Read(&message)) {
    silence.Heard();
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
  files_ = {
      .directory = directory_.path(), .manifest = manifest.file(), .signature = std::nullopt, .lines = std::nullopt};
  if (!signature.empty()) files_.signature = signature.file();
  if (!lines.empty()) files_.lines = lines.file();
  return absl::OkStatus();
}

}  // namespace hallmark
