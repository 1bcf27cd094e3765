// The schema, as numbered steps. Private to store/sqlite.
#pragma once

#include "base/status.h"
#include "store/sqlite/sqlite.h"

namespace hallmark::sqlite {

// Judges a database before anything is written to it; an empty one is fine.
// kDataLoss (STORE_CORRUPT): damaged, or not one of Hallmark's. kFailedPrecondition (STORE_NEWER_SCHEMA): written by a
// newer Hallmark.
Status CheckDatabase(Connection& connection);

// Brings the schema up to this Hallmark's; each step is one transaction.
Status Migrate(Connection& connection);

}  // namespace hallmark::sqlite
