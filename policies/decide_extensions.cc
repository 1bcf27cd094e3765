// Extensions: what a CSR asks for must be granted, and what the profile has of its own is made or passed.
#include <fmt/format.h>
#include <re2/re2.h>

#include "base/reason.h"
#include "base/text.h"
#include "policies/decision.h"
#include "policies/forms.h"
#include "policies/value.h"

namespace hallmark {
namespace {

using Encoding = ExtensionRule::Encoding;

std::string FieldOf(const std::string& oid) { return "csr.extensions." + oid; }

const RequestedExtension* FindRequested(const Facts& facts, const std::string& oid) {
  const auto found = std::find_if(facts.other_extensions.begin(), facts.other_extensions.end(),
                                  [&](const RequestedExtension& requested) { return requested.oid == oid; });
  return found == facts.other_extensions.end() ? nullptr : &*found;
}

bool IsPassed(const ExtensionRule& rule) { return rule.value.empty() && rule.encoding != Encoding::kNull; }

// One extension of the profile.
class Extending {
 public:
  Extending(const Profile& profile, const ExtensionRule& rule, const Facts& facts, Violations& violations)
      : profile_(profile),
        rule_(rule),
        facts_(facts),
        requested_(FindRequested(facts, rule.oid)),
        violations_(violations) {}

  void Into(Plan& plan) {
    if (IsPassed(rule_)) return Pass(plan);
    const FilledValue filled = Fill(rule_.value, facts_);
    if (filled.missing.has_value()) {
      if (rule_.required || filled.ambiguous) {
        violations_.Add(reason::kExtensionNotAllowed, filled.missing->field, filled.missing->description);
      } else if (requested_ != nullptr && !profile_.ignore_requested_extensions) {
        Blame(
            fmt::format("the profile makes it of {}, of which there is nothing; leave it out", ValueText(rule_.value)));
      }
      return;
    }
    CheckText(filled.text);
    CheckRequested();
    plan.extensions.push_back({rule_.oid, rule_.critical, rule_.encoding, filled.text, std::nullopt});
  }

 private:
  void Blame(std::string description) {
    violations_.Add(reason::kExtensionNotAllowed, FieldOf(rule_.oid), std::move(description));
  }

  void Pass(Plan& plan) {
    if (requested_ == nullptr) {
      if (rule_.required) Blame("is required by the profile and missing in the CSR");
      return;
    }
    if (requested_->critical != rule_.critical && !profile_.ignore_requested_extensions) {
      Blame(fmt::format("is {}critical, which the profile makes it {}", requested_->critical ? "" : "not ",
                        rule_.critical ? "always" : "never"));
    }
    if (requested_->value.size() > rule_.max_length) {
      Blame(fmt::format("has {} octets; the profile's limit is {}", requested_->value.size(), rule_.max_length));
    }
    plan.extensions.push_back({rule_.oid, rule_.critical, Encoding::kDer, "", requested_->value});
  }

  void CheckText(const std::string& text) {
    const Status form = CheckEncoding(rule_.encoding, text);
    if (!form.ok()) Blame(fmt::format("the profile makes it '{}', which {}", text, Message(form)));
    if (form.ok() && CountCharacters(text) > rule_.max_length) {
      Blame(fmt::format("the profile makes it '{}', which is longer than {} characters", text, rule_.max_length));
    }
    if (rule_.pattern != nullptr && !RE2::FullMatch(text, *rule_.pattern)) {
      Blame(fmt::format("the profile makes it '{}', which does not match its pattern {}", text,
                        rule_.pattern->pattern()));
    }
  }

  // The value is the profile's; of null alone we can tell that the CSR asks for just that.
  void CheckRequested() {
    if (requested_ == nullptr || profile_.ignore_requested_extensions) return;
    const bool same = rule_.encoding == Encoding::kNull && requested_->critical == rule_.critical &&
                      requested_->value == Bytes{0x05, 0x00};
    if (!same) Blame("is written by the profile itself; leave it out");
  }

  const Profile& profile_;
  const ExtensionRule& rule_;
  const Facts& facts_;
  const RequestedExtension* requested_;
  Violations& violations_;
};

}  // namespace

void DecideUsages(const Profile& profile, const Facts& facts, Violations& violations) {
  if (profile.ignore_requested_extensions) return;
  const auto refuse = [&violations](const char* field, const char* what) {
    violations.Add(reason::kExtensionNotAllowed, field,
                   fmt::format("asks for {}, which the profile does not grant", what));
  };
  if (facts.ca && !profile.ca) refuse("csr.basic_constraints", "CA:TRUE");
  for (KeyUsage usage : facts.key_usage) {
    if (!Contains(profile.KeyUsageOf(facts.key), usage)) refuse("csr.key_usage", Name(usage));
  }
  for (const std::string& oid : facts.extended_key_usage) {
    if (!Contains(profile.extended_key_usage, oid)) refuse("csr.extended_key_usage", oid.c_str());
  }
}

void DecideExtensions(const Profile& profile, const Facts& facts, Plan& plan, Violations& violations) {
  for (const ExtensionRule& rule : profile.extensions) Extending(profile, rule, facts, violations).Into(plan);
  if (profile.ignore_requested_extensions) return;
  for (const RequestedExtension& requested : facts.other_extensions) {
    const bool has_rule = std::any_of(profile.extensions.begin(), profile.extensions.end(),
                                      [&](const ExtensionRule& rule) { return rule.oid == requested.oid; });
    if (has_rule) continue;
    violations.Add(reason::kExtensionNotAllowed, FieldOf(requested.oid),
                   "is asked for, and the profile does not grant it");
  }
}

}  // namespace hallmark
