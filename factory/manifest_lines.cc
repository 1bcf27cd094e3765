#include "factory/manifest_lines.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "base/text.h"
#include "factory/terms_json.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr size_t kBatch = 1000;
constexpr size_t kHardwareLimit = 16;
constexpr size_t kHardwareNameLimit = 31;
constexpr size_t kHardwareValueLimit = 128;

bool IsHardwareName(std::string_view text) {
  return !text.empty() && text.size() <= kHardwareNameLimit && text[0] >= 'a' && text[0] <= 'z' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == text.npos;
}

std::string ReadHardware(ObjectFields& fields, Violations& violations) {
  const json* hardware = fields.Value("hardware");
  if (hardware == nullptr) return "";
  if (!hardware->is_object() || hardware->size() > kHardwareLimit) {
    fields.Fail("hardware", fmt::format("is not an object of at most {} names and texts", kHardwareLimit));
    return "";
  }
  for (const auto& [name, value] : hardware->items()) {
    const std::string at = fields.Path("hardware");
    if (!IsHardwareName(name)) {
      violations.Add(at, fmt::format("{} is not a name: 1 to {} of a-z, 0-9 and _, the first a letter", Quoted(name),
                                     kHardwareNameLimit));
    } else if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
               value.get_ref<const std::string&>().size() > kHardwareValueLimit ||
               !IsCleanUtf8(value.get_ref<const std::string&>())) {
      violations.Add(at + "." + name,
                     fmt::format("{} is not a text of 1 to {} printable octets", Quoted(value), kHardwareValueLimit));
    }
  }
  return hardware->empty() ? "" : hardware->dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

DeviceLine ReadDevice(const json& value, const std::string& path, Violations& violations) {
  ObjectFields fields(value, path, violations);
  DeviceLine line;
  line.serial = fields.Required("serial", IsSerialNumber, kSerialNumberForm);
  line.registration_id = fields.Text("registration_id", IsRegistrationId, kRegistrationIdForm).value_or("");
  line.spki = fields.Sha256("spki_sha256");
  line.endorsement_key = fields.Sha256("endorsement_key_sha256");
  line.hardware = ReadHardware(fields, violations);
  fields.Finish();
  return line;
}

Status LineBatch::Add(DeviceLine line) {
  ++added_;
  if (sink_ == nullptr) return absl::OkStatus();
  lines_.push_back(std::move(line));
  return FlushIfFull();
}

Status LineBatch::Withdraw(std::string serial) {
  ++withdrawn_;
  if (sink_ == nullptr) return absl::OkStatus();
  withdrawals_.push_back(std::move(serial));
  return FlushIfFull();
}

Status LineBatch::FlushIfFull() { return lines_.size() + withdrawals_.size() < kBatch ? absl::OkStatus() : Flush(); }

Status LineBatch::Flush() {
  if (lines_.empty() && withdrawals_.empty()) return absl::OkStatus();
  return sink_(std::exchange(lines_, {}), std::exchange(withdrawals_, {}));
}

}  // namespace hallmark
