// Rules of names: where their values come from, and what they must look like.
#include <fmt/format.h>
#include <re2/re2.h>

#include "base/text.h"
#include "policies/forms.h"
#include "policies/load_parts.h"
#include "policies/value.h"

namespace hallmark {
namespace {

constexpr size_t kDefaultLength = 64;

std::string Replace(std::string text, std::string_view placeholder, const std::string& value) {
  for (size_t at = text.find(placeholder); at != text.npos; at = text.find(placeholder, at + value.size())) {
    text.replace(at, placeholder.size(), value);
  }
  return text;
}

void CheckAttributeType(yaml::Mapping& rule, const std::string& type) {
  const std::string name = AttributeNameOf(type);
  if (!name.empty()) return rule.Fail("type", fmt::format("{} is {}; write that", type, name));
  if (!IsAttributeName(type) && !IsObjectIdentifier(type)) {
    rule.Fail("type", fmt::format("'{}' is neither CN, serialNumber, O, OU, C, L, ST or DC, nor a dotted OID", type));
  }
}

bool IsSame(const NameRule& a, const NameRule& b) {
  if (a.type != b.type) return false;
  if (!a.value.empty() || !b.value.empty()) return ValueText(a.value) == ValueText(b.value);
  return a.pattern != nullptr && b.pattern != nullptr && a.pattern->pattern() == b.pattern->pattern();
}

NameRule ReadNameRule(yaml::Mapping& rule, const std::string& realm) {
  NameRule read;
  read.type = rule.Required<std::string>("type");
  read.value = ReadValue(rule, realm);
  read.pattern = ReadPattern(rule, realm);
  const size_t bound = UpperBound(read.type);
  read.max_length = ReadLimit(rule, "max_length", std::min(bound, kDefaultLength), bound);
  read.max_count = ReadLimit(rule, "max_count", 1, kMaxRules);
  read.required = rule.Optional<bool>("required", true);
  if (read.value.empty() && read.pattern == nullptr) {
    rule.Fail("pattern", "give a pattern for what the CSR asks for, or a value");
  }
  if (!read.value.empty() && read.max_count > 1) rule.Fail("max_count", "a value is one; leave this out");
  if (IsFixed(read.value)) {
    const std::string& value = read.value.front().name;
    CheckFixedValue(rule, value, CheckNameForm(read.type, value), read.max_length, read.pattern.get());
  }
  return read;
}

template <class CheckType>
std::vector<NameRule> ReadRules(yaml::Mapping& mapping, const std::string& field, const std::string& realm,
                                CheckType check_type) {
  std::vector<NameRule> rules;
  mapping.Each(field, [&](yaml::Mapping& rule) {
    check_type(rule, rule.Optional<std::string>("type", "CN"));
    NameRule read = ReadNameRule(rule, realm);
    if (std::any_of(rules.begin(), rules.end(), [&](const NameRule& earlier) { return IsSame(earlier, read); })) {
      rule.Fail("type",
                fmt::format("another rule of {} says the same; for several of a kind write max_count", read.type));
    }
    rules.push_back(std::move(read));
    return rule.Finish();
  });
  if (mapping.Has(field)) CheckCount(mapping, field, rules.size());
  return rules;
}

}  // namespace

std::vector<ValuePart> ReadValue(yaml::Mapping& rule, const std::string& realm) {
  if (rule.Has("fixed") && rule.Has("value")) rule.Fail("fixed", "is another name of value; give one of them");
  const char* field = rule.Has("fixed") ? "fixed" : "value";
  if (!rule.Has(field)) return {};
  const StatusOr<std::vector<ValuePart>> value = ParseValue(rule.Required<std::string>(field), realm);
  rule.Check(value.status(), field);
  if (!value.ok()) return {};
  if (rule.Has("fixed") && !IsFixed(*value)) rule.Fail(field, "has a placeholder; write it as value");
  return *value;
}

std::shared_ptr<const re2::RE2> ReadPattern(yaml::Mapping& rule, const std::string& realm) {
  if (!rule.Has("pattern")) return nullptr;
  const std::string pattern = Replace(rule.Required<std::string>("pattern"), "{realm}", RE2::QuoteMeta(realm));
  auto compiled = std::make_shared<const RE2>(pattern, RE2::Quiet);
  if (!compiled->ok()) rule.Fail("pattern", "is not a regular expression of RE2: " + compiled->error());
  return compiled;
}

void CheckFixedValue(yaml::Mapping& rule, const std::string& value, const Status& form, size_t max_length,
                     const re2::RE2* pattern) {
  const char* field = rule.Has("fixed") ? "fixed" : "value";
  if (!form.ok()) rule.Fail(field, fmt::format("'{}' {}", value, Message(form)));
  if (CountCharacters(value) > max_length) rule.Fail(field, "is longer than max_length");
  if (pattern != nullptr && pattern->ok() && !RE2::FullMatch(value, *pattern)) {
    rule.Fail("pattern", fmt::format("can never match the value, which is always '{}'", value));
  }
}

size_t ReadLimit(yaml::Mapping& rule, const std::string& field, size_t otherwise, size_t bound) {
  const auto limit = rule.Optional<int64_t>(field, static_cast<int64_t>(otherwise));
  if (limit < 1 || static_cast<uint64_t>(limit) > bound) rule.Fail(field, fmt::format("must be 1 to {}", bound));
  return static_cast<size_t>(limit);
}

void CheckCount(yaml::Mapping& mapping, const std::string& field, size_t count) {
  if (count == 0) mapping.Fail(field, "is empty; say what belongs there, or leave the field out");
  if (count > kMaxRules) mapping.Fail(field, fmt::format("has {} entries; the limit is {}", count, kMaxRules));
}

void ReadNameRules(yaml::Mapping& mapping, const std::string& realm, Profile& profile) {
  if (!mapping.Has("subject")) mapping.Fail("subject", "is required: at least one attribute");
  profile.subject = ReadRules(mapping, "subject", realm, CheckAttributeType);
  profile.subject_alt_names = ReadRules(
      mapping, "subject_alt_names", realm,
      [](yaml::Mapping& rule, const std::string& type) { rule.Check(ParseGeneralNameKind(type).status(), "type"); });
  const std::string form = mapping.Optional<std::string>("subject_form", "profile");
  if (form != "profile" && form != "csr") mapping.Fail("subject_form", "must be profile or csr");
  profile.subject_as_requested = form == "csr";
}

}  // namespace hallmark
