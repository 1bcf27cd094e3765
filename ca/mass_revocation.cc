#include "ca/mass_revocation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/crl.h"
#include "ca/der.h"
#include "ca/entries.h"

namespace hallmark {
namespace {

constexpr int kStep = 200;   // certificates in one transaction: some 10 ms of the writer's time
constexpr int kSample = 10;  // certificates shown
constexpr size_t kListed = 100;
constexpr size_t kNameDigits = 12;
// A signature that was begun before is on record by then: longer than any call's deadline.
constexpr Duration kUnderWay = absl::Minutes(1);

// As Store::Revoke and Release have it.
bool WouldChange(const std::optional<RevocationReason>& stands, RevocationReason asked) {
  if (asked == RevocationReason::kRemoveFromCrl) return stands == RevocationReason::kCertificateHold;
  return GivesWay(stands, asked);
}

bool SelectsSome(const CertificateFilter& filter) {
  return !filter.authority.empty() || !filter.profile.empty() || !filter.subject.empty() || !filter.caller.empty() ||
         filter.spki.has_value() || !filter.lot.empty() || !filter.device_serial.empty() ||
         filter.issued_from.has_value() || filter.issued_before.has_value();
}

// All that was asked for, each part with its length before it.
Digest DigestOf(const MassRevocation& asked) {
  const auto instant = [](const std::optional<Time>& time) { return time.has_value() ? Rfc3339(*time) : ""; };
  const CertificateFilter& filter = asked.filter;
  Bytes input;
  for (const std::string& part :
       {filter.authority, filter.profile, filter.subject, filter.caller, filter.lot, filter.device_serial,
        filter.spki.has_value() ? Hex(*filter.spki) : "",
        filter.revoked.has_value() ? std::to_string(int{*filter.revoked}) : "", instant(filter.issued_from),
        instant(filter.issued_before), filter.leaf_end.has_value() ? std::to_string(*filter.leaf_end) : "",
        std::string(Name(asked.reason)), instant(asked.invalidity)}) {
    Append(input, der::Tlv(der::kOctetString, AsBytes(part)));
  }
  return Sha256(input);
}

std::string NameOf(const std::string& caller, const std::string& request_id) {
  return Hex(Sha256(AsBytes(caller + "\n" + request_id))).substr(0, kNameDigits);
}

Status CheckAsked(const MassRevocation& asked, Time now) {
  RETURN_IF_ERROR(CheckRequestId(asked.request_id));
  if (!SelectsSome(asked.filter)) {
    return FieldError(reason::kRequestInvalid, "filter",
                      "selects every certificate there is; name an authority, a lot, a device, a caller, a key, a "
                      "profile, a subject or a time of issuance");
  }
  if (asked.invalidity.has_value() && asked.reason == RevocationReason::kRemoveFromCrl) {
    return FieldError(reason::kRequestInvalid, "invalidity_time", "is of a revocation, and this releases");
  }
  return CheckInvalidity(asked.invalidity, now);
}

Status NoneSelected() {
  return Error(Code::kNotFound, reason::kCertificateUnknown,
               "the filter selects no certificate; nothing was changed, look at its names and times");
}

int64_t EntrySize(const MassRevocation& asked, const CertificateRecord& example, Time now) {
  CrlEntries entry;
  entry.Add({example.serial, now, asked.reason, asked.invalidity});
  return static_cast<int64_t>(entry.der().size());
}

CertificateRevocation RevocationOf(const MassRevocationRecord& record, const CertificateRecord& certificate, Time now) {
  const Revocation revocation{now, record.reason, record.caller, record.invalidity};
  const std::string entry =
      record.reason == RevocationReason::kRemoveFromCrl
          ? CertificateReleasedEntry(certificate.authority, certificate.serial, {now, record.caller})
          : CertificateRevokedEntry(certificate.authority, certificate.serial, revocation);
  return {{certificate.authority, certificate.serial}, revocation, entry};
}

}  // namespace

MassRevocationRecord NewMassRevocation(const std::string& caller, const MassRevocation& asked, Time now) {
  MassRevocationRecord record;
  record.revocation = NameOf(caller, asked.request_id);
  record.caller = caller;
  record.request_id = asked.request_id;
  record.request_digest = DigestOf(asked);
  record.filter = asked.filter;
  record.filter.newest_first = false;
  record.reason = asked.reason;
  record.invalidity = asked.invalidity;
  record.created = TruncateToSecond(now);
  return record;
}

Status MassRevocations::CheckAccess(const Caller& caller, const char* permission,
                                    const CertificateFilter& filter) const {
  return authority_.Authorize(caller, permission,
                              {filter.authority, filter.profile, filter.caller,
                               authority_.parts().issuers.Predecessors(filter.authority), filter.lot});
}

StatusOr<MassRevocationPreview> MassRevocations::Preview(const Caller& caller, const MassRevocation& asked) const {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevokeMany, asked.filter));
  const Time now = TruncateToSecond(authority_.parts().clock.Now());
  RETURN_IF_ERROR(CheckAsked(asked, now));
  Store& store = authority_.parts().store;
  CertificateFilter filter = asked.filter;
  MassRevocationPreview preview;
  if (!filter.leaf_end.has_value()) {
    ASSIGN_OR_RETURN(const LedgerHead head, store.GetLedgerHead());
    filter.leaf_end = head.size;
  }
  preview.leaf_end = *filter.leaf_end;
  ASSIGN_OR_RETURN(Page<CertificateRecord> page, store.ListCertificates(filter, kSample, ""));
  if (page.items.empty()) return NoneSelected();
  preview.sample = std::move(page.items);
  const int64_t entry_size = EntrySize(asked, preview.sample.front(), now);
  ASSIGN_OR_RETURN(preview.counts, store.CountCertificates(filter, now));
  for (const CertificateCount& count : preview.counts) {
    preview.total += count.certificates;
    if (!WouldChange(count.reason, asked.reason)) continue;
    preview.changes += count.certificates;
    preview.registration_ids += count.registration_ids;
    // What has expired is on the next list all the same (RFC 5280 3.3); what is on it already stays.
    int64_t& growth = preview.crl_growth[count.authority];
    if (asked.reason == RevocationReason::kRemoveFromCrl) growth -= count.certificates * entry_size;
    if (!count.reason.has_value()) growth += count.certificates * entry_size;
  }
  return preview;
}

