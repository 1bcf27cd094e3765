// A strict reader of YAML mappings, for configuration and profiles: a field that nobody asked for is an error, as are
// a missing required field and a value of another type; each error names the file, the line and the field.
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace hallmark::yaml {

// One mapping being read. Ask for each field that may stand in it, then call Finish, which returns the first error:
//   Mapping mapping(node, "profiles/device-dps.yaml", "validity");
//   profile.lifetime = mapping.Required<Duration>("lifetime");
//   return mapping.Finish();
// A value that could not be read is a default-constructed one until then. Not thread-safe.
class Mapping {
 public:
  // `path` is the dotted name of the mapping in its file, for errors; empty at the top.
  Mapping(const YAML::Node& node, std::string file, std::string path = "");

  bool Has(const std::string& field);
  bool IsNull(const std::string& field);     // `null`, or nothing after the colon
  bool IsMapping(const std::string& field);  // as opposed to a value or a list, where a field may be either
  std::vector<std::string> Keys() const;     // of a mapping whose keys are of the author's choice, with plain values

  // T: std::string, bool, int64_t, Duration ("90s", "36h", "30d", "10y" of 365 days), std::vector<std::string>.
  template <class T>
  T Required(const std::string& field);
  template <class T>
  T Optional(const std::string& field, T otherwise) {
    return Has(field) ? Required<T>(field) : std::move(otherwise);
  }

  // Reads a nested mapping or each element of a sequence of mappings, if there; `read` returns its own Finish().
  void Nested(const std::string& field, const std::function<Status(Mapping&)>& read);
  void Each(const std::string& field, const std::function<Status(Mapping&)>& read);
  // Reads a mapping whose keys are names of the author's choice: `read` gets each key with its value.
  void Entries(const std::function<Status(const std::string& key, Mapping& value)>& read);

  // Reports a value that is of the right type but makes no sense; the first error of a mapping is kept.
  void Fail(const std::string& field, const std::string& message);
  void Check(const Status& status, const std::string& field);  // the same, if `status` is not OK

  // kInvalidArgument, reason CONFIGURATION_INVALID, on the first error or a field that was never asked for.
  Status Finish();

 private:
  YAML::Node Find(const std::string& field);
  Status At(const YAML::Node& node, const std::string& field, const std::string& message) const;

  YAML::Node node_;
  std::string file_;
  std::string path_;
  std::set<std::string> asked_;
  Status status_;
};

// Parses the text of `file`, whose top must be a mapping, and hands it to `read`.
Status ParseMapping(const std::string& file, const std::string& text, const std::function<Status(Mapping&)>& read);
Status ReadMapping(const std::filesystem::path& file, const std::function<Status(Mapping&)>& read);

// Reads a duration as Mapping does; kInvalidArgument otherwise.
StatusOr<Duration> ParseDuration(const std::string& text);

}  // namespace hallmark::yaml
