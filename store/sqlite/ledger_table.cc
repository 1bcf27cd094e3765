#include "store/sqlite/ledger_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/reason.h"

namespace hallmark::sqlite {
namespace {

Status Corrupt(const std::string& what) {
  return Error(Code::kDataLoss, reason::kStoreCorrupt,
               fmt::format("the ledger is damaged: {}; stop the service and restore the database from a backup", what));
}

// SQLite's integers are signed.
int64_t Clamp(uint64_t value) {
  return static_cast<int64_t>(std::min<uint64_t>(value, std::numeric_limits<int64_t>::max()));
}

}  // namespace

StatusOr<uint64_t> AppendLeaf(Transaction& transaction, const std::string& entry, Time time) {
  const uint64_t index = transaction.ledger.size();
  const Digest leaf_hash = LeafHash(AsBytes(entry));
  RETURN_IF_ERROR(
      transaction.connection.Execute("INSERT INTO ledger (leaf_index, time, leaf_hash, entry) VALUES (?1, ?2, ?3, ?4)",
                                     {Clamp(index), Seconds(time), ByteView(leaf_hash), entry}));
  transaction.ledger.Append(leaf_hash);
  return index;
}

Status WriteHead(Transaction& transaction) {
  const Digest root = transaction.ledger.Root();
  return transaction.connection.Execute("UPDATE ledger_head SET size = ?1, root = ?2",
                                        {Clamp(transaction.ledger.size()), ByteView(root)});
}

StatusOr<MerkleFrontier> LoadLedger(Connection& connection) {
  MerkleFrontier ledger;
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT leaf_index, leaf_hash, entry FROM ledger ORDER BY leaf_index"));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) break;
    if (rows.Integer(0) != Clamp(ledger.size())) return Corrupt(fmt::format("leaf {} is missing", ledger.size()));
    const Digest leaf_hash = rows.Hash(1);
    if (leaf_hash != LeafHash(rows.View(2))) {
      return Corrupt(fmt::format("the entry of leaf {} is not the one that was hashed", ledger.size()));
    }
    ledger.Append(leaf_hash);
  }
  ASSIGN_OR_RETURN(const LedgerHead head, ReadHead(connection));
  if (head.size != ledger.size() || head.root != ledger.Root()) {
    return Corrupt(fmt::format("its {} leaves have the root {}, on record is {} for {}", ledger.size(),
                               Hex(ledger.Root()), Hex(head.root), head.size));
  }
  return ledger;
}

StatusOr<LedgerHead> ReadHead(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT size, root FROM ledger_head"));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return Corrupt("its head is missing");
  return LedgerHead{static_cast<uint64_t>(rows.Integer(0)), rows.Hash(1)};
}

StatusOr<std::vector<LedgerEntry>> ReadEntries(Connection& connection, uint64_t start, size_t count) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT leaf_index, time, entry FROM ledger WHERE leaf_index >= ?1 "
                                               "ORDER BY leaf_index LIMIT ?2",
                                               {Clamp(start), Clamp(count)}));
  return ReadAll(rows, [](const Rows& row) {
    return LedgerEntry{static_cast<uint64_t>(row.Integer(0)), row.Instant(1), row.Text(2)};
  });
}

}  // namespace hallmark::sqlite
