#include "ca/lifecycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/reason.h"
#include "ca/entries.h"

namespace hallmark {
namespace {

constexpr size_t kMaxKeyUris = 16;

bool Issues(AuthorityState state) { return state == AuthorityState::kStaged || state == AuthorityState::kEnabled; }

Status CheckProfiles(const ProfileMap& profiles, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (profiles.contains(name)) continue;
    return FieldError(reason::kProfileUnknown, "profiles", fmt::format("'{}' is no profile of this instance", name));
  }
  return absl::OkStatus();
}

}  // namespace

Lifecycle::Lifecycle(const CertificateAuthority& authority, Tokens tokens)
    : authority_(authority), tokens_(std::move(tokens)) {}

Status Lifecycle::CheckAccess(const Caller& caller, const char* permission, const std::string& authority) const {
  return authority_.Authorize(caller, permission, {authority, "", caller.uri, parts().issuers.Predecessors(authority)});
}

StatusOr<AuthorityRecord> Lifecycle::Get(const std::string& authority, uint64_t version) const {
  ASSIGN_OR_RETURN(AuthorityRecord record, parts().store.GetAuthority(authority));
  if (version == 0 || version == record.version) return record;
  return Error(Code::kAborted, reason::kAuthorityChanged,
               fmt::format("authority '{}' was changed since you read it; look at it and try again", authority));
}

StatusOr<AuthorityRecord> Lifecycle::Commit(const char* type, const std::vector<AuthorityRecord>& records,
                                            const Caller& caller, const RevokedWithAuthorities& revoked) {
  const Time now = TruncateToSecond(parts().clock.Now());
  RETURN_IF_ERROR(
      parts().store.UpdateAuthorities(records, AuthorityEntry(type, records, caller.uri, now), now, revoked));
  RETURN_IF_ERROR(parts().issuers.Reload());
  ASSIGN_OR_RETURN(AuthorityRecord record, parts().store.GetAuthority(records.front().authority));
  if (changed_) changed_(record);
  return record;
}

StatusOr<AuthorityRecord> Lifecycle::SetState(const Caller& caller, const std::string& authority, AuthorityState state,
                                              bool keep_predecessor, uint64_t version) {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kUpdateAuthority, authority));
  if (!Issues(state) && state != AuthorityState::kDisabled)
    return FieldError(reason::kRequestInvalid, "state", "must be STAGED, ENABLED or DISABLED");
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(AuthorityRecord record, Get(authority, version));
  if (record.state == AuthorityState::kRevoked) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' is REVOKED for ever; roll it over or create another", authority));
  }
  ASSIGN_OR_RETURN(const IssuerPointer issuer, parts().issuers.Find(authority));
  if (Issues(state)) RETURN_IF_ERROR(authority_.CheckValid(*issuer));
  std::vector<AuthorityRecord> changed;
  if (record.state != state) {
    record.state = state;
    changed.push_back(record);
  }
  if (state == AuthorityState::kEnabled && !record.predecessor.empty() && !keep_predecessor) {
    ASSIGN_OR_RETURN(AuthorityRecord predecessor, Get(record.predecessor, 0));
    if (Issues(predecessor.state)) {
      predecessor.state = AuthorityState::kDisabled;
      changed.push_back(std::move(predecessor));
    }
  }
  if (changed.empty()) return record;
  RETURN_IF_ERROR(Commit("authority_updated", changed, caller).status());
  return Get(authority, 0);
}

StatusOr<AuthorityRecord> Lifecycle::Update(const Caller& caller, const std::string& authority,
                                            const AuthorityChanges& changes, uint64_t version) {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kUpdateAuthority, authority));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(AuthorityRecord record, Get(authority, version));
  const AuthorityRecord before = record;
  if (changes.key_uris.has_value()) {
    const std::set<std::string> distinct(changes.key_uris->begin(), changes.key_uris->end());
    if (distinct.empty() || distinct.size() != changes.key_uris->size() || distinct.size() > kMaxKeyUris) {
      return FieldError(reason::kRequestInvalid, "key_uris",
                        fmt::format("must be 1 to {} different URIs (RFC 7512)", kMaxKeyUris));
    }
    ASSIGN_OR_RETURN(const Bytes spki, SpkiOf(record));
    for (const std::string& uri : *changes.key_uris) {
      if (std::find(before.key_uris.begin(), before.key_uris.end(), uri) != before.key_uris.end()) continue;
      record.key_uris = {uri};
      const StatusOr<KeyPointer> key = tokens_.open(record);
      RETURN_IF_ERROR(Annotate(key.status(), fmt::format("cannot add {} to authority '{}'", uri, authority)));
      if (Equal((*key)->public_key().spki(), spki)) continue;
      return FieldError(reason::kRequestInvalid, "key_uris",
                        fmt::format("{} is another key than that of authority '{}'", uri, authority));
    }
    record.key_uris = *changes.key_uris;
  }
  if (changes.profiles.has_value()) {
    RETURN_IF_ERROR(CheckProfiles(parts().policies.Current()->profiles, *changes.profiles));
    record.profiles = *changes.profiles;
  }
  if (record.key_uris == before.key_uris && record.profiles == before.profiles) return before;
  return Commit("authority_updated", {record}, caller);
}

}  // namespace hallmark
