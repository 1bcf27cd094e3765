// The filters of listings: AIP-160 in its simplest form, terms `field = value` joined by AND.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "store/records.h"

namespace hallmark {

// Reads e.g. `profile = "device-dps" AND revoked = true`: each field at most once; values are "quoted" (\" and
// \\ inside) or words. kInvalidArgument (REQUEST_INVALID).
StatusOr<std::map<std::string, std::string>> ParseFilterTerms(const std::string& text);

// Fields: profile, subject, caller, lot, device, spki_sha256, issued_from, issued_before, revoked.
StatusOr<CertificateFilter> ParseFilter(const std::string& text);
// What ParseFilter would read; authority, order and leaf_end have no field.
std::string FilterText(const CertificateFilter& filter);
// Fields: manufacturer, state.
StatusOr<LotFilter> ParseLotFilter(const std::string& text);
// Field: state.
StatusOr<std::optional<DeviceState>> ParseDeviceFilter(const std::string& text);

}  // namespace hallmark
