// What a lot's manifest says beyond its lines: who may build which devices, how many, when, and what becomes of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

// A station that may claim devices of the lot.
struct LotStation {
  std::string station;              // the name of a station, "line-1", or a glob of names, "plant-2-*"
  std::optional<int64_t> quantity;  // it may claim so many lines at most; of a glob: each that it matches
  std::string rate;                 // "600/min", as in roles.yaml; empty: none
};

// Serial numbers without lines of their own: prefix, and a decimal number from `first` to `last` with at least `width`
// digits (leading zeros).
struct SerialRange {
  std::string prefix;
  int64_t first = 0;
  int64_t last = 0;
  int64_t width = 0;
  bool Contains(std::string_view serial) const;
  bool Overlaps(const SerialRange& other) const;
  bool operator==(const SerialRange&) const = default;
};

struct ReissueTerms {
  int64_t per_device = 0;  // certificates beyond the first, of one line
  int64_t total = 0;       // of the lot
  // What becomes of the certificate before: revoked as superseded, or left to its expiry.
  bool revoke_previous = true;
};

struct ConfirmationTerms {
  std::optional<Duration> within;   // after which a line that is not kInstalled is reported; absent: nobody waits
  bool revoke_unconfirmed = false;  // and its certificate is revoked
};

// Where the devices get their configuration.
struct BootstrapTerms {
  std::string type;             // "azure-dps"; empty: the lot names none
  std::string global_endpoint;  // "global.azure-devices-provisioning.net"
  std::string id_scope;         // "0ne00000000"
};

struct LotTerms {
  std::string manufacturer;
  std::string product;
  std::string lot;
  int64_t revision = 1;
  std::string profile;
  std::string authority;
  std::vector<LotStation> stations;
  Time not_before;
  Time not_after;  // inclusive, whole seconds
  int64_t quantity = 0;
  std::optional<SerialRange> serials;
  std::string registration_id = "{serial}";  // {serial}, {product}, {lot} and {manufacturer} stand for theirs
  ReissueTerms reissue;
  ConfirmationTerms confirmation;
  BootstrapTerms bootstrap;
};

// The terms as they are kept, and back. ParseTerms refuses what it does not know: kDataLoss (STORE_CORRUPT).
std::string ToJson(const LotTerms& terms);
StatusOr<LotTerms> ParseTerms(const std::string& json);

// What the lot says of the station of that name: the first that matches counts. nullptr: it may claim nothing.
const LotStation* FindStation(const LotTerms& terms, std::string_view name);

// The registration id of a device of the lot.
std::string RegistrationId(const LotTerms& terms, std::string_view serial);

// Whether a registration id, of the manifest or by RegistrationId, is one; with a bootstrap, one that it takes.
// kInvalidArgument (MANIFEST_INVALID).
Status CheckRegistrationId(const LotTerms& terms, const std::string& id);

// What an amendment may not change: lot, manufacturer, product, profile, authority, registration_id, bootstrap, and
// whether there is a range; and its range may only grow. kFailedPrecondition (LOT_CHANGED) with the field.
Status CheckAmendment(const LotTerms& before, const LotTerms& after);

// Whether text is a serial number: 1 to 64 octets of printable ASCII without blanks, '/', '\' and '"'.
bool IsSerialNumber(std::string_view text);

}  // namespace hallmark
