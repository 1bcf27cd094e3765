// Names: each rule takes what it grants of what was asked, or makes its own value; what is left over is at fault.
#include <fmt/format.h>
#include <re2/re2.h>

#include <optional>

#include "base/reason.h"
#include "base/text.h"
#include "policies/decision.h"
#include "policies/forms.h"
#include "policies/value.h"

namespace hallmark {
namespace {

// What is wrong with a value under a rule; empty: nothing.
std::string Fault(const NameRule& rule, const std::string& value) {
  if (CountCharacters(value) > rule.max_length) return fmt::format("is longer than {} characters", rule.max_length);
  if (rule.pattern != nullptr && !RE2::FullMatch(value, *rule.pattern)) {
    return fmt::format("does not match the profile's pattern {}", rule.pattern->pattern());
  }
  const Status status = CheckNameForm(rule.type, value);
  return status.ok() ? "" : Message(status);
}

struct Granted {
  std::string value;
  std::optional<size_t> asked;  // which of what was asked
};

// One list of rules against one list of names.
class Granting {
 public:
  struct What {
    const Profile& profile;
    const std::vector<NameRule>& rules;
    const Facts& facts;
    Subject asked;       // a general name is an attribute here, whose type is the name of its kind
    const char* field;   // "csr.subject"
    const char* reason;  // of a violation
    bool as_requested;   // nothing but what is asked for
    bool ignore_what_is_left;
  };
  Granting(const What& what, Violations& violations)
      : what_(what), violations_(violations), used_(what.asked.size(), false), granted_(what.rules.size()) {
    // The profile's own values first: the CSR may ask for just them, and a pattern beside them may fit, too.
    for (size_t i = 0; i < what_.rules.size(); ++i) {
      if (!what_.rules[i].value.empty()) GrantOwn(i);
    }
    for (size_t i = 0; i < what_.rules.size(); ++i) {
      if (what_.rules[i].value.empty()) GrantAsked(i);
    }
    JudgeLeftovers();
    for (size_t i = 0; i < what_.rules.size(); ++i) CheckRequired(i);
  }

  // In the order of the rules, or of what was asked.
  Subject Result() const {
    Subject result;
    if (what_.as_requested) {
      for (size_t i = 0; i < used_.size(); ++i) {
        if (used_[i]) result.push_back(what_.asked[i]);
      }
      return result;
    }
    for (size_t i = 0; i < granted_.size(); ++i) {
      for (const Granted& granted : granted_[i]) result.push_back({what_.rules[i].type, granted.value});
    }
    return result;
  }

 private:
  void Blame(const std::string& type, std::string description) {
    violations_.Add(what_.reason, fmt::format("{}.{}", what_.field, type), std::move(description));
  }

  // Of what was asked, whose string type counts where it stays.
  std::string FaultOf(const NameRule& rule, const Attribute& asked) const {
    const std::string fault = Fault(rule, asked.value);
    return fault.empty() ? FaultOfType(asked) : fault;
  }
  std::string FaultOfType(const Attribute& asked) const {
    if (!what_.as_requested || !asked.string_type.has_value()) return "";
    return Message(CheckStringType(asked.type, *asked.string_type));
  }

  void GrantOwn(size_t index) {
    const NameRule& rule = what_.rules[index];
    const FilledValue filled = Fill(rule.value, what_.facts);
    if (filled.missing.has_value()) {
      if (rule.required || filled.ambiguous) {
        violations_.Add(what_.reason, filled.missing->field, filled.missing->description);
      }
      return;
    }
    const std::string fault = Fault(rule, filled.text);
    if (!fault.empty()) return Blame(rule.type, fmt::format("the profile makes it '{}', which {}", filled.text, fault));
    Granted granted{filled.text, std::nullopt};
    for (size_t i = 0; i < used_.size() && !granted.asked.has_value(); ++i) {
      if (used_[i] || what_.asked[i].type != rule.type || what_.asked[i].value != filled.text) continue;
      used_[i] = true;
      granted.asked = i;
    }
    if (what_.as_requested && !granted.asked.has_value() && !rule.required) return;
    if (what_.as_requested && !granted.asked.has_value()) {
      return Blame(rule.type, fmt::format("must be '{}' in the CSR, whose subject is taken as it stands", filled.text));
    }
    if (granted.asked.has_value()) {
      if (const std::string wrong = FaultOfType(what_.asked[*granted.asked]); !wrong.empty()) Blame(rule.type, wrong);
    }
    granted_[index].push_back(std::move(granted));
  }

