// Intents and the certificates that they become: one row for both. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"
#include "store/store.h"

namespace hallmark::sqlite {

StatusOr<std::optional<Intended>> FindRequest(Connection& connection, const std::string& caller,
                                              const std::string& request_id, const Digest& request_digest);
Status CheckKey(Connection& connection, const Intent& intent);
StatusOr<Intended> Intend(Transaction& transaction, const Intent& intent, const Claim* claim);
StatusOr<CertificateRecord> Record(Transaction& transaction, const Intent& intent, ByteView certificate, Time issued,
                                   const std::string& ledger_entry, const std::optional<ReplacedCertificate>& replaced);
StatusOr<std::vector<Intent>> OpenIntents(Connection& connection);
StatusOr<CertificateRecord> GetCertificate(Connection& connection, const std::string& authority, ByteView serial);
StatusOr<std::optional<Revocation>> FindRevocation(Connection& connection,
                                                   const std::vector<CertificateId>& certificates);
StatusOr<CertificateRecord> Release(Transaction& transaction, const std::string& authority, ByteView serial,
                                    const hallmark::Release& release, const std::string& ledger_entry);
StatusOr<CertificateRecord> Revoke(Transaction& transaction, const std::string& authority, ByteView serial,
                                   const Revocation& revocation, const std::string& ledger_entry);

// The columns of `certificates` that ReadIntent and ReadCertificate read, for a SELECT.
std::string CertificateColumns();
CertificateRecord ReadCertificate(const Rows& rows);

}  // namespace hallmark::sqlite