StatusOr<MassRevocationRecord> MassRevocations::Start(const Caller& caller, const MassRevocation& asked) const {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevokeMany, asked.filter));
  const Time now = TruncateToSecond(authority_.parts().clock.Now());
  RETURN_IF_ERROR(CheckAsked(asked, now));
  Store& store = authority_.parts().store;
  MassRevocationRecord record = NewMassRevocation(caller.uri, asked, now);
  const StatusOr<MassRevocationRecord> earlier = store.GetMassRevocation(record.revocation);
  if (earlier.ok() && earlier->request_digest == record.request_digest) return earlier;
  // The digest is of what was asked; without a bound it is what there is now.
  if (!record.filter.leaf_end.has_value()) {
    ASSIGN_OR_RETURN(const LedgerHead head, store.GetLedgerHead());
    record.filter.leaf_end = head.size;
  }
  ASSIGN_OR_RETURN(const auto counts, store.CountCertificates(record.filter, now));
  for (const CertificateCount& count : counts) record.total += count.certificates;
  if (record.total == 0) return NoneSelected();
  const std::string entry = MassRevocationEntryOf("mass_revocation_started", record, caller.uri, now);
  ASSIGN_OR_RETURN(MassRevocationRecord started, store.StartMassRevocation(record, entry));
  notify_();
  return started;
}

StatusOr<MassRevocationRecord> MassRevocations::Get(const Caller& caller, const std::string& revocation) const {
  const StatusOr<MassRevocationRecord> record = authority_.parts().store.GetMassRevocation(revocation);
  RETURN_IF_ERROR(
      CheckAccess(caller, permission::kListCertificates, record.ok() ? record->filter : CertificateFilter()));
  return record;
}

StatusOr<std::vector<MassRevocationRecord>> MassRevocations::List(const Caller& caller) const {
  RETURN_IF_ERROR(CheckAccess(caller, permission::kListCertificates, {}));
  return authority_.parts().store.ListMassRevocations(kListed);
}

StatusOr<MassRevocationRecord> MassRevocations::Stop(const Caller& caller, const std::string& revocation) const {
  const StatusOr<MassRevocationRecord> record = authority_.parts().store.GetMassRevocation(revocation);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevokeMany, record.ok() ? record->filter : CertificateFilter()));
  RETURN_IF_ERROR(record.status());
  const Time now = TruncateToSecond(authority_.parts().clock.Now());
  return authority_.parts().store.StopMassRevocation(
      revocation, caller.uri, now, MassRevocationEntryOf("mass_revocation_stopped", *record, caller.uri, now));
}

Status MassRevocations::Work(const std::atomic<bool>& stopping) const {
  ASSIGN_OR_RETURN(std::vector<MassRevocationRecord> running, authority_.parts().store.RunningMassRevocations());
  Status first;
  // One step of each in turn: a small one does not wait for a large one.
  while (!running.empty() && !stopping) {
    std::erase_if(running, [&](const MassRevocationRecord& record) {
      if (stopping) return false;
      const StatusOr<bool> more = Step(record.revocation);
      if (!more.ok() && first.ok()) first = more.status();
      return !more.ok() || !*more;
    });
  }
  return first;
}

StatusOr<bool> MassRevocations::Step(const std::string& revocation) const {
  Store& store = authority_.parts().store;
  ASSIGN_OR_RETURN(MassRevocationRecord record, store.GetMassRevocation(revocation));
  if (record.state != MassRevocationState::kRunning) return false;
  ASSIGN_OR_RETURN(const auto page, store.ListCertificates(record.filter, kStep, record.position));
  const Time now = TruncateToSecond(authority_.parts().clock.Now());
  std::vector<CertificateRevocation> certificates;
  for (const CertificateRecord& certificate : page.items) {
    certificates.push_back(RevocationOf(record, certificate, now));
  }
  const bool at_end = page.next_page_token.empty();
  const bool done = at_end && (record.filter.leaf_end.has_value() || now >= record.created + kUnderWay);
  MassRevocationEntry done_entry;
  if (done) {
    done_entry = [now](const MassRevocationRecord& after) {
      return MassRevocationEntryOf("mass_revocation_done", after, after.caller, now);
    };
  }
  ASSIGN_OR_RETURN(const auto changed,
                   store.StepMassRevocation(record, certificates, page.next_page_token, now, done_entry));
  for (const CertificateRecord& one : changed) authority_.TellRevocation(one);
  return !at_end;
}

}  // namespace hallmark
