#include "tools/hallmark/station/database.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "base/file_descriptor.h"
#include "base/reason.h"

namespace hallmark::cli::station {
namespace {

constexpr int kBusyMilliseconds = 5000;
constexpr mode_t kOwnerOnly = 0600;

int Bind(sqlite3_stmt* statement, int position, const Value& value) {
  // A null pointer would bind NULL instead of the empty value.
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return sqlite3_bind_text64(statement, position, text->empty() ? "" : text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  if (const auto* octets = std::get_if<Octets>(&value)) {
    return sqlite3_bind_blob64(statement, position, octets->view.empty() ? "" : octets->view.data(),
                               octets->view.size(), SQLITE_STATIC);
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) return sqlite3_bind_int64(statement, position, *integer);
  return sqlite3_bind_null(statement, position);
}

// Ends a statement's run, whatever became of it.
struct Reset {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};

// SQLite makes its other files with the mode of this one.
Status Create(const std::filesystem::path& path) {
  const FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly));
  if (file.get() >= 0) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot create the spool {}: {}; check its directory", path.string(), std::strerror(errno)));
}

}  // namespace

std::string Row::Text(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {data == nullptr ? "" : data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Status Database::Failure(int code) const {
  const char* path = handle_ == nullptr ? nullptr : sqlite3_db_filename(handle_.get(), "main");
  const std::string what = fmt::format("spool {}: {} (SQLite's result code {})", path == nullptr ? "" : path,
                                       handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_.get()), code);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Error(Code::kDataLoss, reason::kStoreCorrupt,
                   what + "; put the file aside and run again: whatever was asked before is answered as it was");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return Error(Code::kUnavailable, reason::kStoreUnavailable,
                   what + "; check the disk, its free space and the file's permissions, then run again");
    default:
      return Error(Code::kInternal, reason::kInternal, what + "; this is a defect of Hallmark, please report it");
  }
}

StatusOr<Database> Database::Open(const std::filesystem::path& path, Access access) {
  if (access == Access::kReadWrite) RETURN_IF_ERROR(Create(path));
  sqlite3* handle = nullptr;
  // Read-only is a promise of ours: a reader of a write-ahead log may have to write its index.
  const int code = sqlite3_open_v2(path.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(handle);  // also after a failure there is a handle to close
  if (code != SQLITE_OK) return Annotate(database.Failure(code), fmt::format("cannot open {}", path.string()));
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (access == Access::kReadOnly) {
    RETURN_IF_ERROR(database.Run("PRAGMA query_only = ON"));
    return database;
  }
  RETURN_IF_ERROR(database.Run("PRAGMA journal_mode = WAL"));
  RETURN_IF_ERROR(database.Run("PRAGMA synchronous = FULL"));
  return database;
}

StatusOr<sqlite3_stmt*> Database::Prepare(const std::string& sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql.c_str(), static_cast<int>(sql.size()) + 1,
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Failure(code);
  statements_.emplace(sql, std::unique_ptr<sqlite3_stmt, Finalize>(statement));
  return statement;
}

Status Database::Run(const std::string& sql, const std::vector<Value>& values, const OnRow& on_row) {
  ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepare(sql));
  const std::unique_ptr<sqlite3_stmt, Reset> running(statement);
  int position = 0;
  for (const Value& value : values) {
    const int code = Bind(statement, ++position, value);
    if (code != SQLITE_OK) return Failure(code);
  }
  while (true) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return absl::OkStatus();
    if (code != SQLITE_ROW) return Failure(code);
    if (on_row != nullptr) RETURN_IF_ERROR(on_row(Row(statement)));
  }
}

Status Database::Atomically(const std::function<Status()>& work) {
  RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
  Status status = work();
  if (status.ok()) status = Run("COMMIT");
  if (!status.ok() && sqlite3_get_autocommit(handle_.get()) == 0) Run("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace hallmark::cli::station
