// The one line of the house: Request -> Plan -> Draft -> Certificate, and what else a CA key signs.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "ca/admission.h"
#include "ca/crl.h"
#include "ca/csr.h"
#include "ca/issuers.h"
#include "ca/lint.h"
#include "policies/compare.h"
#include "policies/policies.h"
#include "store/store.h"

namespace hallmark {

using ProfilePointer = std::shared_ptr<const Profile>;

// Under which a key is certified to show that the authority's own is at hand (publish/possession.h).
inline constexpr char kPossessionProfile[] = "verification";

// What a caller asks for.
struct Request {
  std::string request_id;  // the caller's own name for it: 1 to 64 of [A-Za-z0-9._:-], the same in a retry
  std::string authority;
  std::string profile;
  Bytes csr;                         // DER or PEM
  std::optional<Duration> lifetime;  // absent: the profile's
  bool validate_only = false;        // stop before anything is recorded or signed
  // Of a device in a lot.
  std::string lot = "";
  std::string device_serial = "";   // empty: what the CSR says, see DeviceSerialOf
  Bytes endorsement_key = {};       // SubjectPublicKeyInfo; empty: none
  std::string reissue_reason = "";  // empty: no further certificate is asked for
  // The CSR's SubjectPublicKeyInfo: nothing else of the CSR counts, neither for what is certified nor for which
  // requests are the same. Empty: all of it does.
  Bytes key = {};
};

// kInvalidArgument (REQUEST_INVALID) for a request id that is none.
Status CheckRequestId(const std::string& request_id);

// kInvalidArgument (REQUEST_INVALID) for an invalidityDate (RFC 5280 5.3.2) after `now`.
Status CheckInvalidity(const std::optional<Time>& invalidity, Time now);

// What a caller gets.
struct Issued {
  CertificateRecord record;  // of validate_only: what would be recorded, with the draft as certificate
  IssuerPointer issuer;
  std::string device_bundle = "";  // of a device in a lot
};

// What would come of a request, and how it was judged.
struct Validated {
  StatusOr<Issued> outcome;
  // Empty when the request was refused before its profile judged it.
  std::vector<Comparison> comparisons;
  std::vector<Finding> findings;
};

// Told of each act once it is durable, for metrics and for whoever acts on it. They must be quick and must not call
// back.
struct Observers {
  std::function<void(const CertificateRecord&)> issued;   // not of a repeated request
  std::function<void(const CertificateRecord&)> revoked;  // also for another reason; not of a repeated revocation
  std::function<void(const CertificateRecord&)> released = nullptr;
  std::function<void(const CrlRecord&)> crl_issued;
  // A station tried what its lot or the manifest does not cover; the `total`th time under that lot.
  std::function<void(const AttemptRecord&, int64_t total)> attempt_refused = nullptr;
};

// Issues, revokes and lists certificates under the authorities of one instance. Thread-safe: many requests walk side
// by side, and group commits and the HSM's sessions are shared below.
class CertificateAuthority {
 public:
  // All of these outlive the CertificateAuthority.
  struct Parts {
    Store& store;
    const Clock& clock;
    Policies& policies;
    Issuers& issuers;
    Duration crl_lifetime;  // next_update - this_update
    // By authority, among how many lists its certificates are spread from now on; 1 where it is not named.
    std::map<std::string, int64_t> crl_shards = {};
    Duration crl_delta_lifetime = absl::ZeroDuration();  // of a delta CRL; zero: there are none
  };
  explicit CertificateAuthority(const Parts& parts) : parts_(parts), admissions_(parts.store) {}

  // Certifies the key of a CSR. The steps and their errors are the design's; see docs/architecture.md. A repeated
  // request (same caller, id and content) returns the certificate of the first.
  // What a lot or its manifest does not cover is recorded as a refused attempt, too.
  // `permission`: that the caller must have for it.
  StatusOr<Issued> Issue(const Caller& caller, const Request& request, Time deadline,
                         const char* permission = permission::kIssue) const;
  // The same, stopped before anything is recorded or signed.
  Validated Validate(const Caller& caller, Request request, Time deadline) const;

