// Azure IoT Hub Device Provisioning Service as a target.
#pragma once

#include <string>

#include "publish/admission_check.h"
#include "publish/dps_chain.h"
#include "publish/dps_devices.h"
#include "publish/target.h"

namespace hallmark {

class DpsTarget : public Target {
 public:
  // What `service` and `authority` are made of outlives it, as `authority` does.
  DpsTarget(const DpsService::Parts& service, const CertificateAuthority& authority, const std::string& realm,
            const std::string& target, DpsDescription description);

  TargetCapabilities capabilities() const override;
  StatusOr<ChainPlan> Plan(bool take_over, Time deadline) const override { return chain_.Plan(take_over, deadline); }
  Status Publish(Extent extent, bool take_over, Time deadline) const override {
    return chain_.Publish(extent, take_over, deadline);
  }
  std::vector<Status> Admit(const std::vector<DeviceAdmission>& devices, Time deadline) const override {
    return devices_.Admit(devices, deadline);
  }
  StatusOr<Reconciled> Reconcile(bool repair, const std::string& caller,
                                 const std::function<bool(const Reconciled&)>& on_progress,
                                 const std::function<void(const Drift&)>& on_drift, Time deadline) const override;

  // Whether the service would let in a device that shows these certificates, its own first.
  StatusOr<AdmissionVerdict> Check(const std::vector<Bytes>& chain, Time deadline) const;
  // The same of devices that are not certified yet (admission_check.h).
  StatusOr<AdmissionVerdict> Check(const ProspectiveDevice& device, const std::vector<Bytes>& issuers,
                                   Time deadline) const;

 private:
  struct Sweep;
  StatusOr<ServiceState> Look(Time deadline) const;
  template <class Call>
  auto Patiently(Time deadline, const Call& call) const -> decltype(call());
  Status ReconcileChain(Sweep& sweep, Time deadline) const;
  Status ReconcileEnrollments(Sweep& sweep, Time deadline) const;
  Status ReconcileEnrollment(Sweep& sweep, const PublishedRecord& record, const nlohmann::json* found) const;
  Status ReconcileHubs(Sweep& sweep, Time deadline) const;
  Status ReconcileIdentity(Sweep& sweep, const PublishedRecord& record, Time deadline) const;
  StatusOr<bool> IsNews(const PublishedRecord& record) const;
  Status Doubt(PublishedRecord record, std::string content) const;

  const CertificateAuthority& authority_;
  const std::string target_;
  const DpsDescription description_;
  const DpsService service_;
  const DpsChain chain_;
  const DpsDevices devices_;
};

}  // namespace hallmark
