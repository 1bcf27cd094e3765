#include "store/sqlite/publication.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "store/sqlite/certificates.h"
#include "store/sqlite/columns.h"

namespace hallmark::sqlite {
namespace {

constexpr char kSelectTarget[] =
    "SELECT target, kind, description, version, created, updated, updated_by, chain, take_over, published, "
    "published_version, (SELECT json_group_array(authority) FROM target_authorities a WHERE a.target = targets.target) "
    "FROM targets ";
constexpr char kSelectWork[] =
    "SELECT id, target, kind, key, queued, generation, attempts, next, parked, review, reason, failure "
    "FROM publication_work ";

// What is queued again may be tried at once; what it failed with was of before. Since when it is not as it should be
// stays, but of what was to be reviewed that was not known.
constexpr char kQueued[] =
    " ON CONFLICT (target, kind, key) DO UPDATE SET generation = generation + 1, next = min(next, excluded.next), "
    "parked = 0, attempts = 0, reason = '', failure = '', queued = iif(review > excluded.review, excluded.queued, "
    "min(queued, excluded.queued)), "
    "review = min(review, excluded.review)";

StatusOr<TargetRecord> ReadTarget(const Rows& rows) {
  TargetRecord record{.target = rows.Text(0),
                      .kind = rows.Text(1),
                      .description = rows.Text(2),
                      .authorities = {},
                      .version = rows.Integer(3),
                      .created = rows.Instant(4),
                      .updated = rows.Instant(5),
                      .updated_by = rows.Text(6),
                      .chain = static_cast<ChainState>(rows.Integer(7)),
                      .take_over = rows.Integer(8) != 0,
                      .published = OptionalInstant(rows, 9),
                      .published_version = rows.Integer(10)};
  RETURN_IF_ERROR(ReadArray(rows.Text(11), record.authorities));
  return record;
}

WorkRecord ReadWork(const Rows& rows) {
  return {.id = rows.Integer(0),
          .target = rows.Text(1),
          .kind = static_cast<WorkKind>(rows.Integer(2)),
          .key = rows.Text(3),
          .queued = rows.Instant(4),
          .generation = rows.Integer(5),
          .attempts = rows.Integer(6),
          .next = rows.Instant(7),
          .parked = rows.Integer(8) != 0,
          .review = rows.Integer(9) != 0,
          .reason = rows.Text(10),
          .failure = rows.Text(11)};
}

PublishedRecord ReadPublished(const Rows& rows) {
  return {.target = rows.Text(0),
          .kind = static_cast<PublishedKind>(rows.Integer(1)),
          .key = rows.Text(2),
          .content = rows.Text(3),
          .collect = OptionalInstant(rows, 4)};
}

Status TargetUnknown(const std::string& target) {
  return Error(Code::kNotFound, reason::kTargetUnknown,
               fmt::format("there is no target \"{}\"; list the targets and correct the name", target));
}

// Where a page of an authority's revoked certificates begins.
struct RevokedPlace {
  std::string authority = "";
  int64_t shard = -1;
  int64_t change = 0;
  Bytes serial = {};
};

std::string PlaceText(const RevokedPlace& place) {
  return fmt::format("{} {} {} {}", place.authority, place.shard, place.change, Hex(place.serial));
}

StatusOr<RevokedPlace> ParsePlace(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  RevokedPlace place;
  if (parts.size() == 4 && absl::SimpleAtoi(parts[1], &place.shard) && absl::SimpleAtoi(parts[2], &place.change)) {
    place.authority = parts[0];
    ASSIGN_OR_RETURN(place.serial, FromHex(parts[3]));
    return place;
  }
  return Error(Code::kInvalidArgument, reason::kRequestInvalid, "no answer before ended at " + text);
}

struct Admitted {
  std::string authority;
  std::string target;
};

// Those that go on under the names of a target's authorities or are below them, and are not the target's yet.
StatusOr<std::vector<Admitted>> NewlyAdmitted(Connection& connection) {
  ASSIGN_OR_RETURN(
      Rows rows, connection.Query(
                     "WITH RECURSIVE reached (authority, target) AS (SELECT authority, target FROM target_authorities "
                     "UNION SELECT a.authority, r.target FROM authorities a JOIN reached r ON r.authority IN "
                     "(a.parent, a.predecessor)) SELECT authority, target FROM reached EXCEPT "
                     "SELECT authority, target FROM target_authorities"));
  return ReadAll(rows, [](const Rows& row) { return Admitted{row.Text(0), row.Text(1)}; });
}

Status Admit(Connection& connection, const Admitted& admitted) {
  return connection.Execute("INSERT INTO target_authorities (authority, target) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                            {admitted.authority, admitted.target});
}

// None is taken away: its groups may stand there still, and let its devices in.
Status AddAuthorities(Connection& connection, const TargetRecord& target) {
  for (const std::string& authority : target.authorities) {
    RETURN_IF_ERROR(Admit(connection, {authority, target.target}));
  }
  ASSIGN_OR_RETURN(const std::vector<Admitted> more, NewlyAdmitted(connection));
  for (const Admitted& one : more) RETURN_IF_ERROR(Admit(connection, one));
  return absl::OkStatus();
}

Status Queue(Connection& connection, const std::string& target, WorkKind kind, bool review,
             const std::vector<std::string>& keys, Time now) {
  RETURN_IF_ERROR(GetTarget(connection, target).status());
  static const std::string kInsert = fmt::format(
      "INSERT INTO publication_work (target, kind, key, queued, next, review) VALUES (?1, ?2, ?3, ?4, ?4, ?5) {}",
      kQueued);
  for (const std::string& key : keys) {
    RETURN_IF_ERROR(
        connection.Execute(kInsert, {target, static_cast<int64_t>(kind), key, Seconds(now), int64_t{review}}));
  }
  return absl::OkStatus();
}

Status Append(Transaction& transaction, const std::string& ledger_entry, Time time) {
  return ledger_entry.empty() ? absl::OkStatus() : AppendLeaf(transaction, ledger_entry, time).status();
}

}  // namespace

Status AddTarget(Transaction& transaction, const TargetRecord& target, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(connection.Execute(
      "INSERT INTO targets (target, kind, description, created, updated, updated_by) VALUES (?1, ?2, ?3, ?4, ?4, ?5) "
      "ON CONFLICT DO NOTHING",
      {target.target, target.kind, target.description, Seconds(target.created), target.updated_by}));
  if (connection.changes() == 0) {
    return Error(Code::kAlreadyExists, reason::kTargetExists,
                 fmt::format("there is a target \"{}\" already; replace it, or choose another name", target.target));
  }
  RETURN_IF_ERROR(AddAuthorities(connection, target));
  return AppendLeaf(transaction, ledger_entry, target.created).status();
}

Status UpdateTarget(Transaction& transaction, const TargetRecord& target, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE targets SET kind = ?3, description = ?4, updated = ?5, updated_by = ?6, version = version + 1 "
      "WHERE target = ?1 AND version = ?2",
      {target.target, target.version, target.kind, target.description, Seconds(target.updated), target.updated_by}));
  if (connection.changes() == 0) {
    RETURN_IF_ERROR(GetTarget(connection, target.target).status());
    return Error(
        Code::kAborted, reason::kTargetChanged,
        fmt::format("target \"{}\" was changed by another since it was read; look at it and try again", target.target));
  }
  RETURN_IF_ERROR(AddAuthorities(connection, target));
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE publication_work SET generation = generation + 1 WHERE target = ?1 AND kind = ?2 AND key = ''",
      {target.target, static_cast<int64_t>(WorkKind::kChain)}));
  return AppendLeaf(transaction, ledger_entry, target.updated).status();
}