  // Puts policies in force for every call that begins from now on, once their texts and what changed are on record;
  // returns what changed. Calls that are under way end with what they began with. An error leaves everything as it was:
  // of the store, or kFailedPrecondition (CONFIGURATION_INVALID) when an authority could not issue under them.
  StatusOr<std::vector<PolicyRecord>> PutInForce(PolicyPointer next) const;

  // Finishes the intents of before an instant that are still open, and returns how many: all of them at start, before
  // the first Issue, and later those that nobody waits for any more. One under an authority that does not issue any
  // more or whose key is away, or that has expired meanwhile, stays open and is logged.
  StatusOr<size_t> Recover(Time intended_before, Time deadline) const;

  // kNotFound (CERTIFICATE_UNKNOWN, AUTHORITY_UNKNOWN), kPermissionDenied.
  StatusOr<Issued> Get(const Caller& caller, const std::string& authority, ByteView serial) const;
  StatusOr<Page<CertificateRecord>> List(const Caller& caller, CertificateFilter filter, int page_size,
                                         const std::string& page_token) const;

  // Revokes; idempotent: the first revocation stands and is returned, but a hold gives way, and every reason to
  // kKeyCompromise. Durable when it returns. kInvalidArgument (REQUEST_INVALID): no reason for a certificate, an
  // `invalidity` in the future; kFailedPrecondition (REVOKED_FOR_EVER): a hold of what is revoked.
  StatusOr<CertificateRecord> Revoke(const Caller& caller, const std::string& authority, ByteView serial,
                                     RevocationReason reason, std::optional<Time> invalidity = std::nullopt) const;
  // Ends a hold. kFailedPrecondition (NOT_ON_HOLD).
  StatusOr<CertificateRecord> Release(const Caller& caller, const std::string& authority, ByteView serial) const;
  // Revokes for kKeyCompromise because whoever has the certified key says so: `signature` is over RevocationChallenge
  // of the certificate, ECDSA with SHA-256 in DER or RSA PKCS#1 v1.5 with SHA-256. kInvalidArgument
  // (REVOCATION_PROOF_INVALID).
  StatusOr<CertificateRecord> RevokeByKey(const Caller& caller, const std::string& authority, ByteView serial,
                                          ByteView signature) const;

  // Signs and records the next CRL of an authority. Lists of one authority are made one after the other. A delta is
  // one to the latest complete list of its shard. kNotFound (CRL_UNKNOWN): there is none.
  StatusOr<CrlRecord> GenerateCrl(const Issuer& issuer, Time deadline, const CrlScope& scope = {}) const;
  // The shards of an authority, each with its count of changes of revocation: those that have certificates, and those
  // that will.
  StatusOr<std::map<int64_t, uint64_t>> ShardsOf(const std::string& authority) const;

  // Whether the roles in force let a caller do `permission` on `resource` now: Access::Check.
  Status Authorize(const Caller& caller, std::string_view permission, const Resource& resource) const {
    return parts_.policies.Current()->access->Check(caller, permission, resource, parts_.clock.Now());
  }

  // Who is asking, by the certificate of its mutually authenticated connection: one of ours, byte for byte, not
  // revoked, within its validity, certified under a profile of its role, not suspended. kUnauthenticated:
  // CALLER_UNAUTHENTICATED, CALLER_UNKNOWN, CALLER_REVOKED, CALLER_SUSPENDED, CALLER_EXPIRED.
  StatusOr<Caller> Identify(ByteView certificate, const std::string& realm) const;

  // Tells the observers that a certificate was revoked or released, and that is durable.
  void TellRevocation(const CertificateRecord& changed) const;

  // To be set before the first call of any other method.
  void SetObservers(Observers observers) { observers_ = std::move(observers); }

