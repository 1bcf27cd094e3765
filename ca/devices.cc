// Certificates of devices in lots: what beyond the walk belongs to them.
#include <fmt/format.h>

#include "base/log.h"
#include "base/reason.h"
#include "ca/authority.h"
#include "ca/device_bundle.h"
#include "ca/entries.h"
#include "ca/proof.h"
#include "factory/entries.h"

namespace hallmark {
namespace {

constexpr size_t kSweepAtOnce = 500;
constexpr size_t kSerialLimit = 64;  // octets of what somebody calls a serial number

std::string SerialOf(const Request& request) {
  if (!request.device_serial.empty()) return request.device_serial.substr(0, kSerialLimit);
  const StatusOr<Csr> csr = ReadCsr(request.csr);
  return csr.ok() ? DeviceSerialOf(request, csr->facts).substr(0, kSerialLimit) : "";
}

Status CheckProof(ByteView certificate, ByteView signature) {
  ASSIGN_OR_RETURN(const bool proven, IsSignedByCertified(certificate, InstallationChallenge(certificate), signature));
  if (proven) return absl::OkStatus();
  return FieldError(reason::kInstallationProofInvalid, "signature",
                    "is not the certified key's over the certificate's installation_challenge; the device may hold "
                    "another key or another certificate");
}

}  // namespace

StatusOr<Issued> CertificateAuthority::WithBundle(Issued issued) const {
  if (!issued.record.device.has_value()) return issued;
  ASSIGN_OR_RETURN(const TermsPointer known, admissions_.TermsOf(issued.record.device->lot));
  issued.device_bundle = DeviceBundle(issued.record, issued.issuer->chain(), known->terms);
  return issued;
}

void CertificateAuthority::NoteAttempt(const Caller& caller, const Request& request, const Status& refusal) const {
  if (request.lot.empty() || !IsSuspicious(refusal)) return;
  const Time now = parts_.clock.Now();
  AttemptRecord attempt{.lot = request.lot,
                        .station = caller.uri,
                        .reason = Reason(refusal),
                        .serial = SerialOf(request),
                        .request_id = request.request_id,
                        .first = now,
                        .last = now};
  if (attempt.reason == reason::kLotUnknown) attempt.lot = "";
  const StatusOr<int64_t> total = parts_.store.RecordAttempt(attempt);
  if (!total.ok()) {
    log::Fields fields = log::Describe(total.status());
    fields.update({{"caller", caller.uri}, {"lot", request.lot}, {"refusal", attempt.reason}});
    log::Error("attempt_not_recorded", fields);
  }
  if (observers_.attempt_refused) observers_.attempt_refused(attempt, total.ok() ? *total : 1);
}

StatusOr<DeviceRecord> CertificateAuthority::ConfirmInstallation(const Caller& caller, const std::string& authority,
                                                                 ByteView serial, ByteView signature) const {
  const StatusOr<CertificateRecord> found = parts_.store.GetCertificate(authority, serial);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kConfirmDevice, authority, found));
  RETURN_IF_ERROR(found.status());
  if (!found->device.has_value()) {
    return Error(
        Code::kFailedPrecondition, reason::kDeviceNotIssued,
        fmt::format("certificate {} is of no device in a lot; nobody waits for its installation", Hex(serial)));
  }
  if (!signature.empty()) RETURN_IF_ERROR(CheckProof(found->certificate, signature));
  const Time now = parts_.clock.Now();
  const ClaimedDevice& device = *found->device;
  return parts_.store.ConfirmDevice(
      device.lot, device.serial, serial, now, !signature.empty(),
      DeviceConfirmedEntry(device, authority, serial, !signature.empty(), caller.uri, now));
}

Status CertificateAuthority::CheckTerms(const LotTerms& terms) const {
  const PolicyPointer policies = parts_.policies.Current();
  ASSIGN_OR_RETURN(const IssuerPointer issuer, parts_.issuers.Find(terms.authority, policies));
  const auto profile = policies->profiles.find(terms.profile);
  if (profile == policies->profiles.end() || issuer->FindTemplate(terms.profile) == nullptr) {
    return Error(Code::kNotFound, reason::kProfileUnknown,
                 fmt::format("authority '{}' has no profile '{}'", terms.authority, terms.profile));
  }
  if (profile->second->admission == Profile::Admission::kLot) return absl::OkStatus();
  return Error(
      Code::kFailedPrecondition, reason::kLotNotAllowed,
      fmt::format("profile '{}' certifies no devices of lots; its file would say admission: lot", terms.profile));
}

StatusOr<std::map<std::string, int64_t>> CertificateAuthority::SweepUnconfirmed(
    const std::atomic<bool>& stopping) const {
  std::map<std::string, int64_t> unconfirmed;
  std::string token;
  do {
    ASSIGN_OR_RETURN(const Page<LotRecord> page, parts_.store.ListLots({}, 100, token));
    for (const LotRecord& lot : page.items) {
      if (stopping) return unconfirmed;
      ASSIGN_OR_RETURN(const TermsPointer known, admissions_.TermsOf(lot));
      const ConfirmationTerms& confirmation = known->terms.confirmation;
      if (!confirmation.within.has_value()) continue;
      const Time issued_before = parts_.clock.Now() - *confirmation.within;
      ASSIGN_OR_RETURN(unconfirmed[lot.lot], parts_.store.CountUnconfirmed(lot.lot, issued_before));
      if (!confirmation.revoke_unconfirmed) continue;
      ASSIGN_OR_RETURN(const std::vector<DeviceRecord> lines,
                       parts_.store.ListUnconfirmed(lot.lot, issued_before, kSweepAtOnce));
      for (const DeviceRecord& line : lines) RETURN_IF_ERROR(RevokeUnconfirmed(line));
    }
    token = page.next_page_token;
  } while (!token.empty());
  return unconfirmed;
}

Status CertificateAuthority::RevokeUnconfirmed(const DeviceRecord& line) const {
  ASSIGN_OR_RETURN(const CertificateRecord found, parts_.store.GetCertificate(line.authority, line.certificate_serial));
  return Revoke(found,
                {TruncateToSecond(parts_.clock.Now()), RevocationReason::kCessationOfOperation, "lots/" + line.lot})
      .status();
}

}  // namespace hallmark
