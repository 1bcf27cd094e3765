// Step 3 of an issuance: the device's line in its lot. Joins what the store knows of a lot with what factory/ says of
// it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ca/csr.h"
#include "factory/admission.h"
#include "policies/profile.h"
#include "policies/rate.h"
#include "store/store.h"

namespace hallmark {

struct Request;

// A lot's terms, read once a revision.
struct KnownTerms {
  int64_t revision = 0;
  LotTerms terms;
};
using TermsPointer = std::shared_ptr<const KnownTerms>;

// That a device may have a certificate, as far as it is known before the claim; of a profile that has nothing to do
// with lots, nothing.
struct Admission {
  struct Line {
    DeviceRecord device;
    std::map<std::string, std::string> facts;  // for the profile's source device.*
    Claim claim;                               // for Store::Intend, which decides
  };
  std::optional<Line> line;

  const Claim* claim_or_null() const { return line.has_value() ? &line->claim : nullptr; }
  // Whether the plan names this device and no other: its CN, if it has one, is the registration id; its serialNumber
  // and the hwSerialNum of its hardwareModuleName, if it has them, are the serial number; it has one of these.
  // kInvalidArgument (DEVICE_NAME_DIFFERS) with the field.
  Status CheckNames(const Plan& plan) const;
};

// What is known of a request beside its CSR.
void AddFacts(const Caller& caller, const Request& request, const Admission& admission, Facts& facts);

// Thread-safe; knows of each lot the terms that it read last, and of each station how often it asked.
class Admissions {
 public:
  explicit Admissions(Store& store) : store_(store) {}

  // kInvalidArgument: LOT_REQUIRED, LOT_NOT_ALLOWED, REQUEST_INVALID.
  // kResourceExhausted (RATE_LIMITED). And what Admit (factory/admission.h) says.
  StatusOr<Admission> Admit(const Profile& profile, const Caller& caller, const Request& request, const Csr& csr,
                            Time now);

  StatusOr<TermsPointer> TermsOf(const LotRecord& lot);
  StatusOr<TermsPointer> TermsOf(const std::string& lot);

 private:
  Status TakeRate(const KnownTerms& known, const Caller& caller, Time now);
  Claim MakeClaim(TermsPointer known, const AdmissionRequest& request);

  Store& store_;
  RateLimits rates_;
  std::mutex mutex_;
  std::map<std::string, TermsPointer> known_;  // guarded by mutex_
};

// The serial number of the device that a request is for: what it says, or the CSR's serialNumber, or else its CN.
std::string DeviceSerialOf(const Request& request, const Facts& facts);

}  // namespace hallmark
