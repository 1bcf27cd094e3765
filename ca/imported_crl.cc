// Lists of authorities above ours whose keys are elsewhere, as in a safe.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/crl.h"
#include "ca/entries.h"
#include "ca/lifecycle.h"
#include "ca/names.h"
#include "ca/offline.h"

namespace hallmark {
namespace {

constexpr size_t kCrlLimit = 60 * 1024;  // a message carries it
constexpr Duration kClockSkew = absl::Minutes(5);

Status Invalid(const std::string& why) { return FieldError(reason::kCrlInvalid, "crl", why + "; nothing was changed"); }

// A list of some certificates only, or a delta, would be taken for all there is.
Status CheckComplete(ByteView crl) {
  const StatusOr<CrlParts> parts = ReadCrl(crl);
  if (!parts.ok()) return Invalid("is no CRL of version 2 in DER: " + std::string(parts.status().message()));
  for (const Extension& extension : parts->extensions) {
    if (extension.critical) {
      return Invalid(
          fmt::format("has the critical extension {}, so that it is no complete list of one issuer's "
                      "certificates; import that",
                      extension.oid));
    }
  }
  return absl::OkStatus();
}

Status CheckTimes(const ListedCrl& list, Time now) {
  if (list.this_update > now + kClockSkew) {
    return Invalid(fmt::format("is of {}, which is in the future; look at both clocks", Rfc3339(list.this_update)));
  }
  if (list.next_update > now) return absl::OkStatus();
  return Invalid(fmt::format("has expired on {}; make a new one", Rfc3339(list.next_update)));
}

struct Found {
  std::string name;
  AuthorityCertificate issuer;
};

StatusOr<Found> FindIssuer(const std::map<std::string, Bytes>& elsewhere, ByteView crl, const std::string& name) {
  for (const auto& [known, certificate] : elsewhere) {
    if (!name.empty() && known != name) continue;
    StatusOr<AuthorityCertificate> issuer = AuthorityCertificate::Read(certificate);
    if (issuer.ok() && issuer->Issued(crl)) return Found{known, *std::move(issuer)};
  }
  std::string names;
  for (const auto& [known, certificate] : elsewhere) names += (names.empty() ? "" : ", ") + known;
  return Invalid(
      names.empty()
          ? "cannot be served: no certificate above ours names a list at /crl/NAME.crl"
          : fmt::format("is not signed by an authority above ours whose list is served here; those are {}", names));
}

}  // namespace

// The authorities of ours whose certificate, or one above it, `issuer_certificate`'s key issued and the list has.
std::vector<AuthorityRecord> Lifecycle::ChangedBy(const ListedCrl& list, ByteView issuer_certificate) const {
  std::vector<AuthorityRecord> changed;
  const StatusOr<AuthorityCertificate> issuer = AuthorityCertificate::Read(issuer_certificate);
  if (!issuer.ok()) return changed;
  const std::shared_ptr<const Issuers::Snapshot> known = parts().issuers.Current();
  for (const auto& [name, one] : known->issuers) {
    if (one->record().external_chain.empty()) continue;
    AuthorityRecord record = one->record();
    for (const Bytes& certificate : one->chain()) {
      const StatusOr<CertificateParts> parts_of = ReadCertificate(certificate);
      if (!parts_of.ok() || !issuer->Issued(certificate)) continue;
      const auto listed = std::find_if(list.revoked.begin(), list.revoked.end(),
                                       [&](const RevokedCertificate& r) { return Equal(r.serial, parts_of->serial); });
      if (listed == list.revoked.end()) continue;
      const bool held = listed->reason == RevocationReason::kCertificateHold;
      if (!held) record.state = AuthorityState::kRevoked;
      const bool issues = record.state == AuthorityState::kStaged || record.state == AuthorityState::kEnabled;
      if (held && issues) record.state = AuthorityState::kDisabled;
    }
    if (record.state != one->record().state) changed.push_back(std::move(record));
  }
  return changed;
}

StatusOr<ImportedCrl> Lifecycle::ImportCrl(const Caller& caller, ByteView crl, const std::string& name,
                                           bool validate_only) {
  RETURN_IF_ERROR(authority_.Authorize(caller, permission::kImportCrl, {name, "", "", {}}));
  if (crl.size() > kCrlLimit) return Invalid(fmt::format("is larger than {} octets", kCrlLimit));
  RETURN_IF_ERROR(CheckComplete(crl));
  const StatusOr<ListedCrl> list = ReadListedCrl(crl);
  if (!list.ok()) return Invalid(std::string(list.status().message()));
  if (list->number == 0) return Invalid("has cRLNumber 0; what is served here is numbered from 1 on");
  const Time now = TruncateToSecond(parts().clock.Now());
  RETURN_IF_ERROR(CheckTimes(*list, now));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const Found found, FindIssuer(parts().issuers.Recent()->elsewhere, crl, name));
  ASSIGN_OR_RETURN(const Subject issuer_name, ReadName(list->issuer));
  ImportedCrl imported;
  imported.record = {.name = found.name,
                     .issuer = Sha256(found.issuer.key.spki()),
                     .issuer_name = ToRfc4514(issuer_name),
                     .number = list->number,
                     .this_update = list->this_update,
                     .next_update = list->next_update,
                     .crl = ToBytes(crl),
                     .imported = now,
                     .imported_by = caller.uri};
  imported.changed = ChangedBy(*list, found.issuer.der);
  if (validate_only) return imported;
  const std::string entry = CrlImportedEntry(imported.record);
  RETURN_IF_ERROR(parts().store.ImportCrl(imported.record, imported.changed, entry));
  if (imported.changed.empty()) return imported;
  RETURN_IF_ERROR(parts().issuers.Reload());
  for (AuthorityRecord& record : imported.changed) {
    ASSIGN_OR_RETURN(record, parts().store.GetAuthority(record.authority));
    if (changed_) changed_(record);
  }
  return imported;
}

}  // namespace hallmark
