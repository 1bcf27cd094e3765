// The store: what Hallmark must never forget. This comment is the contract; tests/store_contract_test.cc holds every
// implementation to it.
//
// Durability. A mutation that returns OK is on the disk: neither kill -9 nor a power cut undoes it. A mutation that
// returns an error has changed nothing, with one exception: after kUnavailable from a lost connection its outcome is
// unknown, and the caller finds out by asking again (every mutation may be repeated).
// Atomicity. Each mutation happens whole or not at all. A ledger leaf is appended in the mutation that it witnesses.
// Isolation. Mutations are serializable, also between processes: uniqueness is the database's, not a mutex's. A read
// sees every mutation that returned before the read began.
// Group commit. Mutations that wait at the same time share one transaction and one flush; each is answered only after
// that commit, and a mutation that fails does not disturb its neighbours.
// Threads. Every method may be called from any thread; mutations block until they are durable.
// Errors. kUnavailable (STORE_UNAVAILABLE, with a retry delay): the database is away, full or busy. kDataLoss
// (STORE_CORRUPT): it is damaged, stop. kNotFound, kAlreadyExists: as each method says, with the reason of its room.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "store/publication.h"
#include "store/records.h"

namespace hallmark {

// What Intend found or made.
struct Intended {
  Intent intent;                                 // on record; its draft is the one to seal
  std::optional<CertificateRecord> certificate;  // already answered: give this, sign nothing
};

// The revocation that comes with a reissue.
struct ReplacedCertificate {
  Revocation revocation;
  std::string ledger_entry;
};

// The ledger's entry of a revocation of many that is done. Must not call the store.
using MassRevocationEntry = std::function<std::string(const MassRevocationRecord&)>;

// A page of a listing. Tokens are opaque, stay valid while rows are added, and belong to one filter.
template <class T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;  // empty on the last page
};

class Store : public PublicationStore {
 public:
  // --- Authorities.

  // Adds an authority with version 1 and appends `ledger_entry`. kAlreadyExists: AUTHORITY_EXISTS when the name is
  // taken, or when its predecessor has another successor; REQUEST_ID_REUSED when its caller has asked for another
  // authority under its request id. kNotFound (AUTHORITY_UNKNOWN): there is no such predecessor.
  virtual Status AddAuthority(const AuthorityRecord& authority, const std::string& ledger_entry) = 0;
  // Replaces the records of authorities, each read at its `version`, which then grows by one, and appends
  // `ledger_entry`; all of it in one transaction. Name, predecessor, and what is known of the request that made an
  // authority stay as they are. kAborted (AUTHORITY_CHANGED): one of them was changed since it was read; nothing has
  // changed, read again and decide anew. kNotFound (AUTHORITY_UNKNOWN).
  // With it, what is `revoked`: as Revoke and StartMassRevocation have it.
  virtual Status UpdateAuthorities(const std::vector<AuthorityRecord>& authorities, const std::string& ledger_entry,
                                   Time time, const RevokedWithAuthorities& revoked = {}) = 0;
  // kNotFound (AUTHORITY_UNKNOWN). A look-up by name, fit for each issuance.
  virtual StatusOr<AuthorityRecord> GetAuthority(const std::string& authority) = 0;
  // In the order in which they were added.
  virtual StatusOr<std::vector<AuthorityRecord>> ListAuthorities() = 0;

  // --- Issuance.

  // The earlier request of this caller with this id, if any: kAlreadyExists (REQUEST_ID_REUSED) when its digest is
  // another. nullopt: never seen. A look-up only; Intend decides.
  virtual StatusOr<std::optional<Intended>> FindRequest(const std::string& caller, const std::string& request_id,
                                                        const Digest& request_digest) = 0;

  // Makes `intent` durable, or finds the earlier one of the same caller and request id: then `intent` is dropped and
  // the earlier one is returned, with its certificate once there is one. kAlreadyExists (REQUEST_ID_REUSED): same id,
  // other digest. kUnauthenticated (CALLER_REVOKED, CALLER_SUSPENDED): the
  // caller was put out since it was identified. kAborted (STORE_SERIAL_COLLISION): the authority has used this serial;
  // draw another. And what CheckKey says, in the same transaction. With a `claim`, its line is claimed in that
  // transaction, if the claim's `admit` lets it: the intent's `device` is set from what it returns. kNotFound
  // (LOT_UNKNOWN); and what `admit` returns.
  virtual StatusOr<Intended> Intend(const Intent& intent, const Claim* claim = nullptr) = 0;

