#include "publish/entries.h"

#include "base/bytes.h"
#include "base/ledger_json.h"

namespace hallmark {
std::string TargetEntry(const char* type, const std::string& target, const std::string& description,
                        const std::string& caller, Time time) {
  return LedgerJson({{"type", type},
                     {"target", target},
                     {"sha256", Hex(Sha256(AsBytes(description)))},
                     {"description", description},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

std::string TargetRemovedEntry(const std::string& target, int64_t work, int64_t enrollments, const std::string& caller,
                               Time time) {
  return LedgerJson({{"type", "target_removed"},
                     {"target", target},
                     {"work", work},
                     {"enrollments", enrollments},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

std::string PublicationStartedEntry(const std::string& target, bool take_over, const std::string& caller, Time time) {
  return LedgerJson({{"type", "publication_started"},
                     {"target", target},
                     {"take_over", take_over},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

std::string ChainEntry(const char* type, const std::string& target, const std::string& id,
                       const nlohmann::json& details, Time time) {
  return LedgerJson({{"type", type}, {"target", target}, {"id", id}, {"details", details}, {"time", Rfc3339(time)}});
}

std::string DevicesEntry(const char* type, const std::string& target, const std::vector<std::string>& devices,
                         Time time) {
  return LedgerJson({{"type", type}, {"target", target}, {"devices", devices}, {"time", Rfc3339(time)}});
}

}  // namespace hallmark
