#include "ca/crl_publisher.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/crl.h"
#include "ca/freshness.h"

namespace hallmark {
namespace {

constexpr Duration kPeriod = absl::Seconds(5);  // between two looks at the clock
constexpr Duration kSignLimit = absl::Seconds(30);

}  // namespace

CrlPublisher::CrlPublisher(const CertificateAuthority& authority)
    : authority_(authority), refresh_(kPeriod, [this](const std::atomic<bool>& stopping) { RefreshAll(stopping); }) {}

void CrlPublisher::RefreshAll(const std::atomic<bool>& stopping) {
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Recent();
  for (const auto& [name, issuer] : known->issuers) {
    if (stopping) return;
    const Status status = RefreshAuthority(*issuer, stopping);
    if (!status.ok()) {
      log::Fields fields = log::Describe(status);
      fields["authority"] = name;
      log::Error("crl_failed", fields);
    }
    const std::lock_guard lock(mutex_);
    failures_[name] = status;
  }
  const std::lock_guard lock(mutex_);
  looked_ = true;
}

// All of them, whatever befell the ones before; returns the first error.
Status CrlPublisher::RefreshAuthority(const Issuer& issuer, const std::atomic<bool>& stopping) const {
  const std::string& name = issuer.record().authority;
  ASSIGN_OR_RETURN(const auto shards, authority_.ShardsOf(name));
  ASSIGN_OR_RETURN(Lists latest, authority_.parts().store.LatestCrls(name));
  const auto first_list = latest.find({0, false});
  const bool goes_on = authority_.parts().clock.Now() < issuer.not_after();
  if (shards.size() > 1 && goes_on && first_list != latest.end()) {
    ASSIGN_OR_RETURN(const bool of_all, IsOfAll(first_list->second));
    if (of_all) latest.erase(first_list);  // and so is made anew
  }
  Status first;
  for (const auto& [shard, count] : shards) {
    if (stopping) break;
    const Status status = RefreshShard(issuer, shard, count, latest);
    if (first.ok()) first = status;
  }
  return first;
}

StatusOr<bool> CrlPublisher::IsOfAll(const CrlRecord& list) const {
  uint64_t& scoped = scoped_[list.authority];
  if (scoped == list.number) return false;
  ASSIGN_OR_RETURN(const CrlRecord whole, authority_.parts().store.LatestCrl(list.authority));
  const StatusOr<CrlParts> parts = ReadCrl(whole.crl);
  if (!parts.ok() || FindExtension(parts->extensions, oid::kIssuingDistributionPoint) == nullptr) return true;
  scoped = whole.number;
  return false;
}

Status CrlPublisher::RefreshShard(const Issuer& issuer, int64_t shard, uint64_t count, Lists& latest) const {
  const auto generate = [&](const CrlScope& scope) -> Status {
    ASSIGN_OR_RETURN(latest[scope], authority_.GenerateCrl(issuer, authority_.parts().clock.Now() + kSignLimit, scope));
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(const bool complete, NeedsComplete(issuer, shard, count, latest));
  if (complete) RETURN_IF_ERROR(generate({shard, false}));
  return NeedsDelta(issuer, shard, count, latest) ? generate({shard, true}) : absl::OkStatus();
}

// Half-way to its end, or from a future that the clock has stepped back from.
bool CrlPublisher::IsDue(const CrlRecord& crl) const {
  const Time now = authority_.parts().clock.Now();
  return now >= crl.this_update + (crl.next_update - crl.this_update) / 2 || now < crl.this_update;
}

StatusOr<bool> CrlPublisher::NeedsComplete(const Issuer& issuer, int64_t shard, uint64_t count,
                                           const Lists& latest) const {
  const CertificateAuthority::Parts& parts = authority_.parts();
  const auto list = latest.find({shard, false});
  if (list == latest.end()) return true;
  if (parts.clock.Now() >= issuer.not_after()) return false;  // its last list was made to its end
  if (IsDue(list->second)) return true;
  if (count == list->second.revocation_count) return false;
  if (parts.crl_delta_lifetime == absl::ZeroDuration()) return true;
  bool urgent = false;
  const auto look = [&urgent](const RevokedCertificate& changed) {
    urgent = urgent || changed.reason == RevocationReason::kKeyCompromise ||
             changed.reason == RevocationReason::kCaCompromise || changed.reason == RevocationReason::kAaCompromise;
  };
  RETURN_IF_ERROR(
      parts.store.ForEachChanged(issuer.record().authority, shard, list->second.revocation_count, look).status());
  return urgent;
}

bool CrlPublisher::NeedsDelta(const Issuer& issuer, int64_t shard, uint64_t count, const Lists& latest) const {
  const CertificateAuthority::Parts& parts = authority_.parts();
  if (parts.crl_delta_lifetime == absl::ZeroDuration() || parts.clock.Now() >= issuer.not_after()) return false;
  const auto complete = latest.find({shard, false});
  const auto delta = latest.find({shard, true});
  if (complete == latest.end()) return false;
  if (delta == latest.end() || delta->second.base != complete->second.number) return true;
  return count != delta->second.revocation_count || IsDue(delta->second);
}

Status CrlPublisher::Check() const {
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Current();
  for (const auto& [name, issuer] : known->issuers) {
    if (issuer->not_after() <= authority_.parts().clock.Now()) continue;  // nobody asks for its lists any more
    const StatusOr<std::string> fault = FaultOf(*issuer);
    std::string why = fault.ok() ? *fault : Message(fault.status());
    if (why.empty()) continue;
    const std::lock_guard lock(mutex_);
    const auto failure = failures_.find(name);
    // An authority that has just come to be: its first list is being made.
    if (fault.ok() && looked_ && failure == failures_.end()) continue;
    if (failure != failures_.end() && !failure->second.ok()) {
      why = fmt::format("{} ({})", Message(failure->second), why);
    }
    return Error(Code::kUnavailable, reason::kCrlUnknown,
                 fmt::format("authority '{}' has no valid CRL, or not for long: {}", name, why));
  }
  return absl::OkStatus();
}

// What is wrong with its lists; empty: nothing.
StatusOr<std::string> CrlPublisher::FaultOf(const Issuer& issuer) const {
  ASSIGN_OR_RETURN(const std::vector<ListFreshness> lists, ListsOf(authority_, issuer));
  for (const ListFreshness& list : lists) {
    std::string warning = WarningOf(list, issuer.not_after(), authority_.parts().clock.Now());
    if (!warning.empty()) return warning;
  }
  return "";
}

}  // namespace hallmark