  // As it is now, whoever changed it. kNotFound (AUTHORITY_UNKNOWN); kFailedPrecondition (AUTHORITY_NOT_ISSUING) while
  // it awaits its activation.
  StatusOr<IssuerPointer> FindIssuer(const std::string& authority) const { return parts_.issuers.Find(authority); }
  // Whether the authority may issue now: STAGED or ENABLED, valid, with its key at hand. kFailedPrecondition
  // (AUTHORITY_NOT_ISSUING), which names the successor, or what Issuer::CheckKey says.
  Status CheckIssuing(const Issuer& issuer) const;
  // Whether its certificate has expired, or it or one above it was revoked: kFailedPrecondition
  // (AUTHORITY_NOT_ISSUING).
  Status CheckValid(const Issuer& issuer) const;
  // The authorities that nobody should believe, as they are now: REVOKED, or with a certificate that is revoked or on
  // hold, or below one of those.
  StatusOr<std::set<std::string>> OutOfUse() const;
  const Parts& parts() const { return parts_; }

  // Tells that the device of a lot has its certificate, which `signature` proves if there is one: over
  // InstallationChallenge, ECDSA with SHA-256 in DER or RSA PKCS#1 v1.5 with SHA-256. Idempotent. kNotFound
  // (CERTIFICATE_UNKNOWN), kPermissionDenied, kFailedPrecondition (DEVICE_NOT_ISSUED), kInvalidArgument
  // (INSTALLATION_PROOF_INVALID).
  StatusOr<DeviceRecord> ConfirmInstallation(const Caller& caller, const std::string& authority, ByteView serial,
                                             ByteView signature) const;
  // Whether an import may make these the terms of a lot: authority and profile exist, go together, and are for lots.
  Status CheckTerms(const LotTerms& terms) const;
  StatusOr<TermsPointer> TermsOf(const LotRecord& lot) const { return admissions_.TermsOf(lot); }
  // Looks at every open lot that wants confirmations: returns how many lines should have been confirmed and are not, by
  // lot, and revokes their certificates where the lot says so.
  StatusOr<std::map<std::string, int64_t>> SweepUnconfirmed(const std::atomic<bool>& stopping) const;

 private:
  StatusOr<Issued> Issue(const PolicyPointer& policies, const Caller& caller, const Request& request, Time deadline,
                         const char* permission) const;
  Resource ResourceOf(const Caller& caller, const Request& request) const;
  int64_t ShardsFrom(const std::string& authority) const;  // from now on
  // The list that a certificate of this serial number names from now on.
  CrlScope ScopeOf(const std::string& authority, ByteView serial) const;
  // The device's bundle, of a certificate of a lot.
  StatusOr<Issued> WithBundle(Issued issued) const;
  Status RevokeUnconfirmed(const DeviceRecord& line) const;
  StatusOr<CertificateRecord> Revoke(const CertificateRecord& found, const Revocation& revocation) const;
  void NoteAttempt(const Caller& caller, const Request& request, const Status& refusal) const;
  Status CheckMayComplete(const Issuer& issuer, const Intent& intent) const;
  // Whether the caller may do `permission` to what was looked up; without "*" it does not even learn that there is
  // none.
  Status CheckAccess(const Caller& caller, const char* permission, const std::string& authority,
                     const StatusOr<CertificateRecord>& found) const;
  // The record of a certificate whose issuer's name is one of ours. kNotFound.
  StatusOr<CertificateRecord> FindCertificate(const Issuers::Snapshot& known, const CertificateParts& parts) const;
  StatusOr<Time> OldestExpiry(const CrlRecord& next) const;
  StatusOr<CrlUrls> UrlsOf(const Issuer& issuer, const CrlScope& scope) const;
  Status CollectEntries(CrlRecord& crl, CrlEntries& entries) const;
  // Of the authority's certificate or of one above it, as far as authorities of this instance issued them.
  StatusOr<std::optional<Revocation>> FindRevocation(const Issuer& issuer) const;
  // The authority or one above it that is REVOKED, also by whoever certified it elsewhere; empty: none.
  std::string RevokedInPath(const Issuer& issuer) const;
  StatusOr<Issued> Complete(const IssuerPointer& issuer, const Intended& intended, Time deadline) const;
  StatusOr<Issued> Finish(IssuerPointer issuer, const Intended& intended, Time deadline) const;

  Parts parts_;
  Observers observers_;
  mutable Admissions admissions_;
  mutable std::mutex crl_mutex_;
  mutable std::mutex policies_mutex_;  // held while they are replaced
};

}  // namespace hallmark
