// What the ledger says of publication (see ca/entries.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"

namespace hallmark {

// "target_added", "target_replaced": `description` is its text.
std::string TargetEntry(const char* type, const std::string& target, const std::string& description,
                        const std::string& caller, Time time);
// With how much work was dropped, and how many enrollments of ours stay without anybody who looks after them.
std::string TargetRemovedEntry(const std::string& target, int64_t work, int64_t enrollments, const std::string& caller,
                               Time time);
// "publication_started", by a caller.
std::string PublicationStartedEntry(const std::string& target, bool take_over, const std::string& caller, Time time);
// "certificate_uploaded", "possession_proven", "possession_claimed", "group_set", "certificate_removed".
std::string ChainEntry(const char* type, const std::string& target, const std::string& id,
                       const nlohmann::json& details, Time time);
// "devices_blocked", "device_pinned", "device_unblocked".
std::string DevicesEntry(const char* type, const std::string& target, const std::vector<std::string>& devices,
                         Time time);

}  // namespace hallmark
