// One device's line, as JSON, and the batches in which lines reach a sink.
#pragma once

#include <string>
#include <vector>

#include "factory/manifest.h"
#include "factory/manifest_fields.h"

namespace hallmark {

// Reads a device of `devices`, or of a file of lines. What is wrong is added with `path` before the field.
DeviceLine ReadDevice(const nlohmann::json& value, const std::string& path, Violations& violations);

// Gathers lines for a sink, which may be null: then they are counted only.
class LineBatch {
 public:
  explicit LineBatch(const LineSink& sink) : sink_(sink) {}
  Status Add(DeviceLine line);
  Status Withdraw(std::string serial);
  Status Flush();
  int64_t added() const { return added_; }
  int64_t withdrawn() const { return withdrawn_; }

 private:
  Status FlushIfFull();

  const LineSink& sink_;
  std::vector<DeviceLine> lines_;
  std::vector<std::string> withdrawals_;
  int64_t added_ = 0;
  int64_t withdrawn_ = 0;
};

inline constexpr char kSerialNumberForm[] =
    "not a serial number: 1 to 64 octets of printable ASCII without blanks, /, \\ and \"";

}  // namespace hallmark
