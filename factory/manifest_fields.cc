#include "factory/manifest_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/edit_distance.h"
#include "base/text.h"
#include "base/yaml.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr size_t kToldLimit = 20;
constexpr size_t kQuotedLimit = 80;

const json kNothing = json::object();

// The name that was asked for and comes nearest to a misspelt one; empty if none is near.
std::string Nearest(const std::set<std::string, std::less<>>& names, const std::string& misspelt) {
  constexpr size_t kNear = 3;
  std::string nearest;
  size_t least = kNear;
  if (misspelt.size() > kQuotedLimit) return nearest;
  for (const std::string& name : names) {
    const size_t distance = EditDistance(name, misspelt);
    if (distance < least && distance < name.size()) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace

void Violations::Add(const std::string& path, const std::string& description) {
  if (full()) {
    ++untold_;
  } else {
    all_.push_back({path, description});
  }
}

bool Violations::full() const { return all_.size() >= kToldLimit; }

Status Violations::ToStatus(std::string_view reason) const {
  if (all_.empty()) return absl::OkStatus();
  const Status status = FieldErrors(reason, all_);
  if (!full()) return status;
  Status cut(status.code(), Message(status) + fmt::format("; more than {} were not looked for", kToldLimit));
  status.ForEachPayload([&cut](auto key, const absl::Cord& value) { cut.SetPayload(key, value); });
  return cut;
}

ObjectFields::ObjectFields(const json& object, std::string path, Violations& violations)
    : object_(object.is_object() ? object : kNothing),
      path_(std::move(path)),
      violations_(violations),
      readable_(object.is_object()) {
  if (!readable_) violations_.Add(path_, fmt::format("{} is not an object", Quoted(object)));
}

std::string ObjectFields::Path(const char* name) const { return path_.empty() ? name : path_ + "." + name; }

void ObjectFields::Fail(const char* name, const std::string& description) { violations_.Add(Path(name), description); }

const json* ObjectFields::Find(const char* name, bool required) {
  asked_.insert(name);
  const auto field = object_.find(name);
  if (field != object_.end()) return &*field;
  if (required && readable_) Fail(name, "is required");
  return nullptr;
}

bool ObjectFields::Has(const char* name) { return Find(name, false) != nullptr; }

const json* ObjectFields::Value(const char* name) { return Find(name, false); }

std::optional<std::string> ObjectFields::Text(const char* name, Test valid, const char* form) {
  const json* value = Find(name, false);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Fail(name, fmt::format("{} is not a text", Quoted(*value)));
    return std::nullopt;
  }
  const auto& text = value->get_ref<const std::string&>();
  if (valid(text)) return text;
  Fail(name, fmt::format("{} is {}", Quoted(*value), form));
  return std::nullopt;
}

std::string ObjectFields::Required(const char* name, Test valid, const char* form) {
  if (Find(name, true) == nullptr) return "";
  return Text(name, valid, form).value_or("");
}

std::optional<int64_t> ObjectFields::Number(const char* name, int64_t least, int64_t most) {
  const json* value = Find(name, false);
  if (value == nullptr) return std::nullopt;
  const bool whole = value->is_number_unsigned() ? value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                                                 : value->is_number_integer();
  if (whole && value->get<int64_t>() >= least && value->get<int64_t>() <= most) return value->get<int64_t>();
  Fail(name, fmt::format("{} is not a whole number from {} to {}", Quoted(*value), least, most));
  return std::nullopt;
}

int64_t ObjectFields::RequiredNumber(const char* name, int64_t least, int64_t most) {
  if (Find(name, true) == nullptr) return 0;
  return Number(name, least, most).value_or(0);
}

std::optional<size_t> ObjectFields::Word(const char* name, const std::vector<const char*>& words) {
  const json* value = Find(name, false);
  if (value == nullptr) return std::nullopt;
  std::string known;
  for (size_t i = 0; i < words.size(); ++i) {
    if (value->is_string() && value->get_ref<const std::string&>() == words[i]) return i;
    known += fmt::format("{}\"{}\"", i == 0 ? "" : " or ", words[i]);
  }
  Fail(name, fmt::format("{} is not {}", Quoted(*value), known));
  return std::nullopt;
}

std::optional<Digest> ObjectFields::Sha256(const char* name) {
  Digest digest{};
  const auto is_digest = [](std::string_view text) {
    return text.size() == 2 * Digest().size() && text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
  };
  const std::optional<std::string> text = Text(name, is_digest, "not a SHA-256: 64 hexadecimal digits");
  if (!text.has_value()) return std::nullopt;
  const Bytes octets = FromHex(*text).value();
  std::copy(octets.begin(), octets.end(), digest.begin());
  return digest;
}

Time ObjectFields::RequiredTime(const char* name) {
  constexpr size_t kSize = sizeof("2026-12-01T00:00:00Z") - 1;
  const auto parse = [](std::string_view text) {
    Time time = absl::UnixEpoch();
    std::string error;
    const bool read = text.size() == kSize &&
                      absl::ParseTime("%Y-%m-%dT%H:%M:%SZ", std::string(text), absl::UTCTimeZone(), &time, &error);
    return read && Rfc3339(time) == text ? std::optional(time) : std::nullopt;
  };
  const std::string text = Required(
      name, +[](std::string_view) { return true; }, "");
  const std::optional<Time> time = parse(text);
  if (!time.has_value() && !text.empty()) {
    Fail(name, fmt::format("{} is not a time in UTC with whole seconds, e.g. 2026-12-01T00:00:00Z", Quoted(text)));
  } else if (!time.has_value() && Has(name) && object_.find(name)->is_string()) {
    Fail(name, "is empty");
  }
  return time.value_or(absl::UnixEpoch());
}

std::optional<Duration> ObjectFields::Period(const char* name, Duration least, Duration most) {
  const std::optional<std::string> text = Text(
      name, +[](std::string_view t) { return yaml::ParseDuration(std::string(t)).ok(); },
      "not a duration: a whole number and one of s, m, h, d, e.g. \"7d\"");
  if (!text.has_value()) return std::nullopt;
  const Duration duration = yaml::ParseDuration(*text).value();
  if (duration >= least && duration <= most && duration == absl::Trunc(duration, absl::Seconds(1))) return duration;
  Fail(name, fmt::format("{} is not between {} and {}, in whole seconds", Quoted(*text), absl::FormatDuration(least),
                         absl::FormatDuration(most)));
  return std::nullopt;
}

void ObjectFields::Object(const char* name, const std::function<void(ObjectFields&)>& read) {
  const json* value = Find(name, false);
  if (value == nullptr) return;
  ObjectFields fields(*value, Path(name), violations_);
  read(fields);
  fields.Finish();
}

void ObjectFields::Finish() {
  for (const auto& [name, value] : object_.items()) {
    if (asked_.contains(name)) continue;
    const std::string nearest = Nearest(asked_, name);
    const std::string shown = IsCleanUtf8(name) ? Shorten(name, kQuotedLimit) : "(unprintable name)";
    Fail(shown.c_str(),
         nearest.empty() ? "there is no such field" : fmt::format("there is no such field; did you mean {}?", nearest));
  }
}

bool IsManifestName(std::string_view text) {
  constexpr std::string_view kOctets = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 63 && text[0] != '-' && text.find_first_not_of(kOctets) == text.npos;
}

std::string Quoted(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  // Escaped to ASCII: no octet of a terminal's or a log's.
  return Shorten(value.dump(-1, ' ', true, json::error_handler_t::replace), kQuotedLimit);
}

}  // namespace hallmark
