// The revocation of many certificates at once, by what they have in common: shown first, then done in steps that stop
// nobody, each of them one transaction, so that it goes on where it was after a restart.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "ca/authority.h"

namespace hallmark {

struct MassRevocation {
  std::string request_id;  // the same in a retry
  // At least one field besides `revoked` and the order. With a leaf_end, exactly what was shown is revoked.
  CertificateFilter filter;
  RevocationReason reason = RevocationReason::kUnspecified;  // kRemoveFromCrl: what is on hold is released
  std::optional<Time> invalidity = std::nullopt;
};

// What would come of it.
struct MassRevocationPreview {
  std::vector<CertificateCount> counts;  // of all that the filter selects
  int64_t total = 0;
  int64_t changes = 0;                        // of them would be changed
  int64_t registration_ids = 0;               // of those that would be, known to a provisioning service
  std::map<std::string, int64_t> crl_growth;  // octets, by authority
  std::vector<CertificateRecord> sample;      // the first ones
  uint64_t leaf_end = 0;                      // as of when
};

// Thread-safe. Errors of all: kPermissionDenied. Of the first two: kInvalidArgument (REQUEST_INVALID), kNotFound
// (CERTIFICATE_UNKNOWN): the filter selects none.
class MassRevocations {
 public:
  // `authority` outlives it.
  explicit MassRevocations(const CertificateAuthority& authority) : authority_(authority) {}

  // To be set before the first call: told when there is something to do.
  void SetNotify(std::function<void()> notify) { notify_ = std::move(notify); }

  // Changes nothing. Takes as long as looking at each certificate does.
  StatusOr<MassRevocationPreview> Preview(const Caller& caller, const MassRevocation& asked) const;
  // Durable when it returns, and done by Work. Idempotent; kAlreadyExists (REQUEST_ID_REUSED).
  StatusOr<MassRevocationRecord> Start(const Caller& caller, const MassRevocation& asked) const;
  // kNotFound (REVOCATION_UNKNOWN).
  StatusOr<MassRevocationRecord> Get(const Caller& caller, const std::string& revocation) const;
  StatusOr<std::vector<MassRevocationRecord>> List(const Caller& caller) const;  // the newest hundred
  // What is done stays done. kNotFound (REVOCATION_UNKNOWN).
  StatusOr<MassRevocationRecord> Stop(const Caller& caller, const std::string& revocation) const;

  // Goes on with all that are running until each is done or waits for what is under way. Returns the first error, after
  // the others were gone on with; to be called again.
  Status Work(const std::atomic<bool>& stopping) const;

 private:
  Status CheckAccess(const Caller& caller, const char* permission, const CertificateFilter& filter) const;
  // Whether there is more to do at once.
  StatusOr<bool> Step(const std::string& revocation) const;

  const CertificateAuthority& authority_;
  std::function<void()> notify_ = [] {};
};

// The record to start with; what it selects is not counted.
MassRevocationRecord NewMassRevocation(const std::string& caller, const MassRevocation& asked, Time now);

}  // namespace hallmark
