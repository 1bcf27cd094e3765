#include "tools/hallmark/station/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <nlohmann/json.hpp>

#include "base/reason.h"
#include "tools/hallmark/failure.h"
#include "tools/hallmark/station/request.h"

namespace hallmark::cli::station {
namespace {

constexpr int64_t kSchema = 1;

// `digest` names a question whatever its attempt; `replaced` is the row that took a refused one's name.
const std::vector<std::string> kTables = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE requests ("
    "id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, request_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, "
    "source TEXT NOT NULL, request BLOB NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL CHECK (state "
    "IN ('queued', 'sent', 'answered', 'delivered', 'refused', 'confirmed', 'exported')), certificate BLOB, error "
    "TEXT, "
    "bundle TEXT, replaced INTEGER, tries INTEGER NOT NULL DEFAULT 0, queued INTEGER NOT NULL, sent INTEGER, "
    "answered INTEGER, delivered INTEGER, confirmed INTEGER, exported INTEGER)",
    "CREATE INDEX requests_by_state ON requests (state, id)",
    "CREATE INDEX requests_by_name ON requests (name, id)",
    "CREATE INDEX requests_undelivered ON requests (id) WHERE delivered IS NULL AND state IN ('answered', 'refused')",
    "CREATE INDEX requests_by_bundle ON requests (bundle, id) WHERE bundle IS NOT NULL"};

int64_t Seconds(Time time) { return absl::ToUnixSeconds(time); }

Status Damaged(const std::string& what) {
  return Error(Code::kDataLoss, reason::kStoreCorrupt,
               what + "; put the spool aside and run again: whatever was asked before is answered as it was");
}

StatusOr<std::unique_ptr<FileDescriptor>> Lock(const std::filesystem::path& path) {
  const std::string file = path.string() + ".lock";
  auto lock = std::make_unique<FileDescriptor>(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock->get() < 0) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("cannot open {}; check its directory and the rights in it", file));
  }
  if (flock(lock->get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return Error(Code::kUnavailable, reason::kStoreUnavailable,
               fmt::format("another process sends from the spool {}, and only one may; end that one, or name another "
                           "spool with --spool",
                           path.string()));
}

}  // namespace

int64_t Counts::waiting() const {
  int64_t waiting = 0;
  for (const char* state : {"queued", "sent"}) {
    const auto found = by_state.find(state);
    if (found != by_state.end()) waiting += found->second;
  }
  return waiting;
}

std::filesystem::path Spool::PathOf(const std::string& option, const std::filesystem::path& context) {
  if (option.empty()) return context.parent_path() / (context.stem().string() + "-spool.db");
  std::error_code error;
  return std::filesystem::is_directory(option, error) ? std::filesystem::path(option) / "spool.db"
                                                      : std::filesystem::path(option);
}

StatusOr<Spool> Spool::Claim(const std::filesystem::path& path, const std::string& caller) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileDescriptor> lock, Lock(path));
  ASSIGN_OR_RETURN(Database database, Database::Open(path, Database::Access::kReadWrite));
  Spool spool(std::move(database), std::move(lock));
  RETURN_IF_ERROR(spool.Migrate());
  RETURN_IF_ERROR(spool.BelongTo(caller));
  return spool;
}

StatusOr<Spool> Spool::Open(const std::filesystem::path& path, Database::Access access) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Error(
        Code::kNotFound, reason::kFileUnreadable,
        fmt::format("there is no spool {}; `hallmark station run` makes one, or name it with --spool", path.string()));
  }
  ASSIGN_OR_RETURN(Database database, Database::Open(path, access));
  Spool spool(std::move(database), nullptr);
  int64_t schema = 0;
  RETURN_IF_ERROR(spool.database_.Run("PRAGMA user_version", {}, [&schema](const Row& row) {
    schema = row.Integer(0);
    return absl::OkStatus();
  }));
  if (schema != kSchema) return Damaged(fmt::format("{} is no spool of this version", path.string()));
  return spool;
}

