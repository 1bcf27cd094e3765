#include "ca/issuers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/reason.h"
#include "base/text.h"
#include "ca/description.h"
#include "ca/hierarchy.h"

namespace hallmark {
namespace {

constexpr size_t kMaxDepth = 8;
constexpr Duration kRecent = absl::Seconds(1);

std::vector<std::string> PredecessorsOf(const std::vector<AuthorityRecord>& records, const std::string& authority) {
  std::vector<std::string> predecessors;
  const AuthorityRecord* record = FindRecord(records, authority);
  while (record != nullptr && !record->predecessor.empty()) {
    predecessors.push_back(record->predecessor);
    record = FindRecord(records, record->predecessor);
  }
  return predecessors;
}

// A successor appears beside its predecessor, whose own version stays.
bool SameVersion(const AuthorityRecord& a, const AuthorityRecord& b) {
  return a.version == b.version && a.successor == b.successor;
}

Status NotIssuing(const AuthorityRecord& record) {
  return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
               fmt::format("authority '{}' awaits its activation and has no certificate yet; fetch its CSR, have it "
                           "certified and activate it, or repeat the request that creates it",
                           record.authority));
}

// NAME where a URL's path is "<prefix>NAME<suffix>" and NAME could be an authority's; empty otherwise.
std::string NameIn(const std::string& url, std::string_view prefix, std::string_view suffix) {
  const size_t scheme = url.find("://");
  const size_t slash = scheme == url.npos ? url.npos : url.find('/', scheme + 3);
  if (slash == url.npos) return "";
  const std::string name = Between(std::string_view(url).substr(slash), prefix, suffix);
  return CheckAuthorityName(name).ok() ? name : "";
}

// The issuers above an authority that is certified elsewhere. What has the name of one of ours is ours.
void AddElsewhere(const AuthorityRecord& record, Issuers::Snapshot& snapshot) {
  const Bytes* child = &record.certificate;
  for (const Bytes& parent : record.external_chain) {
    const StatusOr<Description> description = Describe(*child);
    child = &parent;
    if (!description.ok()) continue;  // it was read when it came; who looks at it will say
    const auto add = [&](const std::vector<std::string>& urls, std::string_view prefix, std::string_view suffix) {
      for (const std::string& url : urls) {
        const std::string name = NameIn(url, prefix, suffix);
        const bool ours = std::any_of(snapshot.records.begin(), snapshot.records.end(),
                                      [&](const AuthorityRecord& one) { return one.authority == name; });
        if (!name.empty() && !ours) snapshot.elsewhere.emplace(name, parent);
      }
    };
    add(description->crl_distribution_points, "/crl/", ".crl");
    add(description->ca_issuers, "/aia/", ".cer");
  }
}

}  // namespace

const AuthorityRecord* FindRecord(const std::vector<AuthorityRecord>& records, const std::string& authority) {
  const auto found = std::find_if(records.begin(), records.end(),
                                  [&](const AuthorityRecord& record) { return record.authority == authority; });
  return found == records.end() ? nullptr : &*found;
}

Issuers::Issuers(Store& store, const Clock& clock, const Policies& policies, std::string base_url, OpenKey open_key)
    : store_(store),
      clock_(clock),
      policies_(policies),
      base_url_(std::move(base_url)),
      open_key_(std::move(open_key)) {}

Status Issuers::Reload() {
  const std::lock_guard lock(reload_mutex_);
  return ReloadLocked();
}

Status Issuers::Check(const PolicyPointer& policies) {
  const std::lock_guard lock(reload_mutex_);
  return BuildAll(policies).status();
}

Status Issuers::ReloadLocked() {
  ASSIGN_OR_RETURN(std::shared_ptr<const Snapshot> next, BuildAll(policies_.Current()));
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(next);
  read_ = clock_.Now();
  return absl::OkStatus();
}

StatusOr<std::shared_ptr<Issuers::Snapshot>> Issuers::BuildAll(PolicyPointer policies) const {
  const std::shared_ptr<const Snapshot> earlier = Current();
  auto next = std::make_shared<Snapshot>();
  next->policies = std::move(policies);
  ASSIGN_OR_RETURN(next->records, store_.ListAuthorities());
  for (const AuthorityRecord& record : next->records) {
    if (record.certificate.empty()) continue;
    ASSIGN_OR_RETURN(next->issuers[record.authority], Build(*next, record, *earlier));
  }
  for (const AuthorityRecord& record : next->records) AddElsewhere(record, *next);
  return next;
}

