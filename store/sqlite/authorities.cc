#include "store/sqlite/authorities.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark::sqlite {

Status AddAuthority(Transaction& transaction, const AuthorityRecord& authority, const std::string& ledger_entry) {
  RETURN_IF_ERROR(transaction.connection.Execute(
      "INSERT INTO authorities (authority, parent, state, profile, key_uri, certificate, created) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
      {authority.authority, authority.parent, static_cast<int64_t>(authority.state), authority.profile,
       authority.key_uri, ByteView(authority.certificate), Seconds(authority.created)}));
  if (transaction.connection.changes() == 0) {
    return Error(Code::kAlreadyExists, reason::kAuthorityExists,
                 fmt::format("there is an authority \"{}\" already; choose another name", authority.authority));
  }
  return AppendLeaf(transaction, ledger_entry, authority.created).status();
}

StatusOr<std::vector<AuthorityRecord>> ListAuthorities(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows,
                   connection.Query("SELECT authority, parent, state, profile, key_uri, certificate, created "
                                    "FROM authorities ORDER BY id"));
  std::vector<AuthorityRecord> authorities;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return authorities;
    authorities.push_back({.authority = rows.Text(0),
                           .parent = rows.Text(1),
                           .state = static_cast<AuthorityState>(rows.Integer(2)),
                           .profile = rows.Text(3),
                           .key_uri = rows.Text(4),
                           .certificate = rows.Blob(5),
                           .created = rows.Instant(6)});
  }
}

}  // namespace hallmark::sqlite