  // One key, one subject, whoever issued and whether it is certified yet or only intended; a subject may be certified
  // again. kFailedPrecondition: KEY_CERTIFIED_FOR_ANOTHER when the intent's key is another subject's, with both and the
  // resource name of the other's certificate; subjects are compared without the case of ASCII letters if the intent has
  // a caseless_name. SUBJECT_DIFFERS_BY_CASE when its caseless_name was intended in another spelling.
  virtual Status CheckKey(const Intent& intent) = 0;

  // Makes the sealed certificate of a recorded intent durable, closes the intent and appends `ledger_entry`, in one
  // transaction. Of several calls for one intent the first wins, and all return what the first one recorded.
  // A device's line becomes kIssued. Of a reissue that revokes, `replaced` is the revocation of the certificate that it
  // takes the place of, unless that is revoked already.
  // kNotFound: there is no such intent (a defect of the caller).
  virtual StatusOr<CertificateRecord> Record(const Intent& intent, ByteView certificate, Time issued,
                                             const std::string& ledger_entry,
                                             const std::optional<ReplacedCertificate>& replaced = std::nullopt) = 0;

  // The intents that have no certificate yet, oldest first: what recovery at start finishes.
  virtual StatusOr<std::vector<Intent>> OpenIntents() = 0;

  // kNotFound (CERTIFICATE_UNKNOWN).
  virtual StatusOr<CertificateRecord> GetCertificate(const std::string& authority, ByteView serial) = 0;
  // The revocation of the first of these that is revoked. kNotFound (CERTIFICATE_UNKNOWN): one before it is unknown.
  virtual StatusOr<std::optional<Revocation>> FindRevocation(const std::vector<CertificateId>& certificates) = 0;
  // In the order of issuance, or against it. kInvalidArgument: `page_token` is not one of ours, or page_size is not
  // in 1..1000.
  virtual StatusOr<Page<CertificateRecord>> ListCertificates(const CertificateFilter& filter, int page_size,
                                                             const std::string& page_token) = 0;
  // Those that a filter selects, put together by all that a CertificateCount says; `now` tells what has expired. Takes
  // as long as reading each of them does.
  virtual StatusOr<std::vector<CertificateCount>> CountCertificates(const CertificateFilter& filter, Time now) = 0;

  // --- Revocation.

  // Revokes a certificate and appends `ledger_entry`. Idempotent: a certificate that is revoked already keeps its
  // first revocation, which is returned in the record, and the ledger stays as it is; but a hold gives way to whatever
  // is for ever, and every other reason to kKeyCompromise and kCaCompromise. A device whose certificate it is becomes
  // kRevoked, unless it is held only. A key that is compromised is blocked: Intend certifies it no more. kNotFound
  // (CERTIFICATE_UNKNOWN); kFailedPrecondition (REVOKED_FOR_EVER): a hold of what is revoked.
  virtual StatusOr<CertificateRecord> Revoke(const std::string& authority, ByteView serial,
                                             const Revocation& revocation, const std::string& ledger_entry) = 0;

  // Ends a hold. kNotFound (CERTIFICATE_UNKNOWN); kFailedPrecondition (NOT_ON_HOLD).
  virtual StatusOr<CertificateRecord> Release(const std::string& authority, ByteView serial,
                                              const hallmark::Release& release, const std::string& ledger_entry) = 0;

  // Begins a revocation of many, at seen = 0, or finds the earlier one of the same caller and request id.
  // kAlreadyExists (REQUEST_ID_REUSED): same id, other digest.
  virtual StatusOr<MassRevocationRecord> StartMassRevocation(const MassRevocationRecord& asked,
                                                             const std::string& ledger_entry) = 0;
  // Goes on with `before`, as it was read, by these certificates, each of which changes as Revoke or Release have it or
  // stays as it is where these refuse; returns those that have changed, and sets `before` to what follows. kNotFound
  // (REVOCATION_UNKNOWN); kAborted (REVOCATION_CHANGED): it is not where it was; read it again. With a `done_entry` it
  // is done; without one and at the end of the list, it begins again with what is not revoked.
  virtual StatusOr<std::vector<CertificateRecord>> StepMassRevocation(
      MassRevocationRecord& before, const std::vector<CertificateRevocation>& certificates,
      const std::string& next_position, Time now, const MassRevocationEntry& done_entry) = 0;
  // Idempotent; what is done stays done. kNotFound (REVOCATION_UNKNOWN).
  virtual StatusOr<MassRevocationRecord> StopMassRevocation(const std::string& revocation, const std::string& caller,
                                                            Time now, const std::string& ledger_entry) = 0;
  virtual StatusOr<MassRevocationRecord> GetMassRevocation(const std::string& revocation) = 0;
  virtual StatusOr<std::vector<MassRevocationRecord>> ListMassRevocations(size_t count) = 0;  // newest first
  virtual StatusOr<std::vector<MassRevocationRecord>> RunningMassRevocations() = 0;           // oldest first

