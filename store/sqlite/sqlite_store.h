// The store of one machine: an SQLite database in WAL mode that one process writes.
#pragma once

#include <filesystem>
#include <memory>

#include "base/status.h"
#include "store/store.h"

namespace hallmark {

struct SqliteOptions {
  std::filesystem::path path;  // created, mode 0600, when there is none; its directory must exist. Beside it SQLite
                               // keeps <path>-wal and <path>-shm, and we <path>.lock
  int read_connections = 4;    // so many reads at once; further ones wait
};

// Opens the database, brings its schema up to date and checks all pages and the whole ledger, which takes seconds for
// a million certificates. Keeps the contract of store/store.h; in addition, after kDataLoss from a mutation every
// further mutation is refused with it until the store is opened again: the file is damaged, or a flush to the disk
// failed and nobody knows what the disk holds.
//
// kDataLoss (STORE_CORRUPT): the file is damaged or not Hallmark's; kFailedPrecondition (STORE_NEWER_SCHEMA): a newer
// Hallmark wrote it; either way it is left as it is. kUnavailable (STORE_UNAVAILABLE): another process has it open, or
// the disk is full. kFailedPrecondition (FILE_UNREADABLE): it can be neither opened nor created.
// kInvalidArgument (CONFIGURATION_INVALID): no read connection.
StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteOptions& options);

}  // namespace hallmark
