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
};
std::string ToContent(const EnrollmentNote& note);
StatusOr<EnrollmentNote> ReadNote(const std::string& content);

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

 private:
  StatusOr<std::optional<EnrollmentNote>> NoteOf(const DeviceAdmission& device) const;
  Status Remember(const DeviceAdmission& device, const EnrollmentNote& note, const std::string& ledger_entry) const;
  Status Forget(const DeviceAdmission& device, const std::string& ledger_entry) const;
  PublishedRecord RecordOf(const DeviceAdmission& device, const EnrollmentNote& note) const;

  // Those that have no enrollment yet as far as we know, up to kBulkLimit at once. What somebody has made meanwhile is
  // for the next time.
  void BlockAtOnce(const std::vector<DeviceAdmission>& devices, const std::vector<size_t>& chosen, Time deadline,
                   std::vector<Status>& outcomes) const;
  Status AdmitAlone(const DeviceAdmission& device, std::optional<EnrollmentNote> note, Time deadline) const;
  Status Block(const DeviceAdmission& device, EnrollmentNote note, Time deadline) const;
  Status Pin(const DeviceAdmission& device, EnrollmentNote note, Time deadline) const;
  Status Unblock(const DeviceAdmission& device, const EnrollmentNote& note, Time deadline) const;

  nlohmann::json AttestationOf(const DeviceAdmission& device) const;
  nlohmann::json BlockingEnrollment(const DeviceAdmission& device) const;
  // What its group would have given the device.
  StatusOr<nlohmann::json> PinningEnrollment(const DeviceAdmission& device, Time deadline) const;

  const DpsService& service_;
  Store& store_;
  const Clock& clock_;
  const std::string target_;
  const DpsDescription& description_;
  const HubIdentities hubs_;
};

// The description's group that lets an authority's devices in: its own, or that of the closest authority above it.
// nullptr: none.
const DescribedGroup* GroupFor(const DpsDescription& description, const std::vector<AuthorityRecord>& authorities,
                               const std::string& authority);

}  // namespace hallmark
