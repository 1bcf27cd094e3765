#include "ca/freshness.h"

#include <fmt/format.h>

#include <algorithm>

namespace hallmark {
namespace {

std::string Describe(const ListFreshness& list) {
  const std::string kind = list.imported ? "imported CRL" : list.scope.delta ? "delta CRL" : "CRL";
  return list.scope.shard == 0 ? fmt::format("the {} of {}", kind, list.name)
                               : fmt::format("the {} of {}, shard {},", kind, list.name, list.scope.shard);
}

void Add(ListFreshness list, Time authority_end, Freshness& freshness) {
  const std::string warning = WarningOf(list, authority_end, freshness.time);
  if (!warning.empty()) freshness.warnings.push_back(warning);
  freshness.lists.push_back(std::move(list));
}

Status AddImported(Store& store, Freshness& freshness) {
  ASSIGN_OR_RETURN(const std::vector<ImportedCrlRecord> imported, store.ListImportedCrls());
  for (const ImportedCrlRecord& record : imported) {
    Add({.name = record.name,
         .imported = true,
         .number = record.number,
         .this_update = record.this_update,
         .next_update = record.next_update},
        absl::InfiniteFuture(), freshness);
  }
  return absl::OkStatus();
}

}  // namespace

bool EndsSoon(Time begin, Time end, Time now) { return now >= end - (end - begin) / 4; }

std::string WarningOf(const ListFreshness& list, Time authority_end, Time now) {
  if (list.number == 0) return Describe(list) + " was not made yet";
  if (list.next_update <= now) return fmt::format("{} has expired on {}", Describe(list), Rfc3339(list.next_update));
  if (list.next_update >= authority_end || !EndsSoon(list.this_update, list.next_update, now)) return "";
  return fmt::format("{} ends on {}, and no new one {}", Describe(list), Rfc3339(list.next_update),
                     list.imported ? "was imported" : "could be made");
}

StatusOr<std::vector<ListFreshness>> ListsOf(const CertificateAuthority& authority, const Issuer& issuer) {
  const std::string& name = issuer.record().authority;
  const CertificateAuthority::Parts& parts = authority.parts();
  ASSIGN_OR_RETURN(const auto shards, authority.ShardsOf(name));
  ASSIGN_OR_RETURN(const auto latest, parts.store.LatestCrls(name));
  std::vector<ListFreshness> lists;
  for (const auto& [shard, count] : shards) {
    for (const bool delta : {false, true}) {
      if (delta && parts.crl_delta_lifetime == absl::ZeroDuration()) continue;
      ListFreshness& list = lists.emplace_back(ListFreshness{.name = name, .scope = {shard, delta}});
      list.waiting = static_cast<int64_t>(count);
      const auto found = latest.find(list.scope);
      if (found == latest.end()) continue;
      list.number = found->second.number;
      list.this_update = found->second.this_update;
      list.next_update = found->second.next_update;
      list.waiting -= static_cast<int64_t>(found->second.revocation_count);
    }
  }
  return lists;
}

StatusOr<Freshness> LookAtFreshness(const CertificateAuthority& authority, const OcspSigners& signers) {
  const CertificateAuthority::Parts& parts = authority.parts();
  Freshness freshness;
  freshness.time = parts.clock.Now();
  const std::shared_ptr<const Issuers::Snapshot> known = parts.issuers.Recent();
  for (const auto& [name, issuer] : known->issuers) {
    if (issuer->not_after() <= freshness.time) continue;
    ASSIGN_OR_RETURN(std::vector<ListFreshness> lists, ListsOf(authority, *issuer));
    for (ListFreshness& list : lists) Add(std::move(list), issuer->not_after(), freshness);
  }
  RETURN_IF_ERROR(AddImported(parts.store, freshness));
  freshness.responders = signers.Current();
  for (const ResponderFreshness& responder : freshness.responders) {
    const auto issuer = known->issuers.find(responder.authority);
    const bool ends_with_it = issuer != known->issuers.end() && responder.not_after >= issuer->second->not_after();
    const bool ends_soon = EndsSoon(responder.not_before, responder.not_after, freshness.time);
    if (ends_with_it || !ends_soon || responder.failure.ok()) continue;
    freshness.warnings.push_back(
        fmt::format("the certificate of the OCSP responder of {} ends on {}, and could not be renewed: {}",
                    responder.authority, Rfc3339(responder.not_after), Message(responder.failure)));
  }
  ASSIGN_OR_RETURN(freshness.running, parts.store.RunningMassRevocations());
  return freshness;
}

}  // namespace hallmark