Status Spool::Migrate() {
  return database_.Atomically([this]() -> Status {
    int64_t schema = 0;
    RETURN_IF_ERROR(database_.Run("PRAGMA user_version", {}, [&schema](const Row& row) {
      schema = row.Integer(0);
      return absl::OkStatus();
    }));
    if (schema == kSchema) return absl::OkStatus();
    if (schema != 0) {
      return Error(
          Code::kFailedPrecondition, reason::kStoreNewerSchema,
          fmt::format("the spool has schema {}, this program knows {}; use the newer program", schema, kSchema));
    }
    for (const std::string& table : kTables) RETURN_IF_ERROR(database_.Run(table));
    return database_.Run(fmt::format("PRAGMA user_version = {}", kSchema));
  });
}

Status Spool::BelongTo(const std::string& caller) {
  RETURN_IF_ERROR(database_.Run("INSERT INTO meta VALUES ('caller', ?1) ON CONFLICT DO NOTHING", {caller}));
  std::string owner;
  RETURN_IF_ERROR(database_.Run("SELECT value FROM meta WHERE name = 'caller'", {}, [&owner](const Row& row) {
    owner = row.Text(0);
    return absl::OkStatus();
  }));
  if (owner == caller) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
               fmt::format("the spool is of {}, but the context is {}'s, who would be certified everything a second "
                           "time; name another --spool or --context",
                           owner, caller));
}

StatusOr<Spool::Added> Spool::AddOne(const Found& found, Time now) {
  const std::string digest = found.problem.ok() ? found.request.request_id() : found.digest;
  std::string known;
  std::string named;
  int64_t named_id = 0;
  RETURN_IF_ERROR(database_.Run("SELECT state FROM requests WHERE digest = ?1", {digest}, [&known](const Row& row) {
    known = row.Text(0);
    return absl::OkStatus();
  }));
  if (!known.empty()) return known == "refused" ? Added::kKnownRefused : Added::kKnown;
  RETURN_IF_ERROR(database_.Run("SELECT id, state FROM requests WHERE name = ?1 AND replaced IS NULL", {found.name},
                                [&](const Row& row) {
                                  named_id = row.Integer(0);
                                  named = row.Text(1);
                                  return absl::OkStatus();
                                }));
  const bool settled = named == "delivered" || named == "confirmed";
  const bool replaces = named == "refused" || (settled && !found.request.reissue_reason().empty());
  if (!named.empty() && !replaces) return Added::kNameTaken;
  const std::string error = found.problem.ok() ? "" : FailureJson(found.problem).dump();
  RETURN_IF_ERROR(database_.Run(
      "INSERT INTO requests (digest, request_id, name, source, request, state, error, queued) VALUES (?1, ?1, ?2, ?3, "
      "?4, ?5, ?6, ?7)",
      {digest, found.name, found.source, Octets{found.request.SerializeAsString()},
       std::string_view(found.problem.ok() ? "queued" : "refused"), error, Seconds(now)}));
  if (named_id != 0) {
    RETURN_IF_ERROR(database_.Run("UPDATE requests SET replaced = ?1 WHERE id = ?2", {database_.last_row(), named_id}));
  }
  return found.problem.ok() ? Added::kQueued : Added::kRefused;
}

StatusOr<std::vector<Spool::Added>> Spool::Add(const std::vector<Found>& found, Time now) {
  std::vector<Added> added;
  RETURN_IF_ERROR(database_.Atomically([&]() -> Status {
    for (const Found& one : found) {
      ASSIGN_OR_RETURN(const Added what, AddOne(one, now));
      added.push_back(what);
    }
    return absl::OkStatus();
  }));
  return added;
}

