#include "ca/admission.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/authority.h"

namespace hallmark {
namespace {

constexpr size_t kKnownLimit = 1024;         // lots
constexpr size_t kReissueReasonLimit = 256;  // octets
constexpr size_t kEndorsementKeyLimit = 2048;

Status CheckForm(const Request& request, const std::string& serial) {
  if (request.reissue_reason.size() > kReissueReasonLimit) {
    return FieldError(reason::kRequestInvalid, "reissue_reason",
                      fmt::format("has {} octets; at most {}", request.reissue_reason.size(), kReissueReasonLimit));
  }
  if (request.endorsement_key.size() > kEndorsementKeyLimit) {
    return FieldError(reason::kRequestInvalid, "endorsement_key",
                      fmt::format("has {} octets; at most {}", request.endorsement_key.size(), kEndorsementKeyLimit));
  }
  if (IsSerialNumber(serial)) return absl::OkStatus();
  return FieldError(
      reason::kRequestInvalid, "device_serial",
      "is neither given nor found in the CSR's serialNumber or CN; send the serial number of the manifest");
}

// Whether a request may name a lot, and does if it must.
Status CheckLotNamed(const Profile& profile, const Request& request) {
  if (profile.admission == Profile::Admission::kLot && request.lot.empty()) {
    return FieldError(
        reason::kLotRequired, "lot",
        fmt::format("is required: profile '{}' certifies devices that a lot announces, and no others", profile.name));
  }
  if (profile.admission == Profile::Admission::kNone && !request.lot.empty()) {
    return FieldError(reason::kLotNotAllowed, "lot",
                      fmt::format("profile '{}' certifies no devices of lots; leave it out", profile.name));
  }
  return absl::OkStatus();
}

FieldViolation Differs(const std::string& field, const std::string& value, const std::string& expected) {
  return {field, fmt::format("\"{}\" is not \"{}\", as the lot announces the device", value, expected)};
}

}  // namespace

std::string DeviceSerialOf(const Request& request, const Facts& facts) {
  if (!request.device_serial.empty()) return request.device_serial;
  const std::string serial = ValueOf(facts.subject, "serialNumber");
  return serial.empty() ? ValueOf(facts.subject, "CN") : serial;
}

void AddFacts(const Caller& caller, const Request& request, const Admission& admission, Facts& facts) {
  if (!request.key.empty()) {  // of the CSR nothing else counts
    const KeyType key = facts.key;
    facts = Facts();
    facts.key = key;
  }
  facts.caller = caller;
  facts.lifetime = request.lifetime;
  if (admission.line.has_value()) facts.device = admission.line->facts;
}

Status Admission::CheckNames(const Plan& plan) const {
  if (!line.has_value()) return absl::OkStatus();
  const DeviceRecord& device = line->device;
  std::vector<FieldViolation> violations;
  bool named = false;
  const auto expect = [&](const std::string& field, const std::string& value, const std::string& expected) {
    if (value.empty()) return;
    named = true;
    if (value != expected) violations.push_back(Differs(field, value, expected));
  };
  expect("csr.subject.CN", ValueOf(plan.subject, "CN"), device.registration_id);
  expect("csr.subject.serialNumber", ValueOf(plan.subject, "serialNumber"), device.serial);
  for (const GeneralName& name : plan.subject_alt_names) {
    if (name.kind != GeneralName::Kind::kHardwareModuleName) continue;
    expect("csr.subject_alt_name.hardwareModuleName", name.value.substr(name.value.find(':') + 1), device.serial);
  }
  if (!named) {
    violations.push_back(
        {"csr.subject", fmt::format("names no device; its CN must be \"{}\" or its serialNumber \"{}\"",
                                    device.registration_id, device.serial)});
  }
  if (violations.empty()) return absl::OkStatus();
  return FieldErrors(reason::kDeviceNameDiffers, violations);
}

StatusOr<TermsPointer> Admissions::TermsOf(const LotRecord& lot) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(lot.lot);
    if (found != known_.end() && found->second->revision == lot.revision) return found->second;
  }
  ASSIGN_OR_RETURN(LotTerms terms, ParseTerms(lot.terms));
  TermsPointer known = std::make_shared<const KnownTerms>(KnownTerms{lot.revision, std::move(terms)});
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kKnownLimit) known_.clear();
  known_[lot.lot] = known;
  return known;
}

StatusOr<TermsPointer> Admissions::TermsOf(const std::string& lot) {
  ASSIGN_OR_RETURN(const LotRecord record, store_.GetLot(lot));
  return TermsOf(record);
}

