#include "tools/published.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/freshness.h"
#include "ca/served.h"

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

}  // namespace

RepositoryContent MakeContent(Instance& instance, const CrlPublisher& publisher, const OcspSigners& signers,
                              std::function<void(const Status&)> on_store) {
  return {
      .is_known = [&instance](const std::string& name) { return IsServed(instance.authority(), name); },
      .certificate = [&instance](const std::string& name) { return ServedCertificate(instance.authority(), name); },
      .crl = [&instance](const std::string& name,
                         const CrlScope& scope) { return ServedCrl(instance.authority(), name, scope); },
      .checks = [&instance, &publisher, &signers,
                 on_store = std::move(on_store)] { return CheckReadiness(instance, publisher, signers, on_store); }};
}

}  // namespace hallmark
