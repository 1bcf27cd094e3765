// The life of an authority: created, certified here or elsewhere, staged, enabled, disabled, rolled over.
//
// Each act is authorised, in the ledger, and safe to repeat: after a crash in the middle of it the same request goes on
// where it stopped, so that no key is left on a token that no record names.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ca/authority.h"

namespace hallmark {

// The tokens, which ca/ does not see itself. `token`: a name of the configuration; empty: its default.
struct Tokens {
  // Generates a key pair labelled `label` and returns its URI. kAlreadyExists: the label is taken.
  std::function<StatusOr<std::string>(const std::string& token, KeyType type, const std::string& label)> generate;
  // The URI of the key labelled `label`; nullopt: there is none.
  std::function<StatusOr<std::optional<std::string>>(const std::string& token, const std::string& label)> find;
  OpenKey open;
};

// The key of an authority to be: generated, or, with `key_uris`, one that is on a token already.
struct KeyChoice {
  std::string token;
  KeyType type = KeyType::kEcP256;              // of one that is generated
  std::optional<SignatureAlgorithm> algorithm;  // absent: the default of the type
  std::vector<std::string> key_uris;            // RFC 7512, all of one key
};

struct NewAuthority {
  std::string request_id;  // the same in a retry
  std::string authority;
  std::string profile;
  Subject subject;
  // Who certifies it: an authority of this instance; itself (its own name) for a root; empty: somebody else, and it
  // awaits its activation.
  std::string parent;
  KeyChoice key;
  std::optional<Duration> lifetime;                // absent: the profile's
  AuthorityState state = AuthorityState::kStaged;  // or ENABLED, once it is certified
  std::vector<std::string> profiles;               // that it issues under, besides those that name it
  bool validate_only = false;
};

struct Rollover {
  std::string request_id;
  std::string successor;  // its name
  std::string token;
  std::optional<KeyType> key_type;              // absent: as the predecessor's
  std::optional<SignatureAlgorithm> algorithm;  // absent: the predecessor's, or the default of another key type
  std::vector<std::string> key_uris;
  std::optional<Duration> lifetime;
  bool validate_only = false;
};

// What UpdateAuthority changes; absent: stays.
struct AuthorityChanges {
  std::optional<std::vector<std::string>> key_uris;
  std::optional<std::vector<std::string>> profiles;
};

// The end of an authority.
struct AuthorityRevocation {
  // What else is revoked: nothing; the authorities below, all the way down; and what any of them has issued, too.
  enum class Below { kNothing, kAuthorities, kCertificates };
  std::string request_id;  // the same in a retry
  RevocationReason reason = RevocationReason::kUnspecified;
  std::optional<Time> invalidity;
  Below below = Below::kNothing;
  uint64_t version = 0;
  bool validate_only = false;
};

struct RevokedAuthorities {
  std::vector<AuthorityRecord> authorities;       // the one that was asked for first
  std::vector<MassRevocationRecord> revocations;  // of what they have issued
  std::vector<std::string> elsewhere;  // those of the authorities whose certificate somebody else has to revoke
};

// A list of an authority whose key is elsewhere.
struct ImportedCrl {
  ImportedCrlRecord record;
  std::vector<AuthorityRecord> changed;  // authorities of ours that it revokes (REVOKED) or holds (DISABLED)
};

// Thread-safe; one act at a time in this process, and between processes the store's versions decide.
// Errors of every act: kPermissionDenied; kNotFound (AUTHORITY_UNKNOWN); kAborted (AUTHORITY_CHANGED), also when
// `version` is given (not 0) and is not the record's.
class Lifecycle {
 public:
  // `authority` outlives the Lifecycle.
  Lifecycle(const CertificateAuthority& authority, Tokens tokens);

  // Told of each authority that was added or changed, once it is durable. To be set before the first act.
  void SetObserver(std::function<void(const AuthorityRecord&)> changed) { changed_ = std::move(changed); }

  // Makes an authority, with a key of its own, and certifies it unless somebody else is to. validate_only: returns what
  // would be, and records and generates nothing. kAlreadyExists: AUTHORITY_EXISTS, REQUEST_ID_REUSED, or HSM_REFUSED
  // when the token holds a key with that label already. kInvalidArgument: policy refuses.
  StatusOr<AuthorityRecord> Create(const Caller& caller, const NewAuthority& asked, Time deadline);

  // Makes the successor of an authority: the same subject, profile and issuer, and a key of its own; STAGED, or
  // awaiting its activation when the predecessor's certificate was made elsewhere. An issuer that was rolled over
  // itself is replaced by its successor. Errors as Create.
  StatusOr<AuthorityRecord> RollOver(const Caller& caller, const std::string& authority, const Rollover& rollover,
                                     Time deadline);

  // A PKCS#10 request (DER) for an authority's key under its name, for somebody else to certify. What is signed is in
  // the ledger before it is. kFailedPrecondition (AUTHORITY_NOT_ISSUING): it has no key yet.
  StatusOr<Bytes> FetchCsr(const Caller& caller, const std::string& authority, Time deadline);

