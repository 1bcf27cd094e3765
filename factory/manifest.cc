#include "factory/manifest.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "factory/manifest_ids.h"
#include "factory/manifest_json.h"
#include "factory/manifest_lines.h"
#include "factory/terms_json.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr char kDevices[] = "devices";
constexpr char kWithdraw[] = "withdraw";

Status TooLarge(const std::string& what) { return Error(Code::kInvalidArgument, reason::kManifestTooLarge, what); }

// Takes a parser's events: keeps what is not a list of lines, and hands on lines one by one.
class Reading : public ValueEvents {
 public:
  explicit Reading(const LineSink& sink) : batch_(sink) {}

  bool key(string_t& key) override;
  bool parse_error(size_t, const std::string&, const json::exception& error) override {
    violations_.Add("manifest", JsonErrorText(error));
    return false;
  }

  // After the last event. `whole`: the parser came to the end.
  StatusOr<Manifest> Finish(bool whole);

 private:
  bool IsList() const { return key_ == kDevices || key_ == kWithdraw; }
  bool Scalar(json value) override;
  bool Begin(json container) override;
  bool End() override;
  bool GoOn();
  bool Refuse(Status status);
  bool TakeValue();
  bool TakeDevice(const json& value, const std::string& path);
  bool TakeWithdrawal(const json& value, const std::string& path);

  LineBatch batch_;
  ValueBuilder builder_;
  Violations violations_;
  RegistrationIds ids_;
  Status status_;
  json header_ = json::object();
  size_t header_size_ = 0;
  std::set<std::string> keys_;
  std::string key_;
  bool in_manifest_ = false;
  bool in_list_ = false;
  size_t index_ = 0;
};

bool Reading::Refuse(Status status) {
  status_ = std::move(status);
  return false;
}

bool Reading::key(string_t& key) {
  if (!builder_.idle()) {
    builder_.Key(key);
    return GoOn();
  }
  key_ = key;
  index_ = 0;
  header_size_ += key.size();
  builder_.Reset(IsList() ? kLineLimit : kManifestHeaderLimit - std::min(header_size_, kManifestHeaderLimit));
  if (!keys_.insert(key).second) violations_.Add("manifest", fmt::format("has {} twice", Quoted(key)));
  return GoOn();
}

bool Reading::Scalar(json value) {
  if (!in_manifest_ || (IsList() && !in_list_)) {
    violations_.Add(in_manifest_ ? key_ : "manifest", in_manifest_ ? "is not a list" : "is not a JSON object");
    return in_manifest_;
  }
  builder_.Scalar(std::move(value));
  return GoOn();
}

bool Reading::Begin(json container) {
  if (!in_manifest_) {
    in_manifest_ = container.is_object();
    if (!in_manifest_) violations_.Add("manifest", "is not a JSON object");
    return in_manifest_;
  }
  if (IsList() && !in_list_) {
    in_list_ = container.is_array();
    if (!in_list_) violations_.Add(key_, "is not a list");
    return in_list_;
  }
  builder_.Begin(std::move(container));
  return GoOn();
}

bool Reading::End() {
  if (!builder_.idle()) {
    builder_.End();
    return GoOn();
  }
  in_list_ = false;  // or it was the manifest's own end
  return true;
}

// After each event of a value: takes it when it is complete.
bool Reading::GoOn() {
  if (builder_.too_large()) {
    return Refuse(TooLarge(in_list_ ? fmt::format("{}[{}] has more than {} octets", key_, index_, kLineLimit)
                                    : fmt::format("the manifest has more than {} octets beside its lines; name many "
                                                  "devices in lines, and stations by globs",
                                                  kManifestHeaderLimit)));
  }
  if (!builder_.broken().empty()) {
    violations_.Add(in_list_ ? fmt::format("{}[{}]", key_, index_) : key_, builder_.broken());
    return false;
  }
  if (builder_.done() && !TakeValue()) return false;
  return !violations_.full();
}

bool Reading::TakeValue() {
  const size_t size = builder_.size();
  const json value = builder_.Take();
  if (!in_list_) {
    header_size_ += size;
    header_[key_] = value;
    return true;
  }
  const std::string path = fmt::format("{}[{}]", key_, index_++);
  builder_.Reset(kLineLimit);
  return key_ == kDevices ? TakeDevice(value, path) : TakeWithdrawal(value, path);
}

