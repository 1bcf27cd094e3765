// A directory that holds one bundle, and nobody else's files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"
#include "publish/bundle.h"

namespace hallmark {

// One thread, one process at a time.
class BundleDirectory {
 public:
  explicit BundleDirectory(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Whether it holds this bundle, whole: all files octet for octet, and a manifest, its signature and SHA256SUMS.
  bool Holds(const Bundle& bundle) const;

  // Makes it hold this bundle unless it does already, and returns whether it wrote. The directory is made if need be.
  // Each file is replaced whole, and SHA256SUMS is there when all are: what was cut off is seen by sha256sum -c, and
  // finished by the next Write. Files of an earlier bundle that this one has not are removed; certificates of
  // possession stay. kFailedPrecondition (FILE_UNREADABLE): there are others' files, or it cannot be written.
  StatusOr<bool> Write(const Bundle& bundle) const;

  // The same, whether or not it holds the bundle already; `among_others`: beside others' files, which stay.
  Status Replace(const Bundle& bundle, bool among_others) const;

  // The authority of the bundle that is there, "authorities/devices"; empty: there is none.
  std::string authority() const;

 private:
  Status CheckOthers(const std::vector<std::string>& earlier) const;
  std::vector<std::string> EarlierFiles() const;  // of the bundle that is there, or was begun

  std::filesystem::path directory_;
};

// The name of a certificate that proves possession: "possession-CODE.pem", ".cer".
std::string PossessionFile(const std::string& code, const std::string& extension);

}  // namespace hallmark
