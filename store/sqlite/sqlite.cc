#include "store/sqlite/sqlite.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"

namespace hallmark::sqlite {
namespace {

constexpr int kBusyMilliseconds = 2000;
constexpr Duration kRetryDelay = absl::Seconds(1);

std::string_view NextStep(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return "free space on the disk; the store then goes on by itself";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another program holds the database; end it, the store then goes on by itself";
    default: return "check the disk, its mount and the file's permissions, then retry";
  }
}

bool IsDamage(int code) {
  return code == SQLITE_IOERR_CORRUPTFS || (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

// After a failed flush the kernel may take the lost pages for written, so a later flush that succeeds proves nothing.
bool IsFailedFlush(int code) { return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC; }

bool IsPassing(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM: return true;
    default: return false;
  }
}

int Bind(sqlite3_stmt* statement, int position, const Value& value) {
  // A null pointer would bind NULL instead of the empty value.
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return sqlite3_bind_text64(statement, position, text->empty() ? "" : text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  if (const auto* blob = std::get_if<ByteView>(&value)) {
    const void* data = blob->empty() ? static_cast<const void*>("") : blob->data();
    return sqlite3_bind_blob64(statement, position, data, blob->size(), SQLITE_STATIC);
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) return sqlite3_bind_int64(statement, position, *integer);
  return sqlite3_bind_null(statement, position);
}

}  // namespace

Status SqliteError(sqlite3* database, int code) {
  const char* path = database == nullptr ? nullptr : sqlite3_db_filename(database, "main");
  const std::string what = fmt::format("SQLite database {}: {} (result code {})", path == nullptr ? "" : path,
                                       database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database), code);
  if (IsDamage(code)) {
    return Error(Code::kDataLoss, reason::kStoreCorrupt,
                 what + "; stop the service and restore the file from a backup");
  }
  if (IsFailedFlush(code)) {
    return Error(
        Code::kDataLoss, reason::kStoreCorrupt,
        what + "; a flush failed, so what the disk holds is unknown: check the disk, then restart the service");
  }
  if (IsPassing(code)) {
    return WithRetry(Error(Code::kUnavailable, reason::kStoreUnavailable, fmt::format("{}; {}", what, NextStep(code))),
                     kRetryDelay);
  }
  return Error(Code::kInternal, reason::kInternal, what + "; this is a defect of Hallmark, please report it");
}

StatusOr<bool> Rows::Next() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(sqlite3_db_handle(statement_.get()), code);
}

bool Rows::IsNull(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

int64_t Rows::Integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

ByteView Rows::View(int column) const {
  const auto* data = static_cast<const uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

Digest Rows::Hash(int column) const {
  Digest digest{};
  const ByteView view = View(column);
  std::copy_n(view.begin(), std::min(view.size(), digest.size()), digest.begin());
  return digest;
}

StatusOr<Connection> Connection::Open(const std::filesystem::path& path, Access access) {
  // SQLite counts its memory under one lock for all connections, and nobody reads the count.
  [[maybe_unused]] static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (access == Access::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  Connection connection(database);  // also after a failure there is a handle to close
  if (code != SQLITE_OK) return Annotate(SqliteError(database, code), fmt::format("cannot open {}", path.string()));
  RETURN_IF_ERROR(connection.Configure(access));
  return connection;
}

Status Connection::Configure(Access access) {
  sqlite3* const database = database_.get();
  const int no_checkpoint_on_close = access == Access::kReadOnly ? 1 : 0;
  for (const auto& [option, value] : {std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                      {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
                                      {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, no_checkpoint_on_close}}) {
    const int code = sqlite3_db_config(database, option, value, nullptr);
    if (code != SQLITE_OK) return SqliteError(database, code);
  }
  const int code = sqlite3_busy_timeout(database, kBusyMilliseconds);
  if (code != SQLITE_OK) return SqliteError(database, code);
  RETURN_IF_ERROR(
      ExecuteScript("PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
                    "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"));
  RETURN_IF_ERROR(ExecuteScript(access == Access::kReadOnly ? "PRAGMA query_only = ON; PRAGMA cache_size = -8192"
                                                            : "PRAGMA cache_size = -65536"));
  sqlite3_wal_hook(
      database,
      [](void* frames, sqlite3*, const char*, int count) {
        *static_cast<int*>(frames) = count;
        return SQLITE_OK;
      },
      wal_frames_.get());
  return absl::OkStatus();
}

StatusOr<sqlite3_stmt*> Connection::Prepare(const std::string& sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.c_str(), static_cast<int>(sql.size()) + 1,
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(database_.get(), code);
  statements_.emplace(sql, std::unique_ptr<sqlite3_stmt, Finalize>(statement));
  return statement;
}

StatusOr<Rows> Connection::Query(const std::string& sql, const std::vector<Value>& values) {
  ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepare(sql));
  Rows rows(statement);
  int position = 0;
  for (const Value& value : values) {
    const int code = Bind(statement, ++position, value);
    if (code != SQLITE_OK) return SqliteError(database_.get(), code);
  }
  return rows;
}

Status Connection::Execute(const std::string& sql, const std::vector<Value>& values) {
  ASSIGN_OR_RETURN(Rows rows, Query(sql, values));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
  }
}

StatusOr<int64_t> Connection::QueryInteger(const std::string& sql, const std::vector<Value>& values) {
  ASSIGN_OR_RETURN(Rows rows, Query(sql, values));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return Error(Code::kInternal, reason::kInternal, fmt::format("no row for the statement: {}", sql));
  const int64_t integer = rows.Integer(0);
  ASSIGN_OR_RETURN(const bool more, rows.Next());  // to the end: only then a change is complete
  if (more) return Error(Code::kInternal, reason::kInternal, fmt::format("several rows for the statement: {}", sql));
  return integer;
}

Status Connection::ExecuteScript(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_.get(), code);
}

Status Connection::DefineDigest(const char* name, Digest (*digest)(ByteView)) {
  const auto call = [](sqlite3_context* context, int, sqlite3_value** values) {
    const auto function = reinterpret_cast<Digest (*)(ByteView)>(sqlite3_user_data(context));
    const auto* octets = static_cast<const uint8_t*>(sqlite3_value_blob(values[0]));
    const Digest result = function({octets, static_cast<size_t>(sqlite3_value_bytes(values[0]))});
    sqlite3_result_blob(context, result.data(), static_cast<int>(result.size()), SQLITE_TRANSIENT);
  };
  const int code =
      sqlite3_create_function_v2(database_.get(), name, 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                 reinterpret_cast<void*>(digest), call, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_.get(), code);
}

Status Connection::Checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_.get(), code);
}

Status Connection::CheckpointAndTruncate() {
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_.get(), code);
}

}  // namespace hallmark::sqlite