Status Admissions::TakeRate(const Asked& asked) {
  const AdmissionRequest& request = asked.request;
  const LotStation* station = FindStation(asked.known->terms, request.station);
  if (station == nullptr || station->rate.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Rate rate, ParseRate(station->rate));
  const Duration wait = rates_.Take(request.lot + " " + request.caller, rate, asked.now);
  if (wait == absl::ZeroDuration()) return absl::OkStatus();
  const Duration delay = absl::Ceil(wait, absl::Milliseconds(1));
  return WithQuota(WithRetry(Error(Code::kResourceExhausted, reason::kRateLimited,
                                   fmt::format("lot \"{}\" lets {} build {}, and it has; ask again in {:.3f} s",
                                               request.lot, request.station, rate.text, absl::ToDoubleSeconds(delay))),
                             delay),
                   {.subject = request.caller, .description = fmt::format("{} in lots/{}", rate.text, request.lot)});
}

Claim Admissions::MakeClaim(TermsPointer known, const AdmissionRequest& request) {
  Claim claim;
  claim.lot = request.lot;
  claim.serial = request.serial;
  claim.admit = [this, known = std::move(known), request](const LotRecord& lot,
                                                          const std::optional<DeviceRecord>& device,
                                                          int64_t taken) -> StatusOr<Admitted> {
    TermsPointer terms = known;
    if (terms->revision != lot.revision) {  // amended since
      ASSIGN_OR_RETURN(terms, TermsOf(lot));
    }
    return hallmark::Admit(lot, terms->terms, device, taken, request);
  };
  return claim;
}

StatusOr<std::optional<Admissions::Asked>> Admissions::Ask(const Profile& profile, const Caller& caller,
                                                           const Request& request, const Csr& csr, Time now) {
  RETURN_IF_ERROR(CheckLotNamed(profile, request));
  if (request.lot.empty()) return std::optional<Asked>();
  const std::string serial = DeviceSerialOf(request, csr.facts);
  RETURN_IF_ERROR(CheckForm(request, serial));
  Asked asked{.request = {.caller = caller.uri,
                          .station = caller.role == "station" ? caller.name : "",
                          .lot = request.lot,
                          .serial = serial,
                          .profile = request.profile,
                          .authority = request.authority,
                          .spki = Sha256(csr.key.spki()),
                          .endorsement_key = std::nullopt,
                          .reissue_reason = request.reissue_reason,
                          .now = TruncateToSecond(now)},
              .now = now,
              .lot = {},
              .known = nullptr};
  if (!request.endorsement_key.empty()) asked.request.endorsement_key = Sha256(request.endorsement_key);
  ASSIGN_OR_RETURN(asked.lot, store_.GetLot(request.lot));
  ASSIGN_OR_RETURN(asked.known, TermsOf(asked.lot));
  return std::optional(std::move(asked));
}

StatusOr<Admission> Admissions::Admit(const Profile& profile, const Caller& caller, const Request& request,
                                      const Csr& csr, Time now) {
  ASSIGN_OR_RETURN(const std::optional<Asked> asked, Ask(profile, caller, request, csr, now));
  if (!asked.has_value()) return Admission();
  RETURN_IF_ERROR(TakeRate(*asked));
  return Judge(*asked);
}

StatusOr<Admission> Admissions::Look(const Profile& profile, const Caller& caller, const Request& request,
                                     const Csr& csr, Time now) {
  ASSIGN_OR_RETURN(const std::optional<Asked> asked, Ask(profile, caller, request, csr, now));
  return asked.has_value() ? Judge(*asked) : Admission();
}

StatusOr<Admission> Admissions::Judge(const Asked& asked) {
  const AdmissionRequest& request = asked.request;
  const LotTerms& terms = asked.known->terms;
  const StatusOr<DeviceRecord> line = store_.GetDevice(request.lot, request.serial);
  if (!line.ok() && Reason(line.status()) != reason::kDeviceUnknown) return line.status();
  ASSIGN_OR_RETURN(Admitted admitted,
                   hallmark::Admit(asked.lot, terms, line.ok() ? std::optional(*line) : std::nullopt, 0, request));
  Admission admission;
  admission.line.emplace();
  admission.line->facts = FactsOf(admitted.device, terms);
  admission.line->device = std::move(admitted.device);
  admission.line->claim = MakeClaim(asked.known, request);
  return admission;
}

}  // namespace hallmark
