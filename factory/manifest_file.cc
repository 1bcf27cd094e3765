// A manifest's file of lines: CSV or JSON lines.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "factory/manifest.h"
#include "factory/manifest_csv.h"
#include "factory/manifest_json.h"
#include "factory/manifest_lines.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr std::string_view kHardware = "hardware.";

// Judges lines of either format and hands them on; from the first that is at fault, it only judges.
class FileReading {
 public:
  FileReading(const LinesFile& file, const LineSink& sink) : file_(file), batch_(sink) {}

  Status Take(int64_t line, const json& value, bool withdraw);
  void Fail(int64_t line, const std::string& why) { violations_.Add(fmt::format("line {}", line), why); }
  bool full() const { return violations_.full(); }
  Status Finish(SummedInput& in);

 private:
  const LinesFile& file_;
  LineBatch batch_;
  Violations violations_;
};

Status FileReading::Take(int64_t line, const json& value, bool withdraw) {
  if (batch_.added() + batch_.withdrawn() >= file_.count) {
    return Error(Code::kInvalidArgument, reason::kManifestInvalid,
                 fmt::format("line {}: the manifest announces {} lines, and there are more", line, file_.count));
  }
  Violations found;
  DeviceLine device;
  if (withdraw) {
    ObjectFields fields(value, "", found);
    device.serial =
        fields.Required(value.contains("withdraw") ? "withdraw" : "serial", IsSerialNumber, kSerialNumberForm);
    fields.Finish();
  } else {
    device = ReadDevice(value, "", found);
  }
  for (const FieldViolation& violation : found.all()) Fail(line, violation.field + ": " + violation.description);
  if (!violations_.empty()) return absl::OkStatus();
  return withdraw ? batch_.Withdraw(std::move(device.serial)) : batch_.Add(std::move(device));
}

Status FileReading::Finish(SummedInput& in) {
  RETURN_IF_ERROR(in.status());
  RETURN_IF_ERROR(violations_.ToStatus(reason::kManifestInvalid));
  if (const int64_t count = batch_.added() + batch_.withdrawn(); count != file_.count) {
    return FieldError(reason::kManifestInvalid, "lines.count",
                      fmt::format("is {}, but the file has {} lines", file_.count, count));
  }
  ASSIGN_OR_RETURN(const Digest digest, in.Sha256());
  if (digest != file_.sha256) {
    return FieldError(reason::kManifestInvalid, "lines.sha256",
                      fmt::format("is {}, but the file's is {}; it is not the file that was announced",
                                  Hex(file_.sha256), Hex(digest)));
  }
  return batch_.Flush();
}

// A column's name, or why there is none such.
StatusOr<std::vector<std::string>> ReadColumns(CsvReader& csv) {
  std::vector<std::string> columns;
  ASSIGN_OR_RETURN(const bool read, csv.Next(columns));
  constexpr std::array kKnown = {"serial", "registration_id", "spki_sha256", "endorsement_key_sha256", "action"};
  const auto refuse = [](const std::string& why) {
    return Error(Code::kInvalidArgument, reason::kManifestInvalid, why);
  };
  if (!read) return refuse("the file is empty; its first line names the columns");
  for (auto column = columns.begin(); column != columns.end(); ++column) {
    if (std::find(columns.begin(), column, *column) != column) {
      return refuse(fmt::format("names the column {} twice", Quoted(*column)));
    }
    if (column->starts_with(kHardware) && column->size() > kHardware.size()) continue;
    if (std::find(kKnown.begin(), kKnown.end(), *column) == kKnown.end()) {
      return refuse(
          fmt::format("{} is no column; there are serial, registration_id, spki_sha256, "
                      "endorsement_key_sha256, hardware.NAME and action",
                      Quoted(*column)));
    }
  }
  if (std::find(columns.begin(), columns.end(), "serial") == columns.end()) return refuse("names no column serial");
  return columns;
}

// The object that stands for a record: of values that are not empty.
json ToObject(const std::vector<std::string>& columns, const std::vector<std::string>& values) {
  json object = json::object();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (values[i].empty() || columns[i] == "action") continue;
    if (columns[i].starts_with(kHardware)) {
      object["hardware"][columns[i].substr(kHardware.size())] = values[i];
    } else {
      object[columns[i]] = values[i];
    }
  }
  return object;
}

std::string ActionOf(const std::vector<std::string>& columns, const std::vector<std::string>& values) {
  const auto column = std::find(columns.begin(), columns.end(), "action");
  const std::string action = column == columns.end() ? "" : values[static_cast<size_t>(column - columns.begin())];
  return action.empty() ? "add" : action;
}

Status ReadCsv(SummedInput& in, FileReading& reading) {
  CsvReader csv(in);
  const StatusOr<std::vector<std::string>> columns = ReadColumns(csv);
  if (!columns.ok()) return Annotate(columns.status(), fmt::format("line {}", std::max<int64_t>(csv.line(), 1)));
  std::vector<std::string> values;
  while (!reading.full()) {
    const StatusOr<bool> read = csv.Next(values);
    if (!read.ok()) {
      reading.Fail(csv.line(), Message(read.status()));
      break;
    }
    if (!*read) break;
    if (values.size() != columns->size()) {
      reading.Fail(csv.line(), fmt::format("has {} values for {} columns", values.size(), columns->size()));
      continue;
    }
    const std::string action = ActionOf(*columns, values);
    if (action != "add" && action != "withdraw") {
      reading.Fail(csv.line(), fmt::format("action: {} is neither add nor withdraw", Quoted(action)));
      continue;
    }
    RETURN_IF_ERROR(reading.Take(csv.line(), ToObject(*columns, values), action == "withdraw"));
  }
  return absl::OkStatus();
}

Status ReadJsonLines(SummedInput& in, FileReading& reading) {
  std::string text;
  int64_t line = 1;
  const auto take = [&]() -> Status {
    if (text.find_first_not_of(" \t\r") == text.npos) return absl::OkStatus();
    const StatusOr<json> value = ParseStrictJson(text);
    if (value.ok()) return reading.Take(line, *value, value->is_object() && value->contains("withdraw"));
    reading.Fail(line, Message(value.status()));
    return absl::OkStatus();
  };
  for (int c = in.sbumpc(); c != std::char_traits<char>::eof() && !reading.full(); c = in.sbumpc()) {
    if (c != '\n') {
      text += static_cast<char>(c);
      if (text.size() <= kLineLimit) continue;
      reading.Fail(line, fmt::format("has more than {} octets", kLineLimit));
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(take());
    text.clear();
    ++line;
  }
  return take();
}

}  // namespace

Status ReadLines(std::istream& in, const LinesFile& file, const LineSink& sink) {
  SummedInput summed(in);
  FileReading reading(file, sink);
  const Status read =
      file.format == LinesFile::Format::kCsv ? ReadCsv(summed, reading) : ReadJsonLines(summed, reading);
  RETURN_IF_ERROR(read);
  return reading.Finish(summed);
}

}  // namespace hallmark
