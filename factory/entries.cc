#include "factory/entries.h"

#include <nlohmann/json.hpp>

#include "base/ledger_json.h"

namespace hallmark {
std::string ManufacturerEntry(const char* type, const ManufacturerRecord& manufacturer, const std::string& caller,
                              Time time) {
  const auto digests = [](const std::vector<Bytes>& blobs) {
    nlohmann::json digests = nlohmann::json::array();
    for (const Bytes& blob : blobs) digests.push_back(Hex(Sha256(blob)));
    return digests;
  };
  return LedgerJson({{"type", type},
                     {"manufacturer", manufacturer.manufacturer},
                     {"certificates", digests(manufacturer.certificates)},
                     {"crls", digests(manufacturer.crls)},
                     {"suspended", manufacturer.suspended},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

std::string LotImportedEntry(const LotRevision& revision, const std::string& manufacturer, int64_t lines) {
  return LedgerJson({{"type", "lot_imported"},
                     {"lot", revision.lot},
                     {"revision", revision.revision},
                     {"manufacturer", manufacturer},
                     {"digest", Hex(revision.digest)},
                     {"signer", revision.signer},
                     {"lines", lines},
                     {"caller", revision.caller},
                     {"time", Rfc3339(revision.imported)}});
}

std::string LotClosedEntry(const std::string& lot, const std::string& caller, Time time) {
  return LedgerJson({{"type", "lot_closed"}, {"lot", lot}, {"caller", caller}, {"time", Rfc3339(time)}});
}

std::string DeviceConfirmedEntry(const ClaimedDevice& device, const std::string& authority, ByteView serial,
                                 bool proven, const std::string& caller, Time time) {
  return LedgerJson({{"type", "device_confirmed"},
                     {"lot", device.lot},
                     {"device", device.serial},
                     {"authority", authority},
                     {"serial", Hex(serial)},
                     {"proven", proven},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

}  // namespace hallmark