  // How many changes of revocation the authority has seen: grows by one with each, never falls.
  virtual StatusOr<uint64_t> RevocationCount(const std::string& authority) = 0;
  // The same for each of its shards that has certificates: shard 0 always, others once one was intended in them.
  virtual StatusOr<std::map<int64_t, uint64_t>> CountShards(const std::string& authority) = 0;

  // Calls `visit` for each revoked certificate of the authority's shard with not_after >= `expires_from`, in the order
  // of their serial numbers, without holding all in memory. `visit` must not call the store. Returns the shard's count
  // of changes, of the same snapshot.
  virtual StatusOr<uint64_t> ForEachRevoked(const std::string& authority, Time expires_from,
                                            const std::function<void(const RevokedCertificate&)>& visit,
                                            int64_t shard = 0) = 0;
  // The same for what has changed since the shard's count was `since`: what was released has kRemoveFromCrl.
  virtual StatusOr<uint64_t> ForEachChanged(const std::string& authority, int64_t shard, uint64_t since,
                                            const std::function<void(const RevokedCertificate&)>& visit) = 0;

  // Allots the next CRL number of the authority: 1, 2, 3..., each once, over crashes and restarts.
  virtual StatusOr<uint64_t> NextCrlNumber(const std::string& authority) = 0;
  // Of each list its number, dates, scope, and the SHA-256 of its to-be-signed part and of the signed whole stay for
  // ever, so that nobody can be shown two lists of one number; its octets stay until it is replaced.

  // Makes the unsigned list durable before it is signed; its number must have been allotted and not been intended. The
  // octets of what was intended of its scope before, and never signed, are dropped.
  virtual Status IntendCrl(const CrlRecord& crl) = 0;
  // Replaces the intended list's octets by the signed ones and appends `ledger_entry`; in the same transaction the
  // octets of all others of its scope with lower numbers are dropped. kNotFound: never intended. kAlreadyExists:
  // another to-be-signed part was intended under this number, or another list was signed.
  virtual Status RecordCrl(const std::string& authority, uint64_t number, ByteView crl,
                           const std::string& ledger_entry) = 0;
  // The signed list of that scope with the highest number. kNotFound (CRL_UNKNOWN).
  virtual StatusOr<CrlRecord> LatestCrl(const std::string& authority, const CrlScope& scope = {}) = 0;
  // Those of all scopes, without their octets. Takes as long as there are scopes.
  virtual StatusOr<std::map<CrlScope, CrlRecord>> LatestCrls(const std::string& authority) = 0;

  // Keeps a list that was made elsewhere instead of an earlier one of that name, and updates authorities with it, as
  // UpdateAuthorities does without an entry of its own. Of the same octets once more nothing is done.
  // kFailedPrecondition: CRL_OLDER when the one there is has this number or a higher one, or a later thisUpdate;
  // CRL_OF_ANOTHER when it is of another issuer.
  virtual Status ImportCrl(const ImportedCrlRecord& crl, const std::vector<AuthorityRecord>& authorities,
                           const std::string& ledger_entry) = 0;
  virtual StatusOr<ImportedCrlRecord> GetImportedCrl(const std::string& name) = 0;  // kNotFound (CRL_UNKNOWN)
  virtual StatusOr<std::vector<ImportedCrlRecord>> ListImportedCrls() = 0;          // by name, without their octets

  // --- Policies.

  // Keeps texts that are in force from `time` on, each with its ledger entry, all in one transaction. Of one that is
  // the last of its profile already nothing is done. Returns those that were news.
  virtual StatusOr<std::vector<PolicyRecord>> LoadPolicies(const std::vector<PolicyRecord>& policies, Time time) = 0;
  // A text that was ever loaded. kNotFound (PROFILE_UNKNOWN).
  virtual StatusOr<PolicyRecord> GetPolicy(const std::string& profile, const std::string& version) = 0;

  // --- Manufacturers.

  // With version 1. kAlreadyExists (MANUFACTURER_EXISTS).
  virtual Status AddManufacturer(const ManufacturerRecord& manufacturer, const std::string& ledger_entry) = 0;
  // Replaces the record that was read at its `version`, which then grows by one. kNotFound (MANUFACTURER_UNKNOWN);
  // kAborted (MANUFACTURER_CHANGED): it was changed since.
  virtual Status UpdateManufacturer(const ManufacturerRecord& manufacturer, const std::string& ledger_entry,
                                    Time time) = 0;
  virtual StatusOr<ManufacturerRecord> GetManufacturer(const std::string& manufacturer) = 0;
  virtual StatusOr<std::vector<ManufacturerRecord>> ListManufacturers() = 0;  // by name

  // --- Lots. An import goes in steps, so that a million lines stop nobody: nothing of it counts until FinishImport.

