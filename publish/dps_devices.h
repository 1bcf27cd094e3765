// Single devices in a provisioning service: an individual enrollment comes before every group, so a disabled one keeps
// its device out, and an enabled one with certificates lets in nothing but these.
#pragma once

#include <string>
#include <vector>

#include "publish/device_admission.h"
#include "publish/dps_service.h"
#include "publish/hub_identities.h"
#include "store/store.h"

namespace hallmark {

// What we know of an enrollment that we have made or changed: PublishedRecord::content.
struct EnrollmentNote {
  enum class State { kUncertain, kBlocked, kPinned };  // kUncertain: about to be written, or not looked at since
  State state = State::kUncertain;
  std::string fingerprint = "";  // of the certificates that it names
  bool created = false;          // by us; otherwise somebody else's, whose provisioningStatus was `theirs`
  bool sure = false;             // of the two: it was written, or looked at, and not only about to be
  std::string theirs = "";
  std::string status = "";              // that we gave it last, or were about to; empty: of before that was kept
  Time written = absl::InfinitePast();  // when we were about to; the same
};
std::string ToContent(const EnrollmentNote& note);
StatusOr<EnrollmentNote> ReadNote(const std::string& content);

// In what an enrollment differs from what we wrote, for people; empty: in nothing that counts.
std::string DifferenceOf(const nlohmann::json& enrollment, const EnrollmentNote& note);

// Thread-safe.
class DpsDevices {
 public:
  // All of these outlive it.
  DpsDevices(const DpsService& service, Store& store, const Clock& clock, std::string target,
             const DpsDescription& description)
      : service_(service),
        store_(store),
        clock_(clock),
        target_(std::move(target)),
        description_(description),
        hubs_(service, store, clock, target_, description) {}

  // As Target::Admit.
  std::vector<Status> Admit(const std::vector<DeviceAdmission>& devices, Time deadline) const;
  const HubIdentities& hubs() const { return hubs_; }

 private:
  StatusOr<std::optional<EnrollmentNote>> NoteOf(const DeviceAdmission& device) const;
  Status Remember(const DeviceAdmission& device, const EnrollmentNote& note, const std::string& ledger_entry) const;
  Status Forget(const DeviceAdmission& device, const std::string& ledger_entry) const;
  PublishedRecord RecordOf(const DeviceAdmission& device, const EnrollmentNote& note) const;

  // Those that have no enrollment yet as far as we know, up to kBulkLimit at once. Whose those are that stand there
  // nevertheless is for the next time.
  void BlockAtOnce(const std::vector<DeviceAdmission>& devices, const std::vector<size_t>& chosen, Time deadline,
                   std::vector<Status>& outcomes) const;
  Status AdmitAlone(const DeviceAdmission& device, std::optional<EnrollmentNote> note, Time deadline) const;
  Status Block(const DeviceAdmission& device, EnrollmentNote note, Time deadline) const;
  Status Pin(const DeviceAdmission& device, EnrollmentNote note, Time deadline) const;
  Status Unblock(const DeviceAdmission& device, const EnrollmentNote& note, Time deadline) const;

  nlohmann::json AttestationOf(const DeviceAdmission& device) const;
  nlohmann::json BlockingEnrollment(const DeviceAdmission& device) const;
  // With what its group would have given the device; disabled while no group lets it in.
  StatusOr<nlohmann::json> PinningEnrollment(const DeviceAdmission& device, Time deadline) const;

  const DpsService& service_;
  Store& store_;
  const Clock& clock_;
  const std::string target_;
  const DpsDescription& description_;
  const HubIdentities hubs_;
};

// Of the service's groups the one that decides about an authority's devices: the closest that names a certificate of
// their chain, or is described for that authority. nullptr: none that we know of, as is one that refers to a
// certificate that somebody else uploaded, unless it is described.
const nlohmann::json* GroupOf(const std::vector<nlohmann::json>& groups, const DpsDescription& description,
                              const std::vector<AuthorityRecord>& authorities, const std::string& authority);

}  // namespace hallmark
