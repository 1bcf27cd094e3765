#include "base/yaml.h"

#include <fmt/format.h>

#include <charconv>

#include "base/file.h"
#include "base/reason.h"

namespace hallmark::yaml {
namespace {

constexpr size_t kFileLimit = size_t{1} << 20;

const char* Kind(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: return "a mapping";
    case YAML::NodeType::Sequence: return "a list";
    case YAML::NodeType::Scalar: return "a value";
    default: return "nothing";
  }
}

}  // namespace

Mapping::Mapping(const YAML::Node& node, std::string file, std::string path)
    : node_(node), file_(std::move(file)), path_(std::move(path)) {
  if (!node_.IsMap()) {
    status_ = At(node_, "", fmt::format("expected a mapping, found {}", Kind(node_)));
    return;
  }
  // yaml-cpp keeps both of two equal keys; the second would be ignored in silence.
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) {
      Fail("", "a key is not a plain name");
    } else if (!seen.insert(entry.first.Scalar()).second && status_.ok()) {
      status_ = At(entry.first, entry.first.Scalar(), "stands here twice");
    }
  }
}

Status Mapping::At(const YAML::Node& node, const std::string& field, const std::string& message) const {
  const std::string name = path_.empty() || field.empty() ? path_ + field : path_ + "." + field;
  const int line = node.IsDefined() && !node.Mark().is_null() ? node.Mark().line : node_.Mark().line;
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("{}:{}: {}{}{}", file_, line + 1, name, name.empty() ? "" : ": ", message));
}

YAML::Node Mapping::Find(const std::string& field) {
  asked_.insert(field);
  // The const operator[] does not create what it does not find.
  return node_.IsMap() ? std::as_const(node_)[field] : YAML::Node(YAML::NodeType::Undefined);
}

bool Mapping::Has(const std::string& field) { return Find(field).IsDefined(); }

bool Mapping::IsNull(const std::string& field) { return Has(field) && Find(field).IsNull(); }

bool Mapping::IsMapping(const std::string& field) { return Has(field) && Find(field).IsMap(); }

std::vector<std::string> Mapping::Keys() const {
  std::vector<std::string> keys;
  if (!node_.IsMap()) return keys;
  for (const auto& entry : node_) keys.push_back(entry.first.Scalar());
  return keys;
}

void Mapping::Fail(const std::string& field, const std::string& message) {
  if (status_.ok()) status_ = At(Find(field), field, message);
}

void Mapping::Check(const Status& status, const std::string& field) {
  if (!status.ok()) Fail(field, Message(status));
}

template <>
std::string Mapping::Required<std::string>(const std::string& field) {
  const YAML::Node value = Find(field);
  if (!value.IsDefined()) {
    Fail(field, "is required");
  } else if (!value.IsScalar()) {
    Fail(field, fmt::format("expected a value, found {}", Kind(value)));
  } else {
    return value.Scalar();
  }
  return "";
}

template <>
bool Mapping::Required<bool>(const std::string& field) {
  const std::string text = Required<std::string>(field);
  if (status_.ok() && text != "true" && text != "false")
    Fail(field, fmt::format("expected true or false, found '{}'", text));
  return text == "true";
}

template <>
int64_t Mapping::Required<int64_t>(const std::string& field) {
  const std::string text = Required<std::string>(field);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status_.ok() && (error != std::errc() || end != text.data() + text.size())) {
    Fail(field, fmt::format("expected a whole number, found '{}'", text));
  }
  return value;
}

template <>
Duration Mapping::Required<Duration>(const std::string& field) {
  const StatusOr<Duration> duration = ParseDuration(Required<std::string>(field));
  Check(duration.status(), field);
  return duration.ok() ? *duration : absl::ZeroDuration();
}

template <>
std::vector<std::string> Mapping::Required<std::vector<std::string>>(const std::string& field) {
  const YAML::Node value = Find(field);
  std::vector<std::string> texts;
  if (!value.IsDefined()) {
    Fail(field, "is required");
  } else if (!value.IsSequence()) {
    Fail(field, fmt::format("expected a list, found {}", Kind(value)));
  } else {
    for (const YAML::Node& element : value) {
      if (!element.IsScalar()) {
        Fail(field, fmt::format("expected a list of values, found {} in it", Kind(element)));
        break;
      }
      texts.push_back(element.Scalar());
    }
  }
  return texts;
}

void Mapping::Nested(const std::string& field, const std::function<Status(Mapping&)>& read) {
  const YAML::Node value = Find(field);
  if (!value.IsDefined() || !status_.ok()) return;
  Mapping nested(value, file_, path_.empty() ? field : path_ + "." + field);
  status_ = read(nested);
}

void Mapping::Each(const std::string& field, const std::function<Status(Mapping&)>& read) {
  const YAML::Node value = Find(field);
  if (!value.IsDefined() || !status_.ok()) return;
  if (!value.IsSequence()) return Fail(field, fmt::format("expected a list, found {}", Kind(value)));
  for (size_t i = 0; i < value.size() && status_.ok(); ++i) {
    Mapping nested(value[i], file_, fmt::format("{}{}{}[{}]", path_, path_.empty() ? "" : ".", field, i));
    status_ = read(nested);
  }
}

void Mapping::Entries(const std::function<Status(const std::string&, Mapping&)>& read) {
  if (!node_.IsMap()) return;
  for (const auto& entry : node_) {
    if (!status_.ok()) return;
    const std::string key = entry.first.Scalar();
    asked_.insert(key);
    Mapping nested(entry.second, file_, path_.empty() ? key : path_ + "." + key);
    status_ = read(key, nested);
  }
}

Status Mapping::Finish() {
  if (!status_.ok() || !node_.IsMap()) return status_;
  for (const auto& entry : node_) {
    if (asked_.contains(entry.first.Scalar())) continue;
    std::string known;
    for (const std::string& field : asked_) known += (known.empty() ? "" : ", ") + field;
    return At(entry.first, entry.first.Scalar(), fmt::format("unknown field; known here: {}", known));
  }
  return absl::OkStatus();
}

Status ParseMapping(const std::string& file, const std::string& text, const std::function<Status(Mapping&)>& read) {
  try {
    Mapping mapping(YAML::Load(text), file);
    return read(mapping);
  } catch (const YAML::Exception& exception) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                 fmt::format("{}:{}: not YAML: {}", file, exception.mark.line + 1, exception.msg));
  }
}

Status ReadMapping(const std::filesystem::path& file, const std::function<Status(Mapping&)>& read) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kFileLimit));
  return ParseMapping(file.string(), text, read);
}

StatusOr<Duration> ParseDuration(const std::string& text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error == std::errc() && count >= 0 && count <= 1'000'000'000) {
    if (unit == "ms") return absl::Milliseconds(count);
    if (unit == "s") return absl::Seconds(count);
    if (unit == "m") return absl::Minutes(count);
    if (unit == "h") return absl::Hours(count);
    if (unit == "d") return absl::Hours(24 * count);
    if (unit == "y") return absl::Hours(24 * 365 * count);
  }
  return Error(
      Code::kInvalidArgument, reason::kConfigurationInvalid,
      fmt::format("'{}' is not a duration; write a whole number and one of ms, s, m, h, d, y (365 days), e.g. 30d",
                  text));
}

}  // namespace hallmark::yaml