StatusOr<IssuerPointer> Issuers::Build(const Snapshot& next, const AuthorityRecord& record,
                                       const Snapshot& earlier) const {
  ASSIGN_OR_RETURN(std::vector<Bytes> chain, ChainOf(next.records, record));
  const auto found = earlier.issuers.find(record.authority);
  const Issuer* before = found == earlier.issuers.end() ? nullptr : found->second.get();
  const bool has_key = before != nullptr && before->CheckKey().ok();
  if (has_key && next.policies == earlier.policies && SameVersion(before->record(), record) &&
      before->chain() == chain) {
    return found->second;
  }
  const bool same_key = has_key && before->record().key_uris == record.key_uris &&
                        before->record().signature_algorithm == record.signature_algorithm;
  StatusOr<std::shared_ptr<const SigningKey>> key = same_key ? before->shared_key() : open_key_(record);
  if (!key.ok()) key = Annotate(key.status(), fmt::format("authority '{}'", record.authority));
  ASSIGN_OR_RETURN(IssuerPointer issuer,
                   Issuer::Create(record, std::move(chain), std::move(key), base_url_, next.policies->profiles,
                                  PredecessorsOf(next.records, record.authority)));
  // Who reads for the first time tells of a key that is not there; one that is away now, or was there, is told here.
  const Status& state = issuer->CheckKey();
  const bool news = before == nullptr ? absl::IsUnavailable(state) : before->CheckKey() != state;
  if (!state.ok() && news) log::Warning("authority_key_away", log::Describe(state));
  return issuer;
}

std::shared_ptr<const Issuers::Snapshot> Issuers::Current() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

bool Issuers::IsStale() const {
  const std::lock_guard lock(mutex_);
  const Time now = clock_.Now();
  // A clock that was set back counts as a second that has passed.
  return now - read_ >= kRecent || now < read_;
}

std::shared_ptr<const Issuers::Snapshot> Issuers::Recent() {
  // While one reads, the others go on with what there is.
  const std::unique_lock lock(reload_mutex_, std::try_to_lock);
  if (lock.owns_lock() && IsStale()) {
    const Status status = ReloadLocked();
    if (!status.ok()) log::Warning("authorities_unreadable", log::Describe(status));
  }
  return Current();
}

StatusOr<IssuerPointer> Issuers::Find(const std::string& authority) {
  const StatusOr<AuthorityRecord> record = store_.GetAuthority(authority);
  if (absl::IsNotFound(record.status())) {
    const std::shared_ptr<const Snapshot> known = Current();
    std::string names;
    for (const AuthorityRecord& other : known->records) names += (names.empty() ? "" : ", ") + other.authority;
    return Error(Code::kNotFound, reason::kAuthorityUnknown,
                 fmt::format("there is no authority '{}'; known: {}", authority, names));
  }
  RETURN_IF_ERROR(record.status());
  if (record->certificate.empty()) return NotIssuing(*record);
  std::shared_ptr<const Snapshot> snapshot = Current();
  const auto as_known = snapshot->issuers.find(authority);
  if (as_known != snapshot->issuers.end() && SameVersion(as_known->second->record(), *record) &&
      (as_known->second->CheckKey().ok() || !IsStale())) {
    return as_known->second;
  }
  RETURN_IF_ERROR(Reload());
  snapshot = Current();
  const auto found = snapshot->issuers.find(authority);
  return found == snapshot->issuers.end() ? StatusOr<IssuerPointer>(NotIssuing(*record)) : found->second;
}

StatusOr<IssuerPointer> Issuers::Find(const std::string& authority, const PolicyPointer& policies) {
  ASSIGN_OR_RETURN(IssuerPointer issuer, Find(authority));
  std::shared_ptr<const Snapshot> known = Current();
  if (known->policies != policies && policies_.Current() == policies) {
    RETURN_IF_ERROR(Reload());
    known = Current();
  }
  if (known->policies == policies) {
    const auto found = known->issuers.find(authority);
    if (found != known->issuers.end()) return found->second;
  }
  // Policies that were replaced while the call was under way: made for it alone.
  Snapshot own{policies, known->records, {}};
  return Build(own, issuer->record(), *known);
}

std::vector<std::string> Issuers::Predecessors(const std::string& authority) {
  std::shared_ptr<const Snapshot> known = Current();
  if (!authority.empty() && FindRecord(known->records, authority) == nullptr) known = Recent();
  return PredecessorsOf(known->records, authority);
}

StatusOr<std::vector<Bytes>> ChainOf(const std::vector<AuthorityRecord>& records, const AuthorityRecord& record) {
  std::vector<Bytes> chain = {record.certificate};
  const AuthorityRecord* authority = &record;
  while (authority->parent != authority->authority) {
    if (authority->parent.empty() && !authority->external_chain.empty()) {
      chain.insert(chain.end(), authority->external_chain.begin(), authority->external_chain.end());
      return chain;
    }
    const AuthorityRecord* parent = FindRecord(records, authority->parent);
    if (parent == nullptr || parent->certificate.empty() || chain.size() == kMaxDepth) {
      return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                   fmt::format("authority '{}': its chain does not end in a root", record.authority));
    }
    chain.push_back(parent->certificate);
    authority = parent;
  }
  return chain;
}

}  // namespace hallmark
