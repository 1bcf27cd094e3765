// The delegated OCSP responders (RFC 6960 4.2.2.2): for each authority a key of its own on the token, certified by that
// authority under the profile ocsp-signer, through the walk that every certificate takes.
//
// An authority gets its responder when somebody first asks about a certificate of it; authorities that nobody asks
// about cost no key. The key is labelled "ocsp.<authority>", with a dot, which no authority's name has. A key whose
// certificate was revoked is never used again: the next is labelled "ocsp.<authority>.2", and so on.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "ca/authority.h"
#include "ca/lifecycle.h"

namespace hallmark {

inline constexpr char kResponderProfile[] = "ocsp-signer";
inline constexpr char kResponderRole[] = "responder";  // of the service itself; no profile certifies anybody in it

struct OcspSigner {
  std::shared_ptr<const SigningKey> key;
  Bytes certificate;  // DER
  Bytes serial;
  Bytes key_hash;  // SHA-1 of the key's octets: responderID byKey
  Time not_before;
  Time not_after;
};
using OcspSignerPointer = std::shared_ptr<const OcspSigner>;

// A responder that is in use.
struct ResponderFreshness {
  std::string authority;
  Time not_before;
  Time not_after;
  Duration validity = absl::ZeroDuration();  // of its answers; whoever signs them says
  Status failure;                            // of the last attempt to renew it
};

// Thread-safe.
class OcspSigners {
 public:
  // `authority` outlives it. `realm`: of the caller hallmark://<realm>/responder/ocsp, who asks for the certificates.
  OcspSigners(const CertificateAuthority& authority, Tokens tokens, const std::string& realm);

  // The responder of an issuer, made or renewed if need be; a renewal that fails leaves the one that is still valid.
  // What failed is not tried again for some seconds. Errors of the tokens and of CertificateAuthority::Issue;
  // kFailedPrecondition (AUTHORITY_NOT_ISSUING): the authority has expired.
  StatusOr<OcspSignerPointer> Find(const Issuer& issuer, Time deadline);

  // Renews what is in use once two thirds of its certificate's life are over, and forgets what was revoked, by
  // whichever process. For a regular watch.
  void Refresh(const std::atomic<bool>& stopping);
  std::vector<ResponderFreshness> Current() const;  // by authority
  // A certificate of the authority was revoked; if it is its responder's, another is made when it is needed.
  void Revoked(const CertificateRecord& revoked);

 private:
  struct Slot {
    std::mutex making;  // one makes; taken before mutex_
    // Guarded by making: the last request for a certificate and what it was for. Repeated as it is until it is
    // answered.
    std::string asked_for;
    Request asked;
    // Guarded by mutex_.
    OcspSignerPointer current;
    Time retry_at = absl::InfinitePast();
    Status failure;
  };

  Slot& SlotOf(const std::string& authority);
  OcspSignerPointer CurrentOf(const Slot& slot) const;
  void Forget(const std::string& authority, ByteView serial);
  StatusOr<OcspSignerPointer> MakeOrKeep(Slot& slot, const Issuer& issuer, Time deadline);
  StatusOr<OcspSignerPointer> Make(Slot& slot, const Issuer& issuer, Time deadline) const;
  StatusOr<std::shared_ptr<const SigningKey>> FindKey(const Issuer& issuer) const;
  StatusOr<std::string> FindOrGenerate(KeyType type, const std::string& label) const;
  StatusOr<std::optional<CertificateRecord>> Newest(const std::string& authority, const SigningKey& key,
                                                    std::optional<bool> revoked) const;
  StatusOr<CertificateRecord> Certify(Slot& slot, const Issuer& issuer, const SigningKey& key,
                                      const std::optional<CertificateRecord>& before, Time deadline) const;
  StatusOr<std::optional<Duration>> LifetimeUnder(const Issuer& issuer, Time now) const;

  const CertificateAuthority& authority_;
  const Tokens tokens_;
  const Caller caller_;
  mutable std::mutex mutex_;
  std::map<std::string, Slot> slots_;  // a place for each authority that was asked about; stays where it is
};

}  // namespace hallmark
