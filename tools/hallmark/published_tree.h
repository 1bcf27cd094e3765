// A directory with what relying parties fetch (certificates of authorities, and CRLs) as files that any web server
// serves: each is replaced whole, and none by an older one.
//
// It keeps the names of the files that it has written in a file of its own, DIR/.hallmark-export.json, so that it never
// removes what somebody else put there.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace hallmark::cli {

// One thread, one process.
class PublishedTree {
 public:
  // Makes the directory if need be. kFailedPrecondition (FILE_UNREADABLE): it cannot be made, or what it keeps not
  // read.
  static StatusOr<PublishedTree> Open(const std::filesystem::path& directory);

  enum class Outcome { kWritten, kUnchanged };
  // Publishes a certificate (DER). `path`: of the file below the directory, "aia/devices.cer".
  StatusOr<Outcome> PutCertificate(const std::string& path, ByteView der, Time modified);
  // Publishes a CRL (DER), with its thisUpdate as the file's time. kFailedPrecondition: the file there is a list of
  // another issuer or of a higher CRLNumber, or no list at all and not ours; it stays.
  StatusOr<Outcome> PutCrl(const std::string& path, ByteView der);

  // Removes those of its own files that are not among `kept`, and returns their paths.
  StatusOr<std::set<std::string>> RemoveOthers(const std::set<std::string>& kept);

 private:
  explicit PublishedTree(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Status Claim(const std::string& path);
  Status WriteOwn() const;
  StatusOr<Outcome> Put(const std::string& path, ByteView der, Time modified);

  std::filesystem::path directory_;
  std::set<std::string> own_;  // paths of files that it has written, or was about to
};

}  // namespace hallmark::cli
