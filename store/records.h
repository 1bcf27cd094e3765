// What the store keeps. Plain values: instants have whole seconds unless said otherwise, certificates and lists are
// DER, serial numbers are the content octets of the INTEGER (big-endian, positive, at most 20).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/lots.h"

namespace hallmark {

// STAGED issues only when addressed by name; DISABLED does not issue, its CRL goes on; REVOKED is for ever;
// AWAITING_ACTIVATION has a name, and perhaps a key, but no certificate yet. The numbers are on disk: do not change
// them.
enum class AuthorityState { kStaged = 1, kEnabled = 2, kDisabled = 3, kRevoked = 4, kAwaitingActivation = 5 };

struct AuthorityRecord {
  std::string authority;  // its name, [a-z][a-z0-9-]{0,62}
  // The authority that certified it, or is to; its own name for a root; empty when that is no authority of this
  // instance.
  std::string parent;
  AuthorityState state = AuthorityState::kEnabled;
  std::string profile;                // under which it was certified
  std::vector<std::string> key_uris;  // of one key, RFC 7512, without a PIN; empty: not generated yet
  std::string signature_algorithm;    // as hsm/signer.h names it; empty: the default of the key's type
  Bytes subject;                      // the Name that was asked for, DER; empty: its certificate's
  Bytes certificate;                  // DER; empty while AWAITING_ACTIVATION
  Time created;
  // The certificates above its own, the issuer's first and the root's last; only without a parent.
  std::vector<Bytes> external_chain;
  std::vector<Bytes> earlier_certificates;  // that `certificate` replaced, of the same key and name, oldest first
  std::string predecessor;                  // whose name it goes on under, with a new key
  std::string successor;                    // whose predecessor this is; the store finds it, and takes none
  std::vector<std::string> profiles;        // that it issues under, besides those that name it
  // Who asked for it, under which id and with which content: a repeated request finds it by these.
  std::string caller;
  std::string request_id;  // empty: of an authority that was founded
  Digest request_digest{};
  uint64_t version = 1;  // grows with each update
};

// RFC 5280 5.3.1; 7 is not used. The numbers are the standard's.
enum class RevocationReason {
  kUnspecified = 0,
  kKeyCompromise = 1,
  kCaCompromise = 2,
  kAffiliationChanged = 3,
  kSuperseded = 4,
  kCessationOfOperation = 5,
  kCertificateHold = 6,
  kRemoveFromCrl = 8,
  kPrivilegeWithdrawn = 9,
  kAaCompromise = 10,
};

// The key is in other hands (RFC 5280 5.3.1), be it a device's or an authority's.
inline bool IsCompromise(RevocationReason reason) {
  return reason == RevocationReason::kKeyCompromise || reason == RevocationReason::kCaCompromise;
}

// Whether what stands of a certificate, absent if it is not revoked, gives way to a revocation for `asked`: a hold to
// whatever is for ever (X.509 8.5.2.2), every reason to a compromise.
inline bool GivesWay(const std::optional<RevocationReason>& stands, RevocationReason asked) {
  if (!stands.has_value()) return true;
  if (*stands == RevocationReason::kCertificateHold) return asked != RevocationReason::kCertificateHold;
  return IsCompromise(asked) && !IsCompromise(*stands);
}

// What is certain before a CA key signs a certificate: who asked for what, and the exact octets.
struct Intent {
  std::string caller;       // the caller's URI
  std::string request_id;   // unique for this caller
  Digest request_digest{};  // of all that was asked: the same id with another digest is refused
  std::string authority;    // which will sign
  std::string profile;
  std::string profile_version;  // hexadecimal SHA-256 of its text; empty: of before versions were kept
  Bytes serial;
  std::string subject;  // RFC 4514
  // The subject's CN, where a standard takes names that differ by case only for one: no other spelling of it may be
  // certified. Empty: no such standard.
  std::string caseless_name;
  Digest spki{};  // SHA-256 of the SubjectPublicKeyInfo
  Time not_before;
  Time not_after;
  Time intended;                                       // when
  Bytes csr;                                           // as it was sent; empty: none was, or it was not kept
  std::optional<Duration> lifetime;                    // that was asked for
  std::optional<ClaimedDevice> device = std::nullopt;  // of a lot
  Bytes draft = {};                                    // the certificate with an empty signatureValue
  int64_t crl_shard = 0;                               // whose list its cRLDistributionPoints names
  // Of the certificate that the caller showed, which must not be revoked when the intent becomes durable; not recorded.
  // Empty: it showed none.
  std::string caller_authority = {};
  Bytes caller_serial = {};
};

// kCertificateHold is the one that can be released, and gives way to any other; its date stays then (X.509 8.5.2.2).
struct Revocation {
  Time revoked;  // revocationDate of the CRL entry
  RevocationReason reason = RevocationReason::kUnspecified;
  std::string revoked_by;                         // the caller's URI
  std::optional<Time> invalidity = std::nullopt;  // invalidityDate, RFC 5280 5.3.2: from when the key is not believed
};

// The end of a hold.
struct Release {
  Time released;
  std::string released_by;  // the caller's URI
};

struct CertificateId {
  std::string authority;
  Bytes serial;
};

struct CertificateRecord {
  std::string authority;
  Bytes serial;
  std::string profile;
  std::string profile_version;
  std::string subject;
  Digest spki{};
  Time not_before;
  Time not_after;
  Time intended;
  Time issued;
  std::string caller;
  std::string request_id;
  Bytes csr;
  std::optional<Duration> lifetime;
  Bytes certificate;        // DER, as answered
  uint64_t leaf_index = 0;  // of its issuance in the ledger
  std::optional<Revocation> revocation;
  std::optional<ClaimedDevice> device = std::nullopt;  // of a lot
  int64_t crl_shard = 0;                               // whose list its cRLDistributionPoints names
  uint64_t revocation_change = 0;                      // of its shard's count, the last that was of it; 0: none
};

// Selects certificates; an empty field selects all. Fields are joined by AND.
struct CertificateFilter {
  std::string authority;
  std::string profile;
  std::string subject;  // exactly, RFC 4514
  std::string caller;
  std::optional<Digest> spki;
  std::optional<bool> revoked;
  bool newest_first = false;  // an order, not a field
  std::string lot = "";
  std::string device_serial = "";                    // of a device in a lot
  std::optional<Time> issued_from = std::nullopt;    // and later
  std::optional<Time> issued_before = std::nullopt;  // not at it
  std::optional<uint64_t> leaf_end = std::nullopt;   // issued by entries of the ledger before this one
};

// How many certificates are alike.
struct CertificateCount {
  std::string authority;
  std::string profile;
  std::string lot;                         // empty: none
  std::optional<RevocationReason> reason;  // absent: they are not revoked
  bool expired = false;
  int64_t certificates = 0;
  int64_t registration_ids = 0;  // of them that have one
};

// One certificate to be revoked, with the ledger's entry for it.
struct CertificateRevocation {
  CertificateId certificate;
  Revocation revocation;
  std::string ledger_entry;
};

// The numbers are on disk: do not change them.
enum class MassRevocationState { kRunning = 1, kDone = 2, kStopped = 3 };

// The revocation of all certificates that a filter selects, or, with kRemoveFromCrl, their release: what was asked for,
// and how far it is.
struct MassRevocationRecord {
  std::string revocation;  // its name, [a-z0-9-]
  std::string caller;      // who asked
  std::string request_id;  // unique for this caller
  Digest request_digest{};
  // With a leaf_end what is issued later is not concerned. Without one what was under way is: it is looked for again
  // until the revocation is a minute old.
  CertificateFilter filter;
  RevocationReason reason = RevocationReason::kUnspecified;
  std::optional<Time> invalidity;
  Time created;
  int64_t total = 0;     // certificates that the filter selects
  int64_t seen = 0;      // of them so far
  int64_t changed = 0;   // revoked or released by it; the others were so already, or cannot be
  std::string position;  // the page token of what comes next
  MassRevocationState state = MassRevocationState::kRunning;
  std::optional<Time> finished;  // or stopped
  std::string stopped_by;
};

// What is revoked with authorities, in the same transaction; each with the ledger's entry for it.
struct RevokedWithAuthorities {
  std::vector<CertificateRevocation> certificates;
  std::vector<std::pair<MassRevocationRecord, std::string>> below;
};

// Of an authority whose key is not here: the list that it made itself, and that is served for it.
struct ImportedCrlRecord {
  std::string name;         // under which it is served, [a-z][a-z0-9-]{0,62}
  Digest issuer{};          // SHA-256 of the issuer's SubjectPublicKeyInfo
  std::string issuer_name;  // RFC 4514
  uint64_t number = 0;      // cRLNumber
  Time this_update;
  Time next_update;
  Bytes crl;  // DER
  Time imported;
  std::string imported_by;  // the caller's URI
};

// A caller who is kept out although its certificate is good.
struct SuspensionRecord {
  std::string caller;  // URI
  std::string reason;  // for people
  std::string suspended_by;
  Time suspended;
};

// A text of policies/ that certificates were or are decided by.
struct PolicyRecord {
  std::string profile;  // its name; empty: the roles
  std::string version;  // hexadecimal SHA-256 of `text`
  std::string text;
  Time loaded;               // last
  std::string ledger_entry;  // that witnesses the loading
};

inline constexpr int64_t kMostCrlShards = 4096;  // of one authority

// Which of an authority's lists (RFC 5280 5.2.4, 5.2.5): that of the certificates of one shard, complete or delta.
struct CrlScope {
  int64_t shard = 0;
  bool delta = false;
  auto operator<=>(const CrlScope&) const = default;
};

struct CrlRecord {
  std::string authority;
  uint64_t number = 0;  // CRLNumber, RFC 5280 5.2.3; one sequence for all of an authority's lists
  Time this_update;
  Time next_update;
  // The count of the shard's changes of revocation that this list knows of; compare Store::CountShards.
  uint64_t revocation_count = 0;
  Bytes crl;  // DER; while intended, with an empty signatureValue
  int64_t shard = 0;
  std::optional<uint64_t> base = std::nullopt;  // BaseCRLNumber; of a delta
  CrlScope scope() const { return {shard, base.has_value()}; }
};

// One revoked certificate as a CRL lists it; in a delta also one that is not any more (kRemoveFromCrl).
struct RevokedCertificate {
  Bytes serial;
  Time revoked;
  RevocationReason reason = RevocationReason::kUnspecified;
  std::optional<Time> invalidity = std::nullopt;
};

// The ledger: RFC 9162 2.1, SHA-256, a leaf's octets are `entry`.
struct LedgerEntry {
  uint64_t index = 0;
  Time time;          // when it was appended
  std::string entry;  // JSON, as ca/ wrote it
};
struct LedgerHead {
  uint64_t size = 0;  // number of leaves
  Digest root{};      // Merkle tree hash of all of them; of no leaves: SHA-256 of nothing
};

}  // namespace hallmark
