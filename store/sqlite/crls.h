// Revocations as a CRL needs them, and the CRLs. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "store/records.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

StatusOr<uint64_t> RevocationCount(Connection& connection, const std::string& authority);
StatusOr<std::map<int64_t, uint64_t>> CountShards(Connection& connection, const std::string& authority);
StatusOr<uint64_t> ForEachRevoked(Connection& connection, const std::string& authority, int64_t shard,
                                  Time expires_from, const std::function<void(const RevokedCertificate&)>& visit);
StatusOr<uint64_t> ForEachChanged(Connection& connection, const std::string& authority, int64_t shard, uint64_t since,
                                  const std::function<void(const RevokedCertificate&)>& visit);
// SHA-256 of a list's to-be-signed part (RFC 5280 5.1), signed or not; of what is no list, of all of it.
Digest TbsSha256(ByteView list);
StatusOr<uint64_t> NextCrlNumber(Transaction& transaction, const std::string& authority);
Status IntendCrl(Transaction& transaction, const CrlRecord& crl);
Status RecordCrl(Transaction& transaction, const std::string& authority, uint64_t number, ByteView crl,
                 const std::string& ledger_entry);
StatusOr<CrlRecord> LatestCrl(Connection& connection, const std::string& authority, const CrlScope& scope);
StatusOr<std::map<CrlScope, CrlRecord>> LatestCrls(Connection& connection, const std::string& authority);

}  // namespace hallmark::sqlite
