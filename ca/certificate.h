// Certificates (RFC 5280 4.1): composed as drafts from parts that are encoded once for each issuer and profile, and
// read back from DER.
#pragma once

#include <memory>
#include <string>

#include "ca/draft.h"
#include "ca/extensions.h"
#include "ca/name_constraints.h"
#include "ca/public_key.h"
#include "policies/profile.h"

namespace hallmark {

// A certificate taken apart; views into its octets.
struct CertificateParts {
  ByteView tbs;
  ByteView algorithm;        // outer AlgorithmIdentifier
  ByteView inner_algorithm;  // tbsCertificate.signature
  ByteView signature;
  ByteView serial;  // content octets
  ByteView issuer;  // Name
  Time not_before;
  Time not_after;
  uint8_t not_before_tag = 0;  // UTCTime or GeneralizedTime
  uint8_t not_after_tag = 0;
  ByteView subject;
  ByteView spki;
  std::vector<Extension> extensions;
};
// Strict: DER, version 3, no unique identifiers. kInvalidArgument otherwise.
StatusOr<CertificateParts> ReadCertificate(ByteView der);
// The value of an extension, if there.
const Extension* FindExtension(const std::vector<Extension>& extensions, std::string_view oid);

// What an issuer contributes to each certificate.
struct IssuerNames {
  Bytes name;            // its subject, DER
  Bytes key_identifier;  // its subjectKeyIdentifier
  std::string crl_url;   // for cRLDistributionPoints
  std::string aia_url;   // for caIssuers
  std::string ocsp_url = "";
};

// The parts that all certificates of one profile under one issuer share. Immutable, hence thread-safe.
class CertificateTemplate {
 public:
  CertificateTemplate(const Profile& profile, const IssuerNames& issuer, SignatureAlgorithm algorithm);

  // Composes the draft of a certificate for `key` under the plan, whose profile is the template's. `serial`: its
  // content octets. `crl_url`: instead of the issuer's, of a certificate in another shard; empty: the issuer's.
  // kInvalidArgument, with the field, for what policy could not see: what the CSR passes is no DER.
  StatusOr<Draft> Compose(const Plan& plan, const PublicKey& key, ByteView serial,
                          const std::string& crl_url = "") const;

 private:
  StatusOr<Bytes> ExtensionsOf(const Plan& plan) const;

  SignatureAlgorithm algorithm_;
  Profile::KeyIdentifierMethod key_identifier_method_;
  Bytes issuer_;
  // The extensions before the subjectKeyIdentifier: basicConstraints, keyUsage, extKeyUsage.
  Bytes before_key_identifier_of_rsa_;
  Bytes before_key_identifier_of_ec_;
  Bytes authority_key_identifier_;
  Bytes crl_distribution_points_;    // empty: the profile has none
  Bytes after_distribution_points_;  // AIA, certificatePolicies
  NameConstraintsTemplate name_constraints_;
};

}  // namespace hallmark
