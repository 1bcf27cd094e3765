// The lines of lots. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/lots.h"
#include "store/records.h"
#include "store/sqlite/ledger_table.h"
#include "store/store.h"

namespace hallmark::sqlite {

StatusOr<DeviceRecord> GetDevice(Connection& connection, const std::string& lot, const std::string& serial);
StatusOr<Page<DeviceRecord>> ListDevices(Connection& connection, const DeviceFilter& filter, int page_size,
                                         const std::string& page_token);
StatusOr<DeviceRecord> ConfirmDevice(Transaction& transaction, const std::string& lot, const std::string& serial,
                                     ByteView certificate_serial, Time installed, bool proven,
                                     const std::string& ledger_entry);
StatusOr<CountedLot> CountLot(Connection& connection, const std::string& lot);
StatusOr<int64_t> CountUnconfirmed(Connection& connection, const std::string& lot, Time issued_before);
StatusOr<std::vector<DeviceRecord>> ListUnconfirmed(Connection& connection, const std::string& lot, Time issued_before,
                                                    size_t count);

// A line that was claimed for an intent: what its row in `certificates` refers to.
struct ClaimedLine {
  int64_t id = 0;
  std::optional<int64_t> replaces;  // a row of `certificates`
  ClaimedDevice device;
};
// Judges and makes a claim in the transaction that records the intent of `caller`.
StatusOr<ClaimedLine> ClaimLine(Transaction& transaction, const Claim& claim, const std::string& caller);

// The line's current certificate is row `certificate` from now on.
Status NoteIssued(Transaction& transaction, int64_t device, int64_t certificate, Time issued);
// The certificate of row `certificate` was revoked: the line, if it is its current one, is revoked, too.
Status NoteRevoked(Transaction& transaction, int64_t certificate);

}  // namespace hallmark::sqlite
