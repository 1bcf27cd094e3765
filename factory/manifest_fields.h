// A strict reader of JSON objects in manifests, lines and terms: an unknown field is an error, as are a missing one and
// a value of another type or beyond its limits. All that is at fault is gathered, each with its path.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

// What is wrong, up to a limit beyond which it is only counted. Not thread-safe.
class Violations {
 public:
  void Add(const std::string& path, const std::string& description);
  bool empty() const { return all_.empty(); }
  bool full() const;  // more need not be looked for
  const std::vector<FieldViolation>& all() const { return all_; }
  // kInvalidArgument with the fields at fault; OK if there are none.
  Status ToStatus(std::string_view reason) const;

 private:
  std::vector<FieldViolation> all_;
  size_t untold_ = 0;
};

// One JSON object being read: ask for each field that may stand in it, then call Finish. A value that could not be read
// is a default-constructed one, and the violations say why. Borrows both.
class ObjectFields {
 public:
  // `path`: of the object, "stations[1]"; empty at the top. What is no object is a violation and reads as an empty one.
  ObjectFields(const nlohmann::json& object, std::string path, Violations& violations);

  bool Has(const char* name);
  std::string Path(const char* name) const;
  void Fail(const char* name, const std::string& description);

  // A text of `valid`; `form` completes "is ", e.g. "not a name".
  using Test = bool (*)(std::string_view);
  std::optional<std::string> Text(const char* name, Test valid, const char* form);
  std::string Required(const char* name, Test valid, const char* form);
  std::optional<int64_t> Number(const char* name, int64_t least, int64_t most);
  int64_t RequiredNumber(const char* name, int64_t least, int64_t most);
  // One of a few words; the index of it.
  std::optional<size_t> Word(const char* name, const std::vector<const char*>& words);
  std::optional<Digest> Sha256(const char* name);
  Time RequiredTime(const char* name);
  std::optional<Duration> Period(const char* name, Duration least, Duration most);
  // Reads an object, if it is there.
  void Object(const char* name, const std::function<void(ObjectFields&)>& read);
  // The value of any type, if it is there.
  const nlohmann::json* Value(const char* name);

  // Adds the fields that nobody asked for.
  void Finish();

 private:
  const nlohmann::json* Find(const char* name, bool required);

  const nlohmann::json& object_;
  const std::string path_;
  Violations& violations_;
  std::set<std::string, std::less<>> asked_;
  const bool readable_;
};

// What stands in several places. Names: [a-z0-9][a-z0-9-]{0,62}.
bool IsManifestName(std::string_view text);
inline constexpr char kManifestNameForm[] = "not a name: 1 to 63 of a-z, 0-9 and -, the first no -";

// A value as a message quotes it: JSON, shortened.
std::string Quoted(const nlohmann::json& value);

}  // namespace hallmark
