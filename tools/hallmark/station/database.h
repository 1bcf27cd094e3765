// SQLite as the station's spool needs it: owned handles, prepared statements, transactions, errors as Status.
//
// Errors: kUnavailable (STORE_UNAVAILABLE) when the disk is full, busy or away; kDataLoss (STORE_CORRUPT) when the file
// is damaged; kInternal otherwise. The message names the file. One thread at a time.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace hallmark::cli::station {

// A value to bind, borrowed until the statement has run. Octets become a BLOB, text TEXT.
struct Octets {
  std::string_view view;
};
using Value = std::variant<std::nullptr_t, int64_t, std::string_view, Octets>;

// The row of a statement that runs.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) const;  // also of a BLOB

 private:
  sqlite3_stmt* statement_;
};

class Database {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // Opens `path`, in WAL with full synchronisation; kReadWrite makes it, for its owner alone, if it is not there.
  static StatusOr<Database> Open(const std::filesystem::path& path, Access access);

  // Runs one statement and calls `on_row` for each row, whose first error ends it. `sql` is ours; what comes from
  // outside is bound as ?1, ?2...
  using OnRow = std::function<Status(const Row&)>;
  Status Run(const std::string& sql, const std::vector<Value>& values = {}, const OnRow& on_row = nullptr);
  // Rows that the last INSERT, UPDATE or DELETE changed, and the rowid of the last INSERT.
  int64_t changes() const { return sqlite3_changes64(handle_.get()); }
  int64_t last_row() const { return sqlite3_last_insert_rowid(handle_.get()); }

  // Runs `work` in one transaction: durable when this returns OK, undone otherwise.
  Status Atomically(const std::function<Status()>& work);

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  Status Failure(int code) const;
  StatusOr<sqlite3_stmt*> Prepare(const std::string& sql);

  std::unique_ptr<sqlite3, Close> handle_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;  // by their text
};

}  // namespace hallmark::cli::station
