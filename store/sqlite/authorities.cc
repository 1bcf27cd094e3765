#include "store/sqlite/authorities.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "store/sqlite/certificates.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/mass_revocations.h"
#include "store/sqlite/publication.h"

namespace hallmark::sqlite {
namespace {

constexpr char kSelect[] =
    "SELECT a.authority, a.parent, a.state, a.profile, a.key_uris, a.signature_algorithm, a.subject, a.certificate, "
    "a.created, a.external_chain, a.earlier_certificates, a.predecessor, s.authority, a.profiles, a.caller, "
    "a.request_id, a.request_digest, a.version "
    "FROM authorities a LEFT JOIN authorities s ON s.predecessor = a.authority ";

StatusOr<AuthorityRecord> ReadAuthority(const Rows& rows) {
  AuthorityRecord record;
  record.authority = rows.Text(0);
  record.parent = rows.Text(1);
  record.state = static_cast<AuthorityState>(rows.Integer(2));
  record.profile = rows.Text(3);
  RETURN_IF_ERROR(ReadArray(rows.Text(4), record.key_uris));
  record.signature_algorithm = rows.Text(5);
  record.subject = rows.Blob(6);
  record.certificate = rows.Blob(7);
  record.created = rows.Instant(8);
  RETURN_IF_ERROR(ReadArray(rows.Text(9), record.external_chain));
  RETURN_IF_ERROR(ReadArray(rows.Text(10), record.earlier_certificates));
  record.predecessor = rows.Text(11);
  record.successor = rows.Text(12);
  RETURN_IF_ERROR(ReadArray(rows.Text(13), record.profiles));
  record.caller = rows.Text(14);
  record.request_id = rows.Text(15);
  record.request_digest = rows.Hash(16);
  record.version = static_cast<uint64_t>(rows.Integer(17));
  return record;
}

Status AuthorityUnknown(const std::string& authority) {
  return Error(Code::kNotFound, reason::kAuthorityUnknown,
               fmt::format("there is no authority \"{}\"; list the authorities and correct the name", authority));
}

// Which of its constraints a row broke that could not be added.
Status Conflict(Connection& connection, const AuthorityRecord& authority) {
  ASSIGN_OR_RETURN(const int64_t taken, connection.QueryInteger("SELECT count(*) FROM authorities WHERE authority = ?1",
                                                                {authority.authority}));
  if (taken != 0) {
    return Error(Code::kAlreadyExists, reason::kAuthorityExists,
                 fmt::format("there is an authority \"{}\" already; choose another name", authority.authority));
  }
  ASSIGN_OR_RETURN(
      const int64_t succeeded,
      connection.QueryInteger("SELECT count(*) FROM authorities WHERE predecessor = ?1", {authority.predecessor}));
  if (succeeded != 0) {
    return Error(Code::kAlreadyExists, reason::kAuthorityExists,
                 fmt::format("authority \"{}\" has a successor already; roll that one over", authority.predecessor));
  }
  return Error(Code::kAlreadyExists, reason::kRequestIdReused,
               fmt::format("{} has asked for another authority under request id \"{}\"; ask under a new request id",
                           authority.caller, authority.request_id));
}

Status UpdateAuthority(Connection& connection, const AuthorityRecord& authority) {
  const std::string key_uris = ToArray(authority.key_uris);
  const std::string external_chain = ToArray(authority.external_chain);
  const std::string earlier_certificates = ToArray(authority.earlier_certificates);
  const std::string profiles = ToArray(authority.profiles);
  RETURN_IF_ERROR(connection.Execute(
      "UPDATE authorities SET parent = ?3, state = ?4, profile = ?5, key_uris = ?6, signature_algorithm = ?7, "
      "subject = ?8, certificate = ?9, external_chain = ?10, earlier_certificates = ?11, profiles = ?12, "
      "version = version + 1 WHERE authority = ?1 AND version = ?2",
      {authority.authority, static_cast<int64_t>(authority.version), authority.parent,
       static_cast<int64_t>(authority.state), authority.profile, key_uris, authority.signature_algorithm,
       ByteView(authority.subject), OrNull(authority.certificate), external_chain, earlier_certificates, profiles}));
  if (connection.changes() == 1) return absl::OkStatus();
  RETURN_IF_ERROR(GetAuthority(connection, authority.authority).status());
  return Error(Code::kAborted, reason::kAuthorityChanged,
               fmt::format("authority \"{}\" was changed by another since it was read; look at it and try again",
                           authority.authority));
}

}  // namespace

Status AddAuthority(Transaction& transaction, const AuthorityRecord& authority, const std::string& ledger_entry) {
  Connection& connection = transaction.connection;
  if (!authority.predecessor.empty()) RETURN_IF_ERROR(GetAuthority(connection, authority.predecessor).status());
  const std::string key_uris = ToArray(authority.key_uris);
  const std::string external_chain = ToArray(authority.external_chain);
  const std::string earlier_certificates = ToArray(authority.earlier_certificates);
  const std::string profiles = ToArray(authority.profiles);
  const bool asked = !authority.request_id.empty();
  RETURN_IF_ERROR(connection.Execute(
      "INSERT INTO authorities (authority, parent, state, profile, key_uris, signature_algorithm, subject, "
      "certificate, created, external_chain, earlier_certificates, predecessor, profiles, caller, request_id, "
      "request_digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "
      "ON CONFLICT DO NOTHING",
      {authority.authority, authority.parent, static_cast<int64_t>(authority.state), authority.profile, key_uris,
       authority.signature_algorithm, ByteView(authority.subject), OrNull(authority.certificate),
       Seconds(authority.created), external_chain, earlier_certificates, OrNull(authority.predecessor), profiles,
       asked ? Value(std::string_view(authority.caller)) : Value(nullptr), OrNull(authority.request_id),
       asked ? Value(ByteView(authority.request_digest)) : Value(nullptr)}));
  if (connection.changes() == 0) return Conflict(connection, authority);
  RETURN_IF_ERROR(ExtendTargets(connection, authority.created));
  return AppendLeaf(transaction, ledger_entry, authority.created).status();
}

Status UpdateAuthorities(Transaction& transaction, const std::vector<AuthorityRecord>& authorities,
                         const std::string& ledger_entry, Time time, const RevokedWithAuthorities& revoked) {
  for (const AuthorityRecord& authority : authorities) {
    RETURN_IF_ERROR(UpdateAuthority(transaction.connection, authority));
  }
  RETURN_IF_ERROR(ExtendTargets(transaction.connection, time));
  for (const AuthorityRecord& authority : authorities) {
    RETURN_IF_ERROR(QueueAuthority(transaction.connection, authority.authority, time));
  }
  for (const auto& [certificate, revocation, entry] : revoked.certificates) {
    RETURN_IF_ERROR(Revoke(transaction, certificate.authority, certificate.serial, revocation, entry).status());
  }
  for (const auto& [below, entry] : revoked.below) {
    RETURN_IF_ERROR(StartMassRevocation(transaction, below, entry).status());
  }
  if (ledger_entry.empty()) return absl::OkStatus();
  return AppendLeaf(transaction, ledger_entry, time).status();
}

StatusOr<AuthorityRecord> GetAuthority(Connection& connection, const std::string& authority) {
  static const std::string kByName = std::string(kSelect) + "WHERE a.authority = ?1";
  ASSIGN_OR_RETURN(Rows rows, connection.Query(kByName, {authority}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return AuthorityUnknown(authority);
  return ReadAuthority(rows);
}

StatusOr<std::vector<AuthorityRecord>> ListAuthorities(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query(std::string(kSelect) + "ORDER BY a.id"));
  std::vector<AuthorityRecord> authorities;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return authorities;
    ASSIGN_OR_RETURN(AuthorityRecord record, ReadAuthority(rows));
    authorities.push_back(std::move(record));
  }
}

}  // namespace hallmark::sqlite
