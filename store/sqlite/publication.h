// Targets, the outbox, and what stands in targets. Private to store/sqlite; the contract is store/publication.h's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/publication.h"
#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

Status AddTarget(Transaction& transaction, const TargetRecord& target, const std::string& ledger_entry);
Status UpdateTarget(Transaction& transaction, const TargetRecord& target, const std::string& ledger_entry);
Status RemoveTarget(Transaction& transaction, const std::string& target, Time time, const std::string& ledger_entry);
StatusOr<TargetRecord> GetTarget(Connection& connection, const std::string& target);
StatusOr<std::vector<TargetRecord>> ListTargets(Connection& connection);

Status QueueChain(Transaction& transaction, const std::string& target, bool take_over, Time now,
                  const std::string& ledger_entry);
Status QueueWork(Transaction& transaction, const std::string& target, WorkKind kind,
                 const std::vector<std::string>& keys, Time now);
Status QueueReviews(Transaction& transaction, const std::string& target, const std::vector<std::string>& devices,
                    Time now);
StatusOr<std::string> QueueRevoked(Transaction& transaction, const std::string& target, const std::string& after,
                                   int count, Time now);
Status QueueCollections(Transaction& transaction, const std::string& target, Time now);
StatusOr<std::vector<WorkRecord>> DueWork(Connection& connection, const std::string& target, Time now, int count);
StatusOr<std::vector<WorkRecord>> DueDevices(Connection& connection, const std::string& target, Time now, int count);
StatusOr<bool> DevicesWait(Connection& connection, const std::string& target, Time queued_by,
                           const std::string& but_for);
StatusOr<std::vector<WorkRecord>> ListWork(Connection& connection, const std::string& target, bool parked_only,
                                           const WorkPlace& after, int count);
StatusOr<std::optional<WorkRecord>> FindWork(Connection& connection, const std::string& target, WorkKind kind,
                                             const std::string& key);
StatusOr<WorkCounts> CountWork(Connection& connection, const std::string& target);
Status FinishWork(Transaction& transaction, const std::vector<WorkRecord>& work, Time now);
Status PostponeWork(Transaction& transaction, const std::vector<WorkRecord>& work);
StatusOr<int64_t> RetryWork(Transaction& transaction, const std::string& target, Time now);

Status PutPublished(Transaction& transaction, const std::vector<PublishedRecord>& records, Time now,
                    const std::string& ledger_entry);
Status RemovePublished(Transaction& transaction, const std::vector<PublishedRecord>& records, Time now,
                       const std::string& ledger_entry);
StatusOr<std::optional<PublishedRecord>> FindPublished(Connection& connection, const std::string& target,
                                                       PublishedKind kind, const std::string& key);
StatusOr<std::vector<PublishedRecord>> ListPublished(Connection& connection, const std::string& target,
                                                     PublishedKind kind, const std::string& after, int count);
StatusOr<std::map<std::string, int64_t>> CountEnrollments(Connection& connection, const std::string& target);
StatusOr<std::vector<CertificateRecord>> CertificatesOfDevice(Connection& connection, const std::string& target,
                                                              const std::string& registration_id);

// For the mutations that work comes from.

// The certificate of row `id`, a device's or an authority's, was revoked or released.
Status QueueCertificate(Connection& connection, int64_t id, Time now);
// The device has another certificate; only where work or an enrollment is there of it.
Status QueueReissued(Connection& connection, const std::string& authority, const std::string& registration_id,
                     Time now);
Status QueueAuthority(Connection& connection, const std::string& authority, Time now);
// The devices of authorities that have a predecessor or a parent now whose devices are let in, are let in there, too;
// and those of them that are revoked are queued.
Status ExtendTargets(Connection& connection, Time now);

}  // namespace hallmark::sqlite
