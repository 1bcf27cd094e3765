// Profiles for tests, made of a good one and what a test adds or changes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policies/load.h"

namespace hallmark::testing {

inline constexpr char kTestRealm[] = "factory.example";

// The top fields of a profile and their values, as YAML.
using ProfileFields = std::vector<std::pair<std::string, std::string>>;

// A profile that loads, with `changes`: a field of another value, a further field, or, with an empty value, one less.
inline std::string ProfileText(const ProfileFields& changes) {
  ProfileFields fields = {{"description", "A test"},
                          {"keys", "[ec-p256]"},
                          {"subject", "[{type: CN, pattern: '[a-z0-9-]+'}]"},
                          {"validity", "{lifetime: 1d}"},
                          {"key_usage", "[digitalSignature]"}};
  for (const auto& [name, value] : changes) {
    bool known = false;
    for (auto& field : fields) {
      if (field.first != name) continue;
      field.second = value;
      known = true;
    }
    if (!known) fields.emplace_back(name, value);
  }
  std::string text;
  for (const auto& [name, value] : fields) {
    if (!value.empty()) text += name + ": " + value + "\n";
  }
  return text;
}

inline std::shared_ptr<const Profile> MakeProfile(const ProfileFields& changes) {
  return std::make_shared<const Profile>(ParseProfile("p", "p.yaml", ProfileText(changes), kTestRealm).value());
}

}  // namespace hallmark::testing
