#include <fmt/format.h>

#include "base/reason.h"
#include "policies/decision.h"
#include "policies/value.h"

namespace hallmark {
namespace {

std::string KeyNames(const std::vector<KeyType>& keys) {
  std::string names;
  for (KeyType key : keys) names += (names.empty() ? "" : ", ") + std::string(Name(key));
  return names;
}

// "86400s", as a request gives it.
std::string LifetimeText(Duration lifetime) {
  return lifetime == kForever ? "forever" : fmt::format("{}s", absl::ToInt64Seconds(lifetime));
}

// RFC 5280 4.1.2.6, 4.2.1.6: something has to name the subject, and a CA has a subject.
void CheckNamed(const Profile& profile, const Plan& plan, Violations& violations) {
  if (!plan.subject.empty() || (!profile.ca && !plan.subject_alt_names.empty())) return;
  violations.Add(reason::kSubjectNotAllowed, "csr.subject",
                 profile.ca ? "is empty; an authority has a name" : "is empty, and no subjectAltName is there instead");
}

void DecideValidity(const Profile& profile, const Facts& facts, Time now, const IssuerValidity& issuer, Plan& plan,
                    Violations& violations) {
  const auto refuse = [&violations](std::string description) {
    violations.Add(reason::kValidityNotAllowed, "lifetime", std::move(description));
  };
  const Duration lifetime = facts.lifetime.value_or(profile.lifetime);
  if (lifetime < absl::Seconds(1) || lifetime > profile.max_lifetime) {
    return refuse(fmt::format("profile '{}' allows 1s to {}", profile.name, LifetimeText(profile.max_lifetime)));
  }
  // The validity includes its last second (RFC 5280 4.1.2.5).
  plan.not_before = std::max(TruncateToSecond(now - profile.backdate), issuer.not_before);
  plan.not_after = lifetime == kForever ? NeverExpires() : TruncateToSecond(now + lifetime) - absl::Seconds(1);
  if (plan.not_after > NeverExpires()) {
    return refuse("the certificate would be valid beyond the year 9999, which X.509 cannot say; ask for less");
  }
  if (plan.not_after > issuer.not_after) {
    refuse(
        fmt::format("the certificate would be valid until {}, beyond its issuer's {}; ask for less, or roll the "
                    "authority over",
                    Rfc3339(plan.not_after), Rfc3339(issuer.not_after)));
  }
}

}  // namespace

void Violations::Add(const char* reason, std::string field, std::string description) {
  if (fields_.empty()) reason_ = reason;
  fields_.push_back({std::move(field), std::move(description)});
}

Status Violations::ToStatus() const { return fields_.empty() ? absl::OkStatus() : FieldErrors(reason_, fields_); }

bool IsSource(const Profile& profile, const std::string& type) {
  const auto takes = [&](const auto& rule) { return TakesFromCsr(rule.value, type); };
  return std::any_of(profile.subject.begin(), profile.subject.end(), takes) ||
         std::any_of(profile.subject_alt_names.begin(), profile.subject_alt_names.end(), takes) ||
         std::any_of(profile.extensions.begin(), profile.extensions.end(), takes);
}

StatusOr<Plan> Decide(std::shared_ptr<const Profile> profile, const Facts& facts, Time now,
                      const IssuerValidity& issuer) {
  Plan plan;
  Violations violations;
  if (!Contains(profile->keys, facts.key)) {
    violations.Add(
        reason::kKeyNotAllowed, "csr.public_key",
        fmt::format("profile '{}' allows {}, not {}", profile->name, KeyNames(profile->keys), Name(facts.key)));
  }
  DecideSubject(*profile, facts, plan, violations);
  DecideSubjectAltNames(*profile, facts, plan, violations);
  DecideUsages(*profile, facts, violations);
  DecideExtensions(*profile, facts, plan, violations);
  DecideValidity(*profile, facts, now, issuer, plan, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  CheckNamed(*profile, plan, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  plan.profile = std::move(profile);
  return plan;
}

Status CheckRole(const Profile& profile, const Caller& caller, const std::vector<std::string>& roles) {
  if (profile.roles.empty()) return absl::OkStatus();
  std::string allowed;
  for (const std::string& role : profile.roles) {
    if (Contains(roles, role)) return absl::OkStatus();
    allowed += (allowed.empty() ? "" : ", ") + role;
  }
  return Error(Code::kPermissionDenied, reason::kPermissionDenied,
               fmt::format("{} may not ask for profile '{}', which is for the roles {}; ask one of those", caller.uri,
                           profile.name, allowed));
}

}  // namespace hallmark
