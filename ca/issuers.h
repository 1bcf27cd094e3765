// The authorities of an instance while it runs: read from the store, and read again when somebody has changed them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ca/issuer.h"
#include "policies/policies.h"
#include "store/store.h"

namespace hallmark {

// Opens the key that the URIs of a record name, to sign with its algorithm. kUnavailable: it is away now.
using OpenKey = std::function<StatusOr<std::shared_ptr<const SigningKey>>(const AuthorityRecord&)>;

// Thread-safe. A snapshot is never changed, only replaced whole.
class Issuers {
 public:
  struct Snapshot {
    PolicyPointer policies;                // that the issuers' templates are made of
    std::vector<AuthorityRecord> records;  // in the order in which they were added
    IssuerMap issuers;                     // of those that have a certificate
    // Authorities above ours whose keys are elsewhere: their certificates (DER), by the name under which the
    // certificates below them say that their lists and certificates are served, ".../crl/NAME.crl", ".../aia/NAME.cer".
    std::map<std::string, Bytes> elsewhere = {};
  };

  // Knows nobody before Reload. `store`, `clock` and `policies` outlive it.
  Issuers(Store& store, const Clock& clock, const Policies& policies, std::string base_url, OpenKey open_key);

  // Reads the authorities anew. Keys stay open; one that could not be opened is tried again, and if it cannot be opened
  // now, its issuer says so (Issuer::CheckKey). Errors of the store, or kFailedPrecondition (CONFIGURATION_INVALID)
  // when a record makes no sense; then what was known stays.
  Status Reload();
  // Whether Reload would succeed under other policies; changes nothing.
  Status Check(const PolicyPointer& policies);

  // What is known, without a look at the store.
  std::shared_ptr<const Snapshot> Current() const;
  // The same, at most a second old as long as the store answers.
  std::shared_ptr<const Snapshot> Recent();

  // An authority as it is now: one look-up in the store, and Reload when it changed or its key was away a second ago.
  // kNotFound (AUTHORITY_UNKNOWN). kFailedPrecondition (AUTHORITY_NOT_ISSUING): it has no certificate yet.
  StatusOr<IssuerPointer> Find(const std::string& authority);
  // The same, with templates made of `policies`, which need not be in force any more.
  StatusOr<IssuerPointer> Find(const std::string& authority, const PolicyPointer& policies);

  // Whose successor an authority is, the next first, as far as it is known.
  std::vector<std::string> Predecessors(const std::string& authority);

  const std::string& base_url() const { return base_url_; }

 private:
  Status ReloadLocked();
  // An authority of `next` whose policies and records are known, from `earlier` as far as it has not changed.
  StatusOr<IssuerPointer> Build(const Snapshot& next, const AuthorityRecord& record, const Snapshot& earlier) const;
  StatusOr<std::shared_ptr<Snapshot>> BuildAll(PolicyPointer policies) const;
  bool IsStale() const;

  Store& store_;
  const Clock& clock_;
  const Policies& policies_;
  const std::string base_url_;
  const OpenKey open_key_;

  std::mutex reload_mutex_;  // one reading at a time; taken before mutex_
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();  // guarded by mutex_, as is the next
  Time read_ = absl::InfinitePast();
};

// nullptr: there is none of that name.
const AuthorityRecord* FindRecord(const std::vector<AuthorityRecord>& records, const std::string& authority);

// The certificates from an authority's own up to the root. kFailedPrecondition (CONFIGURATION_INVALID): they do not end
// in one.
StatusOr<std::vector<Bytes>> ChainOf(const std::vector<AuthorityRecord>& records, const AuthorityRecord& record);

}  // namespace hallmark