StatusOr<std::vector<Entry>> Spool::Select(const std::string& rest, const std::vector<Value>& values) {
  std::vector<Entry> entries;
  RETURN_IF_ERROR(database_.Run(
      "SELECT id, name, source, request, state, certificate, error, queued FROM requests " + rest, values,
      [&entries](const Row& row) -> Status {
        Entry& entry = entries.emplace_back();
        entry.id = row.Integer(0);
        entry.name = row.Text(1);
        entry.source = row.Text(2);
        entry.state = row.Text(4);
        entry.error = row.Text(6);
        entry.queued = absl::FromUnixSeconds(row.Integer(7));
        if (entry.request.ParseFromString(row.Text(3)) && entry.certificate.ParseFromString(row.Text(5))) {
          return absl::OkStatus();
        }
        return Damaged(fmt::format("the spool's row of {} is damaged", entry.name));
      }));
  return entries;
}

Status Spool::Requeue() { return database_.Run("UPDATE requests SET state = 'queued' WHERE state = 'sent'"); }

StatusOr<std::vector<Entry>> Spool::TakeQueued(size_t limit, Time now) {
  ASSIGN_OR_RETURN(std::vector<Entry> entries,
                   Select("WHERE state = 'queued' ORDER BY id LIMIT ?1", {static_cast<int64_t>(limit)}));
  if (entries.empty()) return entries;
  RETURN_IF_ERROR(database_.Atomically([&]() -> Status {
    for (Entry& entry : entries) {
      RETURN_IF_ERROR(database_.Run("UPDATE requests SET state = 'sent', sent = ?1, tries = tries + 1 WHERE id = ?2",
                                    {Seconds(now), entry.id}));
      entry.state = "sent";
    }
    return absl::OkStatus();
  }));
  return entries;
}

Status Spool::Record(const std::vector<Answer>& answers, Time now) {
  return database_.Atomically([&]() -> Status {
    for (const Answer& answer : answers) {
      if (answer.certificate.has_value()) {
        RETURN_IF_ERROR(database_.Run(
            "UPDATE requests SET state = 'answered', certificate = ?1, error = NULL, answered = ?2, delivered = NULL "
            "WHERE id = ?3 AND state IN ('queued', 'sent', 'exported', 'refused')",
            {Octets{answer.certificate->SerializeAsString()}, Seconds(now), answer.id}));
      } else {
        RETURN_IF_ERROR(
            database_.Run("UPDATE requests SET state = 'refused', error = ?1, answered = ?2, delivered = NULL "
                          "WHERE id = ?3 AND state IN ('queued', 'sent', 'exported', 'refused')",
                          {answer.error, Seconds(now), answer.id}));
      }
    }
    return absl::OkStatus();
  });
}

StatusOr<std::vector<Entry>> Spool::Undelivered(size_t limit) {
  return Select("WHERE delivered IS NULL AND state IN ('answered', 'refused') ORDER BY id LIMIT ?1",
                {static_cast<int64_t>(limit)});
}

Status Spool::MarkDelivered(const std::vector<int64_t>& ids, Time now) {
  return database_.Atomically([&]() -> Status {
    for (const int64_t id : ids) {
      RETURN_IF_ERROR(
          database_.Run("UPDATE requests SET delivered = ?1, state = CASE state WHEN 'answered' THEN "
                        "'delivered' ELSE state END WHERE id = ?2 AND state IN ('answered', 'refused')",
                        {Seconds(now), id}));
    }
    return absl::OkStatus();
  });
}

StatusOr<std::vector<Entry>> Spool::List(const std::string& state, size_t limit) {
  return Select("WHERE replaced IS NULL AND (?1 = '' OR state = ?1) ORDER BY id LIMIT ?2",
                {state, static_cast<int64_t>(limit)});
}

StatusOr<Entry> Spool::Find(const std::string& name) {
  ASSIGN_OR_RETURN(std::vector<Entry> entries, Select("WHERE name = ?1 AND replaced IS NULL", {name}));
  if (!entries.empty()) return std::move(entries.front());
  return Error(Code::kNotFound, reason::kRequestInvalid,
               fmt::format("the spool knows no '{}'; see: hallmark station status", name));
}

