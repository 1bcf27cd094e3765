#include "store/sqlite/certificates.h"

#include <fmt/format.h>

#include <limits>

#include "base/reason.h"
#include "store/sqlite/devices.h"
#include "store/sqlite/publication.h"
#include "store/sqlite/suspensions.h"

namespace hallmark::sqlite {
namespace {

enum Column {
  kCaller,
  kRequestId,
  kRequestDigest,
  kAuthority,
  kProfile,
  kProfileVersion,
  kSerial,
  kSubject,
  kCaselessName,
  kSpki,
  kNotBefore,
  kNotAfter,
  kIntended,
  kCsr,
  kAskedLifetime,
  kLeafIndex,
  kIssued,
  kRevoked,
  kRevocationReason,
  kRevokedBy,
  kDraft,
  kCertificate,
  kId,
  kLot,
  kDeviceSerial,
  kRegistrationId,
  kReplacedAuthority,
  kReplacedSerial,
  kRevokeReplaced,
  kDevice,
  kInvalidity,
  kCrlShard,
  kRevocationChange,
};

std::string SelectWhere(const char* condition) {
  return "SELECT " + CertificateColumns() + " FROM certificates WHERE " + condition;
}

// Whole seconds; the largest integer is a lifetime without an end.
std::optional<Duration> ReadLifetime(const Rows& rows) {
  if (rows.IsNull(kAskedLifetime)) return std::nullopt;
  const int64_t seconds = rows.Integer(kAskedLifetime);
  return seconds == std::numeric_limits<int64_t>::max() ? absl::InfiniteDuration() : absl::Seconds(seconds);
}
Value LifetimeValue(const std::optional<Duration>& lifetime) {
  if (!lifetime.has_value()) return nullptr;
  return absl::ToInt64Seconds(*lifetime);
}

std::optional<ClaimedDevice> ReadClaimed(const Rows& rows) {
  if (rows.IsNull(kDevice)) return std::nullopt;
  return ClaimedDevice{.lot = rows.Text(kLot),
                       .serial = rows.Text(kDeviceSerial),
                       .registration_id = rows.Text(kRegistrationId),
                       .replaced_authority = rows.Text(kReplacedAuthority),
                       .replaced_serial = rows.Blob(kReplacedSerial),
                       .revoke_replaced = rows.Integer(kRevokeReplaced) != 0};
}

Intent ReadIntent(const Rows& rows) {
  return {.caller = rows.Text(kCaller),
          .request_id = rows.Text(kRequestId),
          .request_digest = rows.Hash(kRequestDigest),
          .authority = rows.Text(kAuthority),
          .profile = rows.Text(kProfile),
          .profile_version = rows.Text(kProfileVersion),
          .serial = rows.Blob(kSerial),
          .subject = rows.Text(kSubject),
          .caseless_name = rows.Text(kCaselessName),
          .spki = rows.Hash(kSpki),
          .not_before = rows.Instant(kNotBefore),
          .not_after = rows.Instant(kNotAfter),
          .intended = rows.Instant(kIntended),
          .csr = rows.Blob(kCsr),
          .lifetime = ReadLifetime(rows),
          .device = ReadClaimed(rows),
          .draft = rows.Blob(kDraft),
          .crl_shard = rows.Integer(kCrlShard)};
}

// The intent as a row will give it back.
Intent InWholeSeconds(Intent intent) {
  intent.not_before = TruncateToSecond(intent.not_before);
  intent.not_after = TruncateToSecond(intent.not_after);
  intent.intended = TruncateToSecond(intent.intended);
  return intent;
}

Status CertificateUnknown(const std::string& authority, ByteView serial) {
  return Error(Code::kNotFound, reason::kCertificateUnknown,
               fmt::format("authority \"{}\" has issued no certificate with serial number {}; check both", authority,
                           Hex(serial)));
}

Status IntentUnknown(const Intent& intent) {
  return Error(Code::kNotFound, reason::kInternal,
               fmt::format("no intent of {} with request id \"{}\" for serial number {} of authority \"{}\" is on "
                           "record; this is a defect of Hallmark, please report it",
                           intent.caller, intent.request_id, Hex(intent.serial), intent.authority));
}

// Subjects as `intent` compares them.
std::string OtherSubject(const Intent& intent) {
  return fmt::format(
      "SELECT authority, serial, subject FROM certificates INDEXED BY certificates_by_key "
      "WHERE spki = ?1 AND subject <> ?2{} LIMIT 1",
      intent.caseless_name.empty() ? "" : " COLLATE NOCASE");
}
constexpr char kOtherSpelling[] =
    "SELECT authority, serial, subject FROM certificates INDEXED BY certificates_by_caseless_name "
    "WHERE caseless_name IS NOT NULL AND caseless_name = ?1 COLLATE NOCASE AND caseless_name <> ?1 LIMIT 1";

std::string ResourceName(const Rows& rows) {
  return fmt::format("authorities/{}/certificates/{}", rows.Text(0), Hex(rows.View(1)));
}

// Binds what an intent's row knows of the line that was claimed for it.
void BindLine(const std::optional<ClaimedLine>& line, std::vector<Value>& values) {
  if (!line.has_value()) {
    values.insert(values.end(), {nullptr, nullptr, nullptr, nullptr, nullptr, int64_t{0}});
    return;
  }
  values.insert(values.end(), {line->device.lot, line->device.serial, line->device.registration_id, line->id,
                               line->replaces.has_value() ? Value(*line->replaces) : Value(nullptr),
                               int64_t{line->device.revoke_replaced}});
}

constexpr char kByRequest[] = "caller = ?1 AND request_id = ?2";
constexpr char kIssuedBySerial[] = "authority = ?1 AND serial = ?2 AND certificate IS NOT NULL";
// Asked for every request, so composed once.
const std::string& SelectByRequest() {
  static const std::string sql = SelectWhere(kByRequest);
  return sql;
}
const std::string& SelectIssuedBySerial() {
  static const std::string sql = SelectWhere(kIssuedBySerial);
  return sql;
}

StatusOr<Intended> InsertIntent(Transaction& transaction, const Intent& intent,
                                const std::optional<ClaimedLine>& line) {
  std::vector<Value> values = {intent.caller,
                               intent.request_id,
                               ByteView(intent.request_digest),
                               intent.authority,
                               intent.profile,
                               intent.profile_version,
                               ByteView(intent.serial),
                               intent.subject,
                               intent.caseless_name.empty() ? Value(nullptr) : Value(intent.caseless_name),
                               ByteView(intent.spki),
                               Seconds(intent.not_before),
                               Seconds(intent.not_after),
                               Seconds(intent.intended),
                               intent.csr.empty() ? Value(nullptr) : Value(ByteView(intent.csr)),
                               LifetimeValue(intent.lifetime),
                               ByteView(intent.draft)};
  BindLine(line, values);
  values.emplace_back(intent.crl_shard);
  RETURN_IF_ERROR(transaction.connection.Execute(
      "INSERT INTO certificates (caller, request_id, request_digest, authority, profile, profile_version, serial, "
      "subject, caseless_name, spki, not_before, not_after, intended, csr, asked_lifetime, draft, lot, device_serial, "
      "registration_id, device, replaces, revoke_replaced, crl_shard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
      "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23) ON CONFLICT DO NOTHING",
      values));
  if (transaction.connection.changes() == 1) {
    RETURN_IF_ERROR(CheckKey(transaction.connection, intent));
    if (intent.crl_shard != 0) {
      RETURN_IF_ERROR(transaction.connection.Execute(
          "INSERT INTO crl_shards (authority, shard) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
          {intent.authority, intent.crl_shard}));
    }
    Intended intended{InWholeSeconds(intent), std::nullopt};
    if (line.has_value()) intended.intent.device = line->device;
    return intended;
  }
  ASSIGN_OR_RETURN(std::optional<Intended> earlier,
                   FindRequest(transaction.connection, intent.caller, intent.request_id, intent.request_digest));
  if (earlier.has_value()) return *std::move(earlier);
  return Error(Code::kAborted, reason::kStoreSerialCollision,
               fmt::format("authority \"{}\" has used serial number {} before; draw another one", intent.authority,
                           Hex(intent.serial)));
}

// Whoever was put out since it was identified has nothing intended any more.
Status CheckCaller(Connection& connection, const Intent& intent) {
  ASSIGN_OR_RETURN(const std::optional<SuspensionRecord> suspension, FindSuspension(connection, intent.caller));
  if (suspension.has_value()) {
    return Error(Code::kUnauthenticated, reason::kCallerSuspended,
                 fmt::format("{} was suspended on {}; ask an operator, who can resume it", intent.caller,
                             Rfc3339(suspension->suspended)));
  }
  if (intent.caller_serial.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      Rows rows, connection.Query("SELECT 1 FROM certificates WHERE authority = ?1 AND serial = ?2 AND revoked IS NOT "
                                  "NULL",
                                  {intent.caller_authority, ByteView(intent.caller_serial)}));
  ASSIGN_OR_RETURN(const bool revoked, rows.Next());
  if (!revoked) return absl::OkStatus();
  return Error(Code::kUnauthenticated, reason::kCallerRevoked,
               fmt::format("the certificate of {} was revoked; ask an operator for a new one", intent.caller));
}

// The number of the next change of revocation in the shard of row `id`.
StatusOr<int64_t> NextChange(Connection& connection, int64_t id, const std::string& authority) {
  return connection.QueryInteger(
      "INSERT INTO crl_shards (authority, shard, revocations) SELECT ?1, crl_shard, 1 FROM certificates WHERE id = ?2 "
      "ON CONFLICT (authority, shard) DO UPDATE SET revocations = revocations + 1 RETURNING revocations",
      {authority, id});
}

// Revokes the certificate of row `id`, whose revocation so far gives way; `time` is that of the act. Returns the number
// of the change.
StatusOr<int64_t> RevokeRow(Transaction& transaction, int64_t id, const std::string& authority,
                            const Revocation& revocation, Time time, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(const int64_t change, NextChange(connection, id, authority));
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE certificates SET revoked = ?2, revocation_reason = ?3, revoked_by = ?4, invalidity_date = ?5, "
      "revocation_change = ?6 WHERE id = ?1",
      {id, Seconds(revocation.revoked), static_cast<int64_t>(revocation.reason), revocation.revoked_by,
       revocation.invalidity.has_value() ? Value(Seconds(*revocation.invalidity)) : Value(nullptr), change}));
  RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, time).status());
  if (IsCompromise(revocation.reason)) {
    RETURN_IF_ERROR(
        connection.Execute("INSERT OR IGNORE INTO compromised_keys (spki, compromised, authority, serial) "
                           "SELECT spki, ?2, authority, serial FROM certificates WHERE id = ?1",
                           {id, Seconds(time)}));
  }
  if (revocation.reason != RevocationReason::kCertificateHold) RETURN_IF_ERROR(NoteRevoked(transaction, id));
  RETURN_IF_ERROR(QueueCertificate(connection, id, time));
  return change;
}

