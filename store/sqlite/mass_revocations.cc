#include "store/sqlite/mass_revocations.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/certificates.h"
#include "store/sqlite/columns.h"

namespace hallmark::sqlite {
namespace {

constexpr char kSelect[] =
    "SELECT revocation, caller, request_id, request_digest, ifnull(of_authority, ''), ifnull(of_profile, ''), "
    "ifnull(of_subject, ''), ifnull(of_caller, ''), of_spki, ifnull(of_lot, ''), ifnull(of_device, ''), of_revoked, "
    "issued_from, issued_before, leaf_end, reason, invalidity_date, created, total, seen, changed, position, state, "
    "finished, stopped_by FROM mass_revocations ";

MassRevocationRecord ReadMassRevocation(const Rows& rows) {
  MassRevocationRecord record{.revocation = rows.Text(0),
                              .caller = rows.Text(1),
                              .request_id = rows.Text(2),
                              .request_digest = rows.Hash(3),
                              .filter = {.authority = rows.Text(4),
                                         .profile = rows.Text(5),
                                         .subject = rows.Text(6),
                                         .caller = rows.Text(7),
                                         .spki = OptionalHash(rows, 8),
                                         .revoked = std::nullopt,
                                         .lot = rows.Text(9),
                                         .device_serial = rows.Text(10),
                                         .issued_from = OptionalInstant(rows, 12),
                                         .issued_before = OptionalInstant(rows, 13),
                                         .leaf_end = std::nullopt},
                              .reason = static_cast<RevocationReason>(rows.Integer(15)),
                              .invalidity = OptionalInstant(rows, 16),
                              .created = rows.Instant(17),
                              .total = rows.Integer(18),
                              .seen = rows.Integer(19),
                              .changed = rows.Integer(20),
                              .position = rows.Text(21),
                              .state = static_cast<MassRevocationState>(rows.Integer(22)),
                              .finished = OptionalInstant(rows, 23),
                              .stopped_by = rows.Text(24)};
  if (!rows.IsNull(14)) record.filter.leaf_end = static_cast<uint64_t>(rows.Integer(14));
  if (!rows.IsNull(11)) record.filter.revoked = rows.Integer(11) != 0;
  return record;
}

Value RevokedOrNull(const CertificateFilter& filter) {
  return filter.revoked.has_value() ? Value(int64_t{*filter.revoked}) : Value(nullptr);
}

Status Unknown(const std::string& revocation) {
  return Error(Code::kNotFound, reason::kRevocationUnknown,
               fmt::format("there is no revocation of many named \"{}\"; list them", revocation));
}

StatusOr<std::optional<MassRevocationRecord>> FindByRequest(Connection& connection, const std::string& caller,
                                                            const std::string& request_id) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelect) + "WHERE caller = ?1 AND request_id = ?2",
                                               {std::string_view(caller), std::string_view(request_id)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  return found ? std::optional(ReadMassRevocation(rows)) : std::nullopt;
}

Status Insert(Connection& connection, const MassRevocationRecord& asked) {
  const CertificateFilter& filter = asked.filter;
  return connection.Execute(
      "INSERT INTO mass_revocations (revocation, caller, request_id, request_digest, of_authority, of_profile, "
      "of_subject, of_caller, of_spki, of_lot, of_device, of_revoked, issued_from, issued_before, leaf_end, reason, "
      "invalidity_date, created, total) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
      "?17, ?18, ?19)",
      {asked.revocation, asked.caller, asked.request_id, ByteView(asked.request_digest), OrNull(filter.authority),
       OrNull(filter.profile), OrNull(filter.subject), OrNull(filter.caller), OrNull(filter.spki), OrNull(filter.lot),
       OrNull(filter.device_serial), RevokedOrNull(filter), OrNull(filter.issued_from), OrNull(filter.issued_before),
       filter.leaf_end.has_value() ? Value(static_cast<int64_t>(*filter.leaf_end)) : Value(nullptr),
       static_cast<int64_t>(asked.reason), OrNull(asked.invalidity), Seconds(asked.created), asked.total});
}

// What the step makes of one certificate: nothing where its revocation stays as it is.
StatusOr<std::optional<CertificateRecord>> Change(Transaction& transaction, const CertificateRevocation& one) {
  const auto& [certificate, revocation, entry] = one;
  const int64_t before = transaction.connection.total_changes();
  const StatusOr<CertificateRecord> changed =
      revocation.reason == RevocationReason::kRemoveFromCrl
          ? Release(transaction, certificate.authority, certificate.serial, {revocation.revoked, revocation.revoked_by},
                    entry)
          : Revoke(transaction, certificate.authority, certificate.serial, revocation, entry);
  // Not on hold, or revoked for ever already.
  if (absl::IsFailedPrecondition(changed.status())) return std::optional<CertificateRecord>();
  RETURN_IF_ERROR(changed.status());
  return transaction.connection.total_changes() == before ? std::nullopt : std::optional(*changed);
}

}  // namespace