StatusOr<std::optional<Entry>> Spool::FindRequest(const std::string& request_id) {
  ASSIGN_OR_RETURN(std::vector<Entry> entries, Select("WHERE request_id = ?1", {request_id}));
  if (entries.empty()) return std::optional<Entry>();
  return std::optional(std::move(entries.front()));
}

StatusOr<Counts> Spool::Count() {
  Counts counts;
  RETURN_IF_ERROR(database_.Run("SELECT state, count(*) FROM requests WHERE replaced IS NULL GROUP BY state", {},
                                [&counts](const Row& row) {
                                  counts.by_state[row.Text(0)] = row.Integer(1);
                                  return absl::OkStatus();
                                }));
  RETURN_IF_ERROR(database_.Run(
      "SELECT coalesce(json_extract(error, '$.reason'), json_extract(error, '$.code'), ''), count(*) FROM requests "
      "WHERE state = 'refused' AND replaced IS NULL GROUP BY 1",
      {}, [&counts](const Row& row) {
        counts.refusals[row.Text(0)] = row.Integer(1);
        return absl::OkStatus();
      }));
  RETURN_IF_ERROR(database_.Run("SELECT min(queued) FROM requests WHERE state IN ('queued', 'sent')", {},
                                [&counts](const Row& row) {
                                  if (!row.IsNull(0)) counts.oldest_waiting = absl::FromUnixSeconds(row.Integer(0));
                                  return absl::OkStatus();
                                }));
  return counts;
}

Status Spool::Retry(const Entry& entry, Time now) {
  if (entry.state == "exported") {
    return database_.Run("UPDATE requests SET state = 'queued', bundle = NULL WHERE id = ?1 AND state = 'exported'",
                         {entry.id});
  }
  if (entry.state != "refused" || entry.request.csr().empty()) {
    return Error(Code::kFailedPrecondition, reason::kRequestInvalid,
                 entry.state != "refused"
                     ? fmt::format("{} is not refused but {}; there is nothing to try again", entry.name, entry.state)
                     : fmt::format("{} was never sent, since {} is no CSR; mend that file, it is then read anew",
                                   entry.name, entry.source));
  }
  return database_.Atomically([&]() -> Status {
    int64_t attempt = 0;
    RETURN_IF_ERROR(database_.Run("SELECT attempt + 1 FROM requests WHERE id = ?1", {entry.id}, [&](const Row& row) {
      attempt = row.Integer(0);
      return absl::OkStatus();
    }));
    v1::IssueCertificateRequest request = entry.request;
    request.set_request_id(RequestIdOf(request, attempt));
    return database_.Run(
        "UPDATE requests SET state = 'queued', attempt = ?1, request_id = ?2, request = ?3, error = NULL, delivered = "
        "NULL, queued = ?4 WHERE id = ?5 AND state = 'refused'",
        {attempt, request.request_id(), Octets{request.SerializeAsString()}, Seconds(now), entry.id});
  });
}

Status Spool::MarkConfirmed(int64_t id, Time now) {
  return database_.Run("UPDATE requests SET state = 'confirmed', confirmed = ?1 WHERE id = ?2 AND state = 'delivered'",
                       {Seconds(now), id});
}

Status Spool::MarkExported(const std::vector<int64_t>& ids, const std::string& bundle, Time now) {
  return database_.Atomically([&]() -> Status {
    for (const int64_t id : ids) {
      RETURN_IF_ERROR(
          database_.Run("UPDATE requests SET state = 'exported', bundle = ?1, exported = ?2 WHERE id = ?3 "
                        "AND state IN ('queued', 'sent')",
                        {bundle, Seconds(now), id}));
    }
    return absl::OkStatus();
  });
}

StatusOr<std::vector<Entry>> Spool::OfBundle(const std::string& bundle) {
  return Select("WHERE bundle = ?1 ORDER BY id", {bundle});
}

}  // namespace hallmark::cli::station
