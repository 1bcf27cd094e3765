// Requests that a station without a network has signed (docs/station-integration.md): CMS SignedData over JSON lines.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

// Movable, one thread; owns the open file and not the files.
class RequestBundle {
 public:
  // Takes `signed_file` apart: its content goes to `content_file`. Its one signer's certificate is within, and has
  // signed the content, with SHA-256 or better, over signed attributes; whether that certificate counts is for the
  // caller to say. kInvalidArgument (BUNDLE_INVALID); kFailedPrecondition (FILE_UNREADABLE).
  static StatusOr<RequestBundle> Open(const std::filesystem::path& signed_file,
                                      const std::filesystem::path& content_file);

  const Bytes& signer() const { return signer_; }          // a certificate, DER
  const std::string& sha256() const { return sha256_; }    // of the content, lower-case hexadecimal
  const std::string& name() const { return name_; }        // as the station has it, of at most 64 [A-Za-z0-9._:-]
  const std::string& station() const { return station_; }  // a caller's URI, as the header says
  // The next request in protobuf's JSON mapping, at most 1 MiB, nothing at the end. kInvalidArgument (BUNDLE_INVALID).
  StatusOr<std::optional<std::string>> Next();
  // Reads all requests to their end and goes back to before the first. An error of `check` is said of its line.
  Status CheckAll(const std::function<Status(const std::string& request)>& check);

 private:
  RequestBundle() = default;
  Status Fault(const std::string& what) const;
  Status ReadHeader();

  Bytes signer_;
  std::string sha256_;
  std::string name_;
  std::string station_;
  std::ifstream content_;
  std::streampos first_;  // request
  size_t line_ = 0;
};

}  // namespace hallmark
