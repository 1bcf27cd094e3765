// The second factor: whether a device may have a certificate, by the line of its lot. Judges values; touches neither
// the store nor the clock.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "factory/terms.h"
#include "store/lots.h"

namespace hallmark {

// What a station asks for a device.
struct AdmissionRequest {
  std::string caller;   // the station's URI
  std::string station;  // its name, the last part of the URI
  std::string lot;
  std::string serial;
  std::string profile;
  std::string authority;
  Digest spki{};                          // of the CSR's key
  std::optional<Digest> endorsement_key;  // that the station read from the TPM
  std::string reissue_reason;             // not empty: a further certificate for the line is wanted
  Time now;
};

// Judges a claim on `device` (nullopt: the lot has no such line; its range may cover it) and returns the line as it
// shall be: kClaimed by the station, with what a reissue counts. `taken_by_station`: lines that the station has taken
// so far.
//
// kNotFound: DEVICE_UNKNOWN. kPermissionDenied: STATION_NOT_IN_LOT, DEVICE_KEY_DIFFERS. kFailedPrecondition:
// LOT_CLOSED, LOT_NOT_YET_OPEN, LOT_EXPIRED, LOT_TERMS_DIFFER, DEVICE_CLAIMED, DEVICE_WITHDRAWN, REISSUE_NOT_ALLOWED.
// kResourceExhausted: LOT_QUANTITY_REACHED, STATION_QUANTITY_REACHED, with the quota as WithQuota gives it.
StatusOr<Admitted> Admit(const LotRecord& lot, const LotTerms& terms, const std::optional<DeviceRecord>& device,
                         int64_t taken_by_station, const AdmissionRequest& request);

// The hardware ids that were announced, by name.
std::map<std::string, std::string> HardwareOf(const DeviceRecord& device);

// The device's record as profiles see it (source device.*): serial, registration_id, lot, product, manufacturer, and
// the announced hardware ids as hardware.NAME.
std::map<std::string, std::string> FactsOf(const DeviceRecord& device, const LotTerms& terms);

// Whether a refusal tells of an attempt beyond what was announced, which is recorded, and not of a mere mistake in
// form.
bool IsSuspicious(const Status& refusal);

}  // namespace hallmark