  // Gives an authority the certificate that somebody else made, after ReadChain, OrderPath and CheckPath. One that
  // awaited it is STAGED then; another goes on with the new certificate, of the same key and name, and keeps the old
  // one on record. kInvalidArgument (CHAIN_INVALID) with the fields at fault.
  StatusOr<AuthorityRecord> Activate(const Caller& caller, const std::string& authority, ByteView certificates,
                                     bool validate_only);

  // STAGED, ENABLED or DISABLED. Enabling a successor disables its predecessor in the same transaction, unless
  // `keep_predecessor`. kFailedPrecondition (AUTHORITY_NOT_ISSUING): it is REVOKED, has no certificate yet, or nobody
  // would believe what it issues.
  StatusOr<AuthorityRecord> SetState(const Caller& caller, const std::string& authority, AuthorityState state,
                                     bool keep_predecessor, uint64_t version);

  // REVOKED, for ever: it issues no more from the moment that this returns, and its certificates are revoked by who
  // issued them as far as that is an authority of this instance. Its CRL and OCSP go on. What is revoked below has the
  // same reason, unless that is a compromise, which is the authority's alone, and then none. Idempotent. What they have
  // issued is revoked in steps afterwards (ca/mass_revocation.h). kInvalidArgument (REQUEST_INVALID).
  StatusOr<RevokedAuthorities> Revoke(const Caller& caller, const std::string& authority,
                                      const AuthorityRevocation& asked);

  // Serves a list (DER) of an authority above ours, as of a ceremony, under `name` or, if that is empty, the one that
  // the certificates below it name. kInvalidArgument (CRL_INVALID): it is no complete list of such an authority, not
  // signed by it, of the future, or expired. kFailedPrecondition: CRL_OLDER, CRL_OF_ANOTHER.
  StatusOr<ImportedCrl> ImportCrl(const Caller& caller, ByteView crl, const std::string& name, bool validate_only);

  // Changes where its key is found, or the profiles that it issues under. A URI that is new is opened and must be of
  // the same key.
  StatusOr<AuthorityRecord> Update(const Caller& caller, const std::string& authority, const AuthorityChanges& changes,
                                   uint64_t version);

 private:
  using KeyPointer = std::shared_ptr<const SigningKey>;

  const CertificateAuthority::Parts& parts() const { return authority_.parts(); }
  Status CheckAccess(const Caller& caller, const char* permission, const std::string& authority) const;
  StatusOr<AuthorityRecord> Get(const std::string& authority, uint64_t version) const;
  // Commits, and makes the issuers and the observer see it.
  StatusOr<AuthorityRecord> Commit(const char* type, const std::vector<AuthorityRecord>& records, const Caller& caller,
                                   const RevokedWithAuthorities& revoked = {});

  // authority_revocation.cc
  StatusOr<std::vector<AuthorityRecord>> Below(const AuthorityRecord& record) const;
  StatusOr<RevokedWithAuthorities> RevokedWith(const Caller& caller, const AuthorityRevocation& asked,
                                               const std::vector<AuthorityRecord>& authorities, Time now) const;
  Status AddCertificates(const AuthorityRecord& record, const Revocation& revocation,
                         RevokedWithAuthorities& revoked) const;

  // imported_crl.cc
  std::vector<AuthorityRecord> ChangedBy(const ListedCrl& list, ByteView issuer_certificate) const;

  // creation.cc
  StatusOr<AuthorityRecord> Make(const PolicyPointer& policies, const Caller& caller, const NewAuthority& asked,
                                 const AuthorityRecord* predecessor, const Digest& digest, Time deadline);
  StatusOr<AuthorityRecord> Compose(const PolicyPointer& policies, const Caller& caller, const NewAuthority& asked,
                                    const AuthorityRecord* predecessor, const Digest& digest) const;
  StatusOr<IssuerPointer> Parent(const PolicyPointer& policies, const std::string& authority,
                                 const std::string& parent) const;
  StatusOr<KeyType> CheckKeyChoice(const NewAuthority& asked) const;
  StatusOr<AuthorityRecord> GiveKey(AuthorityRecord record, const KeyChoice& choice, const Caller& caller);
  StatusOr<AuthorityRecord> Certify(const PolicyPointer& policies, AuthorityRecord record, const NewAuthority& asked,
                                    const Caller& caller, Time deadline);
  StatusOr<std::string> IssuingParent(const AuthorityRecord& record) const;

  // activation.cc
  StatusOr<Bytes> SpkiOf(const AuthorityRecord& record) const;
  StatusOr<AuthorityRecord> WithPath(AuthorityRecord record, std::vector<Bytes> path) const;
  Status Import(const AuthorityRecord& record, const Caller& caller) const;

  const CertificateAuthority& authority_;
  const Tokens tokens_;
  std::function<void(const AuthorityRecord&)> changed_;
  std::mutex mutex_;  // held during an act
};

}  // namespace hallmark
