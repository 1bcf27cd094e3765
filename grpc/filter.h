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

// Fields: profile, subject, caller, lot, spki_sha256, revoked.
StatusOr<CertificateFilter> ParseFilter(const std::string& text);
// Fields: manufacturer, state.
StatusOr<LotFilter> ParseLotFilter(const std::string& text);
// Field: state.
StatusOr<std::optional<DeviceState>> ParseDeviceFilter(const std::string& text);

}  // namespace hallmark
