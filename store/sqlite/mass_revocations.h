// Revocations of many certificates. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "store/sqlite/ledger_table.h"
#include "store/store.h"

namespace hallmark::sqlite {

StatusOr<MassRevocationRecord> StartMassRevocation(Transaction& transaction, const MassRevocationRecord& asked,
                                                   const std::string& ledger_entry);
StatusOr<std::vector<CertificateRecord>> StepMassRevocation(Transaction& transaction, MassRevocationRecord& before,
                                                            const std::vector<CertificateRevocation>& certificates,
                                                            const std::string& next_position, Time now,
                                                            const MassRevocationEntry& done_entry);
StatusOr<MassRevocationRecord> StopMassRevocation(Transaction& transaction, const std::string& revocation,
                                                  const std::string& caller, Time now, const std::string& ledger_entry);
StatusOr<MassRevocationRecord> GetMassRevocation(Connection& connection, const std::string& revocation);
StatusOr<std::vector<MassRevocationRecord>> ListMassRevocations(Connection& connection, size_t count);
StatusOr<std::vector<MassRevocationRecord>> RunningMassRevocations(Connection& connection);

}  // namespace hallmark::sqlite