  void GrantAsked(size_t index) {
    const NameRule& rule = what_.rules[index];
    for (size_t i = 0; i < used_.size() && granted_[index].size() < rule.max_count; ++i) {
      const Attribute& asked = what_.asked[i];
      if (used_[i] || asked.type != rule.type || !FaultOf(rule, asked).empty()) continue;
      used_[i] = true;
      granted_[index].push_back({asked.value, i});
    }
  }

  void JudgeLeftovers() {
    blamed_.assign(what_.rules.size(), false);
    for (size_t i = 0; i < used_.size(); ++i) {
      if (used_[i] || what_.ignore_what_is_left) continue;
      const Attribute& asked = what_.asked[i];
      const std::optional<size_t> rule = FirstWithRoom(asked.type);
      if (!rule.has_value()) {
        const bool has_rule = std::any_of(what_.rules.begin(), what_.rules.end(),
                                          [&](const NameRule& other) { return other.type == asked.type; });
        if (has_rule || !IsSubjectSource(asked.type)) {
          Blame(asked.type, has_rule ? "stands more often than the profile grants" : "is not granted by the profile");
        }
        continue;
      }
      blamed_[*rule] = true;
      JudgeLeftover(*rule, asked);
    }
  }

  // A rule that could have taken it, were it otherwise. One value of the profile's own is one asked for.
  std::optional<size_t> FirstWithRoom(const std::string& type) const {
    for (size_t i = 0; i < what_.rules.size(); ++i) {
      const NameRule& rule = what_.rules[i];
      if (rule.type != type || blamed_[i]) continue;
      const bool taken = rule.value.empty() ? granted_[i].size() >= rule.max_count
                                            : !granted_[i].empty() && granted_[i].front().asked.has_value();
      if (!taken) return i;
    }
    return std::nullopt;
  }

  void JudgeLeftover(size_t index, const Attribute& asked) {
    const NameRule& rule = what_.rules[index];
    if (rule.value.empty()) return Blame(rule.type, FaultOf(rule, asked));
    if (IsSubjectSource(asked.type) && TakesFromCsr(rule.value, asked.type)) return;
    if (!granted_[index].empty()) {
      Blame(rule.type, fmt::format("the profile fixes it to '{}'; leave it out or ask for just that",
                                   granted_[index].front().value));
    } else if (!rule.required) {
      Blame(rule.type,
            fmt::format("the profile makes it of {}, of which there is nothing; leave it out", ValueText(rule.value)));
    }
  }

  bool IsSubjectSource(const std::string& type) const {
    return &what_.rules == &what_.profile.subject && IsSource(what_.profile, type);
  }

  void CheckRequired(size_t index) {
    const NameRule& rule = what_.rules[index];
    if (!rule.value.empty() || !rule.required || !granted_[index].empty() || blamed_[index]) return;
    Blame(rule.type, "is required by the profile and missing in the CSR");
  }

  const What& what_;
  Violations& violations_;
  std::vector<bool> used_;                     // of what was asked
  std::vector<std::vector<Granted>> granted_;  // by each rule
  std::vector<bool> blamed_;                   // rules of which somebody asked wrongly
};

}  // namespace

void DecideSubject(const Profile& profile, const Facts& facts, Plan& plan, Violations& violations) {
  const Granting::What what{.profile = profile,
                            .rules = profile.subject,
                            .facts = facts,
                            .asked = facts.subject,
                            .field = "csr.subject",
                            .reason = reason::kSubjectNotAllowed,
                            .as_requested = profile.subject_as_requested,
                            .ignore_what_is_left = false};
  plan.subject = Granting(what, violations).Result();
}

void DecideSubjectAltNames(const Profile& profile, const Facts& facts, Plan& plan, Violations& violations) {
  Granting::What what{.profile = profile,
                      .rules = profile.subject_alt_names,
                      .facts = facts,
                      .asked = {},
                      .field = "csr.subject_alt_name",
                      .reason = reason::kExtensionNotAllowed,
                      .as_requested = false,
                      .ignore_what_is_left = profile.ignore_requested_extensions};
  for (const GeneralName& name : facts.subject_alt_names) what.asked.push_back({Name(name.kind), name.value});
  for (const Attribute& name : Granting(what, violations).Result()) {
    plan.subject_alt_names.push_back({ParseGeneralNameKind(name.type).value_or(GeneralName::Kind::kOther), name.value});
  }
}

}  // namespace hallmark
