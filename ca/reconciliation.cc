#include "ca/reconciliation.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace hallmark {
namespace {

// Everything that must be so, whatever happened: each claim of a line, the first or a reissue, makes one certificate,
// but those that are under way.
std::vector<std::string> Contradictions(const CountedLot& counted, const LotTerms& terms) {
  std::vector<std::string> contradictions;
  const LotCounts& counts = counted.counts;
  const auto expect = [&](bool holds, const std::string& what) {
    if (!holds) contradictions.push_back(what);
  };
  expect(counts == counted.lot.counts, "the counts that are kept are not those of the lines");
  expect(counts.taken() <= terms.quantity,
         fmt::format("{} devices were built, {} were ordered", counts.taken(), terms.quantity));
  expect(counts.reissued <= terms.reissue.total,
         fmt::format("{} certificates were reissued, {} were allowed", counts.reissued, terms.reissue.total));
  const int64_t expected = counts.taken() + counts.reissued - counts.claimed;
  expect(counted.certificates == expected,
         fmt::format("{} certificates are on record, {} are accounted for", counted.certificates, expected));
  const int64_t live = counts.issued + counts.installed;
  expect(counted.live >= live && counted.live <= live + counts.claimed,
         fmt::format("{} certificates are live, {} lines have one", counted.live, live));
  return contradictions;
}

}  // namespace

StatusOr<Reconciliation> Reconcile(const CertificateAuthority& authority, const std::string& lot) {
  Store& store = authority.parts().store;
  ASSIGN_OR_RETURN(const CountedLot counted, store.CountLot(lot));
  ASSIGN_OR_RETURN(const TermsPointer known, authority.TermsOf(counted.lot));
  Reconciliation reconciliation;
  reconciliation.lot = counted.lot;
  reconciliation.terms = known->terms;
  reconciliation.time = TruncateToSecond(authority.parts().clock.Now());
  reconciliation.certificates = counted.certificates;
  reconciliation.live = counted.live;
  reconciliation.unclaimed =
      known->terms.serials.has_value() ? known->terms.quantity - counted.counts.taken() : counted.counts.announced;
  if (known->terms.confirmation.within.has_value()) {
    ASSIGN_OR_RETURN(reconciliation.unconfirmed,
                     store.CountUnconfirmed(lot, reconciliation.time - *known->terms.confirmation.within));
  }
  ASSIGN_OR_RETURN(reconciliation.attempts, store.ListAttempts(lot));
  reconciliation.contradictions = Contradictions(counted, known->terms);
  return reconciliation;
}

std::string ToJson(const Reconciliation& reconciliation, const std::string& caller) {
  const LotCounts& counts = reconciliation.lot.counts;
  nlohmann::ordered_json attempts = nlohmann::ordered_json::array();
  for (const AttemptRecord& attempt : reconciliation.attempts) {
    attempts.push_back({{"station", attempt.station},
                        {"reason", attempt.reason},
                        {"count", attempt.count},
                        {"first", Rfc3339(attempt.first)},
                        {"last", Rfc3339(attempt.last)},
                        {"last_serial", attempt.serial}});
  }
  const nlohmann::ordered_json report = {{"hallmark_lot_report", 1},
                                         {"lot", reconciliation.lot.lot},
                                         {"state", reconciliation.lot.state == LotState::kOpen ? "OPEN" : "CLOSED"},
                                         {"revision", reconciliation.lot.revision},
                                         {"manufacturer", reconciliation.lot.manufacturer},
                                         {"product", reconciliation.lot.product},
                                         {"authority", reconciliation.lot.authority},
                                         {"profile", reconciliation.lot.profile},
                                         {"time", Rfc3339(reconciliation.time)},
                                         {"asked_by", caller},
                                         {"quantity", reconciliation.terms.quantity},
                                         {"announced", counts.announced},
                                         {"claimed", counts.claimed},
                                         {"issued", counts.issued},
                                         {"installed", counts.installed},
                                         {"revoked", counts.revoked},
                                         {"withdrawn", counts.withdrawn},
                                         {"reissued", counts.reissued},
                                         {"unclaimed", reconciliation.unclaimed},
                                         {"unconfirmed", reconciliation.unconfirmed},
                                         {"certificates", reconciliation.certificates},
                                         {"live_certificates", reconciliation.live},
                                         {"refused_attempts", std::move(attempts)},
                                         {"contradictions", reconciliation.contradictions}};
  return report.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace hallmark
