// What an authority signs away from the service: CA certificates, link certificates and lists under an issuer that is
// known by its certificate in a file. There is no store here; whoever calls records each draft before it is sealed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ca/certificate.h"
#include "ca/crl.h"
#include "ca/extensions.h"
#include "policies/profile.h"

namespace hallmark {

// SIGNED{ToBeSigned} of any kind, taken apart; views into its octets.
struct SignedObject {
  ByteView tbs;
  ByteView algorithm;  // AlgorithmIdentifier
  ByteView signature;
};
StatusOr<SignedObject> ReadSignedObject(ByteView der);

// A CA certificate from outside, read strictly. Move-only, as its key is.
struct AuthorityCertificate {
  Bytes der;
  Bytes subject;         // Name
  Bytes issuer;          // Name
  Bytes serial;          // content octets
  Bytes key_identifier;  // subjectKeyIdentifier
  PublicKey key;
  Time not_before;
  Time not_after;
  int64_t path_length = kNoPathLength;  // of its basicConstraints
  bool signs_crls = false;              // keyUsage cRLSign

  // kInvalidArgument (REQUEST_INVALID): it is no certificate of version 3, or no authority's (RFC
  // 5280 4.2.1.9, 4.2.1.3: CA:TRUE with keyCertSign, and a subjectKeyIdentifier), or its key is none that Hallmark
  // knows.
  static StatusOr<AuthorityCertificate> Read(ByteView der);

  // Whether its key made the signature of a Certificate or CertificateList whose issuer it is by name.
  bool Issued(ByteView signed_object) const;
  bool self_signed() const { return Issued(der); }
};

// What a certificate shall be, as far as its issuer does not decide it.
struct CertificateRequirements {
  std::shared_ptr<const Profile> profile;
  Facts facts;  // `key` is filled in from the key
  Time now;
  std::optional<Time> not_before;  // absent: now
  Bytes serial;
  std::string crl_url;  // of the issuer; each is needed exactly when the profile has the extension
  std::string aia_url;
  std::string ocsp_url = "";  // of a responder for the issuer
};

// Each returns a draft that was judged by the profile and linted. kInvalidArgument as Decide says; kFailedPrecondition:
// LINT_FAILED, or REQUEST_INVALID with what does not fit.

// A certificate of `key`, signed with that key: a root.
StatusOr<Draft> DraftRoot(const CertificateRequirements& required, const PublicKey& key, SignatureAlgorithm algorithm);

// A CA certificate of `key` under `issuer`, which signs with `algorithm` and must be valid at `required.now`.
StatusOr<Draft> DraftSubordinate(const CertificateRequirements& required, const PublicKey& key,
                                 const AuthorityCertificate& issuer, SignatureAlgorithm algorithm);

// The link certificates of a root's new key (RFC 4210 4.4.1), under the name that both keys have: newWithOld is valid
// as the new root, but no longer than the old one; oldWithNew as the old root. `fresh` is the new root's draft.
struct LinkDrafts {
  Draft new_with_old;
  Draft old_with_new;
};
struct LinkRequirements {
  std::shared_ptr<const Profile> profile;
  const Draft& fresh;
  const PublicKey& fresh_key;
  const AuthorityCertificate& old;
  SignatureAlgorithm old_algorithm;
  Bytes new_with_old_serial;
  Bytes old_with_new_serial;
};
StatusOr<LinkDrafts> DraftLinks(const LinkRequirements& required);

// A complete list of `issuer`; `record` has its number and times.
StatusOr<Draft> DraftCrl(const CrlRecord& record, const CrlEntries& entries, const AuthorityCertificate& issuer,
                         SignatureAlgorithm algorithm);

// OK when a certificate that Hallmark composes under `profile` for the subject and key of `certificate` will be taken
// for it by whoever follows names and key identifiers: its Name is encoded, and its key identifier computed, in the
// same way. kFailedPrecondition (REQUEST_INVALID) otherwise.
Status CheckReissuable(const AuthorityCertificate& certificate, const Profile& profile);

}  // namespace hallmark