Status RemoveTarget(Transaction& transaction, const std::string& target, Time time, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(connection.Execute("DELETE FROM publication_work WHERE target = ?1", {target}));
  RETURN_IF_ERROR(connection.Execute("DELETE FROM published WHERE target = ?1", {target}));
  RETURN_IF_ERROR(connection.Execute("DELETE FROM target_authorities WHERE target = ?1", {target}));
  RETURN_IF_ERROR(connection.Execute("DELETE FROM targets WHERE target = ?1", {target}));
  if (connection.changes() == 0) return absl::OkStatus();
  return AppendLeaf(transaction, ledger_entry, time).status();
}

StatusOr<TargetRecord> GetTarget(Connection& connection, const std::string& target) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(std::string(kSelectTarget) + "WHERE target = ?1", {std::string_view(target)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return TargetUnknown(target);
  return ReadTarget(rows);
}

StatusOr<std::vector<TargetRecord>> ListTargets(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelectTarget) + "ORDER BY target"));
  std::vector<TargetRecord> targets;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return targets;
    ASSIGN_OR_RETURN(TargetRecord record, ReadTarget(rows));
    targets.push_back(std::move(record));
  }
}

Status QueueChain(Transaction& transaction, const std::string& target, bool take_over, Time now,
                  const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(connection.Execute("UPDATE targets SET chain = ?2, take_over = ?3 WHERE target = ?1",
                                     {target, static_cast<int64_t>(ChainState::kPublishing), int64_t{take_over}}));
  RETURN_IF_ERROR(QueueWork(transaction, target, WorkKind::kChain, {""}, now));
  return Append(transaction, ledger_entry, now);
}

