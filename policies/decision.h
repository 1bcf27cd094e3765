// The parts of a profile's verdict; policies/decide.cc puts them together.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "policies/profile.h"

namespace hallmark {

template <class T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Every field at fault, under the reason of the first.
class Violations {
 public:
  void Add(const char* reason, std::string field, std::string description);
  Status ToStatus() const;

 private:
  std::string reason_;
  std::vector<FieldViolation> fields_;
};

// What the profile's rules make of the names that are asked for, into `plan`.
void DecideSubject(const Profile& profile, const Facts& facts, Plan& plan, Violations& violations);
void DecideSubjectAltNames(const Profile& profile, const Facts& facts, Plan& plan, Violations& violations);

// What they make of the extensions: what is asked for and has a field of its own, and the profile's `extensions`.
void DecideUsages(const Profile& profile, const Facts& facts, Violations& violations);
void DecideExtensions(const Profile& profile, const Facts& facts, Plan& plan, Violations& violations);

// Whether some value of the profile is made of this attribute of the CSR.
bool IsSource(const Profile& profile, const std::string& type);

}  // namespace hallmark
