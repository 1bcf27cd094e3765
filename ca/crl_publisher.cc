#include "ca/crl_publisher.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/reason.h"

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
    const StatusOr<bool> needed = NeedsRefresh(*issuer);
    Status status = needed.status();
    if (needed.ok() && *needed) {
      const StatusOr<CrlRecord> crl = authority_.GenerateCrl(*issuer, authority_.parts().clock.Now() + kSignLimit);
      status = crl.status();
    }
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

StatusOr<bool> CrlPublisher::NeedsRefresh(const Issuer& issuer) const {
  Store& store = authority_.parts().store;
  const std::string& name = issuer.record().authority;
  const StatusOr<CrlRecord> latest = store.LatestCrl(name);
  if (absl::IsNotFound(latest.status())) return true;
  RETURN_IF_ERROR(latest.status());
  if (authority_.parts().clock.Now() >= issuer.not_after()) return false;  // its last list was made to its end
  ASSIGN_OR_RETURN(const uint64_t count, store.RevocationCount(name));
  const Time half_way = latest->this_update + (latest->next_update - latest->this_update) / 2;
  const Time now = authority_.parts().clock.Now();
  return count != latest->revocation_count || now >= half_way || now < latest->this_update;
}

Status CrlPublisher::Check() const {
  const std::shared_ptr<const Issuers::Snapshot> known = authority_.parts().issuers.Current();
  for (const auto& [name, issuer] : known->issuers) {
    const StatusOr<CrlRecord> latest = authority_.parts().store.LatestCrl(name);
    if (latest.ok() && latest->next_update > authority_.parts().clock.Now()) continue;
    std::string why = latest.ok() ? "it has expired" : Message(latest.status());
    const std::lock_guard lock(mutex_);
    const auto failure = failures_.find(name);
    // An authority that has just come to be: its first list is being made.
    if (absl::IsNotFound(latest.status()) && looked_ && failure == failures_.end()) continue;
    if (failure != failures_.end() && !failure->second.ok()) why = Message(failure->second);
    return Error(Code::kUnavailable, reason::kCrlUnknown,
                 fmt::format("authority '{}' has no valid CRL: {}", name, why));
  }
  return absl::OkStatus();
}

}  // namespace hallmark