Status QueueWork(Transaction& transaction, const std::string& target, WorkKind kind,
                 const std::vector<std::string>& keys, Time now) {
  return Queue(transaction.connection, target, kind, false, keys, now);
}

Status QueueReviews(Transaction& transaction, const std::string& target, const std::vector<std::string>& devices,
                    Time now) {
  return Queue(transaction.connection, target, WorkKind::kDevice, true, devices, now);
}

StatusOr<std::string> QueueRevoked(Transaction& transaction, const std::string& target, const std::string& after,
                                   int count, Time now) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const TargetRecord record, GetTarget(connection, target));
  std::vector<std::string> authorities = record.authorities;
  std::sort(authorities.begin(), authorities.end());
  RevokedPlace place;
  if (!after.empty()) {
    ASSIGN_OR_RETURN(place, ParsePlace(after));
  }
  const auto authority = std::lower_bound(authorities.begin(), authorities.end(), place.authority);
  if (authority == authorities.end()) return std::string();
  if (*authority != place.authority) place = {.authority = *authority};
  const RevokedPlace from = place;  // which the query borrows
  std::vector<std::string> devices;
  int seen = 0;
  {
    // Of one authority, in the order of the index, so that each page is as quick as the first.
    static const std::string kSelect = fmt::format(
        "SELECT crl_shard, revocation_change, serial, not_after, caseless_name, revoked IS NOT NULL AND caseless_name "
        "IS NOT NULL AND NOT EXISTS (SELECT 1 FROM published WHERE target = ?6 AND kind = {} AND key = caseless_name) "
        "FROM certificates INDEXED BY certificates_for_lists WHERE revocation_change IS NOT NULL AND authority = ?1 "
        "AND (crl_shard, revocation_change, serial) > (?2, ?3, ?4) ORDER BY crl_shard, revocation_change, serial "
        "LIMIT ?5",
        static_cast<int>(PublishedKind::kEnrollment));
    ASSIGN_OR_RETURN(Rows rows,
                     connection.Query(kSelect, {std::string_view(from.authority), from.shard, from.change,
                                                ByteView(from.serial), int64_t{count}, std::string_view(target)}));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, rows.Next());
      if (!found) break;
      ++seen;
      place.shard = rows.Integer(0);
      place.change = rows.Integer(1);
      place.serial = rows.Blob(2);
      if (rows.Instant(3) > now && rows.Integer(5) != 0) devices.push_back(rows.Text(4));
    }
  }
  RETURN_IF_ERROR(QueueWork(transaction, target, WorkKind::kDevice, devices, now));
  if (seen == count) return PlaceText(place);
  return std::next(authority) == authorities.end() ? "" : PlaceText({.authority = *std::next(authority)});
}

Status QueueCollections(Transaction& transaction, const std::string& target, Time now) {
  static const std::string kInsert = fmt::format(
      "INSERT INTO publication_work (target, kind, key, queued, next, review) SELECT target, {}, key, ?2, ?2, 1 FROM "
      "published WHERE target = ?1 AND kind = {} AND collect <= ?2 ON CONFLICT DO NOTHING",
      static_cast<int>(WorkKind::kDevice), static_cast<int>(PublishedKind::kEnrollment));
  return transaction.connection.Execute(kInsert, {target, Seconds(now)});
}

