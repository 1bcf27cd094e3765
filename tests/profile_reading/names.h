// A profile's rules of names, for tests/profile_reading.h.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/profile_reading.h"

namespace hallmark::testing {

// An attribute of a subject or a general name: its type as profiles spell it, and its text.
struct ReadName {
  std::string type;
  std::string text;
  bool operator==(const ReadName&) const = default;
  bool operator<(const ReadName& other) const { return std::tie(type, text) < std::tie(other.type, other.text); }
};

std::vector<ReadName> SubjectOf(const X509_NAME* name);
// "other" for what no profile grants.
std::vector<ReadName> AltNamesOf(const STACK_OF(X509_EXTENSION) * extensions);

// A value of a profile filled in; nullopt: a source has nothing. `used`: the types of the CSR's attributes in it.
std::optional<std::string> Filled(const std::string& value, const std::string& realm,
                                  const std::vector<ReadName>& subject, const Circumstances& circumstances,
                                  std::set<std::string>* used = nullptr);

struct NameRules {
  YAML::Node rules;
  const std::string& realm;
  const std::vector<ReadName>& subject;  // of the request
  const Circumstances& circumstances;
};
// What is wrong with `granted`, which was made of `asked`; empty: nothing. `in_order`: in that of the rules.
// `may_leave_out`: whether what was asked for of a type may stay out without an error.
std::string FaultOfNames(const NameRules& rules, const std::vector<ReadName>& asked,
                         const std::vector<ReadName>& granted, bool in_order,
                         const std::function<bool(const std::string& type)>& may_leave_out);

// The types of attributes that values take from the CSR.
std::set<std::string> SourcesIn(const YAML::Node& profile);

}  // namespace hallmark::testing
