#include "store/sqlite/policies.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark::sqlite {
namespace {

// Of the profile's text that is in force; empty: it has none.
StatusOr<std::string> VersionInForce(Connection& connection, const std::string& profile) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT version FROM policies WHERE profile = ?1 "
                                               "ORDER BY leaf_index DESC LIMIT 1",
                                               {profile}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return found ? rows.Text(0) : std::string();
}

}  // namespace

StatusOr<std::vector<PolicyRecord>> LoadPolicies(Transaction& transaction, const std::vector<PolicyRecord>& policies,
                                                 Time time) {
  std::vector<PolicyRecord> news;
  for (const PolicyRecord& policy : policies) {
    ASSIGN_OR_RETURN(const std::string version, VersionInForce(transaction.connection, policy.profile));
    if (version == policy.version) continue;
    ASSIGN_OR_RETURN(const uint64_t leaf_index, AppendLeaf(transaction, policy.ledger_entry, time));
    RETURN_IF_ERROR(transaction.connection.Execute(
        "INSERT INTO policies (profile, version, text, loaded, leaf_index) VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (profile, version) DO UPDATE SET loaded = excluded.loaded, leaf_index = excluded.leaf_index",
        {policy.profile, policy.version, policy.text, Seconds(time), static_cast<int64_t>(leaf_index)}));
    news.push_back(policy);
    news.back().loaded = TruncateToSecond(time);
  }
  return news;
}

StatusOr<PolicyRecord> GetPolicy(Connection& connection, const std::string& profile, const std::string& version) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT text, loaded, entry FROM policies JOIN ledger USING (leaf_index) "
                                    "WHERE profile = ?1 AND version = ?2",
                                    {profile, version}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) {
    return Error(Code::kNotFound, reason::kProfileUnknown,
                 fmt::format("no version {} of profile \"{}\" was ever in force here; list the profiles, or take the "
                             "version from a certificate",
                             version, profile));
  }
  return PolicyRecord{.profile = profile,
                      .version = version,
                      .text = rows.Text(0),
                      .loaded = rows.Instant(1),
                      .ledger_entry = rows.Text(2)};
}

}  // namespace hallmark::sqlite