bool Reading::TakeDevice(const json& value, const std::string& path) {
  if (index_ > kLinesLimit) {
    return Refuse(TooLarge(fmt::format("the manifest has more than {} devices; make several lots", kLinesLimit)));
  }
  Violations found;
  DeviceLine line = ReadDevice(value, path, found);
  if (!found.empty()) {
    ReadDevice(value, path, violations_);
    return true;
  }
  ids_.Add(line, path);
  const Status status = violations_.empty() ? batch_.Add(std::move(line)) : absl::OkStatus();
  return status.ok() || Refuse(status);
}

bool Reading::TakeWithdrawal(const json& value, const std::string& path) {
  if (index_ > kWithdrawalsLimit) {
    return Refuse(
        TooLarge(fmt::format("the manifest withdraws more than {} devices; close the lot", kWithdrawalsLimit)));
  }
  if (!value.is_string() || !IsSerialNumber(value.get_ref<const std::string&>())) {
    violations_.Add(path, fmt::format("{} is {}", Quoted(value), kSerialNumberForm));
    return true;
  }
  const Status status = violations_.empty() ? batch_.Withdraw(value.get<std::string>()) : absl::OkStatus();
  return status.ok() || Refuse(status);
}

std::optional<LinesFile> ReadLinesFile(ObjectFields& header) {
  if (!header.Has("lines")) return std::nullopt;
  LinesFile file;
  header.Object("lines", [&file](ObjectFields& lines) {
    if (!lines.Has("format")) lines.Fail("format", "is required");
    file.format = lines.Word("format", {"csv", "jsonl"}).value_or(0) == 0 ? LinesFile::Format::kCsv
                                                                          : LinesFile::Format::kJsonLines;
    if (!lines.Has("sha256")) lines.Fail("sha256", "is required");
    file.sha256 = lines.Sha256("sha256").value_or(Digest());
    file.count = lines.RequiredNumber("count", 1, kLinesLimit);
  });
  return file;
}

// What the first revision's lines must be, and what their number bounds.
void JudgeLines(const Manifest& manifest, Violations& violations) {
  const int64_t lines = manifest.devices + (manifest.lines.has_value() ? manifest.lines->count : 0);
  const auto& serials = manifest.terms.serials;
  if (lines > static_cast<int64_t>(kLinesLimit)) {
    violations.Add("lines.count", fmt::format("is more than {} together with devices", kLinesLimit));
  }
  if (manifest.terms.revision != 1) return;
  if (manifest.withdrawals > 0) violations.Add(kWithdraw, "has no place in revision 1, which has nothing to withdraw");
  if (serials.has_value() && lines > 0) {
    violations.Add("serials", "stands beside devices or lines; revision 1 has either a range or lines");
  } else if (!serials.has_value() && lines == 0) {
    violations.Add(kDevices, "is required in revision 1, or serials or lines: the devices that the lot announces");
  } else if (const int64_t announced = serials.has_value() ? serials->last - serials->first + 1 : lines;
             manifest.terms.quantity > announced) {
    violations.Add("quantity", fmt::format("is {}, but {} devices are announced", manifest.terms.quantity, announced));
  }
}

StatusOr<Manifest> Reading::Finish(bool whole) {
  if (!status_.ok()) return status_;
  Manifest manifest;
  if (whole && !violations_.full()) {
    manifest.devices = batch_.added();
    manifest.withdrawals = batch_.withdrawn();
    ObjectFields fields(header_, "", violations_);
    fields.RequiredNumber("hallmark_manifest", 1, 1);
    manifest.terms = ReadTerms(fields, violations_);
    manifest.lines = ReadLinesFile(fields);
    fields.Has(kDevices);
    fields.Has(kWithdraw);
    fields.Finish();
    if (violations_.empty()) {
      JudgeLines(manifest, violations_);
      ids_.Judge(manifest.terms, violations_);
    }
  }
  RETURN_IF_ERROR(violations_.ToStatus(reason::kManifestInvalid));
  RETURN_IF_ERROR(batch_.Flush());
  manifest.header = header_.dump();
  return manifest;
}

}  // namespace

StatusOr<Manifest> ReadManifest(std::istream& in, const LineSink& sink) {
  GuardedInput guarded(in);
  std::istream input(&guarded);
  Reading reading(sink);
  const bool whole = json::sax_parse(input, &reading);
  RETURN_IF_ERROR(guarded.status());
  ASSIGN_OR_RETURN(Manifest manifest, reading.Finish(whole));
  ASSIGN_OR_RETURN(manifest.digest, guarded.Sha256());
  return manifest;
}

}  // namespace hallmark
