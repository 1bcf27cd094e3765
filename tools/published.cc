#include "tools/published.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/freshness.h"

namespace hallmark {
namespace {

// OK when every responder that is in use can go on for longer than a quarter of its certificate's life.
Status CheckResponders(const Instance& instance, const OcspSigners& signers) {
  const Time now = instance.clock().Now();
  for (const ResponderFreshness& responder : signers.Current()) {
    if (!EndsSoon(responder.not_before, responder.not_after, now) || responder.failure.ok()) continue;
    return Error(Code::kUnavailable, reason::kHsmUnavailable,
                 fmt::format("the OCSP responder of authority '{}' ends on {}, and cannot be renewed: {}",
                             responder.authority, Rfc3339(responder.not_after), Message(responder.failure)));
  }
  return absl::OkStatus();
}

// Of authorities above ours. No replica of this service can make one, so that none is out of service for it.
Status CheckImported(Instance& instance) {
  const Time now = instance.clock().Now();
  ASSIGN_OR_RETURN(const std::vector<ImportedCrlRecord> imported, instance.store().ListImportedCrls());
  for (const ImportedCrlRecord& crl : imported) {
    if (!EndsSoon(crl.this_update, crl.next_update, now)) continue;
    return Error(Code::kUnavailable, reason::kCrlUnknown,
                 fmt::format("the imported CRL '{}' ends on {}; make a new one and run: hallmark crl import FILE",
                             crl.name, Rfc3339(crl.next_update)));
  }
  return absl::OkStatus();
}

std::vector<Check> CheckReadiness(Instance& instance, const CrlPublisher& publisher, const OcspSigners& signers,
                                  const std::function<void(const Status&)>& on_store) {
  const Status store = instance.store().Check();
  on_store(store);
  std::vector<Check> checks = {{"store", store},
                               {"crl", publisher.Check()},
                               {"ocsp", CheckResponders(instance, signers)},
                               {"imported_crl", CheckImported(instance), false}};
  for (const ConfiguredTokens::Entry& entry : instance.tokens().all()) {
    checks.push_back({"token " + entry.name, entry.token->health().status, false});
  }
  for (const Instance::KeyHealth& key : instance.CheckKeys()) {
    checks.push_back({fmt::format("key {} {}", key.authority, key.copy.uri.token), key.copy.status, false});
  }
  return checks;
}

bool IsKnown(const Issuers::Snapshot& known, const std::string& authority) {
  return known.issuers.contains(authority) || known.elsewhere.contains(authority);
}

// What is served of an authority whose key is elsewhere.
StatusOr<CrlRecord> ImportedCrlOf(Store& store, const std::string& name, const CrlScope& scope) {
  if (scope != CrlScope()) return Error(Code::kNotFound, reason::kCrlUnknown, name + " has one list");
  ASSIGN_OR_RETURN(ImportedCrlRecord imported, store.GetImportedCrl(name));
  CrlRecord crl;
  crl.authority = name;
  crl.number = imported.number;
  crl.this_update = imported.this_update;
  crl.next_update = imported.next_update;
  crl.crl = std::move(imported.crl);
  return crl;
}

}  // namespace

RepositoryContent MakeContent(Instance& instance, const CrlPublisher& publisher, const OcspSigners& signers,
                              std::function<void(const Status&)> on_store) {
  return {
      .is_known =
          [&instance](const std::string& authority) {
            Issuers& issuers = instance.issuers();
            return IsKnown(*issuers.Current(), authority) || IsKnown(*issuers.Recent(), authority);
          },
      .certificate = [&instance](const std::string& authority) -> StatusOr<Bytes> {
        const std::shared_ptr<const Issuers::Snapshot> known = instance.issuers().Current();
        const auto elsewhere = known->elsewhere.find(authority);
        if (elsewhere != known->elsewhere.end()) return elsewhere->second;
        return known->issuers.at(authority)->record().certificate;
      },
      .crl = [&instance](const std::string& authority, const CrlScope& scope) -> StatusOr<CrlRecord> {
        if (instance.issuers().Current()->elsewhere.contains(authority)) {
          return ImportedCrlOf(instance.store(), authority, scope);
        }
        return instance.store().LatestCrl(authority, scope);
      },
      .checks = [&instance, &publisher, &signers,
                 on_store = std::move(on_store)] { return CheckReadiness(instance, publisher, signers, on_store); }};
}

}  // namespace hallmark