StatusOr<MassRevocationRecord> StartMassRevocation(Transaction& transaction, const MassRevocationRecord& asked,
                                                   const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const auto earlier, FindByRequest(connection, asked.caller, asked.request_id));
  if (earlier.has_value()) {
    if (earlier->request_digest == asked.request_digest) return *earlier;
    return Error(Code::kAlreadyExists, reason::kRequestIdReused,
                 fmt::format("{} has used request id \"{}\" on {} for another revocation; send this one under a new id",
                             asked.caller, asked.request_id, Rfc3339(earlier->created)));
  }
  RETURN_IF_ERROR(Insert(connection, asked));
  RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, asked.created).status());
  return GetMassRevocation(connection, asked.revocation);
}

StatusOr<std::vector<CertificateRecord>> StepMassRevocation(Transaction& transaction, MassRevocationRecord& before,
                                                            const std::vector<CertificateRevocation>& certificates,
                                                            const std::string& next_position, Time now,
                                                            const MassRevocationEntry& done_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const MassRevocationRecord stands, GetMassRevocation(connection, before.revocation));
  if (stands.state != MassRevocationState::kRunning || stands.position != before.position ||
      stands.seen != before.seen) {
    return Error(Code::kAborted, reason::kRevocationChanged,
                 fmt::format("the revocation \"{}\" was stopped, or another goes on with it", before.revocation));
  }
  std::vector<CertificateRecord> changed;
  for (const CertificateRevocation& one : certificates) {
    ASSIGN_OR_RETURN(std::optional<CertificateRecord> record, Change(transaction, one));
    if (record.has_value()) changed.push_back(*std::move(record));
  }
  before.seen += static_cast<int64_t>(certificates.size());
  before.changed += static_cast<int64_t>(changed.size());
  before.position = next_position;
  if (done_entry == nullptr && next_position.empty()) before.filter.revoked = false;
  if (done_entry != nullptr) {
    before.state = MassRevocationState::kDone;
    before.finished = TruncateToSecond(now);
    RETURN_IF_ERROR(AppendLeaf(transaction, done_entry(before), now).status());
  }
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE mass_revocations SET seen = ?2, changed = ?3, position = ?4, state = ?5, finished = ?6, "
      "of_revoked = ?7 WHERE revocation = ?1",
      {before.revocation, before.seen, before.changed, before.position, static_cast<int64_t>(before.state),
       OrNull(before.finished), RevokedOrNull(before.filter)}));
  return changed;
}

StatusOr<MassRevocationRecord> StopMassRevocation(Transaction& transaction, const std::string& revocation,
                                                  const std::string& caller, Time now,
                                                  const std::string& ledger_entry) {
  RETURN_IF_ERROR(transaction.connection.Execute(
      "UPDATE mass_revocations SET state = ?2, finished = ?3, stopped_by = ?4 WHERE revocation = ?1 AND state = 1",
      {revocation, static_cast<int64_t>(MassRevocationState::kStopped), Seconds(now), caller}));
  if (transaction.connection.changes() == 1) {
    RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, now).status());
  }
  return GetMassRevocation(transaction.connection, revocation);
}

StatusOr<MassRevocationRecord> GetMassRevocation(Connection& connection, const std::string& revocation) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(std::string(kSelect) + "WHERE revocation = ?1", {std::string_view(revocation)}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return Unknown(revocation);
  return ReadMassRevocation(rows);
}

StatusOr<std::vector<MassRevocationRecord>> ListMassRevocations(Connection& connection, size_t count) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query(std::string(kSelect) + "ORDER BY id DESC LIMIT ?1", {static_cast<int64_t>(count)}));
  return ReadAll(rows, ReadMassRevocation);
}

StatusOr<std::vector<MassRevocationRecord>> RunningMassRevocations(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelect) + "WHERE state = 1 ORDER BY id"));
  return ReadAll(rows, ReadMassRevocation);
}

}  // namespace hallmark::sqlite