// What becomes of a revocation that stands when another is asked for; nothing: it stays.
StatusOr<std::optional<Revocation>> Changed(const std::optional<Revocation>& stands, const Revocation& asked) {
  if (!stands.has_value()) return std::optional(asked);
  const bool on_hold = stands->reason == RevocationReason::kCertificateHold;
  if (asked.reason == RevocationReason::kCertificateHold && !on_hold) {
    return Error(Code::kFailedPrecondition, reason::kRevokedForEver,
                 fmt::format("it was revoked for ever on {} and cannot be put on hold", Rfc3339(stands->revoked)));
  }
  if (!GivesWay(stands->reason, asked.reason)) return std::optional<Revocation>();
  Revocation changed = asked;
  changed.revoked = stands->revoked;
  if (!changed.invalidity.has_value()) changed.invalidity = stands->invalidity;
  return std::optional(changed);
}

// The certificate that the one of row `id` takes the place of, unless it is revoked.
Status RevokeReplaced(Transaction& transaction, int64_t id, const ReplacedCertificate& replaced) {
  std::string authority;
  int64_t before = 0;
  {
    ASSIGN_OR_RETURN(Rows rows, transaction.connection.Query(
                                    "SELECT r.id, r.authority FROM certificates c JOIN certificates r ON r.id = "
                                    "c.replaces WHERE c.id = ?1 AND (r.revoked IS NULL OR r.revocation_reason = 6)",
                                    {id}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return absl::OkStatus();
    before = rows.Integer(0);
    authority = rows.Text(1);
  }
  ASSIGN_OR_RETURN(Rows rows, transaction.connection.Query(
                                  "SELECT revoked, invalidity_date FROM certificates WHERE id = ?1", {before}));
  RETURN_IF_ERROR(rows.Next().status());
  Revocation revocation = replaced.revocation;
  if (!rows.IsNull(0)) revocation.revoked = rows.Instant(0);  // held since
  if (!rows.IsNull(1)) revocation.invalidity = rows.Instant(1);
  return RevokeRow(transaction, before, authority, revocation, replaced.revocation.revoked, replaced.ledger_entry)
      .status();
}

}  // namespace

std::string CertificateColumns() {
  return "caller, request_id, request_digest, authority, profile, profile_version, serial, subject, caseless_name, "
         "spki, "
         "not_before, not_after, intended, csr, asked_lifetime, leaf_index, issued, revoked, revocation_reason, "
         "revoked_by, draft, certificate, id, lot, device_serial, registration_id, "
         "(SELECT r.authority FROM certificates r WHERE r.id = certificates.replaces), "
         "(SELECT r.serial FROM certificates r WHERE r.id = certificates.replaces), revoke_replaced, device, "
         "invalidity_date, crl_shard, revocation_change";
}

CertificateRecord ReadCertificate(const Rows& rows) {
  CertificateRecord record{.authority = rows.Text(kAuthority),
                           .serial = rows.Blob(kSerial),
                           .profile = rows.Text(kProfile),
                           .profile_version = rows.Text(kProfileVersion),
                           .subject = rows.Text(kSubject),
                           .spki = rows.Hash(kSpki),
                           .not_before = rows.Instant(kNotBefore),
                           .not_after = rows.Instant(kNotAfter),
                           .intended = rows.Instant(kIntended),
                           .issued = rows.Instant(kIssued),
                           .caller = rows.Text(kCaller),
                           .request_id = rows.Text(kRequestId),
                           .csr = rows.Blob(kCsr),
                           .lifetime = ReadLifetime(rows),
                           .certificate = rows.Blob(kCertificate),
                           .leaf_index = static_cast<uint64_t>(rows.Integer(kLeafIndex)),
                           .revocation = std::nullopt,
                           .device = ReadClaimed(rows),
                           .crl_shard = rows.Integer(kCrlShard),
                           .revocation_change = static_cast<uint64_t>(rows.Integer(kRevocationChange))};
  if (!rows.IsNull(kRevoked)) {
    record.revocation = Revocation{.revoked = rows.Instant(kRevoked),
                                   .reason = static_cast<RevocationReason>(rows.Integer(kRevocationReason)),
                                   .revoked_by = rows.Text(kRevokedBy)};
    if (!rows.IsNull(kInvalidity)) record.revocation->invalidity = rows.Instant(kInvalidity);
  }
  return record;
}

StatusOr<std::optional<Intended>> FindRequest(Connection& connection, const std::string& caller,
                                              const std::string& request_id, const Digest& request_digest) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectByRequest(), {caller, request_id}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return std::optional<Intended>();
  if (rows.Hash(kRequestDigest) != request_digest) {
    return Error(Code::kAlreadyExists, reason::kRequestIdReused,
                 fmt::format("{} has used request id \"{}\" at {} for other content; send new content under a new "
                             "request id, and the same content to repeat a request",
                             caller, request_id, Rfc3339(rows.Instant(kIntended))));
  }
  Intended intended{.intent = ReadIntent(rows), .certificate = std::nullopt};
  if (!rows.IsNull(kCertificate)) intended.certificate = ReadCertificate(rows);
  return std::optional<Intended>(std::move(intended));
}

