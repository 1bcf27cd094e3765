// Single devices in their IoT hub: a device that is connected stays so, whatever the provisioning service says of it,
// until its identity there is disabled. Only in hubs that the description names.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "publish/device_admission.h"
#include "publish/dps_service.h"
#include "store/store.h"

namespace hallmark {

// What we know of a device's identity in its hub, of a device that is not let in as its group says:
// PublishedRecord::content of kHubDevice.
struct HubNote {
  enum class State {
    kUncertain,  // about to be disabled by us, or it was
    kDisabled,   // by us
    kLeft,       // to people: the description does not name that hub, or the hub knows the device by a CA
    kNothing,    // is left to do: there is no identity, somebody had disabled it, or it knows good certificates only
  };
  std::string hub = "";
  std::string device = "";
  State state = State::kDisabled;
};
std::string ToContent(const HubNote& note);
StatusOr<HubNote> ReadHubNote(const std::string& content);

// Thread-safe. Errors of all: the provisioning service's and the store's; kAborted (TARGET_HUB_FAILED): the hub is away
// or lets us in no more, or where the device was assigned to cannot be asked or is not decided, which is no reason to
// leave the provisioning service alone. A hub that is away is not asked again for half a minute, or as long as it asks:
// a failure with a delay says nothing of the device, the hub is busy or was not asked at all.
class HubIdentities {
 public:
  // All of these outlive it.
  HubIdentities(const DpsService& service, Store& store, const Clock& clock, std::string target,
                const DpsDescription& description)
      : service_(service), store_(store), clock_(clock), target_(std::move(target)), description_(description) {}

  // Before the service begins to keep a device out, also after it was let in meanwhile: what was settled of its hub has
  // to be looked at again, whatever cuts that off.
  Status Reopen(const DeviceAdmission& device) const;
  // Of a device that the service keeps out; `again`: that it has kept out since this was done before.
  Status Disable(const DeviceAdmission& device, bool again, Time deadline) const;
  // Of a device that is let in with its newest certificates: where its hub knows it by thumbprints, by theirs; and
  // enabled, if we had disabled it.
  Status Pin(const DeviceAdmission& device, Time deadline) const;
  // Of one that its group lets in: enabled, if we had disabled it. What has only expired stays disabled, until it is
  // certified again.
  Status Release(const DeviceAdmission& device, Time deadline) const;

  bool IsDescribed(const HubNote& note) const;
  // Whether an identity that was disabled is there and no more so.
  StatusOr<bool> IsEnabled(const HubNote& note, Time deadline) const;

 private:
  StatusOr<std::optional<HubNote>> NoteOf(const DeviceAdmission& device) const;
  Status Remember(const DeviceAdmission& device, const HubNote& note) const;
  Status Forget(const DeviceAdmission& device) const;
  // Where the device was assigned to; nullopt: nowhere. kAborted (TARGET_HUB_FAILED): that is under way.
  StatusOr<std::optional<HubNote>> Find(const DeviceAdmission& device, Time deadline) const;
  // Leaves a hub alone for a while, after a failure that says nothing of a device.
  Status Rest(const std::string& hub, const Status& failure) const;
  StatusOr<std::optional<nlohmann::json>> Read(const HubNote& note, Time deadline) const;
  Status Write(const HubNote& note, const nlohmann::json& identity, Time deadline) const;

  const DpsService& service_;
  Store& store_;
  const Clock& clock_;
  const std::string target_;
  const DpsDescription& description_;
  struct Away {
    Time until;
    Status failure;
  };
  mutable std::mutex mutex_;
  mutable std::map<std::string, Away> away_;  // by hub; guarded by mutex_
};

}  // namespace hallmark