StatusOr<std::vector<WorkRecord>> DueWork(Connection& connection, const std::string& target, Time now, int count) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(std::string(kSelectWork) + "WHERE target = ?1 AND parked = 0 AND next <= ?2 "
                                                               "ORDER BY kind, review, next, id LIMIT ?3",
                                    {std::string_view(target), Seconds(now), int64_t{count}}));
  return ReadAll(rows, ReadWork);
}

StatusOr<std::vector<WorkRecord>> DueDevices(Connection& connection, const std::string& target, Time now, int count) {
  std::vector<WorkRecord> due;
  // Whose hub failed is kept out of the service already, and holds up nobody who is not: one query after the other,
  // each in the order of the index.
  for (const char* compared : {"<>", "="}) {
    const std::string select = fmt::format(
        "{}WHERE target = ?1 AND parked = 0 AND kind = ?2 AND next <= ?3 AND reason {} ?4 "
        "ORDER BY review, next, id LIMIT ?5",
        kSelectWork, compared);
    const int64_t left = count - static_cast<int64_t>(due.size());
    ASSIGN_OR_RETURN(Rows rows,
                     connection.Query(select, {std::string_view(target), static_cast<int64_t>(WorkKind::kDevice),
                                               Seconds(now), std::string_view(reason::kTargetHubFailed), left}));
    ASSIGN_OR_RETURN(std::vector<WorkRecord> found, ReadAll(rows, ReadWork));
    due.insert(due.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  return due;
}

StatusOr<bool> DevicesWait(Connection& connection, const std::string& target, Time queued_by,
                           const std::string& but_for) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT 1 FROM publication_work WHERE target = ?1 AND parked = 0 AND "
                                               "kind = ?2 AND review = 0 AND queued <= ?3 AND reason <> ?4 LIMIT 1",
                                               {std::string_view(target), static_cast<int64_t>(WorkKind::kDevice),
                                                Seconds(queued_by), std::string_view(but_for)}));
  return rows.Next();
}

StatusOr<std::vector<WorkRecord>> ListWork(Connection& connection, const std::string& target, bool parked_only,
                                           const WorkPlace& after, int count) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelectWork) +
                                                   "WHERE target = ?1 AND parked >= ?2 AND (queued, id) > (?3, ?4) "
                                                   "ORDER BY queued, id LIMIT ?5",
                                               {std::string_view(target), int64_t{parked_only}, Seconds(after.queued),
                                                after.id, int64_t{count}}));
  return ReadAll(rows, ReadWork);
}

StatusOr<std::optional<WorkRecord>> FindWork(Connection& connection, const std::string& target, WorkKind kind,
                                             const std::string& key) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(std::string(kSelectWork) + "WHERE target = ?1 AND kind = ?2 AND key = ?3",
                                    {std::string_view(target), static_cast<int64_t>(kind), std::string_view(key)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return found ? std::optional(ReadWork(rows)) : std::nullopt;
}

StatusOr<WorkCounts> CountWork(Connection& connection, const std::string& target) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT parked, count(*), min(queued) FROM publication_work WHERE "
                                               "target = ?1 GROUP BY parked",
                                               {std::string_view(target)}));
  WorkCounts counts;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return counts;
    const bool parked = rows.Integer(0) != 0;
    (parked ? counts.parked : counts.waiting) = rows.Integer(1);
    (parked ? counts.oldest_parked : counts.oldest_waiting) = rows.Instant(2);
  }
}

Status FinishWork(Transaction& transaction, const std::vector<WorkRecord>& work, Time now) {
  Connection& connection = transaction.connection;
  for (const WorkRecord& one : work) {
    RETURN_IF_ERROR(
        connection.Execute("DELETE FROM publication_work WHERE id = ?1 AND generation = ?2", {one.id, one.generation}));
    if (one.kind != WorkKind::kChain || connection.changes() == 0) continue;
    RETURN_IF_ERROR(connection.Execute(
        "UPDATE targets SET chain = ?2, published = ?3, published_version = version, take_over = 0 WHERE target = ?1",
        {one.target, static_cast<int64_t>(ChainState::kPublished), Seconds(now)}));
  }
  return absl::OkStatus();
}

