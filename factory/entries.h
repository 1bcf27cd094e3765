// What the ledger says of the factory's acts: one JSON object an entry, as ca/entries.h.
#pragma once

#include <string>

#include "base/clock.h"
#include "store/lots.h"

namespace hallmark {

// "manufacturer_registered", "manufacturer_updated".
std::string ManufacturerEntry(const char* type, const ManufacturerRecord& manufacturer, const std::string& caller,
                              Time time);
std::string LotImportedEntry(const LotRevision& revision, const std::string& manufacturer, int64_t lines);
std::string LotClosedEntry(const std::string& lot, const std::string& caller, Time time);
std::string DeviceConfirmedEntry(const ClaimedDevice& device, const std::string& authority, ByteView serial,
                                 bool proven, const std::string& caller, Time time);

}  // namespace hallmark
