#include "policies/compare.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "policies/value.h"

namespace hallmark {
namespace {

void Join(std::string& list, const std::string& next, const char* separator = ", ") {
  list += (list.empty() ? "" : separator) + next;
}

template <class Values, class Text>
std::string List(const Values& values, Text text) {
  std::string list;
  for (const auto& value : values) Join(list, text(value));
  return list;
}

// "10y" of 365 days, "36h"..., in the greatest unit that needs no fraction.
std::string DurationText(Duration duration) {
  if (duration == kForever) return "forever";
  const int64_t seconds = absl::ToInt64Seconds(duration);
  for (const auto& [unit, length] : {std::pair("y", 365 * 86400), std::pair("d", 86400), std::pair("h", 3600)}) {
    if (seconds != 0 && seconds % length == 0) return fmt::format("{}{}", seconds / length, unit);
  }
  return fmt::format("{}s", seconds);
}

std::string RuleText(const NameRule& rule) {
  std::string text = rule.value.empty() ? "" : fmt::format("'{}'", ValueText(rule.value));
  if (rule.pattern != nullptr) Join(text, "matching " + rule.pattern->pattern());
  if (rule.value.empty()) Join(text, fmt::format("at most {} characters", rule.max_length));
  if (rule.max_count > 1) Join(text, fmt::format("at most {} of them", rule.max_count));
  return rule.required ? text : text + ", optional";
}

std::string RuleText(const ExtensionRule& rule) {
  std::string text = rule.critical ? "critical" : "";
  if (!rule.value.empty() || rule.encoding == ExtensionRule::Encoding::kNull) Join(text, Name(rule.encoding));
  if (!rule.value.empty()) {
    Join(text, fmt::format("'{}'", ValueText(rule.value)));
  } else if (rule.encoding != ExtensionRule::Encoding::kNull) {
    Join(text, fmt::format("as the CSR has it, at most {} octets", rule.max_length));
  }
  if (rule.pattern != nullptr) Join(text, "matching " + rule.pattern->pattern());
  return rule.required ? text : text + ", optional";
}

std::string BasicConstraintsText(const Profile& profile) {
  if (!profile.ca) return "";
  return profile.path_length.has_value() ? fmt::format("CA:TRUE, path length {}", *profile.path_length)
                                         : "CA:TRUE, any path length";
}

std::string ExtensionText(const PlannedExtension& extension) {
  std::string text = extension.critical ? "critical" : "";
  if (extension.passed.has_value()) {
    Join(text, Hex(*extension.passed));
  } else {
    Join(text, Name(extension.encoding));
    if (!extension.text.empty()) Join(text, fmt::format("'{}'", extension.text));
  }
  return text;
}

// The field that a violation is about, as Comparison names it.
std::string FieldOf(const std::string& violated) {
  constexpr std::string_view kOfCsr = "csr.";
  constexpr std::string_view kExtension = "extensions.";
  if (!violated.starts_with(kOfCsr)) return violated;
  const std::string field = violated.substr(kOfCsr.size());
  if (field == "public_key") return "key";
  return field.starts_with(kExtension) ? "extension " + field.substr(kExtension.size()) : field;
}

class Table {
 public:
  // The row of a field, made at the first time of asking.
  Comparison& Row(const std::string& field) {
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Comparison& r) { return r.field == field; });
    return found != rows_.end() ? *found : rows_.emplace_back(Comparison{field, "", "", "", ""});
  }

  void AddNames(const std::string& list, const std::vector<NameRule>& rules, const Subject& asked,
                const Subject& result) {
    for (const NameRule& rule : rules) Join(Row(list + rule.type).allowed, RuleText(rule), "; or ");
    for (const Attribute& name : asked) Join(Row(list + name.type).asked, name.value);
    for (const Attribute& name : result) Join(Row(list + name.type).result, name.value);
  }

  void AddIfAny(Comparison row) {
    if (!row.asked.empty() || !row.allowed.empty()) rows_.push_back(std::move(row));
  }

  void AddProblems(const Status& status) {
    const std::vector<FieldViolation> violations = Fields(status);
    for (const FieldViolation& violation : violations) {
      Join(Row(FieldOf(violation.field)).problem, violation.description, "; ");
    }
    if (!status.ok() && violations.empty()) Row("request").problem = Message(status);
  }

  std::vector<Comparison> Take() { return std::move(rows_); }

 private:
  std::vector<Comparison> rows_;
};

Subject AsSubject(const std::vector<GeneralName>& names) {
  Subject subject;
  for (const GeneralName& name : names) subject.push_back({Name(name.kind), name.value});
  return subject;
}

void AddUsages(const Profile& profile, const Facts& facts, bool planned, Table& table) {
  const auto name = [](KeyUsage usage) { return std::string(Name(usage)); };
  const auto oid = [](const std::string& text) { return text; };
  const auto result = [planned](const std::string& allowed) { return planned ? allowed : ""; };
  const std::string constraints = BasicConstraintsText(profile);
  table.AddIfAny({"basic_constraints", facts.ca ? "CA:TRUE" : "", constraints, result(constraints), ""});
  const std::string usages = List(profile.KeyUsageOf(facts.key), name);
  table.AddIfAny({"key_usage", List(facts.key_usage, name), usages, result(usages), ""});
  const std::string purposes = List(profile.extended_key_usage, oid);
  table.AddIfAny({"extended_key_usage", List(facts.extended_key_usage, oid), purposes, result(purposes), ""});
}

void AddExtensions(const Profile& profile, const Facts& facts, const StatusOr<Plan>& plan, Table& table) {
  for (const ExtensionRule& rule : profile.extensions) table.Row("extension " + rule.oid).allowed = RuleText(rule);
  for (const RequestedExtension& requested : facts.other_extensions) {
    table.Row("extension " + requested.oid).asked = (requested.critical ? "critical, " : "") + Hex(requested.value);
  }
  if (!plan.ok()) return;
  for (const PlannedExtension& extension : plan->extensions) {
    table.Row("extension " + extension.oid).result = ExtensionText(extension);
  }
}

}  // namespace

std::vector<Comparison> Compare(const Profile& profile, const Facts& facts, const StatusOr<Plan>& plan) {
  Table table;
  const std::string keys = List(profile.keys, [](KeyType key) { return std::string(Name(key)); });
  table.AddIfAny({"key", Name(facts.key), keys, plan.ok() ? Name(facts.key) : "", ""});
  table.AddNames("subject.", profile.subject, facts.subject, plan.ok() ? plan->subject : Subject());
  table.AddNames("subject_alt_name.", profile.subject_alt_names, AsSubject(facts.subject_alt_names),
                 plan.ok() ? AsSubject(plan->subject_alt_names) : Subject());
  AddUsages(profile, facts, plan.ok(), table);
  AddExtensions(profile, facts, plan, table);
  table.AddIfAny({"lifetime", facts.lifetime.has_value() ? DurationText(*facts.lifetime) : "",
                  fmt::format("{}, at most {}", DurationText(profile.lifetime), DurationText(profile.max_lifetime)),
                  plan.ok() ? fmt::format("{} to {}", Rfc3339(plan->not_before), Rfc3339(plan->not_after)) : "", ""});
  table.AddProblems(plan.status());
  return table.Take();
}

}  // namespace hallmark