Status PostponeWork(Transaction& transaction, const std::vector<WorkRecord>& work) {
  Connection& connection = transaction.connection;
  for (const WorkRecord& one : work) {
    RETURN_IF_ERROR(connection.Execute(
        "UPDATE publication_work SET attempts = ?3, next = ?4, parked = ?5, reason = ?6, failure = ?7 "
        "WHERE id = ?1 AND generation = ?2",
        {one.id, one.generation, one.attempts, Seconds(one.next), int64_t{one.parked}, one.reason, one.failure}));
    if (one.kind != WorkKind::kChain || !one.parked || connection.changes() == 0) continue;
    RETURN_IF_ERROR(connection.Execute("UPDATE targets SET chain = ?2 WHERE target = ?1",
                                       {one.target, static_cast<int64_t>(ChainState::kFailed)}));
  }
  return absl::OkStatus();
}

StatusOr<int64_t> RetryWork(Transaction& transaction, const std::string& target, Time now) {
  Connection& connection = transaction.connection;
  RETURN_IF_ERROR(GetTarget(connection, target).status());
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE targets SET chain = ?2 WHERE target = ?1 AND chain = ?3",
      {target, static_cast<int64_t>(ChainState::kPublishing), static_cast<int64_t>(ChainState::kFailed)}));
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE publication_work SET next = ?2, parked = 0, attempts = 0, generation = generation + 1 WHERE target = ?1",
      {target, Seconds(now)}));
  return connection.changes();
}

Status PutPublished(Transaction& transaction, const std::vector<PublishedRecord>& records, Time now,
                    const std::string& ledger_entry) {
  for (const PublishedRecord& record : records) {
    RETURN_IF_ERROR(transaction.connection.Execute(
        "INSERT INTO published (target, kind, key, content, collect) VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (target, kind, key) DO UPDATE SET content = excluded.content, collect = excluded.collect",
        {record.target, static_cast<int64_t>(record.kind), record.key, record.content, OrNull(record.collect)}));
  }
  return Append(transaction, ledger_entry, now);
}

Status RemovePublished(Transaction& transaction, const std::vector<PublishedRecord>& records, Time now,
                       const std::string& ledger_entry) {
  for (const PublishedRecord& record : records) {
    RETURN_IF_ERROR(transaction.connection.Execute("DELETE FROM published WHERE target = ?1 AND kind = ?2 AND key = ?3",
                                                   {record.target, static_cast<int64_t>(record.kind), record.key}));
  }
  return Append(transaction, ledger_entry, now);
}

StatusOr<std::optional<PublishedRecord>> FindPublished(Connection& connection, const std::string& target,
                                                       PublishedKind kind, const std::string& key) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT target, kind, key, content, collect FROM published WHERE target = ?1 AND "
                                    "kind = ?2 AND key = ?3",
                                    {std::string_view(target), static_cast<int64_t>(kind), std::string_view(key)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return found ? std::optional(ReadPublished(rows)) : std::nullopt;
}

StatusOr<std::vector<PublishedRecord>> ListPublished(Connection& connection, const std::string& target,
                                                     PublishedKind kind, const std::string& after, int count) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT target, kind, key, content, collect FROM published WHERE "
                                               "target = ?1 AND kind = ?2 AND key > ?3 ORDER BY key LIMIT ?4",
                                               {std::string_view(target), static_cast<int64_t>(kind),
                                                std::string_view(after), int64_t{count}}));
  return ReadAll(rows, ReadPublished);
}

StatusOr<std::map<std::string, int64_t>> CountEnrollments(Connection& connection, const std::string& target) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT ifnull(json_extract(content, '$.state'), ''), count(*) FROM "
                                    "published WHERE target = ?1 AND kind = ?2 GROUP BY 1",
                                    {std::string_view(target), static_cast<int64_t>(PublishedKind::kEnrollment)}));
  std::map<std::string, int64_t> counts;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return counts;
    counts[rows.Text(0)] = rows.Integer(1);
  }
}

