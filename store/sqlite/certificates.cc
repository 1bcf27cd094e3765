#include "store/sqlite/certificates.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark::sqlite {
namespace {

enum Column {
  kCaller,
  kRequestId,
  kRequestDigest,
  kAuthority,
  kProfile,
  kSerial,
  kSubject,
  kSpki,
  kNotBefore,
  kNotAfter,
  kIntended,
  kLeafIndex,
  kIssued,
  kRevoked,
  kRevocationReason,
  kRevokedBy,
  kDraft,
  kCertificate,
  kId,
};

std::string SelectWhere(const char* condition) {
  return "SELECT " + CertificateColumns() + " FROM certificates WHERE " + condition;
}

Intent ReadIntent(const Rows& rows) {
  return {.caller = rows.Text(kCaller),
          .request_id = rows.Text(kRequestId),
          .request_digest = rows.Hash(kRequestDigest),
          .authority = rows.Text(kAuthority),
          .profile = rows.Text(kProfile),
          .serial = rows.Blob(kSerial),
          .subject = rows.Text(kSubject),
          .spki = rows.Hash(kSpki),
          .not_before = rows.Instant(kNotBefore),
          .not_after = rows.Instant(kNotAfter),
          .intended = rows.Instant(kIntended),
          .draft = rows.Blob(kDraft)};
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

constexpr char kByRequest[] = "caller = ?1 AND request_id = ?2";
constexpr char kIssuedBySerial[] = "authority = ?1 AND serial = ?2 AND certificate IS NOT NULL";

}  // namespace

std::string CertificateColumns() {
  return "caller, request_id, request_digest, authority, profile, serial, subject, spki, not_before, not_after, "
         "intended, leaf_index, issued, revoked, revocation_reason, revoked_by, draft, certificate, id";
}

CertificateRecord ReadCertificate(const Rows& rows) {
  CertificateRecord record{.authority = rows.Text(kAuthority),
                           .serial = rows.Blob(kSerial),
                           .profile = rows.Text(kProfile),
                           .subject = rows.Text(kSubject),
                           .spki = rows.Hash(kSpki),
                           .not_before = rows.Instant(kNotBefore),
                           .not_after = rows.Instant(kNotAfter),
                           .issued = rows.Instant(kIssued),
                           .caller = rows.Text(kCaller),
                           .request_id = rows.Text(kRequestId),
                           .certificate = rows.Blob(kCertificate),
                           .leaf_index = static_cast<uint64_t>(rows.Integer(kLeafIndex)),
                           .revocation = std::nullopt};
  if (!rows.IsNull(kRevoked)) {
    record.revocation = Revocation{.revoked = rows.Instant(kRevoked),
                                   .reason = static_cast<RevocationReason>(rows.Integer(kRevocationReason)),
                                   .revoked_by = rows.Text(kRevokedBy)};
  }
  return record;
}

StatusOr<std::optional<Intended>> FindRequest(Connection& connection, const std::string& caller,
                                              const std::string& request_id, const Digest& request_digest) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere(kByRequest), {caller, request_id}));
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

StatusOr<Intended> Intend(Transaction& transaction, const Intent& intent) {
  RETURN_IF_ERROR(transaction.connection.Execute(
      "INSERT INTO certificates (caller, request_id, request_digest, authority, profile, serial, subject, spki, "
      "not_before, not_after, intended, draft) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
      "ON CONFLICT DO NOTHING",
      {intent.caller, intent.request_id, ByteView(intent.request_digest), intent.authority, intent.profile,
       ByteView(intent.serial), intent.subject, ByteView(intent.spki), Seconds(intent.not_before),
       Seconds(intent.not_after), Seconds(intent.intended), ByteView(intent.draft)}));
  if (transaction.connection.changes() == 1) return Intended{InWholeSeconds(intent), std::nullopt};
  ASSIGN_OR_RETURN(std::optional<Intended> earlier,
                   FindRequest(transaction.connection, intent.caller, intent.request_id, intent.request_digest));
  if (earlier.has_value()) return *std::move(earlier);
  return Error(Code::kAborted, reason::kStoreSerialCollision,
               fmt::format("authority \"{}\" has used serial number {} before; draw another one", intent.authority,
                           Hex(intent.serial)));
}

StatusOr<CertificateRecord> Record(Transaction& transaction, const Intent& intent, ByteView certificate, Time issued,
                                   const std::string& ledger_entry) {
  CertificateRecord record;
  int64_t id = 0;
  {
    ASSIGN_OR_RETURN(Rows rows,
                     transaction.connection.Query(SelectWhere(kByRequest), {intent.caller, intent.request_id}));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return IntentUnknown(intent);
    record = ReadCertificate(rows);
    if (record.authority != intent.authority || record.serial != intent.serial) return IntentUnknown(intent);
    if (!rows.IsNull(kCertificate)) return record;
    id = rows.Integer(kId);
  }
  ASSIGN_OR_RETURN(record.leaf_index, AppendLeaf(transaction, ledger_entry, issued));
  RETURN_IF_ERROR(transaction.connection.Execute(
      "UPDATE certificates SET leaf_index = ?2, issued = ?3, certificate = ?4, draft = NULL WHERE id = ?1",
      {id, static_cast<int64_t>(record.leaf_index), Seconds(issued), certificate}));
  record.issued = TruncateToSecond(issued);
  record.certificate = ToBytes(certificate);
  return record;
}

StatusOr<std::vector<Intent>> OpenIntents(Connection& connection) {
  std::vector<Intent> intents;
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere("certificate IS NULL ORDER BY id")));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return intents;
    intents.push_back(ReadIntent(rows));
  }
}

StatusOr<CertificateRecord> GetCertificate(Connection& connection, const std::string& authority, ByteView serial) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(SelectWhere(kIssuedBySerial), {authority, serial}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return CertificateUnknown(authority, serial);
  return ReadCertificate(rows);
}

StatusOr<CertificateRecord> Revoke(Transaction& transaction, const std::string& authority, ByteView serial,
                                   const Revocation& revocation, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  ASSIGN_OR_RETURN(CertificateRecord record, GetCertificate(connection, authority, serial));
  if (record.revocation.has_value()) return record;
  RETURN_IF_ERROR(
      connection.Execute("UPDATE certificates SET revoked = ?3, revocation_reason = ?4, revoked_by = ?5 "
                         "WHERE authority = ?1 AND serial = ?2",
                         {authority, serial, Seconds(revocation.revoked), static_cast<int64_t>(revocation.reason),
                          revocation.revoked_by}));
  RETURN_IF_ERROR(
      connection.Execute("INSERT INTO counters (authority, revocations) VALUES (?1, 1) "
                         "ON CONFLICT (authority) DO UPDATE SET revocations = revocations + 1",
                         {authority}));
  RETURN_IF_ERROR(AppendLeaf(transaction, ledger_entry, revocation.revoked).status());
  record.revocation = revocation;
  record.revocation->revoked = TruncateToSecond(revocation.revoked);
  return record;
}

}  // namespace hallmark::sqlite
