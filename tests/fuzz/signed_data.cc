// What SplitSignedData takes apart is SignedData as OpenSSL reads it, without a content, and of no octet more than
// came.
#include <openssl/cms.h>
#include <openssl/err.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/openssl.h"
#include "factory/manifest_signature.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("hallmark-fuzz-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  const std::filesystem::path file = directory / "signed";
  Require(WriteFile(file, {data, size}).ok(), "the input can be written");
  const StatusOr<Bytes> signature = SplitSignedData(file, directory / "content");
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (Accepted(signature)) {
    Require(std::filesystem::file_size(directory / "content") <= size, "the content is no more than what came");
    const StatusOr<VerifiedSignature> verified =
        VerifyManifest(directory / "content", *signature, ManufacturerRecord(), absl::FromUnixSeconds(1'790'000'000));
    Require(!verified.ok(), "nobody's signature counts for a manufacturer without certificates");
    Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty after that");
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace hallmark::fuzz
