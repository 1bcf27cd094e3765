// The lots' rows and their imports. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/lots.h"
#include "store/sqlite/ledger_table.h"
#include "store/store.h"

namespace hallmark::sqlite {

// A lot and its row.
struct FoundLot {
  int64_t id = 0;
  LotRecord record;
};
// One that has a manifest in force. kNotFound (LOT_UNKNOWN).
StatusOr<FoundLot> FindLot(Connection& connection, const std::string& lot);
// Moves a line from one state to another in the lot's counts; a line that is new has none before.
Status CountTransition(Connection& connection, int64_t lot, std::optional<DeviceState> from, DeviceState to);

struct StartedImport {
  int64_t import = 0;
  bool lapsed = false;  // `import` is an earlier one that lapsed: abandon it and start again
};
StatusOr<StartedImport> StartImport(Transaction& transaction, const std::string& lot, Time now);
Status AddLines(Transaction& transaction, int64_t import, const std::vector<DeviceLine>& lines,
                const std::vector<std::string>& withdrawn, Time now);
StatusOr<LotRecord> FinishImport(Transaction& transaction, int64_t import, const LotRevision& revision,
                                 const LotTermsRecord& terms, const std::string& ledger_entry);
// Drops some of what was added; false once nothing is left.
StatusOr<bool> DropSome(Transaction& transaction, int64_t import);

StatusOr<LotRecord> GetLot(Connection& connection, const std::string& lot);
StatusOr<Page<LotRecord>> ListLots(Connection& connection, const LotFilter& filter, int page_size,
                                   const std::string& page_token);
StatusOr<std::vector<LotRevision>> ListRevisions(Connection& connection, const std::string& lot);
StatusOr<LotRecord> CloseLot(Transaction& transaction, const std::string& lot, Time closed,
                             const std::string& ledger_entry);

StatusOr<int64_t> RecordAttempt(Transaction& transaction, const AttemptRecord& attempt);
StatusOr<std::vector<AttemptRecord>> ListAttempts(Connection& connection, const std::string& lot);

}  // namespace hallmark::sqlite
