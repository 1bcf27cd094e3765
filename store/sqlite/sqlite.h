// SQLite's handles, owned, and its result codes as Status. Private to store/sqlite.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace hallmark::sqlite {

// A value to bind: borrowed until the statement's Rows are gone.
using Value = std::variant<std::nullptr_t, int64_t, std::string_view, ByteView>;

inline int64_t Seconds(Time time) { return absl::ToUnixSeconds(time); }

// The rows of one running statement. Ends the statement when it dies; lives no longer than its Connection.
class Rows {
 public:
  // Moves to the next row; false when there is none. Columns, from 0, may be read after true.
  StatusOr<bool> Next();

  bool IsNull(int column) const;
  int64_t Integer(int column) const;
  Time Instant(int column) const { return absl::FromUnixSeconds(Integer(column)); }
  std::string Text(int column) const { return ToString(View(column)); }
  Bytes Blob(int column) const { return ToBytes(View(column)); }
  Digest Hash(int column) const;
  ByteView View(int column) const;  // borrowed until Next

 private:
  friend class Connection;
  struct Reset {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_reset(statement);  // repeats the result of the last step, which Next has returned
      sqlite3_clear_bindings(statement);
    }
  };
  explicit Rows(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Reset> statement_;
};

// What `read` makes of each row that is left.
template <class Read>
auto ReadAll(Rows& rows, const Read& read) -> StatusOr<std::vector<decltype(read(rows))>> {
  std::vector<decltype(read(rows))> all;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return all;
    all.push_back(read(rows));
  }
}

// A connection and its prepared statements. For one thread at a time.
// Errors: kUnavailable (STORE_UNAVAILABLE, retry 1 s): busy, full, I/O. kDataLoss (STORE_CORRUPT): damaged, or a flush
// to the disk failed. kInternal: a constraint or a statement that should not have failed.
class Connection {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // Opens the existing file `path` and sets what is not stored in it: full synchronisation, foreign keys, no trust in
  // the schema, no mmap, no checkpoint but by Checkpoint and by closing; none at all of a file opened read-only.
  static StatusOr<Connection> Open(const std::filesystem::path& path, Access access);
  Connection(Connection&&) = default;

  // Runs a statement. `sql` is ours: what comes from outside is bound, as ?1, ?2...
  StatusOr<Rows> Query(const std::string& sql, const std::vector<Value>& values = {});
  Status Execute(const std::string& sql, const std::vector<Value>& values = {});
  // The first column of the only row. kInternal when there is no row.
  StatusOr<int64_t> QueryInteger(const std::string& sql, const std::vector<Value>& values = {});
  // Runs several statements without values.
  Status ExecuteScript(const char* sql);
  // Lets SQL on this connection call `name(octets)`, a digest of them.
  Status DefineDigest(const char* name, Digest (*digest)(ByteView));

  // Rows changed by the last INSERT, UPDATE or DELETE, and by all of them.
  int64_t changes() const { return sqlite3_changes64(database_.get()); }
  int64_t total_changes() const { return sqlite3_total_changes64(database_.get()); }
  bool in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

  // Copies what it can of the write-ahead log into the database, without waiting for readers.
  Status Checkpoint();
  // Copies all of it and empties the log. kUnavailable when a reader is in the way.
  Status CheckpointAndTruncate();
  // The length of the write-ahead log at the last commit, in frames of one page.
  int wal_frames() const { return *wal_frames_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  explicit Connection(sqlite3* database) : database_(database) {}

  Status Configure(Access access);
  StatusOr<sqlite3_stmt*> Prepare(const std::string& sql);

  std::unique_ptr<int> wal_frames_ = std::make_unique<int>(0);  // SQLite holds its address
  std::unique_ptr<sqlite3, Close> database_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;  // by their text
};

// The result `code` of a call on `database` as a Status.
Status SqliteError(sqlite3* database, int code);

}  // namespace hallmark::sqlite
