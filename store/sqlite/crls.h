// Revocations as a CRL needs them, and the CRLs. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <functional>
#include <string>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

StatusOr<uint64_t> RevocationCount(Connection& connection, const std::string& authority);
StatusOr<uint64_t> ForEachRevoked(Connection& connection, const std::string& authority, Time expires_from,
                                  const std::function<void(const RevokedCertificate&)>& visit);
StatusOr<uint64_t> NextCrlNumber(Transaction& transaction, const std::string& authority);
Status IntendCrl(Transaction& transaction, const CrlRecord& crl);
Status RecordCrl(Transaction& transaction, const std::string& authority, uint64_t number, ByteView crl,
                 const std::string& ledger_entry);
StatusOr<CrlRecord> LatestCrl(Connection& connection, const std::string& authority);

}  // namespace hallmark::sqlite
