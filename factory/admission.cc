#include "factory/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/reason.h"

namespace hallmark {
namespace {

Status Denied(const char* reason, const std::string& message) {
  return Error(Code::kPermissionDenied, reason, message);
}
Status Refused(const char* reason, const std::string& message) {
  return Error(Code::kFailedPrecondition, reason, message);
}

Status CheckLot(const LotRecord& lot, const LotTerms& terms, const AdmissionRequest& request) {
  if (lot.state == LotState::kClosed) {
    return Refused(reason::kLotClosed, fmt::format("lot \"{}\" was closed on {} and certifies no device any more",
                                                   lot.lot, Rfc3339(lot.closed.value_or(Time()))));
  }
  if (request.now < terms.not_before) {
    return Refused(reason::kLotNotYetOpen, fmt::format("lot \"{}\" begins on {}", lot.lot, Rfc3339(terms.not_before)));
  }
  if (request.now >= terms.not_after + absl::Seconds(1)) {
    return Refused(reason::kLotExpired, fmt::format("lot \"{}\" ended on {}; have it amended by its manufacturer",
                                                    lot.lot, Rfc3339(terms.not_after)));
  }
  if (request.profile != lot.profile || request.authority != lot.authority) {
    return Refused(reason::kLotTermsDiffer,
                   fmt::format("lot \"{}\" is for profile '{}' of authority '{}', not for '{}' of '{}'", lot.lot,
                               lot.profile, lot.authority, request.profile, request.authority));
  }
  return absl::OkStatus();
}

Status CheckQuantity(const LotRecord& lot, const LotTerms& terms, const LotStation& station, int64_t taken_by_station,
                     const AdmissionRequest& request) {
  if (lot.counts.taken() >= terms.quantity) {
    return WithQuota(Error(Code::kResourceExhausted, reason::kLotQuantityReached,
                           fmt::format("all {} devices of lot \"{}\" have been built; have it amended by its "
                                       "manufacturer if there shall be more",
                                       terms.quantity, lot.lot)),
                     {.subject = "lots/" + lot.lot, .description = fmt::format("quantity {}", terms.quantity)});
  }
  if (station.quantity.has_value() && taken_by_station >= *station.quantity) {
    return WithQuota(
        Error(Code::kResourceExhausted, reason::kStationQuantityReached,
              fmt::format("station \"{}\" has built its {} devices of lot \"{}\"", request.station, *station.quantity,
                          lot.lot)),
        {.subject = request.caller, .description = fmt::format("quantity {} in lots/{}", *station.quantity, lot.lot)});
  }
  return absl::OkStatus();
}

Status CheckKeys(const DeviceRecord& device, const AdmissionRequest& request) {
  if (device.spki.has_value() && *device.spki != request.spki) {
    return Denied(reason::kDeviceKeyDiffers,
                  fmt::format("the CSR's key is not the one that was announced for device \"{}\"; it may be another "
                              "device, or a copy",
                              device.serial));
  }
  if (device.endorsement_key.has_value() && device.endorsement_key != request.endorsement_key) {
    return Denied(
        reason::kDeviceKeyDiffers,
        fmt::format("device \"{}\" was announced with its TPM's endorsement key, and {}; it may be another "
                    "device, or a copy",
                    device.serial, request.endorsement_key.has_value() ? "this is another" : "the request has none"));
  }
  return absl::OkStatus();
}

// Whether a line that has a certificate may get a further one.
Status CheckReissue(const LotRecord& lot, const LotTerms& terms, const DeviceRecord& device,
                    const AdmissionRequest& request) {
  if (request.reissue_reason.empty()) {
    return Refused(reason::kDeviceClaimed,
                   fmt::format("device \"{}\" of lot \"{}\" was claimed by {} on {}; repeat that request with its own "
                               "request id for the same certificate, or give a reissue_reason for a further one",
                               device.serial, lot.lot, device.station, Rfc3339(device.claimed.value_or(Time()))));
  }
  if (device.state == DeviceState::kClaimed) {
    return Refused(
        reason::kDeviceClaimed,
        fmt::format("the certificate of device \"{}\" of lot \"{}\" is still being made; ask again once it is "
                    "there",
                    device.serial, lot.lot));
  }
  if (device.reissues >= terms.reissue.per_device) {
    return Refused(reason::kReissueNotAllowed,
                   fmt::format("lot \"{}\" allows a device {} further certificates, which \"{}\" has had", lot.lot,
                               terms.reissue.per_device, device.serial));
  }
  if (lot.counts.reissued >= terms.reissue.total) {
    return Refused(
        reason::kReissueNotAllowed,
        fmt::format("lot \"{}\" allows {} further certificates in all, which were made", lot.lot, terms.reissue.total));
  }
  return absl::OkStatus();
}

// The line, or the one that a serial number of the lot's range gets with its claim.
StatusOr<DeviceRecord> LineOf(const LotRecord& lot, const LotTerms& terms, const std::optional<DeviceRecord>& device,
                              const AdmissionRequest& request) {
  if (device.has_value()) return *device;
  if (terms.serials.has_value() && terms.serials->Contains(request.serial)) {
    DeviceRecord line;
    line.lot = lot.lot;
    line.serial = request.serial;
    line.registration_id = RegistrationId(terms, request.serial);
    return line;
  }
  return Error(Code::kNotFound, reason::kDeviceUnknown,
               fmt::format("lot \"{}\" announces no device with serial number \"{}\"; correct it, or have the lot "
                           "amended by its manufacturer",
                           lot.lot, request.serial));
}

}  // namespace

StatusOr<Admitted> Admit(const LotRecord& lot, const LotTerms& terms, const std::optional<DeviceRecord>& device,
                         int64_t taken_by_station, const AdmissionRequest& request) {
  // A stranger learns nothing of the lot.
  const LotStation* station = FindStation(terms, request.station);
  if (station == nullptr) {
    return Denied(reason::kStationNotInLot,
                  fmt::format("{} is not a station of lot \"{}\"", request.caller, request.lot));
  }
  RETURN_IF_ERROR(CheckLot(lot, terms, request));
  ASSIGN_OR_RETURN(DeviceRecord line, LineOf(lot, terms, device, request));
  RETURN_IF_ERROR(CheckKeys(line, request));
  if (line.state == DeviceState::kWithdrawn) {
    return Refused(reason::kDeviceWithdrawn,
                   fmt::format("device \"{}\" of lot \"{}\" was withdrawn by its manufacturer", line.serial, lot.lot));
  }
  const bool first = line.state == DeviceState::kAnnounced;
  if (first) {
    RETURN_IF_ERROR(CheckQuantity(lot, terms, *station, taken_by_station, request));
  } else {
    RETURN_IF_ERROR(CheckReissue(lot, terms, line, request));
    ++line.reissues;
    line.reissue_of = request.reissue_reason;
  }
  line.state = DeviceState::kClaimed;
  line.station = request.caller;
  line.claimed = request.now;
  return Admitted{std::move(line), !first && terms.reissue.revoke_previous};
}

std::map<std::string, std::string> HardwareOf(const DeviceRecord& device) {
  std::map<std::string, std::string> ids;
  const nlohmann::json hardware = nlohmann::json::parse(device.hardware, nullptr, false);
  if (!hardware.is_object()) return ids;
  for (const auto& [name, value] : hardware.items()) {
    if (value.is_string()) ids[name] = value.get<std::string>();
  }
  return ids;
}

std::map<std::string, std::string> FactsOf(const DeviceRecord& device, const LotTerms& terms) {
  std::map<std::string, std::string> facts = {{"serial", device.serial},
                                              {"registration_id", device.registration_id},
                                              {"lot", terms.lot},
                                              {"product", terms.product},
                                              {"manufacturer", terms.manufacturer}};
  for (const auto& [name, value] : HardwareOf(device)) facts["hardware." + name] = value;
  return facts;
}

bool IsSuspicious(const Status& refusal) {
  constexpr std::array kReasons = {reason::kLotUnknown,
                                   reason::kLotClosed,
                                   reason::kLotNotYetOpen,
                                   reason::kLotExpired,
                                   reason::kLotTermsDiffer,
                                   reason::kLotQuantityReached,
                                   reason::kStationNotInLot,
                                   reason::kDeviceUnknown,
                                   reason::kStationQuantityReached,
                                   reason::kDeviceAnnounced,
                                   reason::kDeviceClaimed,
                                   reason::kDeviceWithdrawn,
                                   reason::kDeviceKeyDiffers,
                                   reason::kDeviceNameDiffers,
                                   reason::kReissueNotAllowed,
                                   reason::kKeyCertifiedForAnother};
  const std::string why = Reason(refusal);
  return std::any_of(kReasons.begin(), kReasons.end(), [&](const char* reason) { return why == reason; });
}

}  // namespace hallmark