  // Begins the import of a revision and returns its number for the calls below; it lapses when neither AddLines nor
  // FinishImport has come for ten minutes. kAborted (LOT_BEING_IMPORTED, with a retry delay): by somebody else.
  virtual StatusOr<int64_t> StartImport(const std::string& lot, Time now) = 0;
  // Adds lines and serial numbers to withdraw, in any order. kAlreadyExists (DEVICE_ANNOUNCED): a serial number stands
  // in the lot already, or a registration id in any; none of these lines is added. kNotFound (LOT_UNKNOWN): lapsed.
  virtual Status AddLines(int64_t import, const std::vector<DeviceLine>& lines,
                          const std::vector<std::string>& withdrawn, Time now) = 0;
  // Makes all that was added count, at once. `terms` are the lot's from now on. kAborted (LOT_CHANGED): the lot is not
  // at the revision before this one any more. kFailedPrecondition: LOT_CLOSED; DEVICE_CLAIMED or DEVICE_UNKNOWN with
  // the serial number to withdraw that cannot be. kNotFound (LOT_UNKNOWN): lapsed.
  virtual StatusOr<LotRecord> FinishImport(int64_t import, const LotRevision& revision, const LotTermsRecord& terms,
                                           const std::string& ledger_entry) = 0;
  // Drops what was added, in steps that stop nobody.
  virtual Status AbandonImport(int64_t import) = 0;

  virtual StatusOr<LotRecord> GetLot(const std::string& lot) = 0;  // kNotFound (LOT_UNKNOWN)
  virtual StatusOr<Page<LotRecord>> ListLots(const LotFilter& filter, int page_size, const std::string& page_token) = 0;
  virtual StatusOr<std::vector<LotRevision>> ListRevisions(const std::string& lot) = 0;  // oldest first
  // Idempotent. kNotFound (LOT_UNKNOWN).
  virtual StatusOr<LotRecord> CloseLot(const std::string& lot, Time closed, const std::string& ledger_entry) = 0;

  // kNotFound: LOT_UNKNOWN, DEVICE_UNKNOWN.
  virtual StatusOr<DeviceRecord> GetDevice(const std::string& lot, const std::string& serial) = 0;
  // In the order of their serial numbers.
  virtual StatusOr<Page<DeviceRecord>> ListDevices(const DeviceFilter& filter, int page_size,
                                                   const std::string& page_token) = 0;
  // The line's current certificate was seen on the device; idempotent, but for `proven`, which may follow. kNotFound
  // (DEVICE_UNKNOWN); kFailedPrecondition (DEVICE_NOT_ISSUED): it is not `certificate` that the line has.
  virtual StatusOr<DeviceRecord> ConfirmDevice(const std::string& lot, const std::string& serial,
                                               ByteView certificate_serial, Time installed, bool proven,
                                               const std::string& ledger_entry) = 0;
  // Takes as long as reading each line does. kNotFound (LOT_UNKNOWN).
  virtual StatusOr<CountedLot> CountLot(const std::string& lot) = 0;
  // Lines that are kIssued since before `issued_before`: how many; and the oldest, at most `count`.
  virtual StatusOr<int64_t> CountUnconfirmed(const std::string& lot, Time issued_before) = 0;
  virtual StatusOr<std::vector<DeviceRecord>> ListUnconfirmed(const std::string& lot, Time issued_before,
                                                              size_t count) = 0;

  // Counts a refused attempt, and returns how many there were under its lot.
  virtual StatusOr<int64_t> RecordAttempt(const AttemptRecord& attempt) = 0;
  // By station and reason.
  virtual StatusOr<std::vector<AttemptRecord>> ListAttempts(const std::string& lot) = 0;

  // --- Suspended callers.

  // Idempotent: the first suspension stands.
  virtual Status Suspend(const SuspensionRecord& suspension, const std::string& ledger_entry) = 0;
  virtual Status Resume(const std::string& caller, const std::string& ledger_entry, Time time) = 0;  // idempotent
  virtual StatusOr<std::optional<SuspensionRecord>> FindSuspension(const std::string& caller) = 0;
  virtual StatusOr<std::vector<SuspensionRecord>> ListSuspensions() = 0;

  // --- The ledger.

  // Appends an entry that witnesses no row of its own (a configuration, a start). Returns its index.
  virtual StatusOr<uint64_t> AppendEntry(const std::string& entry, Time time) = 0;
  virtual StatusOr<LedgerHead> GetLedgerHead() = 0;
  // At most `count` entries from index `start` on.
  virtual StatusOr<std::vector<LedgerEntry>> ListEntries(uint64_t start, size_t count) = 0;

  // --- Health. OK when a mutation would work now.
  virtual Status Check() = 0;
};

}  // namespace hallmark