StatusOr<std::vector<CertificateRecord>> CertificatesOfDevice(Connection& connection, const std::string& target,
                                                              const std::string& registration_id) {
  static const std::string kSelect =
      "SELECT " + CertificateColumns() +
      " FROM certificates WHERE caseless_name IS NOT NULL AND caseless_name = ?2 COLLATE NOCASE AND leaf_index IS NOT "
      "NULL AND authority IN (SELECT authority FROM target_authorities WHERE target = ?1) ORDER BY leaf_index";
  ASSIGN_OR_RETURN(Rows rows, connection.Query(kSelect, {std::string_view(target), std::string_view(registration_id)}));
  return ReadAll(rows, ReadCertificate);
}

Status QueueCertificate(Connection& connection, int64_t id, Time now) {
  static const std::string kInsert = fmt::format(
      "INSERT INTO publication_work (target, kind, key, queued, next) SELECT t.target, {}, c.caseless_name, ?2, ?2 "
      "FROM certificates c CROSS JOIN target_authorities t ON t.authority = c.authority WHERE c.id = ?1 AND "
      "c.caseless_name IS NOT NULL {}",
      static_cast<int>(WorkKind::kDevice), kQueued);
  RETURN_IF_ERROR(connection.Execute(kInsert, {id, Seconds(now)}));
  std::vector<std::string> authorities;
  {
    ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT a.authority FROM certificates c JOIN authorities a ON "
                                                 "a.parent = c.authority AND a.certificate = c.certificate "
                                                 "WHERE c.id = ?1",
                                                 {id}));
    ASSIGN_OR_RETURN(authorities, ReadAll(rows, [](const Rows& row) { return row.Text(0); }));
  }
  for (const std::string& authority : authorities) RETURN_IF_ERROR(QueueAuthority(connection, authority, now));
  return absl::OkStatus();
}

Status QueueReissued(Connection& connection, const std::string& authority, const std::string& registration_id,
                     Time now) {
  static const std::string kInsert = fmt::format(
      "INSERT INTO publication_work (target, kind, key, queued, next) SELECT t.target, {0}, ?2, ?3, ?3 "
      "FROM target_authorities t WHERE t.authority = ?1 AND ("
      "EXISTS (SELECT 1 FROM published p WHERE p.target = t.target AND p.kind IN ({1}, {3}) AND p.key = ?2) OR "
      "EXISTS (SELECT 1 FROM publication_work w WHERE w.target = t.target AND w.kind = {0} AND w.key = ?2)) {2}",
      static_cast<int>(WorkKind::kDevice), static_cast<int>(PublishedKind::kEnrollment), kQueued,
      static_cast<int>(PublishedKind::kHubDevice));
  return connection.Execute(kInsert, {authority, registration_id, Seconds(now)});
}

Status QueueAuthority(Connection& connection, const std::string& authority, Time now) {
  static const std::string kInsert = fmt::format(
      "WITH RECURSIVE below (authority) AS (SELECT ?1 UNION SELECT a.authority FROM authorities a JOIN below b ON "
      "b.authority IN (a.parent, a.predecessor)) "
      "INSERT INTO publication_work (target, kind, key, queued, next) SELECT target, {}, ?1, ?2, ?2 FROM "
      "(SELECT target FROM target_authorities WHERE authority IN (SELECT authority FROM below) UNION "
      "SELECT target FROM targets WHERE kind = 'directory') WHERE true {}",
      static_cast<int>(WorkKind::kAuthority), kQueued);
  return connection.Execute(kInsert, {authority, Seconds(now)});
}

Status ExtendTargets(Connection& connection, Time now) {
  static const std::string kInsert = fmt::format(
      "INSERT INTO publication_work (target, kind, key, queued, next) SELECT ?2, {}, caseless_name, ?3, ?3 FROM "
      "certificates INDEXED BY certificates_for_lists WHERE authority = ?1 AND revocation_change IS NOT NULL AND "
      "revoked IS NOT NULL AND caseless_name IS NOT NULL AND not_after > ?3 {}",
      static_cast<int>(WorkKind::kDevice), kQueued);
  ASSIGN_OR_RETURN(const std::vector<Admitted> more, NewlyAdmitted(connection));
  for (const Admitted& one : more) {
    RETURN_IF_ERROR(Admit(connection, one));
    RETURN_IF_ERROR(connection.Execute(kInsert, {one.authority, one.target, Seconds(now)}));
  }
  return absl::OkStatus();
}

}  // namespace hallmark::sqlite
