// An authority with its certificate: its record, its key and what is encoded once for all that it issues.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ca/certificate.h"
#include "ca/lint.h"
#include "policies/profile.h"
#include "store/records.h"

namespace hallmark {

// Where relying parties fetch what the authority publishes; `base` without a slash at its end. Shard 0's list is
// /crl/NAME.crl, another's /crl/NAME/SHARD.crl, and deltas are /crl/NAME/SHARD-delta.crl.
std::string CrlUrl(const std::string& base, const std::string& authority, const CrlScope& scope = {});
std::string AiaUrl(const std::string& base, const std::string& authority);
std::string OcspUrl(const std::string& base);  // the same for all authorities

// Immutable, hence thread-safe.
class Issuer {
 public:
  // `chain`: the authority's certificate first, the root last. `key`: or why it cannot be opened now; one that does not
  // belong to the certificate counts as that, too. `predecessors`: whose successor it is, the next first; profiles that
  // name one of them hold for it. kFailedPrecondition when the certificate is no authority's: basicConstraints CA:TRUE,
  // keyUsage keyCertSign, subjectKeyIdentifier.
  static StatusOr<std::shared_ptr<const Issuer>> Create(AuthorityRecord record, std::vector<Bytes> chain,
                                                        StatusOr<std::shared_ptr<const SigningKey>> key,
                                                        const std::string& base_url, const ProfileMap& profiles,
                                                        std::vector<std::string> predecessors = {});

  const AuthorityRecord& record() const { return record_; }
  const std::vector<Bytes>& chain() const { return chain_; }
  const std::vector<std::string>& predecessors() const { return predecessors_; }
  // OK when there is a key to sign with; otherwise why not, and nobody may call key().
  const Status& CheckKey() const { return key_.status(); }
  const std::shared_ptr<const SigningKey>& shared_key() const { return *key_; }
  const SigningKey& key() const { return **key_; }
  ByteView name() const { return names_.name; }
  ByteView key_identifier() const { return names_.key_identifier; }
  ByteView serial() const { return serial_; }  // of its own certificate, which record().parent issued
  Time not_before() const { return not_before_; }
  Time not_after() const { return not_after_; }

  std::string crl_url(const CrlScope& scope) const { return CrlUrl(base_url_, record_.authority, scope); }

  // The template of a profile; nullptr when the authority may not issue under it.
  const CertificateTemplate* FindTemplate(const std::string& profile) const;
  // What drafts of this issuer are linted against.
  LintIssuer lint() const;

 private:
  Issuer() = default;

  AuthorityRecord record_;
  std::string base_url_;
  std::vector<Bytes> chain_;
  std::vector<std::string> predecessors_;
  StatusOr<std::shared_ptr<const SigningKey>> key_;
  SignatureAlgorithm algorithm_ = SignatureAlgorithm::kEcdsaSha256;
  IssuerNames names_;
  Bytes serial_;
  Time not_before_;
  Time not_after_;
  int64_t path_length_ = kNoPathLength;
  std::map<std::string, CertificateTemplate> templates_;
};

using IssuerPointer = std::shared_ptr<const Issuer>;
using IssuerMap = std::map<std::string, IssuerPointer>;

}  // namespace hallmark