Status CheckKey(Connection& connection, const Intent& intent) {
  {
    ASSIGN_OR_RETURN(Rows rows, connection.Query("SELECT compromised, authority, serial FROM compromised_keys WHERE "
                                                 "spki = ?1",
                                                 {ByteView(intent.spki)}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (found) {
      return Error(Code::kFailedPrecondition, reason::kKeyCompromised,
                   fmt::format("the key was reported as compromised on {}, with authorities/{}/certificates/{}, and is "
                               "certified no more; generate a new key on the device",
                               Rfc3339(rows.Instant(0)), rows.Text(1), Hex(rows.View(2))));
    }
  }
  {
    ASSIGN_OR_RETURN(Rows rows, connection.Query(OtherSubject(intent), {ByteView(intent.spki), intent.subject}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (found) {
      return Error(
          Code::kFailedPrecondition, reason::kKeyCertifiedForAnother,
          fmt::format("the key of \"{}\" is that of \"{}\" already, in {}; one key is one device's: generate a "
                      "new key on the device and ask with that",
                      intent.subject, rows.Text(2), ResourceName(rows)));
    }
  }
  if (intent.caseless_name.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Rows rows, connection.Query(kOtherSpelling, {intent.caseless_name}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kSubjectDiffersByCase,
               fmt::format("\"{}\" differs only by case from \"{}\", in {}, and would be taken for the same device; "
                           "spell the CN as it is there, or choose another",
                           intent.subject, rows.Text(2), ResourceName(rows)));
}

StatusOr<Intended> Intend(Transaction& transaction, const Intent& intent, const Claim* claim) {
  RETURN_IF_ERROR(CheckCaller(transaction.connection, intent));
  if (claim == nullptr) return InsertIntent(transaction, intent, std::nullopt);
  // A repeated request has claimed its line before.
  ASSIGN_OR_RETURN(std::optional<Intended> earlier,
                   FindRequest(transaction.connection, intent.caller, intent.request_id, intent.request_digest));
  if (earlier.has_value()) return *std::move(earlier);
  ASSIGN_OR_RETURN(const ClaimedLine line, ClaimLine(transaction, *claim, intent.caller));
  return InsertIntent(transaction, intent, line);
}

StatusOr<CertificateRecord> Record(Transaction& transaction, const Intent& intent, ByteView certificate, Time issued,
                                   const std::string& ledger_entry,
                                   const std::optional<ReplacedCertificate>& replaced) {
  CertificateRecord record;
  int64_t id = 0;
  int64_t device = 0;
  {
    ASSIGN_OR_RETURN(Rows rows, transaction.connection.Query(SelectByRequest(), {intent.caller, intent.request_id}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return IntentUnknown(intent);
    record = ReadCertificate(rows);
    if (record.authority != intent.authority || record.serial != intent.serial) return IntentUnknown(intent);
    if (!rows.IsNull(kCertificate)) return record;
    id = rows.Integer(kId);
    device = rows.IsNull(kDevice) ? 0 : rows.Integer(kDevice);
  }
  ASSIGN_OR_RETURN(record.leaf_index, AppendLeaf(transaction, ledger_entry, issued));
  RETURN_IF_ERROR(transaction.connection.Execute(
      "UPDATE certificates SET leaf_index = ?2, issued = ?3, certificate = ?4, draft = NULL WHERE id = ?1",
      {id, static_cast<int64_t>(record.leaf_index), Seconds(issued), certificate}));
  if (device != 0) RETURN_IF_ERROR(NoteIssued(transaction, device, id, issued));
  if (replaced.has_value()) RETURN_IF_ERROR(RevokeReplaced(transaction, id, *replaced));
  if (!intent.caseless_name.empty()) {
    RETURN_IF_ERROR(QueueReissued(transaction.connection, intent.authority, intent.caseless_name, issued));
  }
  record.issued = TruncateToSecond(issued);
  record.certificate = ToBytes(certificate);
  return record;
}

StatusOr<std::vector<Intent>> OpenIntents(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere("certificate IS NULL ORDER BY id")));
  return ReadAll(rows, ReadIntent);
}

StatusOr<CertificateRecord> GetCertificate(Connection& connection, const std::string& authority, ByteView serial) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectIssuedBySerial(), {authority, serial}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return CertificateUnknown(authority, serial);
  return ReadCertificate(rows);
}

StatusOr<std::optional<Revocation>> FindRevocation(Connection& connection,
                                                   const std::vector<CertificateId>& certificates) {
  for (const CertificateId& certificate : certificates) {
    ASSIGN_OR_RETURN(Rows rows,
                     connection.Query("SELECT revoked, revocation_reason, revoked_by FROM certificates WHERE "
                                      "authority = ?1 AND serial = ?2 AND certificate IS NOT NULL",
                                      {certificate.authority, ByteView(certificate.serial)}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return CertificateUnknown(certificate.authority, certificate.serial);
    if (!rows.IsNull(0)) {
      return Revocation{.revoked = rows.Instant(0),
                        .reason = static_cast<RevocationReason>(rows.Integer(1)),
                        .revoked_by = rows.Text(2)};
    }
  }
  return std::optional<Revocation>();
}

StatusOr<CertificateRecord> Revoke(Transaction& transaction, const std::string& authority, ByteView serial,
                                   const Revocation& revocation, const std::string& ledger_entry) {
  CertificateRecord record;
  int64_t id = 0;
  {
    ASSIGN_OR_RETURN(Rows rows, transaction.connection.Query(SelectIssuedBySerial(), {authority, serial}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return CertificateUnknown(authority, serial);
    record = ReadCertificate(rows);
    id = rows.Integer(kId);
  }
  const StatusOr<std::optional<Revocation>> changed = Changed(record.revocation, revocation);
  if (!changed.ok()) return Annotate(changed.status(), "certificate " + Hex(serial));
  if (!changed->has_value()) return record;
  ASSIGN_OR_RETURN(const int64_t change,
                   RevokeRow(transaction, id, authority, **changed, revocation.revoked, ledger_entry));
  record.revocation_change = static_cast<uint64_t>(change);
  record.revocation = **changed;
  record.revocation->revoked = TruncateToSecond(record.revocation->revoked);
  return record;
}

StatusOr<CertificateRecord> Release(Transaction& transaction, const std::string& authority, ByteView serial,
                                    const hallmark::Release& release, const std::string& ledger_entry) {
  CertificateRecord record;
  int64_t id = 0;
  {
    ASSIGN_OR_RETURN(Rows rows, transaction.connection.Query(SelectIssuedBySerial(), {authority, serial}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return CertificateUnknown(authority, serial);
    record = ReadCertificate(rows);
    id = rows.Integer(kId);
  }
  if (!record.revocation.has_value() || record.revocation->reason != RevocationReason::kCertificateHold) {
    return Error(Code::kFailedPrecondition, reason::kNotOnHold,
                 record.revocation.has_value()
                     ? fmt::format("certificate {} was revoked for ever on {} and cannot be released", Hex(serial),
                                   Rfc3339(record.revocation->revoked))
                     : fmt::format("certificate {} is not on hold; there is nothing to release", Hex(serial)));
  }
  ASSIGN_OR_RETURN(const int64_t change, NextChange(transaction.connection, id, authority));
  RETURN_IF_ERROR(transaction.connection.Execute(
      "UPDATE certificates SET revoked = NULL, revocation_reason = NULL, revoked_by = NULL, invalidity_date = NULL, "
      "revocation_change = ?2 WHERE id = ?1",
      {id, change}));
  RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, release.released).status());
  RETURN_IF_ERROR(QueueCertificate(transaction.connection, id, release.released));
  record.revocation_change = static_cast<uint64_t>(change);
  record.revocation.reset();
  return record;
}

}  // namespace hallmark::sqlite
