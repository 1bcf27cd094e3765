// The folder that a line takes its answers from.
//
//   NAME.json          the device's bundle, as the service made it, for devices of lots
//   NAME.pem           the certificate;  NAME-chain.pem: with those above it, leaf first, root last
//   refused/NAME.json  why there is none
//
// Each file appears whole or not at all, NAME.json last: whoever sees it finds the others. After Deliver has returned
// OK they survive a power cut. One thread.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/hallmark/station/spool.h"

namespace hallmark::cli::station {

class OutFolder {
 public:
  // Makes the folder if need be. kFailedPrecondition (FILE_UNREADABLE) when that fails.
  static StatusOr<OutFolder> Open(const std::filesystem::path& path);

  // Writes out what was answered or refused; writing the same again does no harm. kFailedPrecondition
  // (FILE_UNREADABLE).
  Status Deliver(const std::vector<Entry>& entries);

 private:
  explicit OutFolder(std::filesystem::path path) : path_(std::move(path)) {}
  Status Stage(const std::filesystem::path& file, const std::string& content);
  Status Publish();

  std::filesystem::path path_;
  std::vector<std::pair<std::string, std::filesystem::path>> staged_;  // temporary name, name
};

}  // namespace hallmark::cli::station
