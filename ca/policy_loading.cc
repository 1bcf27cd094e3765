// Policies that change while the service runs: judged, recorded, put in force.
#include "base/log.h"
#include "ca/authority.h"
#include "ca/entries.h"

namespace hallmark {
namespace {

std::vector<PolicyRecord> RecordsOf(const PolicySnapshot& policies, Time now) {
  std::vector<PolicyRecord> records;
  for (const auto& [name, profile] : policies.profiles) {
    records.push_back({.profile = name,
                       .version = profile->version,
                       .text = profile->text,
                       .loaded = {},  // the store says
                       .ledger_entry = ProfileLoadedEntry(name, profile->version, now)});
  }
  records.push_back({.profile = "",
                     .version = policies.roles_version,
                     .text = policies.roles,
                     .loaded = {},
                     .ledger_entry = RolesLoadedEntry(policies.roles_version, now)});
  return records;
}

}  // namespace

StatusOr<std::vector<PolicyRecord>> CertificateAuthority::PutInForce(PolicyPointer next) const {
  const std::lock_guard lock(policies_mutex_);
  // Those that an instance begins with: its authorities were read with them just now.
  const bool known = parts_.policies.Current() == next;
  if (!known) RETURN_IF_ERROR(parts_.issuers.Check(next));
  const Time now = TruncateToSecond(parts_.clock.Now());
  // On record before the first certificate is made under them.
  ASSIGN_OR_RETURN(std::vector<PolicyRecord> news, parts_.store.LoadPolicies(RecordsOf(*next, now), now));
  if (known) return news;
  parts_.policies.Use(std::move(next));
  // Otherwise the first call makes its templates.
  const Status reloaded = parts_.issuers.Reload();
  if (!reloaded.ok()) log::Warning("authorities_unreadable", log::Describe(reloaded));
  return news;
}

}  // namespace hallmark
