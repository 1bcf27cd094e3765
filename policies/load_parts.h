// The readers of a profile's parts; policies/load_profile.cc puts them together. Each reads the fields that it names
// from a mapping, into a profile, and leaves the first error in the mapping.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/yaml.h"
#include "policies/profile.h"

namespace hallmark {

inline constexpr size_t kMaxRules = 64;  // of a list: more are a mistake, and each costs time

void ReadNameRules(yaml::Mapping& mapping, const std::string& realm, Profile& profile);  // subject, subject_alt_names
void ReadExtensionRules(yaml::Mapping& mapping, const std::string& realm, Profile& profile);  // extensions
Status ReadCa(yaml::Mapping& ca, Profile& profile);                                           // what `ca` holds
void ReadUsages(yaml::Mapping& mapping, Profile& profile);   // key_usage, extended_key_usage
void ReadIssuers(yaml::Mapping& mapping, Profile& profile);  // who issues and who asks

// A rule's `value`, or `fixed`, which is one without placeholders; and its `pattern`.
std::vector<ValuePart> ReadValue(yaml::Mapping& rule, const std::string& realm);
std::shared_ptr<const re2::RE2> ReadPattern(yaml::Mapping& rule, const std::string& realm);
// Judges at once a value that is the same for every certificate: `form` is what its standard says of it.
void CheckFixedValue(yaml::Mapping& rule, const std::string& value, const Status& form, size_t max_length,
                     const re2::RE2* pattern);
// Between 1 and `bound`; `otherwise` when the field is absent.
size_t ReadLimit(yaml::Mapping& rule, const std::string& field, size_t otherwise, size_t bound);

// Fails a list that has more than kMaxRules, or none though its field is there.
void CheckCount(yaml::Mapping& mapping, const std::string& field, size_t count);

// Reads each name of a list with `parse`, reporting the first that is not known or stands twice.
template <class T, class Parse>
std::vector<T> ReadList(yaml::Mapping& mapping, const std::string& field, Parse parse) {
  std::vector<T> values;
  if (!mapping.Has(field)) return values;
  const auto names = mapping.Required<std::vector<std::string>>(field);
  for (const std::string& name : names) {
    const StatusOr<T> value = parse(name);
    mapping.Check(value.status(), field);
    if (!value.ok()) break;
    if (std::find(values.begin(), values.end(), *value) != values.end()) {
      mapping.Fail(field, "'" + name + "' stands twice");
    }
    values.push_back(*value);
  }
  CheckCount(mapping, field, names.size());
  return values;
}

}  // namespace hallmark
