// The ledger's rows. Private to store/sqlite.
#pragma once

#include <string>
#include <vector>

#include "store/ledger.h"
#include "store/records.h"
#include "store/sqlite/sqlite.h"

namespace hallmark::sqlite {

// What a mutation works on: the open transaction, and the ledger as it will be when that commits.
struct Transaction {
  Connection& connection;
  MerkleFrontier& ledger;
};

// Appends a leaf and returns its index.
StatusOr<uint64_t> AppendLeaf(Transaction& transaction, const std::string& entry, Time time);
// Writes the head that belongs to the leaves appended so far; once a transaction.
Status WriteHead(Transaction& transaction);

// Rebuilds the tree from all leaves. kDataLoss (STORE_CORRUPT): a leaf is missing, an entry is not the one that was
// hashed, or the root is not the one on record.
StatusOr<MerkleFrontier> LoadLedger(Connection& connection);

StatusOr<LedgerHead> ReadHead(Connection& connection);
StatusOr<std::vector<LedgerEntry>> ReadEntries(Connection& connection, uint64_t start, size_t count);

}  // namespace hallmark::sqlite
