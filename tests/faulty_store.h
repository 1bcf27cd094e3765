// A store whose n-th mutation fails: before it reached the disk, or after it did and the answer was lost. Everything
// else is the store's below.
#pragma once

#include <memory>

#include "base/reason.h"
#include "store/store.h"

namespace hallmark::testing {

struct StoreFault {
  int after = -1;     // this many mutations work; negative: all of them
  bool kept = false;  // what fails is on the disk all the same
  int mutations = 0;  // so far
};

class FaultyStore : public Store {
 public:
  FaultyStore(std::unique_ptr<Store> store, StoreFault& fault) : store_(std::move(store)), fault_(fault) {}

  Status AddAuthority(const AuthorityRecord& authority, const std::string& entry) override {
    return Mutate([&] { return store_->AddAuthority(authority, entry); });
  }
  Status UpdateAuthorities(const std::vector<AuthorityRecord>& authorities, const std::string& entry, Time time,
                           const RevokedWithAuthorities& revoked) override {
    return Mutate([&] { return store_->UpdateAuthorities(authorities, entry, time, revoked); });
  }
  StatusOr<AuthorityRecord> GetAuthority(const std::string& authority) override {
    return store_->GetAuthority(authority);
  }
  StatusOr<std::vector<AuthorityRecord>> ListAuthorities() override { return store_->ListAuthorities(); }
  StatusOr<std::optional<Intended>> FindRequest(const std::string& caller, const std::string& request_id,
                                                const Digest& digest) override {
    return store_->FindRequest(caller, request_id, digest);
  }
  StatusOr<Intended> Intend(const Intent& intent, const Claim* claim) override {
    return Mutate([&] { return store_->Intend(intent, claim); });
  }
  Status CheckKey(const Intent& intent) override { return store_->CheckKey(intent); }
  StatusOr<CertificateRecord> Record(const Intent& intent, ByteView certificate, Time issued, const std::string& entry,
                                     const std::optional<ReplacedCertificate>& replaced) override {
    return Mutate([&] { return store_->Record(intent, certificate, issued, entry, replaced); });
  }
  StatusOr<std::vector<Intent>> OpenIntents() override { return store_->OpenIntents(); }
  StatusOr<CertificateRecord> GetCertificate(const std::string& authority, ByteView serial) override {
    return store_->GetCertificate(authority, serial);
  }
  StatusOr<std::optional<Revocation>> FindRevocation(const std::vector<CertificateId>& certificates) override {
    return store_->FindRevocation(certificates);
  }
  StatusOr<Page<CertificateRecord>> ListCertificates(const CertificateFilter& filter, int page_size,
                                                     const std::string& page_token) override {
    return store_->ListCertificates(filter, page_size, page_token);
  }
  StatusOr<std::vector<CertificateCount>> CountCertificates(const CertificateFilter& filter, Time now) override {
    return store_->CountCertificates(filter, now);
  }
  StatusOr<MassRevocationRecord> StartMassRevocation(const MassRevocationRecord& asked,
                                                     const std::string& entry) override {
    return Mutate([&] { return store_->StartMassRevocation(asked, entry); });
  }
  StatusOr<std::vector<CertificateRecord>> StepMassRevocation(MassRevocationRecord& before,
                                                              const std::vector<CertificateRevocation>& certificates,
                                                              const std::string& next_position, Time now,
                                                              const MassRevocationEntry& done_entry) override {
    return Mutate([&] { return store_->StepMassRevocation(before, certificates, next_position, now, done_entry); });
  }
  StatusOr<MassRevocationRecord> StopMassRevocation(const std::string& revocation, const std::string& caller, Time now,
                                                    const std::string& entry) override {
    return Mutate([&] { return store_->StopMassRevocation(revocation, caller, now, entry); });
  }
  StatusOr<MassRevocationRecord> GetMassRevocation(const std::string& revocation) override {
    return store_->GetMassRevocation(revocation);
  }
  StatusOr<std::vector<MassRevocationRecord>> ListMassRevocations(size_t count) override {
    return store_->ListMassRevocations(count);
  }
  StatusOr<std::vector<MassRevocationRecord>> RunningMassRevocations() override {
    return store_->RunningMassRevocations();
  }
  Status ImportCrl(const ImportedCrlRecord& crl, const std::vector<AuthorityRecord>& authorities,
                   const std::string& entry) override {
    return Mutate([&] { return store_->ImportCrl(crl, authorities, entry); });
  }
  StatusOr<ImportedCrlRecord> GetImportedCrl(const std::string& name) override { return store_->GetImportedCrl(name); }
  StatusOr<std::vector<ImportedCrlRecord>> ListImportedCrls() override { return store_->ListImportedCrls(); }
  StatusOr<CertificateRecord> Release(const std::string& authority, ByteView serial, const hallmark::Release& release,
                                      const std::string& entry) override {
    return Mutate([&] { return store_->Release(authority, serial, release, entry); });
  }
  StatusOr<CertificateRecord> Revoke(const std::string& authority, ByteView serial, const Revocation& revocation,
                                     const std::string& entry) override {
    return Mutate([&] { return store_->Revoke(authority, serial, revocation, entry); });
  }
  StatusOr<uint64_t> RevocationCount(const std::string& authority) override {
    return store_->RevocationCount(authority);
  }
  StatusOr<std::map<int64_t, uint64_t>> CountShards(const std::string& authority) override {
    return store_->CountShards(authority);
  }
  StatusOr<uint64_t> ForEachRevoked(const std::string& authority, Time expires_from,
                                    const std::function<void(const RevokedCertificate&)>& visit,
                                    int64_t shard) override {
    return store_->ForEachRevoked(authority, expires_from, visit, shard);
  }
  StatusOr<uint64_t> ForEachChanged(const std::string& authority, int64_t shard, uint64_t since,
                                    const std::function<void(const RevokedCertificate&)>& visit) override {
    return store_->ForEachChanged(authority, shard, since, visit);
  }
  StatusOr<uint64_t> NextCrlNumber(const std::string& authority) override {
    return Mutate([&] { return store_->NextCrlNumber(authority); });
  }
  Status IntendCrl(const CrlRecord& crl) override {
    return Mutate([&] { return store_->IntendCrl(crl); });
  }
  Status RecordCrl(const std::string& authority, uint64_t number, ByteView crl, const std::string& entry) override {
    return Mutate([&] { return store_->RecordCrl(authority, number, crl, entry); });
  }
  StatusOr<CrlRecord> LatestCrl(const std::string& authority, const CrlScope& scope) override {
    return store_->LatestCrl(authority, scope);
  }
  StatusOr<std::map<CrlScope, CrlRecord>> LatestCrls(const std::string& authority) override {
    return store_->LatestCrls(authority);
  }
  StatusOr<std::vector<PolicyRecord>> LoadPolicies(const std::vector<PolicyRecord>& policies, Time time) override {
    return Mutate([&] { return store_->LoadPolicies(policies, time); });
  }
  StatusOr<PolicyRecord> GetPolicy(const std::string& profile, const std::string& version) override {
    return store_->GetPolicy(profile, version);
  }
  Status AddManufacturer(const ManufacturerRecord& manufacturer, const std::string& entry) override {
    return Mutate([&] { return store_->AddManufacturer(manufacturer, entry); });
  }
  Status UpdateManufacturer(const ManufacturerRecord& manufacturer, const std::string& entry, Time time) override {
    return Mutate([&] { return store_->UpdateManufacturer(manufacturer, entry, time); });
  }
  StatusOr<ManufacturerRecord> GetManufacturer(const std::string& manufacturer) override {
    return store_->GetManufacturer(manufacturer);
  }
  StatusOr<std::vector<ManufacturerRecord>> ListManufacturers() override { return store_->ListManufacturers(); }
  StatusOr<int64_t> StartImport(const std::string& lot, Time now) override {
    return Mutate([&] { return store_->StartImport(lot, now); });
  }
  Status AddLines(int64_t import, const std::vector<DeviceLine>& lines, const std::vector<std::string>& withdrawn,
                  Time now) override {
    return Mutate([&] { return store_->AddLines(import, lines, withdrawn, now); });
  }
  StatusOr<LotRecord> FinishImport(int64_t import, const LotRevision& revision, const LotTermsRecord& terms,
                                   const std::string& entry) override {
    return Mutate([&] { return store_->FinishImport(import, revision, terms, entry); });
  }
  Status AbandonImport(int64_t import) override {
    return Mutate([&] { return store_->AbandonImport(import); });
  }
  StatusOr<LotRecord> GetLot(const std::string& lot) override { return store_->GetLot(lot); }
  StatusOr<Page<LotRecord>> ListLots(const LotFilter& filter, int page_size, const std::string& page_token) override {
    return store_->ListLots(filter, page_size, page_token);
  }
  StatusOr<std::vector<LotRevision>> ListRevisions(const std::string& lot) override {
    return store_->ListRevisions(lot);
  }
  StatusOr<LotRecord> CloseLot(const std::string& lot, Time closed, const std::string& entry) override {
    return Mutate([&] { return store_->CloseLot(lot, closed, entry); });
  }
  StatusOr<DeviceRecord> GetDevice(const std::string& lot, const std::string& serial) override {
    return store_->GetDevice(lot, serial);
  }
  StatusOr<Page<DeviceRecord>> ListDevices(const DeviceFilter& filter, int page_size,
                                           const std::string& page_token) override {
    return store_->ListDevices(filter, page_size, page_token);
  }
  StatusOr<DeviceRecord> ConfirmDevice(const std::string& lot, const std::string& serial, ByteView certificate_serial,
                                       Time installed, bool proven, const std::string& entry) override {
    return Mutate([&] { return store_->ConfirmDevice(lot, serial, certificate_serial, installed, proven, entry); });
  }
  StatusOr<CountedLot> CountLot(const std::string& lot) override { return store_->CountLot(lot); }
  StatusOr<int64_t> CountUnconfirmed(const std::string& lot, Time issued_before) override {
    return store_->CountUnconfirmed(lot, issued_before);
  }
  StatusOr<std::vector<DeviceRecord>> ListUnconfirmed(const std::string& lot, Time issued_before,
                                                      size_t count) override {
    return store_->ListUnconfirmed(lot, issued_before, count);
  }
  StatusOr<int64_t> RecordAttempt(const AttemptRecord& attempt) override {
    return Mutate([&] { return store_->RecordAttempt(attempt); });
  }
  StatusOr<std::vector<AttemptRecord>> ListAttempts(const std::string& lot) override {
    return store_->ListAttempts(lot);
  }
  Status Suspend(const SuspensionRecord& suspension, const std::string& entry) override {
    return Mutate([&] { return store_->Suspend(suspension, entry); });
  }
  Status Resume(const std::string& caller, const std::string& entry, Time time) override {
    return Mutate([&] { return store_->Resume(caller, entry, time); });
  }
  StatusOr<std::optional<SuspensionRecord>> FindSuspension(const std::string& caller) override {
    return store_->FindSuspension(caller);
  }
  StatusOr<std::vector<SuspensionRecord>> ListSuspensions() override { return store_->ListSuspensions(); }
  StatusOr<uint64_t> AppendEntry(const std::string& entry, Time time) override {
    return Mutate([&] { return store_->AppendEntry(entry, time); });
  }
  StatusOr<LedgerHead> GetLedgerHead() override { return store_->GetLedgerHead(); }
  StatusOr<std::vector<LedgerEntry>> ListEntries(uint64_t start, size_t count) override {
    return store_->ListEntries(start, count);
  }
  Status AddTarget(const TargetRecord& target, const std::string& entry) override {
    return Mutate([&] { return store_->AddTarget(target, entry); });
  }
  Status UpdateTarget(const TargetRecord& target, const std::string& entry) override {
    return Mutate([&] { return store_->UpdateTarget(target, entry); });
  }
  Status RemoveTarget(const std::string& target, Time time, const std::string& entry) override {
    return Mutate([&] { return store_->RemoveTarget(target, time, entry); });
  }
  StatusOr<TargetRecord> GetTarget(const std::string& target) override { return store_->GetTarget(target); }
  StatusOr<std::vector<TargetRecord>> ListTargets() override { return store_->ListTargets(); }
  Status QueueChain(const std::string& target, bool take_over, Time now, const std::string& entry) override {
    return Mutate([&] { return store_->QueueChain(target, take_over, now, entry); });
  }
  Status QueueWork(const std::string& target, WorkKind kind, const std::vector<std::string>& keys, Time now) override {
    return Mutate([&] { return store_->QueueWork(target, kind, keys, now); });
  }
  Status QueueReviews(const std::string& target, const std::vector<std::string>& devices, Time now) override {
    return Mutate([&] { return store_->QueueReviews(target, devices, now); });
  }
  StatusOr<std::string> QueueRevoked(const std::string& target, const std::string& after, int count,
                                     Time now) override {
    return Mutate([&] { return store_->QueueRevoked(target, after, count, now); });
  }
  Status QueueCollections(const std::string& target, Time now) override {
    return Mutate([&] { return store_->QueueCollections(target, now); });
  }
  StatusOr<std::vector<WorkRecord>> DueWork(const std::string& target, Time now, int count) override {
    return store_->DueWork(target, now, count);
  }
  StatusOr<std::vector<WorkRecord>> DueDevices(const std::string& target, Time now, int count) override {
    return store_->DueDevices(target, now, count);
  }
  StatusOr<bool> DevicesWait(const std::string& target, Time queued_by, const std::string& but_for) override {
    return store_->DevicesWait(target, queued_by, but_for);
  }
  StatusOr<std::vector<WorkRecord>> ListWork(const std::string& target, bool parked_only, const WorkPlace& after,
                                             int count) override {
    return store_->ListWork(target, parked_only, after, count);
  }
  StatusOr<std::optional<WorkRecord>> FindWork(const std::string& target, WorkKind kind,
                                               const std::string& key) override {
    return store_->FindWork(target, kind, key);
  }
  StatusOr<WorkCounts> CountWork(const std::string& target) override { return store_->CountWork(target); }
  Status FinishWork(const std::vector<WorkRecord>& work, Time now) override {
    return Mutate([&] { return store_->FinishWork(work, now); });
  }
  Status PostponeWork(const std::vector<WorkRecord>& work) override {
    return Mutate([&] { return store_->PostponeWork(work); });
  }
  StatusOr<int64_t> RetryWork(const std::string& target, Time now) override {
    return Mutate([&] { return store_->RetryWork(target, now); });
  }
  Status PutPublished(const std::vector<PublishedRecord>& records, Time now, const std::string& entry) override {
    return Mutate([&] { return store_->PutPublished(records, now, entry); });
  }
  Status RemovePublished(const std::vector<PublishedRecord>& records, Time now, const std::string& entry) override {
    return Mutate([&] { return store_->RemovePublished(records, now, entry); });
  }
  StatusOr<std::optional<PublishedRecord>> FindPublished(const std::string& target, PublishedKind kind,
                                                         const std::string& key) override {
    return store_->FindPublished(target, kind, key);
  }
  StatusOr<std::vector<PublishedRecord>> ListPublished(const std::string& target, PublishedKind kind,
                                                       const std::string& after, int count) override {
    return store_->ListPublished(target, kind, after, count);
  }
  StatusOr<std::map<std::string, int64_t>> CountEnrollments(const std::string& target) override {
    return store_->CountEnrollments(target);
  }
  StatusOr<std::vector<CertificateRecord>> CertificatesOfDevice(const std::string& target,
                                                                const std::string& registration_id) override {
    return store_->CertificatesOfDevice(target, registration_id);
  }
  Status Check() override { return store_->Check(); }

 private:
  template <class Mutation>
  auto Mutate(const Mutation& mutation) -> decltype(mutation()) {
    if (fault_.after < 0) return mutation();
    if (fault_.mutations++ != fault_.after) return mutation();
    if (fault_.kept) static_cast<void>(mutation());
    return Error(Code::kUnavailable, reason::kStoreUnavailable, "the process was killed here");
  }

  const std::unique_ptr<Store> store_;
  StoreFault& fault_;
};

}  // namespace hallmark::testing
