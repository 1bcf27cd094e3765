// A directory that always holds what a person needs who publishes by hand (bundle.h). It lets no device in, and keeps
// none out: whoever uses it does that in the cloud's portal.
#pragma once

#include <filesystem>
#include <string>

#include "ca/authority.h"
#include "publish/bundle_directory.h"
#include "publish/target.h"

namespace hallmark {

class DirectoryTarget : public Target {
 public:
  // `authority` outlives it. `issuer`: whose bundle it is.
  DirectoryTarget(const CertificateAuthority& authority, std::string realm, const std::filesystem::path& directory,
                  std::string issuer)
      : authority_(authority),
        realm_(std::move(realm)),
        path_(directory),
        directory_(directory),
        issuer_(std::move(issuer)) {}

  TargetCapabilities capabilities() const override { return {}; }
  StatusOr<ChainPlan> Plan(bool take_over, Time deadline) const override;
  Status Publish(Extent extent, bool take_over, Time deadline) const override;
  std::vector<Status> Admit(const std::vector<DeviceAdmission>& devices, Time deadline) const override;
  StatusOr<Reconciled> Reconcile(bool repair, const std::string& caller,
                                 const std::function<bool(const Reconciled&)>& on_progress,
                                 const std::function<void(const Drift&)>& on_drift, Time deadline) const override;

 private:
  StatusOr<Caller> Maker() const;  // of the bundle, whose authority signs it
  Status Write(const Caller& maker, Time deadline) const;

  const CertificateAuthority& authority_;
  const std::string realm_;
  const std::filesystem::path path_;
  const BundleDirectory directory_;
  const std::string issuer_;
};

}  // namespace hallmark
